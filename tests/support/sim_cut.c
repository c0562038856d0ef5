/* From the list of changes to what is found after a power loss (sim_disk.h). */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim_disk.h"

struct file_bytes {
	uint8_t *at;
	uint64_t size, cap;
};

struct pending {
	const struct sim_change *change;
	uint64_t number;
	bool given_up; /* clean for the kernel, and not on the disk */
};

struct pending_list {
	struct pending *at;
	uint32_t count, cap;
};

struct object {
	struct file_bytes durable;
	struct pending_list pending;
};

struct name {
	char *path;
	uint32_t object; /* 0: a directory */
};

struct names {
	struct name *at;
	uint32_t count, cap;
};

struct sim_cut {
	const struct sim_disk *disk;
	size_t at;
	uint64_t changes;
	struct object *objects;	     /* by number, from 1 */
	struct names names;	     /* durable */
	struct pending_list pending; /* of names */
};

/* ---- small things ------------------------------------------------------------ */

static void *grown(void *at, uint32_t *cap, size_t item)
{
	*cap = *cap ? 2 * *cap : 16;
	at = realloc(at, *cap * item);
	if (!at)
		abort();
	return at;
}

static const char *name_of(const struct sim_change *change)
{
	return (const char *)(change + 1);
}

static const char *second_name(const struct sim_change *change)
{
	return name_of(change) + strlen(name_of(change)) + 1;
}

static const uint8_t *bytes_of(const struct sim_change *change)
{
	return (const uint8_t *)(change + 1) + change->names;
}

static void size_set(struct file_bytes *bytes, uint64_t size)
{
	if (size > bytes->cap) {
		bytes->cap = size + size / 2;
		bytes->at = realloc(bytes->at, bytes->cap);
		if (!bytes->at)
			abort();
	}
	if (size > bytes->size)
		memset(bytes->at + bytes->size, 0, size - bytes->size);
	bytes->size = size;
}

static void bytes_put(struct file_bytes *bytes, uint64_t offset, const uint8_t *from,
		      uint64_t len)
{
	if (offset + len > bytes->size)
		size_set(bytes, offset + len);
	memcpy(bytes->at + offset, from, len);
}

static void pending_add(struct pending_list *list, const struct sim_change *change,
			uint64_t number)
{
	if (list->count == list->cap)
		list->at = grown(list->at, &list->cap, sizeof *list->at);
	list->at[list->count++] = (struct pending){.change = change, .number = number};
}

/* ---- names ------------------------------------------------------------------- */

static uint32_t names_find(const struct names *names, const char *path)
{
	for (uint32_t i = 0; i < names->count; i++)
		if (strcmp(names->at[i].path, path) == 0)
			return i;
	return UINT32_MAX;
}

static void names_remove(struct names *names, const char *path)
{
	uint32_t i = names_find(names, path);

	if (i == UINT32_MAX)
		return;
	free(names->at[i].path);
	names->at[i] = names->at[--names->count];
}

static void names_add(struct names *names, const char *path, uint32_t object)
{
	char *copy = strdup(path);

	if (!copy)
		abort();
	names_remove(names, path);
	if (names->count == names->cap)
		names->at = grown(names->at, &names->cap, sizeof *names->at);
	names->at[names->count++] = (struct name){copy, object};
}

static void names_apply(struct names *names, const struct sim_change *change)
{
	uint32_t i;

	switch (change->kind) {
	case SIM_CREATE:
	case SIM_MKDIR:
		names_add(names, name_of(change), change->object);
		return;
	case SIM_UNLINK:
		names_remove(names, name_of(change));
		return;
	case SIM_RENAME:
		i = names_find(names, name_of(change));
		if (i == UINT32_MAX)
			return;
		names_add(names, second_name(change), names->at[i].object);
		names_remove(names, name_of(change));
		return;
	default:
		return;
	}
}

static void names_free(struct names *names)
{
	for (uint32_t i = 0; i < names->count; i++)
		free(names->at[i].path);
	free(names->at);
}

/* Whether the change is one of this directory ("" is the root). */
static bool is_in(const struct sim_change *change, const char *directory)
{
	const char *name = change->kind == SIM_RENAME ? second_name(change) : name_of(change);
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 0;

	return strlen(directory) == len && strncmp(name, directory, len) == 0;
}

/* ---- forward ------------------------------------------------------------------ */

static void bytes_apply(struct file_bytes *bytes, const struct sim_change *change)
{
	if (change->kind == SIM_WRITE)
		bytes_put(bytes, change->offset, bytes_of(change), change->bytes);
	else
		size_set(bytes, change->offset);
}

static void object_synced(struct object *object, uint64_t covers, bool ok)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < object->pending.count; i++) {
		struct pending *pending = &object->pending.at[i];

		if (pending->number < covers && ok && !pending->given_up) {
			bytes_apply(&object->durable, pending->change);
			continue;
		}
		if (pending->number < covers && pending->change->kind == SIM_WRITE)
			pending->given_up = true;
		object->pending.at[kept++] = *pending;
	}
	object->pending.count = kept;
}

static void names_synced(struct sim_cut *cut, const char *directory, uint64_t covers)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cut->pending.count; i++) {
		struct pending *pending = &cut->pending.at[i];

		if (pending->number < covers && is_in(pending->change, directory))
			names_apply(&cut->names, pending->change);
		else
			cut->pending.at[kept++] = *pending;
	}
	cut->pending.count = kept;
}

static void take(struct sim_cut *cut, const struct sim_change *change)
{
	switch (change->kind) {
	case SIM_WRITE:
	case SIM_SIZE:
		pending_add(&cut->objects[change->object].pending, change, cut->changes);
		return;
	case SIM_SYNC:
	case SIM_SYNC_FAILED:
		object_synced(&cut->objects[change->object], change->offset,
			      change->kind == SIM_SYNC);
		return;
	case SIM_SYNC_NAMES:
		names_synced(cut, name_of(change), change->offset);
		return;
	default:
		pending_add(&cut->pending, change, cut->changes);
		return;
	}
}

bool sim_cut_advance(struct sim_cut *cut, uint64_t changes, uint64_t *ret_mono_ns)
{
	while (cut->changes < changes) {
		const struct sim_change *change =
			(const struct sim_change *)(cut->disk->log + cut->at);

		if (cut->at >= cut->disk->len)
			return false;
		take(cut, change);
		cut->changes++;
		cut->at += (sizeof *change + change->names + change->bytes + 7) & ~(size_t)7;
		*ret_mono_ns = change->mono_ns;
	}
	return true;
}

struct sim_cut *sim_cut_new(const struct sim_disk *disk)
{
	struct sim_cut *cut = calloc(1, sizeof *cut);

	if (!cut)
		abort();
	cut->disk = disk;
	cut->objects = calloc(disk->objects + 1, sizeof *cut->objects);
	if (!cut->objects)
		abort();
	return cut;
}

void sim_cut_free(struct sim_cut *cut)
{
	for (uint32_t i = 0; i <= cut->disk->objects; i++) {
		free(cut->objects[i].durable.at);
		free(cut->objects[i].pending.at);
	}
	free(cut->objects);
	names_free(&cut->names);
	free(cut->pending.at);
	free(cut);
}

/* ---- what is found ------------------------------------------------------------ */

enum mode { CUT_NOTHING, CUT_ALL, CUT_MOMENT, CUT_SECTORS, CUT_MODES };

struct plan {
	enum mode mode;
	uint64_t seed;
	uint64_t first, moment, last; /* of pending changes */
	bool per_directory;
};

static struct plan plan_make(const struct sim_cut *cut, uint64_t seed)
{
	struct plan plan = {.seed = sim_mix(seed, cut->changes), .last = cut->changes};
	uint64_t span;

	plan.mode = (enum mode)(plan.seed % CUT_MODES);
	plan.per_directory = (plan.seed >> 8) & 1;
	plan.first = cut->changes;
	for (uint32_t i = 1; i <= cut->disk->objects; i++)
		if (cut->objects[i].pending.count > 0 &&
		    cut->objects[i].pending.at[0].number < plan.first)
			plan.first = cut->objects[i].pending.at[0].number;
	if (cut->pending.count > 0 && cut->pending.at[0].number < plan.first)
		plan.first = cut->pending.at[0].number;
	span = plan.last - plan.first + 1;
	plan.moment = plan.first + sim_mix(plan.seed, 1) % span;
	return plan;
}

/* Up to which change something got to the disk; `what` and `which` name it. */
static uint64_t reached(const struct plan *plan, uint64_t what, uint64_t which)
{
	uint64_t span = plan->last - plan->first + 1;

	switch (plan->mode) {
	case CUT_NOTHING:
		return 0;
	case CUT_ALL:
		return UINT64_MAX;
	case CUT_MOMENT:
		/* One write was under way: some of its sectors are there. */
		return plan->moment + (sim_mix(plan->seed, sim_mix(what, which)) & 1);
	default:
		return plan->first + sim_mix(plan->seed, sim_mix(what, which)) % (span + 1);
	}
}

static void write_found(struct file_bytes *bytes, const struct plan *plan, uint32_t object,
			const struct pending *pending)
{
	const struct sim_change *change = pending->change;
	uint64_t at = change->offset, end = change->offset + change->bytes, next;

	for (; at < end; at = next) {
		next = (at / SIM_SECTOR_BYTES + 1) * SIM_SECTOR_BYTES;
		if (next > end)
			next = end;
		if (pending->number < reached(plan, object, at / SIM_SECTOR_BYTES + 1))
			bytes_put(bytes, at, bytes_of(change) + (at - change->offset),
				  next - at);
	}
}

static void bytes_found(const struct sim_cut *cut, const struct plan *plan, uint32_t number,
			struct file_bytes *ret)
{
	const struct object *object = &cut->objects[number];

	if (object->durable.size > 0)
		bytes_put(ret, 0, object->durable.at, object->durable.size);
	for (uint32_t i = 0; i < object->pending.count; i++) {
		const struct pending *pending = &object->pending.at[i];

		if (pending->given_up)
			continue;
		if (pending->change->kind == SIM_WRITE)
			write_found(ret, plan, number, pending);
		else if (pending->number < reached(plan, number, 0))
			size_set(ret, pending->change->offset);
	}
}

static uint64_t directory_number(const struct sim_change *change)
{
	const char *name = change->kind == SIM_RENAME ? second_name(change) : name_of(change);
	const char *end = strrchr(name, '/');
	uint64_t number = 7;

	for (; end && name < end; name++)
		number = sim_mix(number, (uint64_t)*name);
	return number;
}

static void names_found(const struct sim_cut *cut, const struct plan *plan, struct names *ret)
{
	for (uint32_t i = 0; i < cut->names.count; i++)
		names_add(ret, cut->names.at[i].path, cut->names.at[i].object);
	for (uint32_t i = 0; i < cut->pending.count; i++) {
		const struct pending *pending = &cut->pending.at[i];
		uint64_t which = plan->per_directory ? directory_number(pending->change) : 0;

		if (pending->number < reached(plan, UINT64_MAX, which))
			names_apply(ret, pending->change);
	}
}

static void file_make(int dirfd, const char *path, const struct file_bytes *bytes)
{
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0) {
		assert(errno == ENOENT); /* its directory was not found either */
		return;
	}
	for (uint64_t done = 0; done < bytes->size;) {
		ssize_t n = write(fd, bytes->at + done, bytes->size - done);

		if (n <= 0)
			abort();
		done += (uint64_t)n;
	}
	close(fd);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->path, ((const struct name *)b)->path);
}

void sim_cut_make(const struct sim_cut *cut, uint64_t seed, const char *to)
{
	int dirfd = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct plan plan = plan_make(cut, seed);
	struct names names = {0};

	assert(dirfd >= 0);
	names_found(cut, &plan, &names);
	if (names.count > 0) /* directories before what is in them */
		qsort(names.at, names.count, sizeof *names.at, by_path);
	for (uint32_t i = 0; i < names.count; i++) {
		struct file_bytes bytes = {0};

		if (names.at[i].object == 0) {
			(void)mkdirat(dirfd, names.at[i].path,
				      0700); /* or its parent is gone */
			continue;
		}
		bytes_found(cut, &plan, names.at[i].object, &bytes);
		file_make(dirfd, names.at[i].path, &bytes);
		free(bytes.at);
	}
	names_free(&names);
	close(dirfd);
}
