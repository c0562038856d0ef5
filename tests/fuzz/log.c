/* The log as a crash, a disk or a stranger left it. The first byte chooses:
 *
 *   0  the rest is the segment, as it is
 *   1  the rest says what frames stand in it, whose checksums then are right
 *
 * The agent starts all the same, twice, and its spans' ledger adds up. */
#include <string.h>
#include <sys/stat.h>

#include "agent_world.h"
#include "base/crc32c.h"
#include "fuzz.h"
#include "wal/format.h"

#define SALT UINT64_C(0x5a17)

static void put_header(struct buf *out)
{
	struct wal_segment_header header = {
		.magic = WAL_MAGIC,
		.header_bytes = WAL_FRAMES_OFFSET,
		.version = WAL_VERSION,
		.number = 1,
		.salt = SALT,
		.first_sequence = 1,
		.first_span_number = 1,
	};
	static const uint8_t zeros[WAL_HEADER_COPY_OFFSET - sizeof header];

	header.crc = crc32c(0, &header, offsetof(struct wal_segment_header, crc));
	for (int i = 0; i < 2; i++) {
		FUZZ_CHECK(buf_append(out, &header, sizeof header) == 0);
		FUZZ_CHECK(buf_append(out, zeros, sizeof zeros) == 0);
	}
}

static uint32_t frame_crc(const struct wal_frame_head *head, const uint8_t *payload)
{
	uint64_t salt = SALT;
	uint32_t crc = crc32c(0, &salt, sizeof salt);

	crc = crc32c(crc, &head->sequence,
		     sizeof *head - offsetof(struct wal_frame_head, sequence));
	return crc32c(crc, payload, head->length);
}

/* u8 kind and whether it is damaged, u8 flags, u16 length, payload. */
static void put_frame(struct buf *out, struct fuzz_input *input, uint64_t sequence)
{
	static const uint8_t zeros[8];
	uint8_t kind = fuzz_u8(input), flags = fuzz_u8(input);
	struct wal_frame_head head = {
		.sequence = sequence,
		.kind = kind & 0x0f,
		.flags = flags & 3,
		.offset = out->len,
	};
	uint16_t length = fuzz_u16(input);
	const uint8_t *payload;

	head.length = (uint32_t)fuzz_bytes(input, length, &payload);
	head.whole = flags & 3 ? fuzz_u16(input) : head.length;
	head.crc = frame_crc(&head, payload) ^ (kind & 0x80);
	FUZZ_CHECK(buf_append(out, &head, sizeof head) == 0);
	FUZZ_CHECK(buf_append(out, payload, head.length) == 0);
	FUZZ_CHECK(buf_append(out, zeros, (8 - out->len % 8) % 8) == 0);
}

static void put_segment(struct agent_world *world, struct fuzz_input *input)
{
	struct buf segment = BUF_INIT;
	char path[256];

	if (fuzz_u8(input) & 1) {
		put_header(&segment);
		for (uint64_t sequence = 1; input->left; sequence++)
			put_frame(&segment, input, sequence);
	} else {
		FUZZ_CHECK(buf_append(&segment, input->at, input->left) == 0);
	}
	FUZZ_CHECK(mkdir(world->state_dir, 0700) == 0);
	(void)snprintf(path, sizeof path, "%s/wal", world->state_dir);
	FUZZ_CHECK(mkdir(path, 0700) == 0);
	(void)snprintf(path, sizeof path, "%s/wal/wal-%016x.log", world->state_dir, 1);
	fuzz_write(path, segment.at, segment.len);
	buf_fini(&segment);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct fuzz_input input = {at, len};
	struct agent_world world;

	agent_world_init(&world);
	put_segment(&world, &input);
	for (int lives = 0; lives < 2; lives++) {
		agent_world_start(&world);
		agent_world_run(&world, 8);
		agent_world_check_spans(&world);
		agent_world_stop(&world);
	}
	agent_world_fini(&world);
	return 0;
}
