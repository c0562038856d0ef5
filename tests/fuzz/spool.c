/* A `.partial` spool as an earlier life, a crash or a stranger left it: loading
 * never fails for what is in it, and loading once more finds the same. Each input
 * is taken as it is, and with the right sum at the end of every line: no fuzzer
 * guesses one. */
#include <string.h>

#include "archive/spool.h"
#include "base/crc32c.h"
#include "file_env.h"
#include "fuzz.h"

#define SPOOL_NAME "a_run_20260101T000000000000.otlp.json.partial"

static void count(void *arg, const struct span_facts *facts, const struct finished_span *span)
{
	unsigned *spans = arg;

	FUZZ_CHECK(facts->span_id != 0);
	FUZZ_CHECK(span->span.len > 0);
	(*spans)++;
}

/* How many spans the spool holds of the trace its first line names. */
static uint32_t load(struct archive_dir *directory, unsigned *ret_told)
{
	struct spool_damage damage;
	struct spool_files files;
	uint8_t trace_id[16];
	struct spool spool;
	uint32_t spans;
	struct buf line = BUF_INIT;

	*ret_told = 0;
	if (spool_trace_id(directory, SPOOL_NAME, trace_id) < 0)
		return 0;
	FUZZ_CHECK(spool_files_init(&files, directory, 4, 1) == 0);
	spool_init(&spool, &files, SPOOL_NAME);
	FUZZ_CHECK(spool_load(&spool, trace_id, count, ret_told, &damage) == 0);
	spans = spool.count;
	for (uint32_t i = 0; i < spans; i++) {
		FUZZ_CHECK(spool_line(&spool, i, &line) == 0);
		FUZZ_CHECK(line.len > 0 && line.at[line.len - 1] == '\n');
		buf_reset(&line);
	}
	FUZZ_CHECK(spool_flush(&spool) == 0);
	buf_fini(&line);
	spool_fini(&spool);
	spool_files_fini(&files);
	return spans;
}

static void load_twice(const uint8_t *at, size_t len)
{
	struct archive_dir directory;
	unsigned told, told_again;
	struct file_env world;
	char path[256];
	uint32_t spans;

	(void)snprintf(path, sizeof path, "%s/%s", fuzz_directory(), SPOOL_NAME);
	fuzz_write(path, at, len);
	file_env_init(&world, 1);
	archive_dir_init(&directory, &world.env, fuzz_directory());
	FUZZ_CHECK(archive_dir_open(&directory) == 0);
	spans = load(&directory, &told);
	FUZZ_CHECK(told == spans);
	FUZZ_CHECK(load(&directory, &told_again) == spans && told_again == spans);
	archive_dir_fini(&directory);
}

static void put_line(struct buf *out, struct bytes line)
{
	struct bytes body = {line.at, line.len - SPOOL_SUM_BYTES};

	if (spool_sum_judge(line, &body) == SPOOL_SUM_NONE && body.len == 0)
		return;
	(void)buf_append(out, body.at, body.len);
	spool_sum_put(out, crc32c(0, body.at, body.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const uint8_t *end = at + len, *lf;
	struct buf summed = BUF_INIT;

	load_twice(at, len);
	for (; at < end && (lf = memchr(at, '\n', (size_t)(end - at))) != NULL; at = lf + 1)
		put_line(&summed, (struct bytes){at, (size_t)(lf + 1 - at)});
	(void)buf_append(&summed, at, (size_t)(end - at));
	FUZZ_CHECK(!buf_failed(&summed));
	load_twice(summed.at, summed.len);
	buf_fini(&summed);
	return 0;
}
