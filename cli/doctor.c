#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "agent_client.h"
#include "terminal.h"
#include "verbs.h"

#define INDENT 24 /* where the text of a check begins */
#define COLUMNS 80

static const char help_text[] =
	"usage: spanring doctor [--json] [--ring-dir DIR]\n\n"
	"Looks whether tracing works here, from the kernel to a span in the archive, and says\n"
	"what to do where it does not: kernel features, the ring directory (the one a process\n"
	"started here would use, or DIR), the agent, its disks, clock and limits, the "
	"ledgers.\n"
	"Then a process of its own records one span of a fresh trace and waits for it; its\n"
	"file stays in the archive and is named.\n\n"
	"Run it as the user, and in the container, whose programs are to be traced.\n\n"
	"Each check is ok, warn (works, but look at it) or fail (something is not traced).\n\n"
	"Exit codes: 0 nothing failed, 1 something did, 2 usage.\n";

/* ---- saying ------------------------------------------------------------------ */

void doctor_section(struct doctor *doctor, const char *title)
{
	if (doctor->checks)
		return;
	printf("%s%s%s%s\n", doctor->begun ? "\n" : "",
	       terminal_style(&doctor->terminal, STYLE_BOLD), title,
	       terminal_style(&doctor->terminal, STYLE_PLAIN));
	doctor->begun = true;
}

/* Breaks a sentence between words; paths are never broken. */
static void print_wrapped(const char *text, int indent, int column)
{
	while (*text) {
		int len = (int)strcspn(text, " ");

		if (column > indent && column + 1 + len > COLUMNS) {
			printf("\n%*s", indent, "");
			column = indent;
		} else if (column > indent) {
			putchar(' ');
			column++;
		}
		printf("%.*s", len, text);
		column += len;
		text += len;
		text += strspn(text, " ");
	}
	putchar('\n');
}

static void print_check(const struct doctor *doctor, enum doctor_verdict verdict,
			const char *check, const char *text, const char *fix)
{
	static const char *const words[] = {"ok", "warn", "fail"};
	static const enum terminal_style styles[] = {STYLE_DIM, STYLE_WARNING, STYLE_ERROR};

	printf("%s%-4s%s  %-*s", terminal_style(&doctor->terminal, styles[verdict]),
	       words[verdict], terminal_style(&doctor->terminal, STYLE_PLAIN), INDENT - 6,
	       check);
	print_wrapped(text, INDENT, INDENT);
	if (fix) {
		printf("%*s", INDENT, "");
		print_wrapped(fix, INDENT, INDENT);
	}
	(void)fflush(stdout);
}

void doctor_say(struct doctor *doctor, enum doctor_verdict verdict, const char *check,
		const char *fix, const char *format, ...)
{
	static const char *const words[] = {"ok", "warn", "fail"};
	char text[2048];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	doctor->failed += verdict == DOCTOR_FAIL;
	doctor->warned += verdict == DOCTOR_WARN;
	if (doctor->checks)
		(void)json_array_append_new(doctor->checks,
					    json_pack("{s:s, s:s, s:s, s:s}", "check", check,
						      "verdict", words[verdict], "text", text,
						      "fix", fix ?: ""));
	else
		print_check(doctor, verdict, check, text, fix);
}

/* ---- looking ------------------------------------------------------------------- */

static void look(struct doctor *doctor)
{
	doctor_section(doctor, "machine");
	doctor_machine(doctor);
	doctor_clock(doctor);
	doctor_limits(doctor);
	doctor_section(doctor, "ring directory");
	doctor_ring_dir(doctor);
	doctor_section(doctor, "agent");
	doctor_agent(doctor);
	doctor_agent_dirs(doctor);
	doctor_section(doctor, "a span, from a process to the archive");
	doctor_round_trip(doctor);
	doctor_ledgers(doctor);
}

static void print_end(const struct doctor *doctor)
{
	if (!doctor->failed && !doctor->warned)
		printf("\nall is well\n");
	else
		printf("\n%u failed, %u to look at\n", doctor->failed, doctor->warned);
}

static void print_json(const struct doctor *doctor)
{
	json_t *all = json_pack("{s:O, s:i, s:i}", "checks", doctor->checks, "failed",
				(int)doctor->failed, "warned", (int)doctor->warned);

	(void)terminal_json_print(all);
	json_decref(all);
}

static int usage(const char *text, const char *argument)
{
	(void)fprintf(stderr, "spanring doctor: %s '%s'; see spanring doctor --help\n", text,
		      argument);
	return 2;
}

int doctor_main(int argc, char **argv)
{
	static struct doctor doctor;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(help_text, stdout);
			return 0;
		}
		if (strcmp(argv[i], "--json") == 0)
			doctor.checks = doctor.checks ?: json_array();
		else if (strcmp(argv[i], "--ring-dir") == 0 && i + 1 < argc)
			(void)snprintf(doctor.ring_dir, sizeof doctor.ring_dir, "%s",
				       argv[++i]);
		else if (strcmp(argv[i], "--ring-dir") == 0)
			return usage("a directory is missing behind", argv[i]);
		else
			return usage("not understood:", argv[i]);
	}
	if (!*doctor.ring_dir)
		agent_find_directory(doctor.ring_dir);
	terminal_find(&doctor.terminal);
	look(&doctor);
	if (doctor.checks)
		print_json(&doctor);
	else
		print_end(&doctor);
	json_decref(doctor.status);
	json_decref(doctor.checks);
	return doctor.failed > 0;
}
