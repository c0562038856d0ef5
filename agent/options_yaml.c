#include "options_yaml.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

/* Every key of the file, by group. The struct, its schema and the walk over
 * what was read are made from these lists, so a key is named once. */
#define RING_KEYS(X) \
	X(ring, dir) X(ring, max_rings) X(ring, max_rings_per_user) X(ring, turn_size)
#define STATE_KEYS(X) X(state, dir)
#define WAL_KEYS(X) X(wal, max_size) X(wal, memory_max) X(wal, sync) X(wal, sync_interval)
#define ASSEMBLE_KEYS(X)        \
	X(assemble, memory_max) \
	X(assemble, open_spans_max) X(assemble, stale_ttl)
#define LIMITS_KEYS(X)                 \
	X(limits, span_attributes)     \
	X(limits, span_events)         \
	X(limits, span_links)          \
	X(limits, name_size)           \
	X(limits, key_size)            \
	X(limits, value_size)          \
	X(limits, resource_size)       \
	X(limits, scopes)              \
	X(limits, ring_open_spans)     \
	X(limits, ring_parked_records) \
	X(limits, ring_share)          \
	X(limits, user_share)          \
	X(limits, run_spans) X(limits, user_runs) X(limits, user_runs_per_second)
#define ARCHIVE_KEYS(X)     \
	X(archive, enabled) \
	X(archive, dir)     \
	X(archive, name)    \
	X(archive, idle_timeout) X(archive, min_spans) X(archive, redact)
#define RETENTION_KEYS(X)       \
	X(retention, max_age)   \
	X(retention, max_files) \
	X(retention, max_size) X(retention, min_free)
#define DESTINATION_KEYS(X, group)                                              \
	X(group, protocol)                                                      \
	X(group, endpoint)                                                      \
	X(group, headers)                                                       \
	X(group, headers_file)                                                  \
	X(group, compression)                                                   \
	X(group, insecure)                                                      \
	X(group, certificate)                                                   \
	X(group, client_certificate)                                            \
	X(group, client_key)                                                    \
	X(group, timeout)                                                       \
	X(group, batch_spans)                                                   \
	X(group, batch_bytes)                                                   \
	X(group, delay)                                                         \
	X(group, streams)                                                       \
	X(group, request_max) X(group, response_max) X(group, isolate_rejected) \
		X(group, redact)
#define EXPORT_KEYS(X) X(export, enabled) DESTINATION_KEYS(X, export)
#define LISTED_KEYS(X) X(listed, name) DESTINATION_KEYS(X, listed)
#define RECEIVE_KEYS(X)             \
	X(receive, enabled)         \
	X(receive, grpc)            \
	X(receive, http)            \
	X(receive, connections)     \
	X(receive, streams)         \
	X(receive, header_max)      \
	X(receive, request_max)     \
	X(receive, ratio_max)       \
	X(receive, memory_max)      \
	X(receive, response_max)    \
	X(receive, request_timeout) \
	X(receive, idle_timeout) X(receive, ping_interval)
#define SERVE_KEYS(X) X(serve, tcp)
#define REDACT_KEYS(X)           \
	X(redact, enabled)       \
	X(redact, action)        \
	X(redact, enable)        \
	X(redact, disable)       \
	X(redact, allow_keys)    \
	X(redact, hash_key_file) \
	X(redact, match_limit) X(redact, value_max)
/* Of an entry of redact.rules. */
#define RULE_KEYS(X)     \
	X(rule, name)    \
	X(rule, action)  \
	X(rule, keys)    \
	X(rule, except)  \
	X(rule, pattern) \
	X(rule, contains) X(rule, everywhere)
/* Of an entry of kinds, besides its kind. */
#define KIND_KEYS(X) X(kinds, name) X(kinds, attribute) X(kinds, scope)
#define AGENT_KEYS(X)      \
	X(agent, io_uring) \
	X(agent, log_level) X(agent, log_file) X(agent, shutdown_deadline)

#define GROUPS(X)                  \
	X(ring, RING_KEYS)         \
	X(state, STATE_KEYS)       \
	X(wal, WAL_KEYS)           \
	X(assemble, ASSEMBLE_KEYS) \
	X(limits, LIMITS_KEYS)     \
	X(archive, ARCHIVE_KEYS)   \
	X(export, EXPORT_KEYS)     \
	X(receive, RECEIVE_KEYS)   \
	X(serve, SERVE_KEYS) X(redact, REDACT_KEYS) X(agent, AGENT_KEYS)

#define MEMBER(group, name) char *name;
struct yaml_ring {
	RING_KEYS(MEMBER)
};
struct yaml_state {
	STATE_KEYS(MEMBER)
};
struct yaml_wal {
	WAL_KEYS(MEMBER)
};
struct yaml_assemble {
	ASSEMBLE_KEYS(MEMBER)
};
struct yaml_limits {
	LIMITS_KEYS(MEMBER)
};
/* A group within archive. */
struct yaml_retention {
	RETENTION_KEYS(MEMBER)
};
struct yaml_archive {
	ARCHIVE_KEYS(MEMBER)
	struct yaml_retention retention;
	char **roots;
	unsigned roots_count;
};
struct yaml_export {
	EXPORT_KEYS(MEMBER)
};
/* An entry of `destinations`. */
struct yaml_listed {
	LISTED_KEYS(MEMBER)
};
struct yaml_kinds {
	char *kind;
	KIND_KEYS(MEMBER)
};
struct yaml_receive {
	RECEIVE_KEYS(MEMBER)
};
struct yaml_serve {
	SERVE_KEYS(MEMBER)
};
struct yaml_rule {
	RULE_KEYS(MEMBER)
};
struct yaml_redact {
	REDACT_KEYS(MEMBER)
	struct yaml_rule *rules;
	unsigned rules_count;
};
struct yaml_agent {
	AGENT_KEYS(MEMBER)
};

#define GROUP_MEMBER(group, keys) struct yaml_##group group;
struct yaml_file {
	GROUPS(GROUP_MEMBER)
	struct yaml_listed *destinations;
	unsigned destinations_count;
	struct yaml_kinds *kinds;
	unsigned kinds_count;
};

#define TEXT_FIELD(group, name)                                                 \
	CYAML_FIELD_STRING_PTR(#name, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, \
			       struct yaml_##group, name, 0, CYAML_UNLIMITED),

static const cyaml_schema_value_t root_name = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t ring_fields[] = {RING_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t state_fields[] = {STATE_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t wal_fields[] = {WAL_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t limits_fields[] = {LIMITS_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t assemble_fields[] = {ASSEMBLE_KEYS(TEXT_FIELD)
							       CYAML_FIELD_END};
static const cyaml_schema_field_t retention_fields[] = {RETENTION_KEYS(TEXT_FIELD)
								CYAML_FIELD_END};
static const cyaml_schema_field_t archive_fields[] = {
	ARCHIVE_KEYS(TEXT_FIELD)
		CYAML_FIELD_MAPPING("retention", CYAML_FLAG_OPTIONAL, struct yaml_archive,
				    retention, retention_fields),
	CYAML_FIELD_SEQUENCE("roots", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			     struct yaml_archive, roots, &root_name, 0, OPTIONS_ROOTS_MAX),
	CYAML_FIELD_END};
static const cyaml_schema_field_t export_fields[] = {EXPORT_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t listed_fields[] = {LISTED_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_value_t listed_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_listed, listed_fields),
};
static const cyaml_schema_field_t kinds_fields[] = {
	TEXT_FIELD(kinds, kind) KIND_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_value_t kinds_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_kinds, kinds_fields),
};
static const cyaml_schema_field_t receive_fields[] = {RECEIVE_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t serve_fields[] = {SERVE_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_field_t rule_fields[] = {RULE_KEYS(TEXT_FIELD) CYAML_FIELD_END};
static const cyaml_schema_value_t rule_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct yaml_rule, rule_fields),
};
static const cyaml_schema_field_t redact_fields[] = {
	REDACT_KEYS(TEXT_FIELD) CYAML_FIELD_SEQUENCE(
		"rules", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_redact, rules,
		&rule_entry, 0, REDACT_OWN_RULES_MAX),
	CYAML_FIELD_END};
static const cyaml_schema_field_t agent_fields[] = {AGENT_KEYS(TEXT_FIELD) CYAML_FIELD_END};

#define GROUP_FIELD(group, keys)                                                  \
	CYAML_FIELD_MAPPING(#group, CYAML_FLAG_OPTIONAL, struct yaml_file, group, \
			    group##_fields),

static const cyaml_schema_field_t file_fields[] = {
	GROUPS(GROUP_FIELD) CYAML_FIELD_SEQUENCE(
		"destinations", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct yaml_file,
		destinations, &listed_entry, 0, OPTIONS_DESTINATIONS_MAX),
	CYAML_FIELD_SEQUENCE("kinds", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			     struct yaml_file, kinds, &kinds_entry, 0, KIND_RULES_MAX),
	CYAML_FIELD_END};
static const cyaml_schema_value_t file_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct yaml_file, file_fields),
};

struct sayer {
	const char *path;
	options_say_fn *say;
	void *arg;
	char unknown_key[128]; /* "": none */
};

/* ---- where an unknown key stands -------------------------------------------- */

#define DEPTH_MAX 32

struct place {
	bool in_mapping[DEPTH_MAX];
	bool key_next[DEPTH_MAX];
	int depth;
};

/* Every second node of a mapping is a key. */
static bool node_is_key(struct place *place)
{
	bool is_key = place->in_mapping[place->depth] && place->key_next[place->depth];

	place->key_next[place->depth] = !place->key_next[place->depth];
	return is_key;
}

/* True if the event is this key. */
static bool take_event(struct place *place, const yaml_event_t *event, const char *key)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return node_is_key(place) &&
		       strcmp((const char *)event->data.scalar.value, key) == 0;
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		(void)node_is_key(place);
		place->depth++;
		place->in_mapping[place->depth] = event->type == YAML_MAPPING_START_EVENT;
		place->key_next[place->depth] = true;
		return false;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		place->depth--;
		return false;
	default:
		return false;
	}
}

static bool find_key(FILE *file, const char *key, yaml_mark_t *ret_mark)
{
	struct place place = {.depth = 0};
	yaml_parser_t parser;
	yaml_event_t event;
	bool found = false, over = false;

	if (!yaml_parser_initialize(&parser))
		return false;
	yaml_parser_set_input_file(&parser, file);
	while (!found && !over && place.depth < DEPTH_MAX - 1) {
		if (!yaml_parser_parse(&parser, &event))
			break;
		found = take_event(&place, &event, key);
		over = event.type == YAML_STREAM_END_EVENT;
		if (found)
			*ret_mark = event.start_mark;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return found;
}

/* libcyaml's own position is that of the value before. */
static void say_unknown_key(const struct sayer *sayer)
{
	FILE *file = fopen(sayer->path, "re");
	yaml_mark_t mark = {0};
	char line[512];

	if (file && find_key(file, sayer->unknown_key, &mark))
		(void)snprintf(line, sizeof line,
			       "%s:%zu:%zu: unknown key '%s'; spanringd --help has them all",
			       sayer->path, mark.line + 1, mark.column + 1, sayer->unknown_key);
	else
		(void)snprintf(line, sizeof line, "%s: unknown key '%s'", sayer->path,
			       sayer->unknown_key);
	if (file)
		(void)fclose(file);
	sayer->say(sayer->arg, line);
}

/* libcyaml reports an error and then a backtrace of keys with line and column;
 * both are passed on under the file's name, except for an unknown key, which is
 * looked for afterwards. */
static void say_cyaml(cyaml_log_t level, void *arg, const char *format, va_list args)
{
	static const char unexpected[] = "Unexpected key: ";
	struct sayer *sayer = arg;
	char text[256], line[512];
	const char *key;
	size_t n;

	if (level < CYAML_LOG_ERROR)
		return;
	(void)vsnprintf(text, sizeof text, format, args);
	n = strlen(text);
	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	key = strstr(text, unexpected);
	if (key)
		(void)snprintf(sayer->unknown_key, sizeof sayer->unknown_key, "%s",
			       key + sizeof unexpected - 1);
	if (n == 0 || *sayer->unknown_key)
		return;
	(void)snprintf(line, sizeof line, "%s: %s", sayer->path, text);
	sayer->say(sayer->arg, line);
}

static int visit_text(options_visit_fn *visit, void *arg, const char *key, const char *value)
{
	return value ? visit(arg, key, value) : 0;
}

/* An entry without a key is one, too. */
static int visit_listed(const struct yaml_listed *listed, unsigned i, options_visit_fn *visit,
			void *arg)
{
	char key[64];
	int r;

	(void)snprintf(key, sizeof key, "destinations[%u].name", i);
	r = visit(arg, key, listed->name ? listed->name : "");
	if (r < 0)
		return r;
#define VISIT_LISTED(group, member)                                      \
	(void)snprintf(key, sizeof key, "destinations[%u]." #member, i); \
	r = visit_text(visit, arg, key, listed->member);                 \
	if (r < 0)                                                       \
		return r;
	DESTINATION_KEYS(VISIT_LISTED, listed)
	return 0;
}

static int visit_rule(const struct yaml_rule *rule, unsigned i, options_visit_fn *visit,
		      void *arg)
{
	char key[64];
	int r;

#define VISIT_RULE(group, member)                                        \
	(void)snprintf(key, sizeof key, "redact.rules[%u]." #member, i); \
	r = visit_text(visit, arg, key, rule->member);                   \
	if (r < 0)                                                       \
		return r;
	RULE_KEYS(VISIT_RULE)
	return 0;
}

/* An entry without a kind is one, too. */
static int visit_kinds(const struct yaml_kinds *kinds, unsigned i, options_visit_fn *visit,
		       void *arg)
{
	char key[64];
	int r;

	(void)snprintf(key, sizeof key, "kinds[%u].kind", i);
	r = visit(arg, key, kinds->kind ? kinds->kind : "");
	if (r < 0)
		return r;
#define VISIT_KINDS(group, member)                                  \
	(void)snprintf(key, sizeof key, #group "[%u]." #member, i); \
	r = visit_text(visit, arg, key, kinds->member);             \
	if (r < 0)                                                  \
		return r;
	KIND_KEYS(VISIT_KINDS)
	return 0;
}

static int visit_file(const struct yaml_file *file, options_visit_fn *visit, void *arg)
{
	int r;

#define VISIT(group, name)                                              \
	r = visit_text(visit, arg, #group "." #name, file->group.name); \
	if (r < 0)                                                      \
		return r;
#define VISIT_GROUP(group, keys) keys(VISIT)
	GROUPS(VISIT_GROUP)
#define VISIT_RETENTION(group, name)                                                          \
	r = visit_text(visit, arg, "archive.retention." #name, file->archive.retention.name); \
	if (r < 0)                                                                            \
		return r;
	RETENTION_KEYS(VISIT_RETENTION)
	for (unsigned i = 0; i < file->archive.roots_count; i++) {
		r = visit(arg, "archive.roots", file->archive.roots[i]);
		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < file->redact.rules_count; i++) {
		r = visit_rule(&file->redact.rules[i], i, visit, arg);
		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < file->kinds_count; i++) {
		r = visit_kinds(&file->kinds[i], i, visit, arg);
		if (r < 0)
			return r;
	}
	for (unsigned i = 0; i < file->destinations_count; i++) {
		r = visit_listed(&file->destinations[i], i, visit, arg);
		if (r < 0)
			return r;
	}
	return 0;
}

int options_yaml_load(const char *path, options_visit_fn *visit, void *visit_arg,
		      options_say_fn *say, void *say_arg)
{
	struct sayer sayer = {.path = path, .say = say, .arg = say_arg};
	cyaml_config_t config = {
		.log_fn = say_cyaml,
		.log_ctx = &sayer,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
	};
	struct yaml_file *file = NULL;
	cyaml_err_t error;
	int r;

	if (access(path, R_OK) < 0)
		return -errno;
	/* Some of its errors are a want of memory by other names. */
	errno = 0;
	error = cyaml_load_file(path, &config, &file_schema, (cyaml_data_t **)&file, NULL);
	if (error != CYAML_OK && errno == ENOMEM)
		return -ENOMEM;
	if (*sayer.unknown_key) {
		say_unknown_key(&sayer);
		return -EINVAL;
	}
	if (error != CYAML_OK || !file) {
		char line[512];

		(void)snprintf(line, sizeof line, "%s: %s", path,
			       error ? cyaml_strerror(error) : "the file is empty");
		say(say_arg, line);
		return -EINVAL;
	}
	r = visit_file(file, visit, visit_arg);
	(void)cyaml_free(&config, &file_schema, file, 0);
	return r;
}
