/* Names in the ring directory that are nothing of ours, or cannot be served. Who
 * may write there may plant any number of them, with any bytes in them: each is
 * counted once as long as there are not too many to remember, few are named in
 * the log, and the rest of a listing is one line. */
#include <string.h>
#include <syslog.h>

#include "drain/stage.h"

/* Of one listing and the news behind it. */
#define IGNORED_SAID_MAX 20

static uint64_t name_hash(const char *name)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	return hash | 1; /* 0 is an empty slot */
}

/* True the first time a name is met. The set is emptied when it is full: then
 * names may be counted again, but never without bound remembered. */
static bool ignored_first(struct drain *drain, const char *name)
{
	uint64_t hash = name_hash(name);
	uint32_t at = (uint32_t)(hash >> 32) % IGNORED_SLOTS;

	if (drain->ignored_count > IGNORED_SLOTS / 2) {
		memset(drain->ignored, 0, IGNORED_SLOTS * sizeof *drain->ignored);
		drain->ignored_count = 0;
	}
	for (; drain->ignored[at]; at = (at + 1) % IGNORED_SLOTS)
		if (drain->ignored[at] == hash)
			return false;
	drain->ignored[at] = hash;
	drain->ignored_count++;
	return true;
}

void stage_ignore_begin(struct drain *drain)
{
	drain->ignored_said = 0;
	drain->ignored_unsaid = 0;
}

void stage_ignore_end(struct drain *drain)
{
	if (drain->ignored_unsaid)
		stage_log(
			drain, LOG_WARNING,
			"%u more names in the ring directory are ignored; remove what is not a "
			"ring, and see who may write there",
			drain->ignored_unsaid);
}

void stage_ignore(struct drain *drain, const char *name, const char *reason)
{
	if (!ignored_first(drain, name))
		return;
	drain->counters.rings_ignored++;
	if (drain->ignored_said == IGNORED_SAID_MAX) {
		drain->ignored_unsaid++;
		return;
	}
	drain->ignored_said++;
	stage_log(drain, LOG_WARNING, "%s is ignored: %s", name, reason);
}
