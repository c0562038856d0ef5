/* spanringd: reads its settings, and then shows them or serves. */
#include <stdio.h>

#include "harden.h"
#include "options.h"
#include "service.h"

static void say(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "spanringd: %s\n", line);
}

static void put(void *arg, const char *text)
{
	(void)fputs(text, arg);
}

int main(int argc, char **argv)
{
	struct options options;
	int r;

	harden_descriptors();
	r = options_load(&options, argc, argv, say, NULL);
	if (r == 0 && options.show_help)
		options_help(put, stdout);
	else if (r == 0 && options.show_version)
		(void)puts("spanringd " SPANRING_VERSION);
	else if (r == 0 && options.check_only)
		options_show(&options, put, stdout);
	else if (r == 0)
		r = service_run(&options, argc, argv);
	options_fini(&options);
	return r;
}
