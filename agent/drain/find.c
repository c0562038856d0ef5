/* What comes and goes in the ring directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>

#include "base/error.h"
#include "drain/liveness.h"
#include "drain/stage.h"

/* A listing is the safety net of the news; the more names there are, the more it
 * costs and the rarer it is. */
#define LIST_INTERVAL_NS UINT64_C(10000000000)
#define LIST_NAME_NS UINT64_C(100000)
#define CTL_RETRY_NS UINT64_C(100000000)

/* ---- a ring's file --------------------------------------------------------- */

static void identity_copy(struct ring *ring, bool owner_lost)
{
	const struct wire_ring_header *header = &ring->map.header;

	ring->identity = (struct ring_identity){
		.anchor_ticks = header->anchor_ticks,
		.anchor_mono_ns = header->anchor_mono_ns,
		.anchor_boot_ns = header->anchor_boot_ns,
		.anchor_wall_ns = header->anchor_wall_ns,
		.time_namespace = header->time_namespace,
		.clock = header->clock,
		.pid = header->pid,
		.uid = ring->map.uid,
		.block_count = header->block_count,
		.known = (owner_lost ? 0 : RING_UID_KNOWN) |
			 (ring->pid_seen ? RING_PID_KNOWN : 0),
	};
	memcpy(ring->identity.instance, header->instance, 16);
	memcpy(ring->identity.boot_id, header->boot_id, 16);
}

/* Whether the log speaks of this very file. */
static bool identity_agrees(const struct ring *ring)
{
	const struct wire_ring_header *header = &ring->map.header;
	const struct ring_identity *identity = &ring->identity;

	return identity->anchor_ticks == header->anchor_ticks &&
	       identity->anchor_wall_ns == header->anchor_wall_ns &&
	       identity->clock == header->clock && identity->block_count == header->block_count;
}

static void on_pidfd(void *arg, uint32_t events)
{
	struct ring *ring = arg;

	(void)events;
	/* The process is a zombie or less; the lock has the last word. */
	ring->pid_watched = false;
	ring->due_ns = 0;
	ring->lock_due_ns = 0;
}

static void on_pidfd_of(struct drain *drain, struct ring *ring)
{
	if (ring->pidfd < 0)
		return;
	/* Once is enough, and a level-triggered event would come for ever. */
	ring->pid_watched = drain->env->ops->watch(drain->env, ring->pidfd,
						   EPOLLIN | EPOLLONESHOT, on_pidfd, ring) == 0;
}

static int open_file(struct drain *drain, struct ring_map *map, const char *name,
		     const uint8_t instance[16])
{
	const char *reason;
	int r;

	r = ring_map_open(map, drain->env, drain->directory->fd, &drain->directory->st, name,
			  &reason);
	if (r == 0 && memcmp(map->header.instance, instance, 16) != 0) {
		ring_map_close(map, drain->env);
		reason = "its name is not its id";
		r = -EPROTO;
	}
	if (error_passes(r)) {
		drain->list_soon = true;
		health_open_failed(drain, name, r);
	} else if (r < 0 && r != -ENOENT) {
		drain->counters.rings_unreadable++;
		stage_ignore(drain, name, r == -ELOOP ? "a symbolic link" : reason);
	}
	return r;
}

/* What is refused now is found again by the next listing. */
static const char *why_refused(int error)
{
	switch (error) {
	case -EUSERS:
		return "its user has ring.max_rings_per_user of them; it waits";
	case -ENFILE:
		return "there are ring.max_rings of them; it waits";
	default:
		return "out of memory";
	}
}

static bool user_has_room(const struct drain *drain, uint32_t uid)
{
	uint64_t key = uid, max = drain->options.rings_per_user_max;

	return max == 0 || (uintptr_t)map_get(&drain->users, &key) < max;
}

/* The map's values are the counts themselves. Without memory for one more its
 * user is not counted. */
static void user_add(struct drain *drain, struct ring *ring)
{
	uint64_t key = ring->map.uid;
	uintptr_t count = (uintptr_t)map_get(&drain->users, &key);

	ring->user_counted = map_put(&drain->users, &key, (void *)(count + 1)) == 0;
	ring->user = ring->map.uid;
}

void find_user_left(struct drain *drain, struct ring *ring)
{
	uint64_t key = ring->user;
	uintptr_t count = (uintptr_t)map_get(&drain->users, &key);

	if (!ring->user_counted)
		return;
	ring->user_counted = false;
	if (count > 1)
		(void)map_put(&drain->users, &key, (void *)(count - 1)); /* it is there */
	else
		(void)map_remove(&drain->users, &key);
}

static int ring_found(struct drain *drain, const char *name, const uint8_t instance[16])
{
	struct ring *ring = stage_ring_find(drain, instance);
	struct ring_map map;
	int r;

	if (ring && ring->phase != RING_REMEMBERED)
		return 0;
	if (ring && ring->closed) {
		/* Everything of it is logged; only its files were left. With spans left
		 * it is taken for gone. */
		(void)find_remove(drain, ring);
		if (!ring->spans_left)
			stage_ring_drop(drain, ring);
		return 0;
	}
	if (open_file(drain, &map, name, instance) < 0)
		return 0;
	if (!ring) {
		r = user_has_room(drain, map.uid) ? stage_ring_add(drain, instance, &ring)
						  : -EUSERS;
		if (r < 0) {
			ring_map_close(&map, drain->env);
			drain->counters.rings_refused += r != -ENOMEM;
			stage_ignore(drain, name, why_refused(r));
			return 0;
		}
	}
	ring->map = map;
	follow_enter(drain, ring);
	user_add(drain, ring);
	/* The guard is in a list: it stands where the map was opened. */
	guard_remove(&map.guard);
	r = guard_add(&ring->map.guard, (void *)ring->map.live, ring->map.mapped_bytes);
	if (r < 0)
		return r;
	ring->phase = RING_FOUND;
	liveness_begin(ring, drain->env);
	on_pidfd_of(drain, ring);
	if (!ring->in_log)
		identity_copy(ring, drain->options.owners_lost);
	else if (!identity_agrees(ring))
		stage_quarantine(drain, ring, "the log knows another ring of this id");
	return 1;
}

/* ---- names ----------------------------------------------------------------- */

struct walk {
	struct drain *drain;
	bool all; /* a whole listing, so there is time for sweeping */
	int found;
	uint32_t names, junk;
	char (*orphans)[RING_DIR_NAME_BYTES]; /* answers of no known ring */
	uint32_t orphan_count, orphan_cap;
};

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);

	return len >= tail && strcmp(name + len - tail, suffix) == 0;
}

static bool parse_ctl(const char *name, uint8_t ret_instance[16])
{
	char ring_name[RING_DIR_NAME_BYTES];

	if (strlen(name) != 32 + sizeof WIRE_CTL_SUFFIX - 1)
		return false;
	memcpy(ring_name, name, 32);
	strcpy(ring_name + 32, WIRE_RING_SUFFIX);
	return ring_dir_parse_ring(ring_name, ret_instance);
}

static void ctl_seen(struct walk *walk, const char *name)
{
	uint32_t cap = walk->orphan_cap ? walk->orphan_cap * 2 : 16;
	uint8_t instance[16];
	void *grown;

	if (!walk->all)
		return;
	if (!parse_ctl(name, instance)) {
		stage_ignore(walk->drain, name, "not a name of ours");
		return;
	}
	if (stage_ring_find(walk->drain, instance))
		return;
	if (walk->orphan_count == walk->orphan_cap) {
		grown = reallocarray(walk->orphans, cap, sizeof *walk->orphans);
		if (!grown)
			return; /* the next listing finds it again */
		walk->orphans = grown;
		walk->orphan_cap = cap;
	}
	strcpy(walk->orphans[walk->orphan_count++], name);
}

static int name_seen(void *arg, const char *name)
{
	struct walk *walk = arg;
	uint8_t instance[16];
	int r;

	walk->names++;
	if (strcmp(name, WIRE_PAGE_NAME) == 0 || strcmp(name, WIRE_SOCKET_NAME) == 0)
		return 0;
	if (ring_dir_parse_ring(name, instance)) {
		r = ring_found(walk->drain, name, instance);
		walk->found += r > 0;
		return r < 0 ? r : 0;
	}
	if (ends_with(name, WIRE_TEMPORARY_SUFFIX)) {
		if (walk->all)
			(void)ring_dir_sweep(walk->drain->directory, name);
	} else if (ends_with(name, WIRE_CTL_SUFFIX)) {
		ctl_seen(walk, name);
	} else {
		walk->junk++;
		stage_ignore(walk->drain, name, "not a name of ours");
	}
	return 0;
}

/* Answers whose ring is gone: an agent died between removing the two. */
static void orphans_remove(struct walk *walk)
{
	struct drain *drain = walk->drain;
	char ring_name[RING_DIR_NAME_BYTES];
	uint8_t instance[16];
	int fd;

	for (uint32_t i = 0; i < walk->orphan_count; i++) {
		if (!parse_ctl(walk->orphans[i], instance) || stage_ring_find(drain, instance))
			continue;
		ring_dir_name(ring_name, instance, WIRE_RING_SUFFIX);
		fd = drain->env->ops->open(drain->env, drain->directory->fd, ring_name,
					   O_PATH | O_NOFOLLOW, 0);
		if (fd >= 0)
			drain->env->ops->close(drain->env, fd);
		else if (fd == -ENOENT)
			(void)drain->env->ops->unlink(drain->env, drain->directory->fd,
						      walk->orphans[i], 0);
	}
}

int find_all(struct drain *drain)
{
	struct walk walk = {.drain = drain, .all = true};
	int r;

	/* They stay: an agent of another version, or `spanring recover` of it, can
	 * read what we cannot, and no look at a file tells that nobody will. */
	drain->counters.rings_unreadable = 0;
	drain->list_soon = false;
	stage_ignore_begin(drain);
	r = ring_dir_list(drain->directory, name_seen, &walk);
	stage_ignore_end(drain);
	drain->counters.junk_names = walk.junk;
	drain->listed_names = walk.names;
	orphans_remove(&walk);
	free(walk.orphans);
	return r < 0 ? r : walk.found;
}

/* There were none to be had, or they broke off. What came meanwhile is listed. */
static void hear_again(struct drain *drain, uint64_t now_ns)
{
	if (drain->directory->news_fd >= 0 || now_ns < drain->hear_due_ns)
		return;
	drain->hear_due_ns = now_ns + LIST_INTERVAL_NS;
	follow_hear(drain);
	if (drain->directory->news_fd >= 0)
		drain->listed = false;
}

int find_rings(struct drain *drain, uint64_t now_ns)
{
	struct walk walk = {.drain = drain};
	uint64_t interval_ns = drain->listed_names * LIST_NAME_NS;
	bool list;
	int r;

	hear_again(drain, now_ns);
	/* No news to be had, or of no use: every look is a listing, less often. */
	interval_ns += drain->directory->news_fd < 0 || drain->list_soon
			       ? drain->options.idle_interval_ns
			       : LIST_INTERVAL_NS;
	list = now_ns >= drain->listed_ns + interval_ns || !drain->listed;

	r = ring_dir_news(drain->directory, name_seen, &walk);
	if (r == 1 && drain->directory->news_fd >= 0)
		list = true;
	if (list) {
		drain->listed = true;
		drain->listed_ns = now_ns;
		r = find_all(drain);
		if (r > 0)
			walk.found += r;
	}
	if (r < 0 || list)
		health_listed(drain, r);
	return walk.found;
}

/* ---- answers --------------------------------------------------------------- */

/* The generation at which the client may have the block, by the log. */
static uint32_t returned_by_log(const struct ring *ring, uint32_t block)
{
	const struct ring_block *known;

	if (block >= ring->block_cap)
		return 0;
	known = &ring->blocks[block];
	return known->phase == BLOCK_FREE ? known->generation : known->generation - 1;
}

/* See ctl.h: the file is ahead of the log only where the log lost something. */
static bool ctl_is_ahead(const struct ring *ring, uint32_t block, uint32_t returned)
{
	const struct wire_block_line *line = &ring->map.lines[block];
	/* Relaxed: a plausibility check. */
	uint32_t now = atomic_load_explicit(&line->generation, memory_order_relaxed);

	return returned > returned_by_log(ring, block) &&
	       (now == returned || now == returned + 1);
}

static int ctl_rewrite(struct ring *ring)
{
	uint32_t usable, ahead = 0;
	int r;

	/* Zeros answer a new ring as they are; touching them would cost the
	 * agent their pages. */
	if (ring->ctl.created && ring->block_cap == 0)
		return 0;
	r = ring_map_lines(&ring->map, &usable);
	if (r < 0)
		usable = 0; /* its first round says what is wrong with it */
	for (uint32_t i = 0; i < ring->ctl.block_count; i++) {
		uint32_t returned = ctl_returned(&ring->ctl, i);

		if (returned != 0 && i < usable && ring->round.number == 0 &&
		    ctl_is_ahead(ring, i, returned)) {
			r = ring_blocks_grow(ring, i + 1);
			if (r < 0)
				return r;
			ring->blocks[i] = (struct ring_block){
				.generation = returned, .next = RING_NONE, .phase = BLOCK_FREE};
			ahead++;
		} else if (returned != returned_by_log(ring, i)) {
			ctl_return(&ring->ctl, i, returned_by_log(ring, i));
		}
	}
	ctl_settle(&ring->ctl);
	ring->adopted = ahead > 0 && !ring->in_log;
	return 0;
}

void find_ctl(struct drain *drain, struct ring *ring, uint64_t now_ns)
{
	char name[RING_DIR_NAME_BYTES];
	int r;

	if (ctl_is_open(&ring->ctl) || now_ns < ring->ctl_due_ns || ring->map.fd < 0)
		return;
	ring->ctl_due_ns = now_ns + CTL_RETRY_NS;
	ring_dir_name(name, ring->identity.instance, WIRE_CTL_SUFFIX);
	r = ctl_open(&ring->ctl, drain->env, ring->directory->fd, name, ring->identity.instance,
		     ring->identity.block_count);
	if (r == 0) {
		r = ctl_rewrite(ring);
		if (r < 0)
			ctl_close(&ring->ctl);
	}
	if (r < 0)
		health_ctl_failed(drain, name, r, now_ns);
}

bool find_attach(struct drain *drain, struct ring *ring, uint64_t now_ns)
{
	if (!ring->seen_told) {
		if (drain->ops.ring_seen(drain->ops.arg, ring->index, &ring->identity) < 0)
			return false;
		ring->seen_told = true;
		drain->counters.rings_seen++;
	}
	/* Before the log is told: whether the ring is adopted depends on what
	 * the log knew. */
	find_ctl(drain, ring, now_ns);
	if (!ring->in_log && stage_state_put(drain, ring) < 0)
		return false;
	ring->phase = RING_LIVE;
	ring->rounds_owed = 2;
	return true;
}

int find_remove(struct drain *drain, struct ring *ring)
{
	/* One that only the log knew was found in the present one. */
	const struct ring_dir *directory = ring->directory ? ring->directory : drain->directory;
	char name[RING_DIR_NAME_BYTES];
	int r;

	/* The ring first: answers without a ring are swept, a ring without
	 * answers would be read again. */
	ring_dir_name(name, ring->identity.instance, WIRE_RING_SUFFIX);
	r = drain->env->ops->unlink(drain->env, directory->fd, name, 0);
	if (r < 0 && r != -ENOENT)
		return r;
	ring_dir_name(name, ring->identity.instance, WIRE_CTL_SUFFIX);
	r = drain->env->ops->unlink(drain->env, directory->fd, name, 0);
	return r == -ENOENT ? 0 : r;
}
