/* A hostile process's ring, drained by the whole agent. The first byte chooses:
 *
 *   0  the rest is the file itself, condensed (see put_image())
 *   1  the rest is what the process does to a good ring between the agent's turns
 *
 * After either an honest process records a span, which must be archived. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent_world.h"
#include "fuzz.h"
#include "ring_writer.h"

#define RING_BYTES (1u << 20)
#define HONEST 0xee
#define HOSTILE 0x11
#define IMAGE_LINES 8u

struct hostile {
	struct ring_writer writer;
	char path[400];
	off_t size;
};

static void poke(struct hostile *hostile, off_t offset, const uint8_t *at, size_t len)
{
	/* A hostile process writes where and what it likes. */
	(void)!pwrite(hostile->writer.fd, at, len, offset);
}

static off_t line_offset(uint32_t block)
{
	return WIRE_HEADER_BYTES + (off_t)block * WIRE_LINE_BYTES;
}

static off_t block_offset(uint32_t block)
{
	return wire_blocks_offset(RING_BYTES) + (off_t)block * WIRE_BLOCK_BYTES;
}

/* 512 bytes of header, eight lines of 64, and then blocks: u8 which, u16 how
 * much, bytes. */
static void put_image(struct hostile *hostile, struct fuzz_input *input)
{
	const uint8_t *at;
	size_t n;

	n = fuzz_bytes(input, 512, &at);
	poke(hostile, 0, at, n);
	n = fuzz_bytes(input, IMAGE_LINES * WIRE_LINE_BYTES, &at);
	poke(hostile, WIRE_HEADER_BYTES, at, n);
	while (input->left) {
		uint32_t block = fuzz_u8(input) % IMAGE_LINES;

		n = fuzz_bytes(input, fuzz_u16(input) % (WIRE_BLOCK_BYTES + 1), &at);
		poke(hostile, block_offset(block), at, n);
	}
}

/* ---- what a process does --------------------------------------------------- */

static void do_header(struct hostile *hostile, struct fuzz_input *input)
{
	off_t offset = fuzz_u16(input) % WIRE_HEADER_BYTES;
	const uint8_t *at;
	size_t n = fuzz_bytes(input, fuzz_u8(input) % 32, &at);

	poke(hostile, offset, at, n);
}

static void do_line(struct hostile *hostile, struct fuzz_input *input)
{
	uint32_t block = fuzz_u8(input) % IMAGE_LINES;
	struct wire_block_line line = {
		.generation = fuzz_u8(input),
		.committed = fuzz_u16(input),
		.thread = fuzz_u8(input),
		.thread_block = fuzz_u8(input),
		.first_record = fuzz_u16(input),
	};
	uint32_t ready = IMAGE_LINES;

	if (line.committed & 1)
		line.committed ^= 1 | WIRE_SEALED;
	poke(hostile, offsetof(struct wire_ring_header, blocks_ready), (uint8_t *)&ready, 4);
	poke(hostile, line_offset(block), (uint8_t *)&line, sizeof line);
}

/* Bytes into a block, and with them `committed`. */
static void do_append(struct hostile *hostile, struct fuzz_input *input)
{
	uint32_t block = fuzz_u8(input) % IMAGE_LINES, end;
	uint16_t from = fuzz_u16(input) % WIRE_BLOCK_BYTES & ~7u;
	const uint8_t *at;
	size_t n = fuzz_bytes(input, fuzz_u8(input), &at);

	poke(hostile, block_offset(block) + from, at, n);
	end = record_padded((uint32_t)(from + n));
	poke(hostile, line_offset(block) + offsetof(struct wire_block_line, committed),
	     (uint8_t *)&end, 4);
}

static void do_size(struct hostile *hostile, struct fuzz_input *input)
{
	/* 0, a little, whole, one terabyte. */
	static const off_t sizes[] = {0, 4096, RING_BYTES, (off_t)1 << 40};

	(void)!ftruncate(hostile->writer.fd, sizes[fuzz_u8(input) & 3]);
}

static void do_punch(struct hostile *hostile, struct fuzz_input *input)
{
	(void)fallocate(hostile->writer.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t)fuzz_u8(input) * 4096, (off_t)fuzz_u8(input) * 4096 + 1);
}

static void do_steps(struct agent_world *world, struct hostile *hostile,
		     struct fuzz_input *input)
{
	for (int steps = 0; input->left && steps < 200; steps++) {
		switch (fuzz_u8(input) % 6) {
		case 0:
			do_header(hostile, input);
			break;
		case 1:
			do_line(hostile, input);
			break;
		case 2:
			do_append(hostile, input);
			break;
		case 3:
			do_size(hostile, input);
			break;
		case 4:
			do_punch(hostile, input);
			break;
		default:
			agent_world_run(world, 1);
			break;
		}
	}
}

/* ---- the honest one -------------------------------------------------------- */

static void honest_span(struct agent_world *world)
{
	uint64_t before = archive_counters(world->pipeline.archive)->spans;
	struct ring_writer writer;
	struct ring_pen pen;

	ring_writer_make(&writer, world->ring_dir, HONEST, RING_BYTES);
	ring_pen_init(&pen, &writer, 1);
	ring_pen_open(&pen, 0);
	ring_pen_start(&pen, 1, "sentinel");
	ring_pen_end(&pen, 1);
	ring_pen_seal(&pen);
	for (int i = 0; i < 50 && archive_counters(world->pipeline.archive)->spans == before;
	     i++)
		agent_world_run(world, 1);
	FUZZ_CHECK(archive_counters(world->pipeline.archive)->spans > before);
	ring_writer_die(&writer);
	ring_writer_close(&writer);
}

static void all_dead(struct agent_world *world)
{
	for (int i = 0; i < 100 && pipeline_in_use(&world->pipeline); i++)
		agent_world_run(world, 1);
	FUZZ_CHECK(!pipeline_in_use(&world->pipeline));
	FUZZ_CHECK(assemble_counters(world->pipeline.assemble)->open == 0);
	agent_world_check(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct fuzz_input input = {at, len};
	struct hostile hostile;
	struct agent_world world;
	uint8_t mode = fuzz_u8(&input);

	agent_world_init(&world);
	agent_world_start(&world);
	ring_writer_prepare(&hostile.writer, world.ring_dir, HOSTILE, RING_BYTES);
	if (!(mode & 1))
		put_image(&hostile, &input);
	ring_writer_publish(&hostile.writer);
	agent_world_run(&world, 1);
	if (mode & 1)
		do_steps(&world, &hostile, &input);
	agent_world_run(&world, 2);
	agent_world_check(&world);
	honest_span(&world);
	ring_writer_die(&hostile.writer);
	ring_writer_close(&hostile.writer);
	all_dead(&world);
	agent_world_stop(&world);
	agent_world_fini(&world);
	return 0;
}
