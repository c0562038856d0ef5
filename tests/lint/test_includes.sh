#!/bin/sh
# The house has one direction. A stage of the agent (drain, receive, wal, ...) may
# include base/, otlp/, wire/ and itself; base/ and otlp/ know no stage; the client knows wire/ and
# itself; python/ knows the client; only the pipeline's own files (agent/*.c) know everybody.
set -eu
cd "$(dirname "$0")/../.."
bad=0

complain() {
	echo "$1"
	bad=1
}

for file in $(find agent -mindepth 2 -name '*.[ch]' | sort); do
	room=$(basename "$(dirname "$file")")
	for include in $(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file"); do
		target=${include%%/*}
		case $include in
		*/*) ;;
		*) continue ;;
		esac
		case $room:$target in
		*:base | *:wire) ;;
		base:*) complain "$file: base/ includes $include" ;;
		otlp:otlp | otlp:opentelemetry) ;;
		otlp:*) complain "$file: otlp/ includes $include" ;;
		*:otlp | *:opentelemetry | *:google) ;;
		*) [ "$room" = "$target" ] || complain "$file: $room/ includes $include" ;;
		esac
	done
done

for file in $(find libclient include -name '*.[ch]' | sort); do
	for include in $(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file"); do
		case $include in
		spanring/*) ;;
		wire/* | *.h) [ "${include#*/}" = "$include" ] || [ "${include%%/*}" = wire ] ||
			complain "$file: includes $include" ;;
		esac
	done
done

# The Python extension is a program of the client's: its public headers, and of its insides
# what says a process's end and what a step answers.
for file in $(find python -name '*.[ch]' | sort); do
	for include in $(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file"); do
		case $include in
		native.h | steps.h | client.h | genai.h) ;;
		*) complain "$file: python/ includes $include" ;;
		esac
	done
done

# A .c file proves that its header stands alone by including it first.
for file in $(find libclient agent cli python -name '*.c' | sort); do
	header=${file%.c}.h
	[ -f "$header" ] || continue
	first=$(sed -n 's/^#include ["<]\([^">]*\)[">].*/\1/p' "$file" | head -n 1)
	[ "$(basename "$first")" = "$(basename "$header")" ] ||
		complain "$file: its own header is not its first include"
done
exit $bad
