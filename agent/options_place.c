#include "options_place.h"

#include <stdio.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 16
#define KEY_BYTES 192

/* The mapping or list that is being read. */
struct level {
	bool in_list;
	bool key_next;	/* of a mapping: every second node is a key */
	unsigned index; /* of a list */
	size_t key_len; /* of the key so far, without this level's part */
};

struct walk {
	struct level levels[DEPTH_MAX];
	int depth; /* -1: outside */
	char key[KEY_BYTES];
};

/* Puts this level's part behind the key so far. */
static void name_node(struct walk *walk, const char *part)
{
	const struct level *level = &walk->levels[walk->depth];
	size_t left = sizeof walk->key - level->key_len;
	char *at = walk->key + level->key_len;

	if (level->in_list)
		(void)snprintf(at, left, "[%u]", level->index);
	else
		(void)snprintf(at, left, "%s%s", level->key_len ? "." : "", part);
}

/* True: this node is a value, and walk->key its key. */
static bool begin_node(struct walk *walk, const yaml_event_t *event)
{
	struct level *level;

	if (walk->depth < 0)
		return false;
	level = &walk->levels[walk->depth];
	if (level->in_list) {
		name_node(walk, NULL);
		level->index++;
		return true;
	}
	level->key_next = !level->key_next;
	if (level->key_next)
		return true;
	name_node(walk, event->type == YAML_SCALAR_EVENT
				? (const char *)event->data.scalar.value
				: "");
	return false;
}

static void enter(struct walk *walk, bool in_list)
{
	size_t len = walk->depth < 0 ? 0 : strlen(walk->key);

	walk->levels[++walk->depth] =
		(struct level){.in_list = in_list, .key_next = true, .key_len = len};
}

/* True if the event is the value looked for. */
static bool take_event(struct walk *walk, const yaml_event_t *event, const char *key)
{
	bool is_value;

	switch (event->type) {
	case YAML_SCALAR_EVENT:
	case YAML_MAPPING_START_EVENT:
	case YAML_SEQUENCE_START_EVENT:
		is_value = begin_node(walk, event);
		if (is_value && strcmp(walk->key, key) == 0)
			return true;
		if (event->type != YAML_SCALAR_EVENT)
			enter(walk, event->type == YAML_SEQUENCE_START_EVENT);
		return false;
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		walk->key[walk->levels[walk->depth].key_len] = '\0';
		walk->depth--;
		return false;
	default:
		return false;
	}
}

static bool find(FILE *file, const char *key, yaml_mark_t *ret_mark)
{
	struct walk walk = {.depth = -1};
	bool found = false, over = false;
	yaml_parser_t parser;
	yaml_event_t event;

	if (!yaml_parser_initialize(&parser))
		return false;
	yaml_parser_set_input_file(&parser, file);
	while (!found && !over && walk.depth < DEPTH_MAX - 1 &&
	       yaml_parser_parse(&parser, &event)) {
		found = take_event(&walk, &event, key);
		over = event.type == YAML_STREAM_END_EVENT;
		*ret_mark = event.start_mark;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return found;
}

bool options_place(const char *path, const char *key, size_t *ret_line, size_t *ret_column)
{
	FILE *file = fopen(path, "re");
	yaml_mark_t mark;
	bool found;

	if (!file)
		return false;
	found = find(file, key, &mark);
	(void)fclose(file);
	if (!found)
		return false;
	*ret_line = mark.line + 1;
	*ret_column = mark.column + 1;
	return true;
}
