#!/bin/sh
# docs/conformance.md is what a run in which every test passes would write, and every
# test it names is there.
set -eu
cd "$(dirname "$0")/../.."
tests/conformance/report.py --check
