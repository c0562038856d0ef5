/* A process of much memory, or with little.
 *
 *	heavy abort MIB		touches so much, and aborts with a span open
 *	heavy limit MIB		writes MIB of values through a ring of 1 MiB, says
 *				"written", waits for a line; then takes memory until it
 *				is killed */
#include "told.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define MIB (1u << 20)
#define WAIT_MS 20000

static void die_large(size_t bytes)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct spanring_span span;
	char *memory;

	told_init(0, 0);
	told_check(told_start(&span, "open", NULL) == 0);
	(void)setrlimit(RLIMIT_CORE, &all);
	memory = malloc(bytes);
	told_check(memory != NULL);
	memset(memory, 'm', bytes);
	told_check(spanring_set_int(&span, "touched", memory[bytes / 2]) == 0);
	abort();
}

static void write_through(size_t bytes)
{
	static char value[4000];
	struct spanring_span span, part;

	memset(value, 'v', sizeof value);
	told_init(MIB, WAIT_MS);
	told_check(told_start(&span, "open", NULL) == 0);
	for (size_t written = 0; written < bytes;) {
		told_check(spanring_start_with(&part, "part", .parent = &span) == 0);
		for (int i = 0; i < 16; i++, written += sizeof value)
			told_check(spanring_set_string_n(&part, "value", value, sizeof value) ==
				   0);
		told_check(spanring_end(&part) == 0);
	}
	told_check(spanring_flush(WAIT_MS) == 0);
	told_check(spanring_set_int(&span, "whole", 1) == 0);
}

int main(int argc, char **argv)
{
	size_t bytes = argc > 2 ? strtoul(argv[2], NULL, 10) * MIB : 0;
	char line[16];

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "abort") == 0)
		die_large(bytes);
	write_through(bytes);
	puts("written");
	(void)fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		return 1;
	for (;;) {
		char *memory = malloc(MIB);

		if (!memory)
			return 3;
		memset(memory, 'm', MIB);
	}
}
