#!/bin/sh
# A 32-bit process and a 64-bit agent must mean the same bytes: the headers'
# offset asserts hold under -m32 too, and the check compiles there.
set -eu
cd "$(dirname "$0")/../.."
cc=${CC:-gcc}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

if ! echo 'int main(void) { return 0; }' | $cc -m32 -x c -o "$out/try" - 2>/dev/null; then
	echo "no 32-bit compiler here (package gcc-multilib)"
	exit 77
fi

flags="-std=gnu11 -D_GNU_SOURCE -Iinclude -Iagent -Wall -Wextra -Werror"
for header in wire/abi.h wire/record.h; do
	for bits in 32 64; do
		echo "#include \"$header\"" | $cc -m$bits $flags -fsyntax-only -x c -
	done
done
$cc -m32 $flags -O2 -c -o "$out/record_check.o" libclient/record_check.c

# Every size and offset, printed by both, must be the same text.
cat > "$out/offsets.c" <<'PROGRAM'
#include <stdio.h>
#include "wal/format.h"
#include "wire/abi.h"
#include "wire/record.h"
#define S(t) printf(#t " %zu\n", sizeof(struct t))
#define O(t, m) printf(#t "." #m " %zu\n", offsetof(struct t, m))
int main(void)
{
	S(wire_ring_header), S(wire_block_line), S(wire_ctl_header), S(wire_agent_page);
	S(wire_lost_end);
	O(wire_ring_header, boot_id), O(wire_ring_header, blocks_ready);
	O(wire_ring_header, refused), O(wire_ring_header, lost_end_next);
	O(wire_ring_header, lost_end), O(wire_ring_header, reserved3);
	O(wire_block_line, first_record), O(wire_block_line, next_claimed);
	O(wire_ctl_header, returns), O(wire_ctl_header, sampling);
	O(wire_agent_page, sleeping), O(wire_agent_page, doorbell);
	S(wire_head), S(wire_start), S(wire_end), S(wire_attribute), S(wire_event);
	S(wire_link), S(wire_text), S(wire_resource), S(wire_scope), S(wire_run);
	S(wire_dropped), S(wire_process_end_record), S(wire_fragment_first), S(wire_entry);
	O(wire_start, trace_id), O(wire_start, span_id), O(wire_start, parent_span_id);
	O(wire_start, trace_flags), O(wire_start, scope), O(wire_start, name_length);
	O(wire_start, tracestate_length), O(wire_end, ticks), O(wire_event, ticks);
	O(wire_event, name_length), O(wire_event, dropped_attributes);
	O(wire_link, linked_trace_id), O(wire_link, linked_span_id), O(wire_link, trace_flags);
	O(wire_link, tracestate_length), O(wire_link, dropped_attributes);
	O(wire_scope, version_length), O(wire_scope, dropped_attributes);
	O(wire_dropped, reason), O(wire_process_end_record, code);
	O(wire_fragment_first, whole_length), O(wire_entry, key_length), O(wire_entry, type);
	S(wal_segment_header), S(wal_frame_head), S(wal_record), S(wal_slice), S(wal_scope);
	S(wal_span), S(wal_key);
	O(wal_segment_header, crc), O(wal_frame_head, whole), O(wal_slice, first_record);
	O(wal_slice, length), O(wal_span, scope);
	printf("%u %u\n", wire_block_count(1 << 20), wire_blocks_offset(1 << 20));
	return 0;
}
PROGRAM
for bits in 32 64; do
	$cc -m$bits $flags -o "$out/offsets$bits" "$out/offsets.c"
	"$out/offsets$bits" > "$out/offsets$bits.txt"
done
diff "$out/offsets32.txt" "$out/offsets64.txt"
