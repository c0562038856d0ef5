/* The configuration file, through the whole of options_load(): what is wrong in
 * it is said, with an exit code, and nothing else happens. */
#include <string.h>

#include "fuzz.h"
#include "options.h"

struct said {
	unsigned lines;
};

static void say(void *arg, const char *line)
{
	struct said *said = arg;

	FUZZ_CHECK(line[0] != '\0');
	said->lines++;
}

static void put(void *arg, const char *text)
{
	size_t *bytes = arg;

	*bytes += strlen(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	char program[] = "spanringd", flag[] = "--config", path[256];
	char *argv[] = {program, flag, path, NULL};
	struct said said = {0};
	struct options options;
	size_t shown = 0;
	int r;

	(void)snprintf(path, sizeof path, "%s/spanringd.yaml", fuzz_directory());
	fuzz_write(path, at, len);
	r = options_load(&options, 3, argv, say, &said);
	FUZZ_CHECK(r == 0 || r == EXIT_CONFIG);
	FUZZ_CHECK(r == 0 || said.lines > 0);
	if (r == 0) {
		options_show(&options, put, &shown);
		FUZZ_CHECK(shown > 0);
	}
	options_fini(&options);
	return 0;
}
