#include "assemble/limit.h"

#include <stdlib.h>

#include "wire/record.h"

#define CREDIT_OF_A_RUN UINT64_C(1000000000)

/* ---- users ---- */

struct limit_user *limit_user_get(struct map *users, uint32_t uid,
				  const struct assemble_limits *limits, uint64_t now_ns)
{
	uint64_t key = uid;
	struct limit_user *user = map_get(users, &key);

	if (!user) {
		user = calloc(1, sizeof *user);
		if (!user)
			return NULL;
		user->uid = key;
		user->credit = limits->user_runs_max * CREDIT_OF_A_RUN;
		user->credit_ns = now_ns;
		if (map_put(users, &key, user) < 0) {
			free(user);
			return NULL;
		}
	}
	user->sources++;
	return user;
}

void limit_user_put(struct map *users, struct limit_user *user)
{
	if (!user || --user->sources > 0)
		return;
	map_remove(users, &user->uid);
	free(user);
}

static void credit_grow(struct limit_user *user, const struct assemble_limits *limits,
			uint64_t now_ns)
{
	uint64_t max = limits->user_runs_max * CREDIT_OF_A_RUN;
	uint64_t passed_ns = now_ns > user->credit_ns ? now_ns - user->credit_ns : 0;
	uint64_t rate = limits->user_runs_per_second;

	user->credit_ns = now_ns;
	if (rate && passed_ns >= max / rate)
		user->credit = max;
	else
		user->credit += passed_ns * rate;
	if (user->credit > max)
		user->credit = max;
}

bool limit_user_run(struct limit_user *user, const struct assemble_limits *limits,
		    uint64_t now_ns)
{
	if (!limits->user_runs_max)
		return true;
	credit_grow(user, limits, now_ns);
	if (user->credit < CREDIT_OF_A_RUN)
		return false;
	user->credit -= CREDIT_OF_A_RUN;
	return true;
}

/* ---- names ---- */

/* Not in the middle of a character, where that can be told. */
static uint32_t cut_at(const uint8_t *text, uint32_t max)
{
	uint32_t at = max;

	while (at > 0 && max - at < 3 && (text[at] & 0xc0) == 0x80)
		at--;
	return (text[at] & 0xc0) == 0x80 ? max : at;
}

/* Where the name's length stands, and what is in front of the name. */
struct named {
	struct record_text name;
	uint32_t length_at; /* 0: it is what the record's own length leaves */
};

static bool find_name(const uint8_t *record, struct named *ret)
{
	switch (record_head(record).type) {
	case WIRE_START:
		*ret = (struct named){record_get_start(record).name,
				      offsetof(struct wire_start, name_length)};
		return true;
	case WIRE_EVENT:
		*ret = (struct named){record_get_event(record).name,
				      offsetof(struct wire_event, name_length)};
		return true;
	case WIRE_NAME:
		*ret = (struct named){record_get_text(record), 0};
		return true;
	default:
		return false;
	}
}

bool limit_cut_name(const struct assemble_limits *limits, const uint8_t *record,
		    struct buf *scratch)
{
	static const uint8_t zeros[WIRE_RECORD_ALIGN];
	uint32_t length = record_head(record).length, kept, front, back;
	struct named named;

	if (!limits->name_bytes_max || !find_name(record, &named) ||
	    named.name.length <= limits->name_bytes_max)
		return false;
	kept = cut_at(named.name.at, (uint32_t)limits->name_bytes_max);
	front = (uint32_t)(named.name.at - record) + kept;
	back = (uint32_t)(named.name.at - record) + named.name.length;
	buf_reset(scratch);
	(void)buf_append(scratch, record, front); /* asked below */
	(void)buf_append(scratch, record + back, length - back);
	length = (uint32_t)scratch->len;
	(void)buf_append(scratch, zeros, record_padded(length) - length);
	if (buf_failed(scratch))
		return false;
	memcpy(scratch->at, &length, sizeof length);
	if (named.length_at)
		memcpy(scratch->at + named.length_at, &kept, sizeof kept);
	return true;
}
