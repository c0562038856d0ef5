/* spanring recover: ring files and log of a dead machine become archives. The agent's
 * own pipeline does the work, on copies in a directory that is removed again. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/env_linux.h"
#include "base/log.h"
#include "options.h"
#include "options_redact.h"
#include "pipeline.h"
#include "recover_report.h"
#include "verbs.h"

#define PATIENCE_NS UINT64_C(60000000000)

static const char help_text[] =
	"usage: spanring recover [DIR] [--out DIR] [--json]\n"
	"                        [--ring-dir DIR] [--state-dir DIR] [--archive-dir DIR]\n"
	"                        [--config FILE]\n\n"
	"Turns what a dead agent or machine left into archives, without an agent, and says\n"
	"what of it is certain and what is not.\n\n"
	"DIR is a ring directory, a state directory, or one that holds both (as `ring` and\n"
	"`state`); or name them one by one. The archive directory is needed only for spans\n"
	"that have left the log already: with it, its open runs (.partial) are completed and\n"
	"its sealed files taken over; without it, every span of the log gets into a file.\n\n"
	"  --out DIR      where the archives go, new or empty; ./recovered\n"
	"  --json         the report as one JSON object\n"
	"  --config FILE  the agent's configuration: its rules of redaction hold for what the\n"
	"                 rings hold; else the built-in ones do\n\n"
	"Nothing in DIR is changed: everything works on copies, which need as much room in\n"
	"--out for as long as it takes. While an agent serves the directory, or a process\n"
	"still writes, nothing is done: start spanringd instead, it recovers by itself.\n\n"
	"Spans that were open are closed as the agent would: with ERROR, the cause unknown,\n"
	"between the last record of their process and now.\n\n"
	"Exit codes: 0 everything was read, 1 something was damaged or lost (what was not is\n"
	"archived), 2 usage, or nothing to recover.\n";

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static int fail(const char *text)
{
	(void)fprintf(stderr, "spanring recover: %s\n", text);
	return 2;
}

/* ---- the output directory --------------------------------------------------------- */

static int is_empty(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return -ENOTEMPTY;
}

static int make_out(struct env *env, const char *out, char reason[EVIDENCE_REASON_BYTES])
{
	int fd, r = 0;

	if (mkdir(out, 0750) < 0 && errno != EEXIST)
		r = -errno;
	fd = r < 0 ? r : env->ops->open(env, AT_FDCWD, out, O_RDONLY | O_DIRECTORY, 0);
	if (fd >= 0) {
		r = env->ops->list(env, fd, is_empty, NULL);
		(void)env->ops->close(env, fd);
	} else {
		r = fd;
	}
	if (r == -ENOTEMPTY)
		(void)snprintf(reason, EVIDENCE_REASON_BYTES,
			       "%.700s is not empty; name a new directory with --out, so that "
			       "nothing is mixed",
			       out);
	else if (r < 0)
		(void)snprintf(reason, EVIDENCE_REASON_BYTES,
			       "%.700s cannot be made: %s; name another with --out", out,
			       strerror(-r));
	return r;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	(void)remove(path);
	return 0;
}

/* ---- what the pipeline says -------------------------------------------------------- */

/* The value behind ` name=`, without its quotes and escapes. */
static json_t *logfmt_value(const char *line, const char *name)
{
	const char *at = strstr(line, name);
	struct buf text = BUF_INIT;
	json_t *value;
	bool quoted;

	if (!at)
		return json_string("");
	at += strlen(name);
	quoted = *at == '"';
	for (at += quoted; *at && *at != (quoted ? '"' : ' ') && *at != '\n'; at++) {
		if (*at == '\\' && at[1])
			at++;
		(void)buf_append_byte(&text, (uint8_t)*at);
	}
	value = json_stringn_nocheck((const char *)text.at, text.len);
	buf_fini(&text);
	return value;
}

/* Warnings and errors; that the copies are not on a tmpfs is as it should be. */
static json_t *read_notes(FILE *said)
{
	json_t *notes = json_array();
	char line[LOG_LINE_BYTES_MAX + 256];

	rewind(said);
	while (fgets(line, sizeof line, said)) {
		json_t *note;

		if (strstr(line, "is not on tmpfs"))
			continue;
		note = json_object();
		(void)json_object_set_new(note, "level", logfmt_value(line, " level="));
		(void)json_object_set_new(note, "stage", logfmt_value(line, " stage="));
		(void)json_object_set_new(note, "text", logfmt_value(line, " msg="));
		(void)json_array_append_new(notes, note);
	}
	return notes;
}

/* ---- the work ----------------------------------------------------------------------- */

static void say_option(void *arg, const char *line)
{
	(void)arg;
	(void)fprintf(stderr, "spanring recover: %s\n", line);
}

/* A file of our own, so that this machine's is not read. */
static int write_config(const char *path)
{
	FILE *file = fopen(path, "wxe");
	int r;

	if (!file)
		return -errno;
	r = fputs("export:\n  enabled: false\narchive:\n  idle_timeout: 200ms\n", file) < 0;
	return fclose(file) != 0 || r ? -EIO : 0;
}

/* Settings of an agent that serves the copies and nothing else: no network, and every
 * run gets its archive. */
static int load_options(struct options *options, const char *work, const char *out)
{
	char config[PATH_MAX + 48], ring[PATH_MAX + 48], state[PATH_MAX + 48];
	const char *arguments[] = {"spanringd", "--config",    config, "--ring-dir",
				   ring,	"--state-dir", state,  "--archive-dir",
				   out,		NULL};
	int r, count = (int)(sizeof arguments / sizeof arguments[0]) - 1;

	(void)snprintf(config, sizeof config, "%s/spanringd.yaml", work);
	(void)snprintf(ring, sizeof ring, "%s/ring", work);
	(void)snprintf(state, sizeof state, "%s/state", work);
	r = write_config(config);
	if (r < 0)
		return r;
	return options_load(options, count, (char **)arguments, say_option, NULL) ? -EINVAL : 0;
}

static bool is_done(const struct pipeline *p)
{
	const struct archive_counters *archived = archive_counters(p->archive);

	return !pipeline_in_use(p) && assemble_counters(p->assemble)->open == 0 &&
	       archive_mark(p->archive) >= wal_last_span_number(p->wal) &&
	       archived->open_runs == 0 && archived->waiting == 0;
}

/* Until all is archived, or nothing has moved for a long time. */
static bool run_pipeline(struct pipeline *p)
{
	uint64_t moved_ns = p->env->ops->mono_ns(p->env), now_ns = moved_ns;

	while (!stop && !is_done(p) && now_ns - moved_ns < PATIENCE_NS) {
		int work = pipeline_step(p);

		now_ns = p->env->ops->mono_ns(p->env);
		if (work)
			moved_ns = now_ns;
		else
			pipeline_wait(p);
	}
	return is_done(p);
}

static json_t *status_of(struct pipeline *p)
{
	struct buf text = BUF_INIT;
	json_t *status = NULL;

	if (pipeline_status(p, &text) == 0)
		status = json_loadb((const char *)text.at, text.len, 0, NULL);
	buf_fini(&text);
	return status;
}

/* 0, or -errno after the log has said why. */
static int archive_copies(struct recovery_report *report, struct env *env, const char *work)
{
	static struct pipeline pipeline;
	struct options options;
	int r;

	r = load_options(&options, work, report->out);
	if (r < 0)
		return r;
	options.archive_any_name = true;
	if (report->rules)
		options_redact_exchange(&options, report->rules);
	options.archive_anew = !*report->evidence->archive_dir;
	options.owners_lost = report->evidence->owners_lost;
	r = pipeline_init(&pipeline, env, &options);
	if (r == 0) {
		report->finished = run_pipeline(&pipeline);
		report->status = status_of(&pipeline);
	}
	pipeline_fini(&pipeline);
	options_fini(&options);
	return stop ? -EINTR : r;
}

static int recover_into(struct recovery_report *report, struct evidence *evidence,
			struct env *env, char reason[EVIDENCE_REASON_BYTES])
{
	char work[PATH_MAX + 32];
	FILE *said = tmpfile();
	int r;

	(void)snprintf(work, sizeof work, "%s/.recovering-XXXXXX", report->out);
	if (!said || !mkdtemp(work)) {
		r = -errno;
		(void)snprintf(reason, EVIDENCE_REASON_BYTES, "%.700s cannot be written: %s",
			       report->out, strerror(-r));
		if (said)
			(void)fclose(said);
		return r;
	}
	log_init(&(struct log_options){
		.level = LOG_WARNING, .fd = fileno(said), .burst = UINT32_MAX});
	r = evidence_copy(evidence, work, report->out, &stop, reason);
	if (r == 0) {
		r = archive_copies(report, env, work);
		report->notes = read_notes(said);
		if (r < 0)
			(void)snprintf(reason, EVIDENCE_REASON_BYTES,
				       "the copies cannot be worked on: %s: %.700s",
				       strerror(-r),
				       json_string_value(json_object_get(
					       json_array_get(report->notes, 0), "text"))
					       ?: "");
	}
	log_init(NULL);
	(void)fclose(said);
	(void)nftw(work, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	return r;
}

static int recover(struct evidence *evidence, const char *out, struct options *rules,
		   bool as_json)
{
	struct recovery_report report = {.evidence = evidence, .out = out, .rules = rules};
	char reason[EVIDENCE_REASON_BYTES] = "";
	struct env *env;
	int r, code;

	if (env_linux_new(&env, NULL) < 0)
		return fail("out of memory or descriptors");
	r = make_out(env, out, reason);
	if (r < 0) {
		env_linux_free(env);
		return fail(reason);
	}
	r = recover_into(&report, evidence, env, reason);
	env_linux_free(env);
	if (r == 0)
		r = recovery_report_read(&report);
	if (r == -EINTR) {
		(void)fail("interrupted; what stands in the output directory is not complete");
		code = 130;
	} else if (r < 0) {
		(void)fail(*reason ? reason : strerror(-r));
		code = 1;
	} else {
		code = recovery_report_losses(&report);
		if (as_json)
			code |= recovery_report_json(&report) < 0;
		else
			recovery_report_print(&report);
	}
	recovery_report_fini(&report);
	return code;
}

/* ---- arguments ------------------------------------------------------------------------ */

struct arguments {
	const char *dir, *out, *ring_dir, *state_dir, *archive_dir, *config;
	bool as_json, help;
};

static int usage(const char *text, const char *argument)
{
	(void)fprintf(stderr, "spanring recover: %s '%s'; see spanring recover --help\n", text,
		      argument);
	return 2;
}

static const char **named(struct arguments *arguments, const char *word)
{
	if (strcmp(word, "--out") == 0)
		return &arguments->out;
	if (strcmp(word, "--ring-dir") == 0)
		return &arguments->ring_dir;
	if (strcmp(word, "--state-dir") == 0)
		return &arguments->state_dir;
	if (strcmp(word, "--archive-dir") == 0)
		return &arguments->archive_dir;
	if (strcmp(word, "--config") == 0)
		return &arguments->config;
	return NULL;
}

static int parse(struct arguments *arguments, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char **value = named(arguments, argv[i]);

		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			arguments->help = true;
		else if (strcmp(argv[i], "--json") == 0)
			arguments->as_json = true;
		else if (value && i + 1 < argc)
			*value = argv[++i];
		else if (value)
			return usage("something is missing behind", argv[i]);
		else if (argv[i][0] == '-' || arguments->dir)
			return usage("not understood:", argv[i]);
		else
			arguments->dir = argv[i];
	}
	if (!arguments->help && !arguments->dir && !arguments->ring_dir &&
	    !arguments->state_dir) {
		(void)fprintf(stderr, "spanring recover: no directory was said; see spanring "
				      "recover --help\n");
		return 2;
	}
	return 0;
}

static void put_path(char ret_path[PATH_MAX], const char *dir, const char *below)
{
	if (dir)
		(void)snprintf(ret_path, PATH_MAX, "%s%s", dir, below);
}

/* 0, or the exit status. */
static int load_rules(struct options *rules, const char *config)
{
	const char *arguments[] = {"spanringd", "--config", config, NULL};

	return options_load(rules, 3, (char **)arguments, say_option, NULL);
}

int recover_main(int argc, char **argv)
{
	struct arguments arguments = {.out = "recovered"};
	char reason[EVIDENCE_REASON_BYTES] = "";
	static struct evidence evidence;
	struct options rules = {0};
	int r;

	r = parse(&arguments, argc, argv);
	if (r)
		return r;
	if (arguments.help) {
		(void)fputs(help_text, stdout);
		return 0;
	}
	r = arguments.config ? load_rules(&rules, arguments.config) : 0;
	if (r) {
		options_fini(&rules);
		return r;
	}
	put_path(evidence.ring_dir, arguments.ring_dir, "");
	put_path(evidence.wal_dir, arguments.state_dir, "/wal");
	put_path(evidence.archive_dir, arguments.archive_dir, "");
	if (evidence_find(&evidence, arguments.dir, reason) < 0)
		return fail(reason);
	if (evidence_in_use(&evidence, reason) != 0)
		return fail(reason);
	(void)sigaction(SIGINT, &(struct sigaction){.sa_handler = on_signal}, NULL);
	(void)sigaction(SIGTERM, &(struct sigaction){.sa_handler = on_signal}, NULL);
	(void)umask(0027);
	r = recover(&evidence, arguments.out, arguments.config ? &rules : NULL,
		    arguments.as_json);
	options_fini(&rules);
	evidence_fini(&evidence);
	return r;
}
