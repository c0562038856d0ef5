#!/bin/sh
# Every mutant still fits the code, and the test that is to find it is there.
# Whoever changes a line that one is about looks whether the bug is still possible.
set -eu
cd "$(dirname "$0")/../.."
tests/mutants/run.py --check
