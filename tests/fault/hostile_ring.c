/* A process that breaks one of the writer's duties (include/wire/ABI.md, section
 * 7), or does what is allowed without end:
 *
 *	hostile_ring MODE SEED DIRECTORY MILLISECONDS
 *
 * It makes one ring after another, each with a good span to begin with, and goes
 * on in each until the agent asks it to stop or the ring is full. The same seed
 * makes the same steps. Without arguments it lists its modes. Prints how many
 * rings it made and how many steps it took. Root can make rings of another user,
 * HOSTILE_UID. */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring_writer.h"

#define RING_BYTES (1u << 20)
#define STEPS_PER_RING 400
#define STATE_BYTES (WIRE_HEADER_BYTES + 64u * WIRE_LINE_BYTES)

struct hostile {
	uint64_t random;
	const char *dir;
	struct ring_writer writer;
	struct ring_pen pen;
	uint32_t block;	 /* the next one to take */
	uint32_t blocks; /* of the ring, whatever its header says */
	uint64_t span;	 /* the newest one's id */
	uint64_t rings, steps;
	bool full;
	_Atomic uint32_t *doorbell; /* NULL: no agent */
};

static uint64_t draw(struct hostile *h)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 7;
	h->random ^= h->random << 17;
	return h->random;
}

static uint64_t below(struct hostile *h, uint64_t max)
{
	return draw(h) % max;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- what is allowed -------------------------------------------------------- */

static void block_next(struct hostile *h)
{
	if (h->pen.block != UINT32_MAX)
		ring_pen_seal(&h->pen);
	if (h->block == h->blocks)
		h->full = true;
	else
		ring_pen_open(&h->pen, h->block++);
}

static void put(struct hostile *h, const void *record, uint32_t length)
{
	if (h->full)
		return;
	if (h->pen.block == UINT32_MAX || h->pen.at + record_padded(length) > WIRE_BLOCK_BYTES)
		block_next(h);
	if (!h->full)
		ring_pen_record(&h->pen, record, length);
}

static void put_start(struct hostile *h, uint64_t trace, const char *name, uint32_t length)
{
	uint8_t record[WIRE_BLOCK_BYTES];
	struct wire_start start = {
		.head = record_make_head(WIRE_START, (uint32_t)sizeof start + length, 0, 1),
		.ticks = h->writer.header->anchor_ticks + h->steps,
		.name_length = length,
	};

	h->span++;
	memcpy(start.trace_id, &trace, 8);
	memcpy(start.trace_id + 8, h->writer.instance, 8);
	memcpy(start.span_id, &h->span, 8);
	memcpy(record, &start, sizeof start);
	memcpy(record + sizeof start, name, length);
	put(h, record, start.head.length);
}

static void put_end(struct hostile *h)
{
	uint8_t record[64], id[8];

	memcpy(id, &h->span, 8);
	put(h, record,
	    record_put_end(record, id, h->writer.header->anchor_ticks + h->steps, 0));
}

/* `value` may be anything. */
static void put_attribute(struct hostile *h, enum wire_value_type type, uint32_t key_length,
			  const void *value, uint32_t value_length)
{
	uint8_t record[WIRE_BLOCK_BYTES], id[8];
	uint32_t fixed;

	memcpy(id, &h->span, 8);
	fixed = record_put_attribute(record, id, type, key_length, value_length);
	memset(record + fixed, 'k', key_length);
	memcpy(record + fixed + key_length, value, value_length);
	put(h, record, fixed + key_length + value_length);
}

static void good_span(struct hostile *h)
{
	put_start(h, 1, "good", 4);
	put_attribute(h, WIRE_STRING, 3, "value", 5);
	put_end(h);
}

/* ---- the modes --------------------------------------------------------------- */

static void random_bytes(struct hostile *h)
{
	uint64_t limit = below(h, 2) ? STATE_BYTES
				     : h->writer.header->blocks_offset + 8 * WIRE_BLOCK_BYTES;
	uint64_t at = below(h, limit - 64), n = 1 + below(h, 64);

	good_span(h);
	/* The fields of ours that say where things lie are our own affair. */
	for (uint64_t i = 0; i < n; i++)
		if (at + i < 40 || at + i > 64)
			h->writer.at[at + i] = (uint8_t)draw(h);
}

static void flipped_bits(struct hostile *h)
{
	uint64_t at =
		below(h, 2) ? 256 + below(h, STATE_BYTES - 256)
			    : h->writer.header->blocks_offset + below(h, 2 * WIRE_BLOCK_BYTES);

	good_span(h);
	h->writer.at[at] ^= (uint8_t)(1 << below(h, 8));
}

/* Between the agent's look and its use: numbers that change all the time. */
static void changing_words(struct hostile *h)
{
	volatile uint64_t *size = &h->writer.header->size;
	struct wire_block_line *line = &h->writer.lines[h->pen.block % 64];
	volatile uint32_t *length = (uint32_t *)h->writer.blocks;
	uint64_t true_size = *size;
	uint32_t true_length = *length;
	uint32_t committed = atomic_load_explicit(&line->committed, memory_order_relaxed);

	good_span(h);
	for (int i = 0; i < 3000; i++) {
		*length = (uint32_t)draw(h);
		atomic_store_explicit(&line->committed, (uint32_t)below(h, 1 << 15) & ~7u,
				      memory_order_relaxed);
		if (below(h, 400) == 0)
			*size = draw(h);
		*length = true_length;
		atomic_store_explicit(&line->committed, committed, memory_order_relaxed);
		*size = true_size;
	}
}

static void commits_before_it_writes(struct hostile *h)
{
	uint32_t end = h->pen.at + 8 * (uint32_t)(1 + below(h, 200));

	if (end > WIRE_BLOCK_BYTES) {
		block_next(h);
		return;
	}
	h->pen.at = end;
	ring_pen_commit(&h->pen);
}

static void changes_what_it_committed(struct hostile *h)
{
	uint8_t *at = h->writer.blocks + (h->block - 1) * (size_t)WIRE_BLOCK_BYTES;

	good_span(h);
	if (h->pen.at)
		at[below(h, h->pen.at)] = (uint8_t)draw(h);
}

static void pieces_that_do_not_add_up(struct hostile *h)
{
	uint8_t body[512];
	uint32_t n = (uint32_t)below(h, sizeof body);

	memset(body, (int)draw(h), sizeof body);
	if (h->pen.block == UINT32_MAX || h->pen.at + 600 > WIRE_BLOCK_BYTES)
		block_next(h);
	if (!h->full)
		ring_pen_fragment(&h->pen, (unsigned)below(h, 4), (uint32_t)draw(h), body, n);
	if (below(h, 8) == 0)
		good_span(h);
}

static void generations_that_jump(struct hostile *h)
{
	good_span(h);
	atomic_store_explicit(&h->writer.lines[below(h, 16)].generation, (uint32_t)draw(h),
			      memory_order_release);
}

static void committed_that_shrinks(struct hostile *h)
{
	good_span(h);
	if (below(h, 10) == 0)
		atomic_store_explicit(&h->writer.lines[h->block - 1].committed,
				      (uint32_t)draw(h), memory_order_release);
}

static void a_header_that_changes(struct hostile *h)
{
	good_span(h);
	if (below(h, 20) == 0)
		((uint8_t *)h->writer.header)[below(h, 144)] ^= 1;
}

static void ready_lines_that_vanish(struct hostile *h)
{
	good_span(h);
	atomic_store_explicit(&h->writer.header->blocks_ready, (uint32_t)draw(h) % 128,
			      memory_order_release);
}

/* Each block of another thread, and numbers that go anywhere. */
static void threads_without_end(struct hostile *h)
{
	h->pen.number = 1 + (uint32_t)draw(h);
	h->pen.next_block = below(h, 4) ? 1 : (uint32_t)draw(h);
	h->pen.next_record = below(h, 4) ? 1 : draw(h);
	block_next(h);
	if (!h->full)
		good_span(h);
}

static void sizes_that_change(struct hostile *h)
{
	static const off_t sizes[] = {0,
				      100,
				      WIRE_HEADER_BYTES,
				      1 << 19,
				      RING_BYTES * 2,
				      (off_t)1 << 40,
				      INT64_C(1) << 34};

	switch (below(h, 3)) {
	case 0:
		(void)!ftruncate(h->writer.fd, sizes[below(h, sizeof sizes / sizeof *sizes)]);
		break;
	case 1:
		(void)fallocate(h->writer.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				(off_t)below(h, RING_BYTES), (off_t)(1 + below(h, 1 << 18)));
		break;
	default:
		/* So that our own stores below do not end us. */
		(void)!ftruncate(h->writer.fd, RING_BYTES);
		break;
	}
}

/* Another ring, something else, or nothing at all under the ring's name. */
static void files_that_are_replaced(struct hostile *h)
{
	char name[512], other[512];

	snprintf(name, sizeof name, "%s/%s", h->dir, h->writer.name);
	snprintf(other, sizeof other, "%s/%lx-other.tmp", h->dir, (unsigned long)draw(h));
	switch (below(h, 4)) {
	case 0:
		close(open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
		break;
	case 1:
		(void)!symlink("/etc/passwd", other);
		break;
	case 2:
		(void)!mkfifo(other, 0600);
		break;
	default:
		(void)unlink(name);
		break;
	}
	if (rename(other, name) < 0)
		(void)unlink(other);
	good_span(h);
}

static void long_names(struct hostile *h)
{
	static char text[WIRE_BLOCK_BYTES];

	memset(text, 'n', sizeof text);
	put_start(h, 1 + below(h, 100), text, (uint32_t)below(h, 16000));
	put_attribute(h, WIRE_STRING, (uint32_t)below(h, 15000), text, 10);
	put_end(h);
}

static void deep_values(struct hostile *h)
{
	uint8_t value[WIRE_DEPTH_MAX * 16];
	uint32_t depth = (uint32_t)below(h, WIRE_DEPTH_MAX + 2), bytes = 0;

	put_start(h, 1, "deep", 4);
	for (uint32_t i = depth; i > 0; i--)
		bytes += record_put_entry(value + bytes, WIRE_MAP, 0, (i - 1) * 8);
	put_attribute(h, WIRE_MAP, 3, value, bytes);
	put_end(h);
}

static void traces_without_end(struct hostile *h)
{
	for (int i = 0; i < 100; i++) {
		put_start(h, draw(h), "trace", 5);
		put_end(h);
	}
}

static void spans_that_never_end(struct hostile *h)
{
	for (int i = 0; i < 100; i++)
		put_start(h, 1, "open", 4);
}

static void records_of_one_span_without_end(struct hostile *h)
{
	struct wire_text status = {.head = record_make_head(WIRE_STATUS, sizeof status, 0, 2)};
	struct wire_event event = {.head = record_make_head(WIRE_EVENT, sizeof event, 0, 0)};

	if (h->steps % STEPS_PER_RING == 0)
		put_start(h, 1, "endless", 7);
	memcpy(status.span_id, &h->span, 8);
	memcpy(event.span_id, &h->span, 8);
	for (int i = 0; i < 50; i++) {
		put_attribute(h, WIRE_EMPTY, 8, "", 0);
		put(h, &status, sizeof status);
		put(h, &event, sizeof event);
	}
}

/* Of spans whose START never comes. */
static void records_without_a_start(struct hostile *h)
{
	for (int i = 0; i < 100; i++) {
		h->span++;
		put_attribute(h, WIRE_EMPTY, 4, "", 0);
	}
}

static void flushes_and_bells(struct hostile *h)
{
	good_span(h);
	for (int i = 0; i < 500; i++) {
		atomic_fetch_add_explicit(&h->writer.header->flush_req, 1,
					  memory_order_seq_cst);
		if (h->doorbell)
			syscall(SYS_futex, h->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
	}
}

static void lost_ends_of_nothing(struct hostile *h)
{
	struct wire_lost_end *slot = &h->writer.header->lost_end[below(h, 128)];

	good_span(h);
	slot->span_id[0] = (uint32_t)draw(h);
	atomic_store_explicit(&slot->ready, (uint32_t)below(h, 3), memory_order_release);
	atomic_store_explicit(&h->writer.header->lost_end_next, (uint32_t)draw(h),
			      memory_order_relaxed);
}

static const struct mode {
	const char *name;
	void (*step)(struct hostile *h);
	unsigned pause_us;
} modes[] = {
	{"random-bytes", random_bytes, 200},
	{"flipped-bits", flipped_bits, 200},
	{"changing-words", changing_words, 0},
	{"commits-before-it-writes", commits_before_it_writes, 200},
	{"changes-what-it-committed", changes_what_it_committed, 100},
	{"pieces-that-do-not-add-up", pieces_that_do_not_add_up, 100},
	{"generations-that-jump", generations_that_jump, 500},
	{"committed-that-shrinks", committed_that_shrinks, 500},
	{"a-header-that-changes", a_header_that_changes, 500},
	{"ready-lines-that-vanish", ready_lines_that_vanish, 500},
	{"threads-without-end", threads_without_end, 100},
	{"sizes-that-change", sizes_that_change, 100},
	{"files-that-are-replaced", files_that_are_replaced, 500},
	{"long-names", long_names, 100},
	{"deep-values", deep_values, 100},
	{"traces-without-end", traces_without_end, 0},
	{"spans-that-never-end", spans_that_never_end, 0},
	{"records-of-one-span-without-end", records_of_one_span_without_end, 0},
	{"records-without-a-start", records_without_a_start, 0},
	{"flushes-and-bells", flushes_and_bells, 100},
	{"lost-ends-of-nothing", lost_ends_of_nothing, 500},
};

/* ---- one ring after another --------------------------------------------------- */

static bool asked_to_stop(const struct hostile *h)
{
	char path[512];
	uint32_t stop = 0;
	int fd;

	snprintf(path, sizeof path, "%s/%.32s%s", h->dir, h->writer.name, WIRE_CTL_SUFFIX);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (pread(fd, &stop, sizeof stop, offsetof(struct wire_ctl_header, please_stop)) !=
	    sizeof stop)
		stop = 0;
	close(fd);
	return stop;
}

static void ring_begin(struct hostile *h)
{
	uint64_t instance[2] = {draw(h), draw(h)};
	const char *owner = getenv("HOSTILE_UID");

	ring_writer_prepare_as(&h->writer, h->dir, (uint8_t *)instance, RING_BYTES);
	/* Another user's, as far as the agent can see. */
	if (owner && fchown(h->writer.fd, (uid_t)atoi(owner), (gid_t)-1) < 0)
		perror("fchown");
	/* As the client does: lines are memory before they are shown. */
	for (uint32_t i = 0; i < h->writer.header->block_count; i++)
		h->writer.lines[i].next_claimed = UINT32_MAX;
	ring_writer_publish(&h->writer);
	ring_pen_init(&h->pen, &h->writer, 1);
	h->block = 0;
	h->blocks = h->writer.header->block_count;
	h->full = false;
	block_next(h);
	h->rings++;
}

static void ring_end(struct hostile *h)
{
	char path[512];

	ring_writer_die(&h->writer);
	ring_writer_close(&h->writer);
	/* What stands there under a lie is nobody's to remove but ours. */
	snprintf(path, sizeof path, "%s/%s", h->dir, h->writer.name);
	usleep(20000);
	(void)unlink(path);
}

static void be_hostile(struct hostile *h, const struct mode *mode, uint64_t until_ms)
{
	ring_begin(h);
	good_span(h);
	/* One ring to its end, however slow the machine. */
	for (int i = 0; i < STEPS_PER_RING && !h->full; i++) {
		if (h->rings > 1 && now_ms() >= until_ms)
			break;
		mode->step(h);
		h->steps++;
		if (mode->pause_us)
			usleep(mode->pause_us);
		if (i % 20 == 19 && asked_to_stop(h))
			break;
	}
	/* What it did last is looked at before it is gone. */
	usleep(20000);
	ring_end(h);
}

static _Atomic uint32_t *find_doorbell(const char *dir)
{
	struct wire_agent_page *page;
	char path[512];
	int fd;

	snprintf(path, sizeof path, "%s/%s", dir, WIRE_PAGE_NAME);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	page = mmap(NULL, WIRE_HEADER_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : &page->doorbell;
}

int main(int argc, char **argv)
{
	struct hostile h = {0};
	uint64_t until_ms;

	if (argc != 5) {
		for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
			puts(modes[i].name);
		return argc == 1 ? 0 : 2;
	}
	h.random = strtoull(argv[2], NULL, 10) * UINT64_C(0x9e3779b97f4a7c15) | 1;
	h.dir = argv[3];
	h.doorbell = find_doorbell(h.dir);
	until_ms = now_ms() + strtoull(argv[4], NULL, 10);
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
		if (strcmp(modes[i].name, argv[1]) == 0) {
			while (now_ms() < until_ms)
				be_hostile(&h, &modes[i], until_ms);
			printf("%s: %lu rings, %lu steps\n", argv[1], (unsigned long)h.rings,
			       (unsigned long)h.steps);
			return 0;
		}
	fprintf(stderr, "there is no mode %s\n", argv[1]);
	return 2;
}
