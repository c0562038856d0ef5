#!/bin/sh
# The client library is C11 and libc alone: musl's will do, without a header of the
# kernel's own. It is compiled with musl-gcc, linked whole and traced with.
set -eu
cd "$(dirname "$0")/../.."

command -v musl-gcc > /dev/null || {
	echo "no musl-gcc here (package musl-tools)"
	exit 77
}
out=$(mktemp -d)
rings=$(mktemp -d -p /dev/shm)
trap 'rm -rf "$out" "$rings"' EXIT

flags="-std=gnu11 -O0 -D_GNU_SOURCE -DSPANRING_VERSION=\"test\" -Iinclude -Wall -Wextra -Werror"
(
	cd "$out"
	for file in "$OLDPWD"/libclient/*.c "$OLDPWD"/tests/e2e/puppet.c; do
		# shellcheck disable=SC2086
		musl-gcc -I"$OLDPWD/include" $flags -c "$file"
	done
	musl-gcc -static -o traced ./*.o
)
printf 'run\tmusl\nchild\tstep\nset\tkey\tvalue\nend\nstate\nendrun\n' |
	SPANRING_DIR="$rings" "$out/traced" > "$out/said"
if grep -q error "$out/said" || ! grep -q '^ok 1 ' "$out/said"; then
	echo "a program of musl is not traced:"
	cat "$out/said"
	exit 1
fi
# Its process is gone, its ring stays for an agent.
[ "$(find "$rings" -name '*.ring' | wc -l)" = 1 ]
echo "the client library of musl traces"
