#!/bin/sh
# The client allocates nothing: neither a span nor the helpers on top of it. Only the environment
# of a child is one block, for the caller to free, and the test sink does as tests do.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
words='malloc|calloc|realloc|reallocarray|free|str(n)?dup|(v)?asprintf|fopen|fdopen|opendir|getline|open_memstream'
looked=0
bad=0
for object in "$build"/obj/libclient/*.o; do
	case $(basename "$object" .o) in
	child_env | testing | testing_*) continue ;;
	esac
	looked=$((looked + 1))
	names=$(nm -u "$object" | awk '{print $2}' | sed 's/@.*//' | grep -xE "$words" || true)
	[ -z "$names" ] || { echo "$object: calls $(echo $names)"; bad=1; }
done
echo "$looked objects allocate nothing"
[ "$looked" -gt 40 ] && [ "$bad" = 0 ]
