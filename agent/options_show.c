/* The settings as people see them: --help and --check-config. */
#include "options.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "options_kinds.h"
#include "options_redact.h"
#include "options_table.h"

static void help_setting(const struct setting *setting, void (*put)(void *, const char *),
			 void *arg)
{
	char line[512];

	(void)snprintf(line, sizeof line, "%c %-26s %s%s%s%s\n", setting->live ? '*' : ' ',
		       setting->key, setting->help, setting->fallback ? " [" : "",
		       setting->fallback ? setting->fallback : "",
		       setting->fallback ? "]" : "");
	put(arg, line);
	for (int i = 0; i < 3 && setting->environment[i]; i++) {
		(void)snprintf(line, sizeof line, "  %-26s   %s\n", "",
			       setting->environment[i]);
		put(arg, line);
	}
}

void options_help(void (*put)(void *arg, const char *text), void *arg)
{
	put(arg,
	    "spanringd - drains the rings of traced processes, keeps them in a log, streams\n"
	    "finished spans to an OTLP collector and leaves one OTLP-JSON file per run.\n\n"
	    "usage: spanringd [--config FILE] [--set KEY=VALUE]...\n\n"
	    "  --config FILE     YAML file [/etc/spanring/spanringd.yaml, if it is there]\n"
	    "  --set KEY=VALUE   any setting below\n"
	    "  --ring-dir DIR  --state-dir DIR  --archive-dir DIR  --endpoint URL\n"
	    "  --log-level LEVEL  --no-export  --no-archive\n"
	    "  --private DIR     serve DIR/ring alone with the log in DIR/state, leave when "
	    "no\n"
	    "                    process uses it any more, and remove DIR if all is archived\n"
	    "  --check-config    say what is wrong, or show every setting, and leave\n"
	    "  --version  --help\n\n"
	    "Settings, with [default] and the environment variables that give them. The\n"
	    "command line wins over the environment, that over the file. Those with a * are\n"
	    "taken over by a reload, the others by a restart. In the file a key's first part\n"
	    "is the group:\n\n"
	    "    archive:\n"
	    "      dir: /data\n"
	    "      idle_timeout: 30s\n\n"
	    "Spans go to the collector of export.*, or to up to seven of a list, each with a\n"
	    "place of its own in the log, so that none waits for another. An entry knows the\n"
	    "keys of export.* and a name; the collector of export.* is there, too, if\n"
	    "export.endpoint is given:\n\n"
	    "    destinations:\n"
	    "      - name: far\n"
	    "        endpoint: https://collector.example.com:4317\n"
	    "      - name: near\n"
	    "        endpoint: unix:/run/collector.sock\n\n"
	    "Spans whose sender cannot say their kind get it by rule (docs/kinds.md). What is\n"
	    "given is how their name, an attribute's key or their scope's name begins:\n\n"
	    "    kinds:\n"
	    "      - kind: client\n"
	    "        attribute: gen_ai.request.model\n\n");
	put(arg, "Rules of redaction of your own are a list, too; see docs/privacy.md:\n\n"
		 "    redact:\n"
		 "      rules:\n"
		 "        - name: customer\n"
		 "          pattern: 'CUST-[0-9]{6}'\n\n");
	for (size_t i = 0; i < settings_count; i++)
		help_setting(&settings[i], put, arg);
	put(arg,
	    "\nSignals: TERM and INT drain, seal and leave within agent.shutdown_deadline, a\n"
	    "second one at once. HUP reads the configuration again: all of it or, when\n"
	    "something is wrong, nothing. USR1 opens agent.log_file again, after a rotation.\n"
	    "USR2 writes the state of everything into state.dir/status.json.\n"
	    "Exit codes: 0 ok, 1 failed, 2 usage, 78 bad configuration.\n");
}

/* `base` is the options, or a destination_base() of them. */
static void show_value(const struct options *options, const void *base,
		       const struct setting *setting, char *line, size_t size)
{
	const void *at = (const char *)base + setting->offset;

	switch (setting->type) {
	case TYPE_TEXT:
	case TYPE_NAME:
		(void)snprintf(line, size, "%s", *(char *const *)at ?: "");
		break;
	case TYPE_SECRET:
		(void)snprintf(line, size, "%s", *(char *const *)at ? "(set)" : "");
		break;
	case TYPE_BOOL:
		(void)snprintf(line, size, "%s", *(const bool *)at ? "true" : "false");
		break;
	case TYPE_SYNC:
		(void)snprintf(line, size, "%s", *(const bool *)at ? "each" : "interval");
		break;
	case TYPE_AUTO_NEVER:
		(void)snprintf(line, size, "%s", *(const bool *)at ? "auto" : "never");
		break;
	case TYPE_COUNT:
	case TYPE_LIMIT:
		(void)snprintf(line, size, "%u", *(const uint32_t *)at);
		break;
	case TYPE_LEVEL:
		(void)snprintf(line, size, "%s", log_level_name((int)*(const uint32_t *)at));
		break;
	case TYPE_SIZE:
		(void)snprintf(line, size, "%llu", (unsigned long long)*(const uint64_t *)at);
		break;
	case TYPE_DURATION:
		(void)snprintf(line, size, "%llums",
			       (unsigned long long)(*(const uint64_t *)at / 1000000));
		break;
	case TYPE_LIST:
		(void)snprintf(line, size, "%u names", options->archive_root_count);
		break;
	case TYPE_PROTOCOL:
		(void)snprintf(line, size, "%s", protocol_words[*(const uint32_t *)at]);
		break;
	case TYPE_ACTION:
		(void)snprintf(line, size, "%s", action_words[*(const uint32_t *)at]);
		break;
	case TYPE_COMPRESSION:
		(void)snprintf(line, size, "%s", compression_words[*(const uint32_t *)at]);
		break;
	}
}

static void show_line(const char *key, const char *value,
		      void (*put)(void *arg, const char *text), void *arg)
{
	char line[512];

	(void)snprintf(line, sizeof line, "%-26s %s\n", key, value);
	put(arg, line);
}

static void show_listed(struct options *options, uint32_t d,
			void (*put)(void *arg, const char *text), void *arg)
{
	char value[384], key[64];

	(void)snprintf(key, sizeof key, "destinations[%u].name", d);
	show_line(key, options->destinations[d].name, put, arg);
	for (size_t i = 0; i < settings_count; i++) {
		if (!setting_of_destination(&settings[i]))
			continue;
		show_value(options, destination_base(options, d), &settings[i], value,
			   sizeof value);
		(void)snprintf(key, sizeof key, "destinations[%u]%s", d,
			       strchr(settings[i].key, '.'));
		show_line(key, value, put, arg);
	}
}

void options_show(struct options *options, void (*put)(void *arg, const char *text), void *arg)
{
	char value[384];

	for (size_t i = 0; i < settings_count; i++) {
		show_value(options, options, &settings[i], value, sizeof value);
		show_line(settings[i].key, value, put, arg);
	}
	for (uint32_t d = 0; d < options->destination_count; d++)
		show_listed(options, d, put, arg);
	options_kinds_show(options, show_line, put, arg);
	options_redact_show(options, show_line, put, arg);
}
