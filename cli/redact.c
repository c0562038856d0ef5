/* spanring redact test: what the agent would keep out, told without telling it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "redact_look.h"
#include "terminal.h"
#include "verbs.h"

#define ARGUMENTS_MAX 64
#define READ_BYTES ((size_t)256 << 10)

static const char help_text[] =
	"usage: spanring redact test FILE [--config FILE] [--set KEY=VALUE]...\n"
	"                                 [--rules NAMES] [--json]\n\n"
	"Says what of FILE the agent would redact, were it in spans: the rule, the place, and\n"
	"how long it is, but not what. FILE is an archive or other OTLP/JSON, any JSON (one\n"
	"document, or one a line), or plain text; - is standard input.\n\n"
	"  --config FILE     the agent's configuration [/etc/spanring/spanringd.yaml, if it "
	"is\n"
	"                    there]\n"
	"  --set KEY=VALUE   a setting, as spanringd has it: --set redact.enable=email\n"
	"  --rules NAMES     with these rules, too, which hold for a destination alone\n"
	"  --json            for machines\n\n"
	"Exit codes: 0 it was looked through, 1 it cannot be read, 2 usage, 78 bad\n"
	"configuration.\n";

struct arguments {
	const char *path, *rules;
	bool json;
	const char *agent[ARGUMENTS_MAX]; /* for spanringd's own reader of settings */
	int agent_count;
};

struct report {
	struct redact_look look;
	struct terminal terminal;
	json_t *findings; /* NULL: for people */
	uint64_t count;
	bool no_memory;
};

static void say(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "spanring redact: %s\n", line);
}

static int usage(const char *what, const char *argument)
{
	(void)fprintf(stderr, "spanring redact: %s %s; see spanring redact --help\n", what,
		      argument);
	return 2;
}

/* ---- what is told ------------------------------------------------------------------ */

static const char *action_word(const struct redact_finding *finding)
{
	static const char *const words[] = {
		[REDACT_MASK] = "masked",
		[REDACT_DROP] = "dropped",
		[REDACT_HASH] = "hashed",
	};

	return words[finding->action];
}

/* "sk-…[48 chars]": a vendor's mark, and how much is behind it. */
static void preview(const struct redact_finding *finding, char *text, size_t size)
{
	size_t chars = 0;

	for (size_t i = finding->prefix; i < finding->found.len; i++)
		chars += (finding->found.at[i] & 0xc0) != 0x80;
	(void)snprintf(text, size, "%.*s…[%zu chars]", (int)finding->prefix,
		       (const char *)finding->found.at, chars);
}

static void tell(struct report *report, const struct redact_finding *finding)
{
	struct buf line = BUF_INIT;
	char shown[96];

	preview(finding, shown, sizeof shown);
	(void)buf_printf(&line, "%s%-18s%s ", terminal_style(&report->terminal, STYLE_WARNING),
			 finding->rule, terminal_style(&report->terminal, STYLE_PLAIN));
	if (report->look.span_id)
		(void)buf_append_text(&line, "span "),
			(void)terminal_text(&line, &report->terminal,
					    bytes_of(report->look.span_id), 16);
	else
		(void)buf_printf(
			&line, "line %llu",
			(unsigned long long)redact_look_line(&report->look, finding->found));
	(void)buf_printf(&line, "  %s", finding->place);
	if (finding->key.len) {
		(void)buf_append_text(&line, "[");
		(void)terminal_text(&line, &report->terminal, finding->key, 60);
		(void)buf_append_text(&line, "]");
	}
	(void)buf_printf(&line, "  %s%s, %s\n", shown, finding->gone ? " (all of it)" : "",
			 action_word(finding));
	report->no_memory |= buf_failed(&line);
	(void)fwrite(line.at, 1, line.len, stdout);
	buf_fini(&line);
}

static void tell_json(struct report *report, const struct redact_finding *finding)
{
	json_t *object = json_object();
	char shown[96];

	preview(finding, shown, sizeof shown);
	(void)json_object_set_new(object, "rule", json_string(finding->rule));
	(void)json_object_set_new(object, "action", json_string(action_word(finding)));
	(void)json_object_set_new(object, "place", json_string(finding->place));
	if (finding->key.len)
		(void)json_object_set_new(
			object, "key",
			json_stringn((const char *)finding->key.at, finding->key.len));
	if (report->look.span_id) {
		(void)json_object_set_new(object, "spanId", json_string(report->look.span_id));
		(void)json_object_set_new(object, "traceId",
					  json_string(report->look.trace_id ?: ""));
	}
	(void)json_object_set_new(
		object, "line",
		json_integer((json_int_t)redact_look_line(&report->look, finding->found)));
	(void)json_object_set_new(object, "preview", json_string(shown));
	(void)json_object_set_new(object, "whole", json_boolean(finding->gone));
	if (json_array_append_new(report->findings, object) < 0)
		report->no_memory = true;
}

static void seen(void *arg, const struct redact_finding *finding)
{
	struct report *report = arg;

	report->count++;
	if (report->findings)
		tell_json(report, finding);
	else
		tell(report, finding);
}

static int conclude_json(const struct report *report, const struct redact_tally *totals)
{
	const struct redactor *redactor = report->look.redactor;
	json_t *whole = json_object(), *rules = json_object();
	int r;

	for (uint32_t i = 0; i <= REDACT_RULES_MAX; i++)
		if (totals->hits[i])
			(void)json_object_set_new(rules, redactor_rule_name(redactor, i),
						  json_integer((json_int_t)totals->hits[i]));
	(void)json_object_set_new(whole, "file", json_string(report->look.path));
	(void)json_object_set(whole, "findings", report->findings);
	(void)json_object_set_new(whole, "rules", rules);
	(void)json_object_set_new(whole, "changed", json_integer((json_int_t)totals->changed));
	(void)json_object_set_new(whole, "dropped", json_integer((json_int_t)totals->dropped));
	r = terminal_json_print(whole);
	json_decref(whole);
	return r;
}

static void conclude(const struct report *report, const struct redact_tally *totals)
{
	if (report->count == 0)
		printf("%s: nothing would be redacted\n", report->look.path);
	else
		printf("%s: %llu found; %llu value%s would be changed, %llu would go whole\n",
		       report->look.path, (unsigned long long)report->count,
		       (unsigned long long)totals->changed, totals->changed == 1 ? "" : "s",
		       (unsigned long long)totals->dropped);
}

/* ---- the file and the rules ---------------------------------------------------------- */

static int read_all(struct buf *text, int fd)
{
	ssize_t n;

	do {
		if (buf_reserve(text, READ_BYTES) < 0)
			return -ENOMEM;
		n = read(fd, text->at + text->len, READ_BYTES);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			text->len += (size_t)n;
	} while (n != 0);
	return 0;
}

static int read_path(struct buf *text, const char *path)
{
	int fd, r;

	if (strcmp(path, "-") == 0)
		return read_all(text, STDIN_FILENO);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	r = read_all(text, fd);
	(void)close(fd);
	return r;
}

/* 0, or the exit status. */
static int make_redactor(struct redactor **ret, const struct arguments *arguments,
			 const struct options *options)
{
	struct redact_fault fault;
	struct bytes unknown;
	uint64_t named = 0;
	int r;

	if (!options->redact.enabled) {
		say(NULL, "redact.enabled is false: nothing is redacted");
		return EXIT_CONFIG;
	}
	r = redactor_new(ret, &options->redact, &fault);
	if (r < 0) {
		(void)fprintf(stderr, "spanring redact: %s: %s\n", fault.key, fault.text);
		return r == -ENOMEM ? 1 : EXIT_CONFIG;
	}
	r = redactor_use(*ret, arguments->rules, &named, &unknown);
	if (r < 0) {
		(void)fprintf(stderr, "spanring redact: --rules: there is no rule '%.*s'\n",
			      r == -ENOENT ? (int)unknown.len : 0, (const char *)unknown.at);
		redactor_free(*ret);
		return 2;
	}
	(*ret)->active |= named;
	return 0;
}

static int report_on(struct report *report)
{
	struct redact_tally totals = {.changed = 0};
	char reason[512];
	int r = redact_look(&report->look, reason, sizeof reason);

	if (r < 0) {
		say(NULL, reason);
		return 1;
	}
	redactor_taken(report->look.redactor, &totals);
	if (report->findings)
		report->no_memory |= conclude_json(report, &totals) < 0;
	else
		conclude(report, &totals);
	if (report->no_memory)
		say(NULL, "out of memory");
	return report->no_memory ? 1 : 0;
}

static int test(const struct arguments *arguments, const struct options *options)
{
	struct report report = {.look.path = arguments->path};
	struct buf text = BUF_INIT;
	int r = make_redactor(&report.look.redactor, arguments, options);

	if (r)
		return r;
	terminal_find(&report.terminal);
	report.look.redactor->seen = seen;
	report.look.redactor->seen_arg = &report;
	report.findings = arguments->json ? json_array() : NULL;
	r = read_path(&text, arguments->path);
	if (r < 0) {
		(void)fprintf(stderr, "spanring redact: %s: %s\n", arguments->path,
			      strerror(-r));
		r = 1;
	} else {
		report.look.text = buf_bytes(&text);
		r = report_on(&report);
	}
	json_decref(report.findings);
	redact_look_fini(&report.look);
	redactor_free(report.look.redactor);
	buf_fini(&text);
	return r;
}

/* ---- the command line ---------------------------------------------------------------- */

/* 0, or the exit status. */
static int parse(struct arguments *arguments, int argc, char **argv)
{
	const char *verb = NULL;

	arguments->agent[arguments->agent_count++] = "spanringd";
	for (int i = 1; i < argc; i++) {
		bool last = i + 1 == argc;

		if (strcmp(argv[i], "--json") == 0) {
			arguments->json = true;
		} else if (strcmp(argv[i], "--rules") == 0 && !last) {
			arguments->rules = argv[++i];
		} else if ((strcmp(argv[i], "--config") == 0 ||
			    strcmp(argv[i], "--set") == 0) &&
			   !last && arguments->agent_count + 2 < ARGUMENTS_MAX) {
			arguments->agent[arguments->agent_count++] = argv[i];
			arguments->agent[arguments->agent_count++] = argv[++i];
		} else if (argv[i][0] == '-' && argv[i][1]) {
			return usage("not understood, or no value behind:", argv[i]);
		} else if (arguments->path) {
			return usage("one FILE at a time, not also", argv[i]);
		} else if (!verb) {
			verb = argv[i];
		} else {
			arguments->path = argv[i];
		}
	}
	if (!verb || strcmp(verb, "test") != 0)
		return usage("the action is test, not", verb ? verb : "none");
	return arguments->path ? 0 : usage("test wants", "a FILE, or - for standard input");
}

int redact_main(int argc, char **argv)
{
	struct arguments arguments = {.path = NULL};
	struct options options;
	int r;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			(void)fputs(help_text, stdout);
			return 0;
		}
	}
	r = parse(&arguments, argc, argv);
	if (r)
		return r;
	r = options_load(&options, arguments.agent_count, (char **)arguments.agent, say, NULL);
	if (r == 0)
		r = test(&arguments, &options);
	options_fini(&options);
	return r;
}
