#!/bin/sh
# The Agento pipeline as one run, whoever of it dies.
#
# `spanring run` opens the run's root span, hands it to the modules in
# TRACEPARENT, and says when the run is over. Nothing else is needed; an agent
# is started for the run when none is there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$here/../build}
goal=${1:-"Plan, build and launch a platform for AI agents"}

exec "$build/spanring" run --name agento --goal "$goal" -- sh -euc '
	"$0/agento_plan"
	"$0/agento_ingest"
	"$0/agento_revise"
' "$build/examples"
