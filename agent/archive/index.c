#include "archive/index.h"

#include "base/crc32c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define INDEX_NAME "archive.index"
#define INDEX_NEW_NAME ".archive.index.tmp"
#define SUM_BYTES 9 /* a space and 8 digits */
#define INDEX_LINE_BYTES \
	(32 + 1 + NAME_MAX_BYTES + 1 + 20 + 1 + 8 + 1 + 8 + 1 + 20 + SUM_BYTES + 1 + 1)
#define INDEX_READ_BYTES ((size_t)64 << 10)
#define INDEX_SPARE_LINES 1024

void index_init(struct index *index, struct env *env, const char *state_dir)
{
	*index = (struct index){.fd = -1};
	archive_dir_init(&index->directory, env, state_dir);
}

void index_fini(struct index *index)
{
	struct env *env = index->directory.env;

	if (index->fd >= 0)
		(void)env->ops->close(env, index->fd);
	index->fd = -1;
	archive_dir_fini(&index->directory);
	free(index->slots);
	index->slots = NULL;
}

/* --- the table ---------------------------------------------------------- */

static uint64_t fingerprint_of(const struct index *index, const uint8_t trace_id[16])
{
	uint64_t a, b;

	memcpy(&a, trace_id, 8);
	memcpy(&b, trace_id + 8, 8);
	a = (a ^ index->seed) * UINT64_C(0x9e3779b97f4a7c15);
	a = (a ^ a >> 32 ^ b) * UINT64_C(0xbf58476d1ce4e5b9);
	a = (a ^ a >> 29 ^ index->seed >> 7) * UINT64_C(0x94d049bb133111eb);
	return (a ^ a >> 31) | 1;
}

static void table_place(struct index_slot *slots, uint64_t mask, struct index_slot slot)
{
	uint64_t i = slot.fingerprint >> 8 & mask;

	while (slots[i].fingerprint)
		i = (i + 1) & mask;
	slots[i] = slot;
}

static int table_grow(struct index *index)
{
	uint64_t mask = index->mask ? index->mask * 2 + 1 : 63;
	struct index_slot *slots;

	if (index->slots && index->count < index->mask / 2)
		return 0;
	slots = calloc(mask + 1, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	for (uint64_t i = 0; index->slots && i <= index->mask; i++)
		if (index->slots[i].fingerprint)
			table_place(slots, mask, index->slots[i]);
	free(index->slots);
	index->slots = slots;
	index->mask = mask;
	return 0;
}

static void table_clear(struct index *index)
{
	free(index->slots);
	index->slots = NULL;
	index->mask = index->count = 0;
}

/* --- lines -------------------------------------------------------------- */

static int line_print(char *line, const struct index_entry *entry)
{
	char crc[9] = "-", number[21] = "-";
	int n = 0;

	if (entry->crc_known)
		(void)snprintf(crc, sizeof(crc), "%08" PRIx32, entry->crc);
	if (entry->number_known)
		(void)snprintf(number, sizeof(number), "%" PRIu64, entry->number);
	for (int i = 0; i < 16; i++)
		n += snprintf(line + n, 3, "%02x", entry->trace_id[i]);
	n += snprintf(line + n, INDEX_LINE_BYTES - (size_t)n, " %s %" PRIu64 " %s %s %s",
		      entry->name.text, entry->size, crc,
		      entry->removed	? "removed"
		      : entry->complete ? "complete"
					: "partial",
		      number);
	return n + snprintf(line + n, INDEX_LINE_BYTES - (size_t)n, " %08" PRIx32 "\n",
			    crc32c(0, line, (size_t)n));
}

/* Whether the line is as it was written. One without a sum, of an older version,
 * is not: its file is looked at. */
static bool sum_is_right(const char *line)
{
	size_t len = strlen(line);
	char sum[SUM_BYTES + 1];

	if (len < SUM_BYTES)
		return false;
	len -= SUM_BYTES;
	(void)snprintf(sum, sizeof(sum), " %08" PRIx32, crc32c(0, line, len));
	return memcmp(line + len, sum, SUM_BYTES) == 0;
}

static int parse_trace_id(struct index_entry *entry, const char *text)
{
	for (int i = 0; i < 16; i++) {
		unsigned byte;

		if (sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -EBADMSG;
		entry->trace_id[i] = (uint8_t)byte;
	}
	return 0;
}

/* The sum is the seventh word then, and the sixth otherwise. */
static bool line_has_number(const char *line)
{
	unsigned spaces = 0;

	for (; *line; line++)
		spaces += *line == ' ';
	return spaces == 6;
}

/* `line` ends with NUL. The file is ours, but anybody may have edited it. */
static int line_parse(struct index_entry *ret_entry, const char *line)
{
	char id[33], name[NAME_MAX_BYTES], crc[9], how[9], number[21];
	struct index_entry entry = {0};

	_Static_assert(NAME_MAX_BYTES == 134, "the width in the format below is one less");
	if (!sum_is_right(line) || strspn(line, "0123456789abcdef") != 32)
		return -EBADMSG;
	/* Where an older version's line has no number stands its sum. */
	if (sscanf(line, "%32s %133s %" SCNu64 " %8s %8s %20s", id, name, &entry.size, crc, how,
		   number) != 6)
		return -EBADMSG;
	if (!name_is_safe(bytes_of(name)) || parse_trace_id(&entry, id) < 0)
		return -EBADMSG;
	memcpy(entry.name.text, name, sizeof(name));
	entry.crc_known = strcmp(crc, "-") != 0;
	if (entry.crc_known && sscanf(crc, "%8" SCNx32, &entry.crc) != 1)
		return -EBADMSG;
	entry.complete = strcmp(how, "complete") == 0;
	entry.removed = strcmp(how, "removed") == 0;
	entry.number_known =
		line_has_number(line) && sscanf(number, "%" SCNu64, &entry.number) == 1;
	*ret_entry = entry;
	return 0;
}

/* Reads the line at `place`. */
static int line_read(const struct index *index, uint64_t place, struct index_entry *ret_entry)
{
	struct env *env = index->directory.env;
	char line[INDEX_LINE_BYTES + 1];
	ssize_t n;
	char *end;

	n = env->ops->pread(env, index->fd, line, INDEX_LINE_BYTES, (off_t)place);
	if (n < 0)
		return (int)n;
	line[n] = '\0';
	end = strchr(line, '\n');
	if (!end)
		return -EBADMSG;
	*end = '\0';
	return line_parse(ret_entry, line);
}

/* --- finding and putting ------------------------------------------------ */

/* 1 and the slot of a trace, with its entry; 0: there is none. A line that
 * cannot be read may be the one: -errno. */
static int find_slot(struct index *index, const uint8_t trace_id[16],
		     struct index_entry *ret_entry, struct index_slot **ret_slot)
{
	uint64_t fingerprint = fingerprint_of(index, trace_id);
	struct index_entry entry;
	int r;

	if (!index->slots || index->fd < 0)
		return 0;
	for (uint64_t i = fingerprint >> 8 & index->mask; index->slots[i].fingerprint;
	     i = (i + 1) & index->mask) {
		struct index_slot *slot = &index->slots[i];

		if (slot->fingerprint != fingerprint)
			continue;
		r = line_read(index, slot->place >> 1, &entry);
		if (r < 0 && r != -EBADMSG)
			return r;
		if (r < 0 || memcmp(entry.trace_id, trace_id, 16) != 0)
			continue;
		entry.recent = slot->place & 1;
		*ret_entry = entry;
		*ret_slot = slot;
		return 1;
	}
	return 0;
}

int index_find(struct index *index, const uint8_t trace_id[16], struct index_entry *ret_entry)
{
	struct index_entry entry;
	struct index_slot *slot;
	int r = find_slot(index, trace_id, &entry, &slot);

	if (r <= 0 || entry.removed)
		return r < 0 ? r : 0;
	*ret_entry = entry;
	return 1;
}

static int remember(struct index *index, const uint8_t trace_id[16], uint64_t place,
		    bool recent)
{
	struct index_slot *slot;
	struct index_entry old;
	int r;

	place = place << 1 | recent;
	r = find_slot(index, trace_id, &old, &slot);
	if (r > 0)
		slot->place = place;
	if (r != 0)
		return r < 0 ? r : 0;
	r = table_grow(index);
	if (r < 0)
		return r;
	table_place(index->slots, index->mask,
		    (struct index_slot){fingerprint_of(index, trace_id), place});
	index->count++;
	return 0;
}

static int append_line(struct index *index, const struct index_entry *entry)
{
	char line[INDEX_LINE_BYTES];
	int n = line_print(line, entry);
	int r;

	r = file_write(index->directory.env, index->fd, line, (size_t)n, index->length);
	if (r < 0)
		return r;
	r = remember(index, entry->trace_id, index->length, entry->recent);
	if (r < 0)
		return r;
	index->length += (uint64_t)n;
	index->lines++;
	return 0;
}

int index_put(struct index *index, const struct index_entry *entry)
{
	int r;

	if (index->fd < 0) {
		r = index_open(index);
		if (r < 0)
			return r;
	}
	return append_line(index, entry);
}

/* --- opening ------------------------------------------------------------ */

/* Remembers the whole lines of `text`, which stands at `offset` of the file;
 * how many bytes they take. */
static ssize_t read_lines(struct index *index, char *text, size_t len, uint64_t offset)
{
	size_t at = 0;

	for (;;) {
		char *end = memchr(text + at, '\n', len - at);
		struct index_entry entry;
		int r = 0;

		if (!end)
			return (ssize_t)at;
		*end = '\0';
		if (line_parse(&entry, text + at) == 0)
			r = remember(index, entry.trace_id, offset + at, false);
		if (r < 0)
			return r;
		index->lines++;
		at = (size_t)(end + 1 - text);
	}
}

/* A torn last line is written over by the next one. */
static int read_all(struct index *index)
{
	struct env *env = index->directory.env;
	char *text = malloc(INDEX_READ_BYTES);
	ssize_t n = text ? 0 : -ENOMEM;

	while (n >= 0) {
		n = env->ops->pread(env, index->fd, text, INDEX_READ_BYTES,
				    (off_t)index->length);
		if (n <= 0)
			break;
		n = read_lines(index, text, (size_t)n, index->length);
		if (n <= 0)
			break;
		index->length += (uint64_t)n;
	}
	free(text);
	return n < 0 ? (int)n : env->ops->truncate(env, index->fd, (off_t)index->length);
}

int index_open(struct index *index)
{
	struct env *env = index->directory.env;
	int r;

	r = archive_dir_open(&index->directory);
	if (r < 0)
		return r;
	r = env->ops->open(env, index->directory.fd, INDEX_NAME, O_RDWR | O_CREAT | O_NOFOLLOW,
			   0640);
	if (r < 0)
		return r;
	index->fd = r;
	index->length = index->lines = 0;
	table_clear(index);
	r = read_all(index);
	if (r < 0) {
		(void)env->ops->close(env, index->fd);
		index->fd = -1;
		return r;
	}
	return 0;
}

static int give_slot(const struct index *index, const struct index_slot *slot,
		     index_entry_fn *each, void *arg)
{
	struct index_entry entry;
	int r;

	r = line_read(index, slot->place >> 1, &entry);
	if (r == -EBADMSG)
		return 0; /* damaged: as if it were not there */
	if (r < 0 || entry.removed)
		return r;
	entry.recent = slot->place & 1;
	entry.place = slot->place >> 1;
	return each(arg, &entry);
}

int index_each(const struct index *index, index_entry_fn *each, void *arg)
{
	int r = 0;

	for (uint64_t i = 0; index->slots && i <= index->mask && r >= 0; i++)
		if (index->slots[i].fingerprint)
			r = give_slot(index, &index->slots[i], each, arg);
	return r;
}

int index_some(const struct index *index, uint64_t *slot, unsigned max, index_entry_fn *each,
	       void *arg)
{
	int r = 0;

	for (; index->slots && *slot <= index->mask && max > 0 && r >= 0; (*slot)++) {
		if (!index->slots[*slot].fingerprint)
			continue;
		r = give_slot(index, &index->slots[*slot], each, arg);
		max--;
	}
	if (r < 0)
		return r;
	return index->slots && *slot <= index->mask;
}

int index_at(struct index *index, uint64_t place, struct index_entry *ret_entry)
{
	struct index_entry entry, newest;
	struct index_slot *slot;
	int r;

	if (index->fd < 0)
		return 0;
	r = line_read(index, place, &entry);
	if (r == -EBADMSG)
		return 0;
	if (r >= 0)
		r = find_slot(index, entry.trace_id, &newest, &slot);
	if (r <= 0 || slot->place >> 1 != place || entry.removed)
		return r < 0 ? r : 0;
	*ret_entry = entry;
	return 1;
}

/* --- compaction --------------------------------------------------------- */

static int copy_line(void *arg, const struct index_entry *entry)
{
	return append_line(arg, entry);
}

int index_compact(struct index *index)
{
	struct env *env = index->directory.env;
	struct index fresh = {.directory = index->directory, .seed = index->seed};
	int r;

	if (index->fd < 0 || !index->slots ||
	    index->lines < 2 * index->count + INDEX_SPARE_LINES)
		return 0;
	fresh.fd = env->ops->open(env, index->directory.fd, INDEX_NEW_NAME,
				  O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0640);
	if (fresh.fd < 0)
		return fresh.fd;
	r = index_each(index, copy_line, &fresh);
	if (r >= 0)
		r = env->ops->rename(env, index->directory.fd, INDEX_NEW_NAME,
				     index->directory.fd, INDEX_NAME, 0);
	if (r < 0) {
		(void)env->ops->close(env, fresh.fd);
		free(fresh.slots);
		return r;
	}
	(void)env->ops->close(env, index->fd);
	free(index->slots);
	*index = fresh;
	return 0;
}
