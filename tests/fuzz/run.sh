#!/bin/sh
# run.sh BUILD SECONDS [NAME...]: gives each fuzz target SECONDS over its corpus.
# New inputs go into BUILD/corpus/NAME, what breaks a target into BUILD/found.
set -eu
build=$1 seconds=$2
shift 2
[ $# -gt 0 ] || set -- $(cd "$build/tests/fuzz" && ls)
# A reader of other people's bytes may refuse; it may not take memory for it.
export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
failed=
mkdir -p "$build/found"
for name; do
	mkdir -p "$build/corpus/$name"
	log=$build/found/$name.log
	if "$build/tests/fuzz/$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
		-max_len=16384 -artifact_prefix="$build/found/$name-" -print_final_stats=1 \
		"$build/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		covered=$(sed -n 's/.*cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
		echo "fuzz $name: $runs runs in $seconds s, $covered edges, nothing found"
	else
		failed="$failed $name"
		tail -n 40 "$log"
		echo "fuzz $name: FAILED, see $log; the input is in $build/found"
	fi
done
[ -z "$failed" ]
