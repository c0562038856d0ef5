#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "options_dirs.h"
#include "options_kinds.h"
#include "options_place.h"
#include "options_receive.h"
#include "options_redact.h"
#include "options_table.h"
#include "options_variables.h"
#include "options_yaml.h"
#include "serve/loopback.h"

/* Short names of what one types often. */
static const struct {
	const char *flag;
	const char *key;
} flags[] = {
	{"--ring-dir", "ring.dir"},	    {"--state-dir", "state.dir"},
	{"--archive-dir", "archive.dir"},   {"--endpoint", "export.endpoint"},
	{"--log-level", "agent.log_level"},
};

static const struct setting *setting_find(const char *key, size_t len)
{
	for (size_t i = 0; i < settings_count; i++)
		if (strlen(settings[i].key) == len && memcmp(settings[i].key, key, len) == 0)
			return &settings[i];
	return NULL;
}

/* ---- sources -------------------------------------------------------------- */

struct loader {
	struct options *options;
	options_say_fn *say;
	void *say_arg;
	const char *source;		  /* for messages */
	const char *file;		  /* the configuration file, where one was read */
	bool secret;			  /* the file gave one */
	enum endpoint_said endpoint_said; /* of export.* */
	const char *endpoint_name;	  /* what said it: the key, or a variable */
	uint32_t listed;		  /* destinations in the file */
	bool otlp_not_chosen;		  /* by OTEL_TRACES_EXPORTER */
	bool no_memory;			  /* nothing is wrong with what was to be read */
	int failed;
};

/* Says something of a key, with its place if the file has it. */
static void loader_say_of(const struct loader *loader, const char *source, const char *key,
			  const char *text)
{
	size_t line_number, column;
	char line[768];

	if (source == loader->file && options_place(loader->file, key, &line_number, &column))
		(void)snprintf(line, sizeof line, "%s:%zu:%zu: %s: %s", source, line_number,
			       column, key, text);
	else
		(void)snprintf(line, sizeof line, "%s: %s: %s", source, key, text);
	loader->say(loader->say_arg, line);
}

static void loader_say(const struct loader *loader, const char *key, const char *value,
		       const char *right)
{
	char text[512];

	(void)snprintf(text, sizeof text, "'%s' is not right; write %s", value, right);
	loader_say_of(loader, loader->source, key, text);
}

static int load_value_at(struct loader *loader, void *base, const struct setting *setting,
			 const char *key, const char *value)
{
	/* OpenTelemetry's variables are milliseconds; whoever writes 10 elsewhere may mean
	 * seconds. */
	bool may_be_bare = strncmp(loader->source, "OTEL_", 5) == 0;
	const char *right = setting_parse(base, setting, value, may_be_bare);

	if (!right)
		return 0;
	if (right == setting_no_memory) {
		loader->no_memory = true;
		return -ENOMEM;
	}
	loader_say(loader, key, value, right);
	loader->failed = EXIT_CONFIG;
	return -EINVAL;
}

static int load_value(struct loader *loader, const struct setting *setting, const char *value)
{
	return load_value_at(loader, loader->options, setting, setting->key, value);
}

/* The member of an entry of `destinations`. The name is always first: the entry
 * begins with the defaults. */
static int load_listed(struct loader *loader, const char *key, const char *value)
{
	struct options *options = loader->options;
	uint32_t i = (uint32_t)strtoul(strchr(key, '[') + 1, NULL, 10);
	const char *member = strchr(key, '.') + 1;
	void *base = destination_base(options, i);
	const struct setting *setting;
	char whole[64];

	if (strcmp(member, "name") == 0) {
		options->destination_count = i + 1;
		for (size_t s = 0; s < settings_count; s++)
			if (settings[s].fallback && setting_of_destination(&settings[s]) &&
			    strcmp(settings[s].key, "export.endpoint") != 0)
				(void)load_value_at(loader, base, &settings[s], settings[s].key,
						    settings[s].fallback);
		loader->no_memory |=
			setting_text(&options->destinations[i].name, value) != NULL;
		return loader->no_memory ? -ENOMEM : 0;
	}
	(void)snprintf(whole, sizeof whole, "export.%s", member);
	setting = setting_find(whole, strlen(whole));
	if (!setting)
		return 0;
	loader->secret |= setting->type == TYPE_SECRET;
	(void)load_value_at(loader, base, setting, key, value);
	return 0;
}

/* Beside a list, the one of export.* is there only when its endpoint is said. */
static void note_said(struct loader *loader, const struct setting *setting)
{
	if (strcmp(setting->key, "export.endpoint") != 0)
		return;
	loader->endpoint_name = loader->source;
	if (strcmp(loader->source, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == 0) {
		loader->endpoint_said = ENDPOINT_SAID_WHOLE;
	} else if (strncmp(loader->source, "OTEL_", 5) == 0) {
		loader->endpoint_said = ENDPOINT_SAID_BY_VARIABLE;
	} else {
		loader->endpoint_said = ENDPOINT_SAID_BY_KEY;
		loader->endpoint_name = setting->key;
	}
}

static int load_rule(struct loader *loader, const char *key, const char *value)
{
	const char *right = NULL;
	char *member;
	uint32_t i = (uint32_t)strtoul(strchr(key, '[') + 1, &member, 10);
	int r = options_redact_set(loader->options, i, member + 2, value, &right);

	if (r == -EINVAL) {
		loader_say(loader, key, value, right);
		loader->failed = EXIT_CONFIG;
	}
	loader->no_memory |= r == -ENOMEM;
	return r == -ENOMEM ? r : 0;
}

static void load_kind(struct loader *loader, const char *key, const char *value)
{
	const char *right = NULL;

	loader->no_memory |= options_kinds_set(loader->options, key, value, &right) < 0;
	if (!right)
		return;
	loader_say(loader, key, value, right);
	loader->failed = EXIT_CONFIG;
}

static int load_yaml_value(void *arg, const char *key, const char *value)
{
	struct loader *loader = arg;
	const struct setting *setting = setting_find(key, strlen(key));

	if (strncmp(key, "destinations[", 13) == 0)
		return load_listed(loader, key, value);
	if (strncmp(key, "redact.rules[", 13) == 0)
		return load_rule(loader, key, value);
	if (strncmp(key, OPTIONS_KINDS_KEY, sizeof OPTIONS_KINDS_KEY - 1) == 0)
		load_kind(loader, key, value);
	if (!setting)
		return 0;
	loader->secret |= setting->type == TYPE_SECRET;
	note_said(loader, setting);
	/* All wrong values are told in one go, so the walk goes on. */
	(void)load_value(loader, setting, value);
	return 0;
}

/* Only a warning: secrets mounted into a container look like this, too. */
static void check_secret_file(const struct loader *loader, const char *path)
{
	char line[512];
	struct stat st;

	if (!loader->secret || stat(path, &st) < 0 || !(st.st_mode & S_IROTH))
		return;
	(void)snprintf(line, sizeof line,
		       "%s holds headers and everybody can read it; chmod 0640 it", path);
	loader->say(loader->say_arg, line);
}

static int load_defaults(struct loader *loader)
{
	for (size_t i = 0; i < settings_count; i++) {
		if (!settings[i].fallback)
			continue;
		if (load_value(loader, &settings[i], settings[i].fallback) < 0)
			return EXIT_FAILURE;
	}
	return 0;
}

static int load_file(struct loader *loader, const char *path, bool asked_for)
{
	char line[512];
	int r;

	loader->source = loader->file = path;
	r = options_yaml_load(path, load_yaml_value, loader, loader->say, loader->say_arg);
	loader->no_memory |= r == -ENOMEM;
	if (r == -ENOENT && !asked_for) {
		loader->file = NULL;
		return 0;
	}
	if (r < 0 && r != -EINVAL) {
		(void)snprintf(line, sizeof line, "%s: cannot be read: %s", path, strerror(-r));
		loader->say(loader->say_arg, line);
	}
	check_secret_file(loader, path);
	return r < 0 ? EXIT_CONFIG : loader->failed;
}

/* OpenTelemetry's booleans are true by that word alone; what is neither is told,
 * and counts as false: `yes` must not open what `true` is meant to open. */
static const char *plain_truth(const struct loader *loader, const struct setting *setting,
			       const char *value)
{
	if (setting->type != TYPE_BOOL || strcasecmp(value, "true") == 0 ||
	    strcasecmp(value, "false") == 0)
		return value;
	loader_say(loader, setting->key, value, "true or false; it counts as false");
	return "false";
}

/* What is no header is left out. -EINVAL: nothing is left. */
static int load_environment_headers(struct loader *loader, const struct setting *setting,
				    const char *value)
{
	struct buf kept = BUF_INIT;
	int r = variable_headers(loader->source, value, &kept, loader->say, loader->say_arg);

	loader->no_memory |= r < 0;
	if (r == 0)
		r = *kept.at ? load_value(loader, setting, (const char *)kept.at) : -EINVAL;
	if (kept.at)
		explicit_bzero(kept.at, kept.cap);
	buf_fini(&kept);
	return r;
}

static int load_variable(struct loader *loader, const struct setting *setting,
			 const char *value)
{
	if (setting->type == TYPE_SECRET)
		return load_environment_headers(loader, setting, value);
	return load_value(loader, setting, plain_truth(loader, setting, value));
}

/* The first variable that is set, not empty and not wrong decides. An endpoint that
 * cannot be one is found later, in options_check_destinations(), and ends the start:
 * the specification allows that, and the default would get what was meant for others. */
static void load_environment_value(struct loader *loader, const struct setting *setting)
{
	for (int i = 0; i < 3 && setting->environment[i]; i++) {
		const char *value = getenv(setting->environment[i]);

		if (!value || !*value)
			continue;
		loader->source = setting->environment[i];
		if (load_variable(loader, setting, value) < 0)
			continue;
		note_said(loader, setting);
		return;
	}
}

/* One more destination, with the defaults, whose name is its protocol. */
static void add_console(struct loader *loader, const char *name, const char *protocol)
{
	struct options *options = loader->options;
	char key[64];

	if (options->destination_count == OPTIONS_DESTINATIONS_MAX) {
		loader_say(loader, "exporter", name, "fewer destinations; ignored");
		return;
	}
	(void)snprintf(key, sizeof key, "destinations[%u].name", options->destination_count);
	if (load_listed(loader, key, name) < 0)
		return;
	(void)snprintf(key, sizeof key, "destinations[%u].protocol",
		       options->destination_count - 1);
	(void)load_listed(loader, key, protocol);
}

/* `none` beside another means nothing. */
static void load_exporter_choice(struct loader *loader)
{
	unsigned named = variable_exporters(loader->say, loader->say_arg);

	loader->source = VARIABLE_EXPORTER;
	loader->listed = loader->options->destination_count;
	if (named == 1u << EXPORTER_NONE)
		loader->options->export_enabled = false;
	if (named & 1u << EXPORTER_CONSOLE)
		add_console(loader, "console", "console");
	if (named & 1u << EXPORTER_STDOUT)
		add_console(loader, "stdout", "otlp/stdout");
	loader->otlp_not_chosen = named && !(named & 1u << EXPORTER_OTLP);
}

static void load_environment(struct loader *loader)
{
	for (size_t i = 0; i < settings_count; i++)
		load_environment_value(loader, &settings[i]);
	load_exporter_choice(loader);
	variable_queue_size(loader->options, loader->say, loader->say_arg);
	variable_config_file(loader->say, loader->say_arg);
	loader->failed = 0; /* a bad variable is told and ignored */
}

/* ---- command line --------------------------------------------------------- */

struct arguments {
	const char *config;
	const char *keys[128];
	const char *values[128];
	size_t key_lengths[128];
	int count;
};

static int arguments_add(struct arguments *arguments, const char *key, size_t len,
			 const char *value)
{
	if (arguments->count == 128)
		return -E2BIG;
	arguments->keys[arguments->count] = key;
	arguments->key_lengths[arguments->count] = len;
	arguments->values[arguments->count++] = value;
	return 0;
}

static int arguments_fail(const struct loader *loader, const char *what, const char *argument)
{
	char line[512];

	(void)snprintf(line, sizeof line, "%s '%s'; see spanringd --help", what, argument);
	loader->say(loader->say_arg, line);
	return EXIT_USAGE;
}

/* --flag VALUE and --flag=VALUE. NULL: it is not this flag, or has no value. */
static const char *flag_value(const char *flag, char **argv, int argc, int *i)
{
	size_t len = strlen(flag);

	if (strncmp(argv[*i], flag, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] == '\0' && *i + 1 < argc)
		return argv[++*i];
	return NULL;
}

static int arguments_word(struct loader *loader, struct arguments *arguments, char **argv,
			  int argc, int *i)
{
	const char *value, *equals;

	if (strcmp(argv[*i], "--help") == 0 || strcmp(argv[*i], "-h") == 0)
		loader->options->show_help = true;
	else if (strcmp(argv[*i], "--version") == 0)
		loader->options->show_version = true;
	else if (strcmp(argv[*i], "--check-config") == 0)
		loader->options->check_only = true;
	else if (strcmp(argv[*i], "--no-export") == 0)
		return arguments_add(arguments, "export.enabled", 14, "false");
	else if (strcmp(argv[*i], "--no-archive") == 0)
		return arguments_add(arguments, "archive.enabled", 15, "false");
	else if ((value = flag_value("--private", argv, argc, i)))
		loader->no_memory |= setting_text(&loader->options->private_dir, value) != NULL;
	else if ((value = flag_value("--config", argv, argc, i)))
		arguments->config = value;
	else if ((value = flag_value("--set", argv, argc, i))) {
		equals = strchr(value, '=');
		if (!equals)
			return arguments_fail(loader, "--set wants key=value, not", value);
		return arguments_add(arguments, value, (size_t)(equals - value), equals + 1);
	} else {
		for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++) {
			value = flag_value(flags[f].flag, argv, argc, i);
			if (value)
				return arguments_add(arguments, flags[f].key,
						     strlen(flags[f].key), value);
		}
		return arguments_fail(loader, "unknown argument, or no value behind", argv[*i]);
	}
	return 0;
}

static int arguments_parse(struct loader *loader, struct arguments *arguments, int argc,
			   char **argv)
{
	int r;

	for (int i = 1; i < argc; i++) {
		r = arguments_word(loader, arguments, argv, argc, &i);
		if (r)
			return r < 0 ? arguments_fail(loader, "too many arguments at", argv[i])
				     : r;
	}
	return 0;
}

/* Every user of the machine can read a command line. */
static int arguments_secret(const struct loader *loader, const struct setting *setting)
{
	char line[512];

	(void)snprintf(line, sizeof line,
		       "%s may hold secrets, which everybody could read from the command line; "
		       "write it into the configuration file or into %s",
		       setting->key, setting->environment[1]);
	loader->say(loader->say_arg, line);
	return EXIT_USAGE;
}

static int load_arguments(struct loader *loader, const struct arguments *arguments)
{
	const struct setting *setting;

	loader->source = "command line";
	for (int i = 0; i < arguments->count; i++) {
		setting = setting_find(arguments->keys[i], arguments->key_lengths[i]);
		if (!setting)
			return arguments_fail(loader, "unknown setting", arguments->keys[i]);
		if (setting->type == TYPE_SECRET)
			return arguments_secret(loader, setting);
		note_said(loader, setting);
		(void)load_value(loader, setting, arguments->values[i]);
	}
	return loader->failed;
}

/* ---- whether all of it can be used together ---------------------------------- */

static int check_redact(struct loader *loader)
{
	struct redact_fault fault;
	int r = options_redact_check(loader->options, &fault);

	loader->no_memory |= r == -ENOMEM;
	if (r != -EINVAL)
		return 0;
	loader_say_of(loader, loader->file ? loader->file : "settings", fault.key, fault.text);
	return EXIT_CONFIG;
}

static int check_kinds(const struct loader *loader)
{
	char key[32];
	const char *fault = options_kinds_fault(loader->options, key, sizeof key);

	if (!fault)
		return 0;
	loader_say_of(loader, loader->file, key, fault);
	return EXIT_CONFIG;
}

static int check_ranges(struct loader *loader)
{
	struct options *options = loader->options;
	struct loopback loopback;
	const char *right;

	options->export_default =
		!loader->otlp_not_chosen &&
		(loader->listed == 0 || loader->endpoint_said != ENDPOINT_SAID_BY_NOBODY);
	if (options_make_urls(options, loader->endpoint_said) < 0) {
		loader->no_memory = true;
		return 0;
	}
	if (!options_check_destinations(options, loader->endpoint_name, loader->say,
					loader->say_arg))
		return EXIT_CONFIG;
	if (options->serve_tcp && *options->serve_tcp &&
	    (right = loopback_parse(&loopback, options->serve_tcp))) {
		loader->source = loader->file ? loader->file : loader->source;
		loader_say(loader, "serve.tcp", options->serve_tcp, right);
		return EXIT_CONFIG;
	}
	if (!options_check_receive(options, loader->say, loader->say_arg))
		return EXIT_CONFIG;
	if (check_kinds(loader) != 0)
		return EXIT_CONFIG;
	return check_redact(loader);
}

static int load_everything(struct loader *loader, int argc, char **argv)
{
	struct arguments arguments = {.count = 0};
	struct options *options = loader->options;
	int r;

	r = arguments_parse(loader, &arguments, argc, argv);
	if (r || options->show_help || options->show_version)
		return r;
	r = load_defaults(loader);
	if (!r)
		r = load_file(loader,
			      arguments.config ? arguments.config
					       : "/etc/spanring/spanringd.yaml",
			      arguments.config != NULL);
	if (r)
		return r;
	load_environment(loader);
	r = load_arguments(loader, &arguments);
	if (r)
		return r;
	loader->no_memory |= options_find_dirs(options) < 0;
	return loader->no_memory ? 0 : check_ranges(loader);
}

int options_load(struct options *options, int argc, char **argv, options_say_fn *say,
		 void *say_arg)
{
	struct loader loader = {.options = options,
				.say = say,
				.say_arg = say_arg,
				.source = "defaults",
				.endpoint_name = "export.endpoint"};
	int r;

	memset(options, 0, sizeof *options);
	r = load_everything(&loader, argc, argv);
	if (!loader.no_memory)
		return r;
	say(say_arg, "out of memory while the settings were read");
	return EXIT_FAILURE;
}

/* Whether it was a secret need not be known. */
static void free_text(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void free_setting(void *base, const struct setting *setting)
{
	if (setting->type == TYPE_TEXT || setting->type == TYPE_SECRET ||
	    setting->type == TYPE_NAME)
		free_text(*(char **)((char *)base + setting->offset));
}

void options_fini(struct options *options)
{
	for (size_t i = 0; i < settings_count; i++) {
		free_setting(options, &settings[i]);
		for (uint32_t d = 0; d < options->destination_count; d++)
			if (setting_of_destination(&settings[i]))
				free_setting(destination_base(options, d), &settings[i]);
	}
	for (uint32_t d = 0; d < options->destination_count; d++)
		free(options->destinations[d].name);
	for (uint32_t i = 0; i < options->archive_root_count; i++)
		free(options->archive_roots[i]);
	options_kinds_fini(options);
	options_redact_fini(options);
	free(options->private_dir);
	memset(options, 0, sizeof *options);
}
