/* spanring: one command, one file per verb. */
#include <stdio.h>
#include <string.h>

#include "verbs.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"demo", demo_main, "see it work: a pipeline, one module killed, and what was kept"},
	{"run", run_main, "run a command as one traced run, with or without an agent"},
	{"list", list_main, "the archived runs: status, duration, errors, tokens"},
	{"show", show_main, "print an archived run as a tree, and what stands out in it"},
	{"check", check_main, "test an archive; for scripts"},
	{"status", status_main, "what the agent is doing: rings, open spans, log, ledgers"},
	{"doctor", doctor_main, "look whether tracing works here, and what to do if not"},
	{"recover", recover_main, "turn what a dead agent or machine left into archives"},
	{"redact", redact_main, "what of a file would be redacted, without showing it"},
	{"wal", wal_main, "check a log, segment by segment; changes nothing"},
	{"sink", sink_main, "a small OTLP/gRPC server that prints what it gets"},
};
#define VERBS (sizeof verbs / sizeof verbs[0])

static void help(FILE *to)
{
	(void)fputs(
		"spanring - traces of pipelines whose processes die\n\n"
		"usage: spanring VERB [ARGUMENT]...    (spanring VERB --help tells more)\n\n",
		to);
	for (size_t i = 0; i < VERBS; i++)
		(void)fprintf(to, "  %-8s %s\n", verbs[i].name, verbs[i].help);
	(void)fputs("\nExit codes: 0 ok, 1 failed, 2 usage, 78 bad configuration.\n", to);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		help(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		(void)puts("spanring " SPANRING_VERSION);
		return 0;
	}
	for (size_t i = 0; i < VERBS; i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	(void)fprintf(stderr, "spanring: no verb '%s'; see spanring --help\n", argv[1]);
	return 2;
}
