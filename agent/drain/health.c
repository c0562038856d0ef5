/* How the ring directory is doing. What goes wrong with it hurts processes that
 * cannot say so, because they never print: they trace nothing, or refuse. */
#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "drain/stage.h"

#define LOOK_NS UINT64_C(1000000000)
/* Less than a new ring needs: its header, its first blocks, and our answers. */
#define ROOM_BYTES_MIN (UINT64_C(256) << 10)

void health_listed(struct drain *drain, int result)
{
	drain->health.listing_failed = result < 0;
	if (result < 0)
		condition_raise(drain->options.conditions, CONDITION_RING_DIR_FAILING,
				"the ring directory cannot be read: %s; new processes are not "
				"found, known ones are served: %s",
				strerror(-result), condition_remedy(result));
}

void health_open_failed(struct drain *drain, const char *name, int error)
{
	drain->health.open_failed_ns = drain->env->ops->mono_ns(drain->env);
	condition_raise(drain->options.conditions, CONDITION_RING_DIR_FAILING,
			"%s cannot be opened: %s; what its process writes waits in it, "
			"tried again: %s",
			name, strerror(-error), condition_remedy(error));
}

void health_ctl_failed(struct drain *drain, const char *name, int error, uint64_t now_ns)
{
	if (error == -ENOSPC || error == -EDQUOT) {
		drain->health.ctl_full_ns = now_ns;
		condition_raise(
			drain->options.conditions, CONDITION_RING_DIR_FULL,
			"no room for %s in the ring directory: what its process writes is "
			"kept, but its blocks are not given back and fill: make the mount "
			"larger",
			name);
	} else {
		drain->health.ctl_failed_ns = now_ns;
		condition_raise(
			drain->options.conditions, CONDITION_RING_DIR_FAILING,
			"%s cannot be written in the ring directory: %s; its blocks are "
			"not given back and fill: %s",
			name, strerror(-error), condition_remedy(error));
	}
}

/* "no byte" or "no inode", or NULL while there is room. */
static const char *what_is_used_up(const struct drain *drain)
{
	struct statvfs vfs;

	if (fstatvfs(drain->directory->fd, &vfs) < 0)
		return NULL;
	if ((uint64_t)vfs.f_bavail * vfs.f_frsize < ROOM_BYTES_MIN)
		return "byte";
	/* Some file systems have no such thing, and say 0 of 0. */
	return vfs.f_files > 0 && vfs.f_favail < 2 ? "inode" : NULL;
}

static void look_at_room(struct drain *drain, uint64_t now_ns)
{
	const char *used_up = what_is_used_up(drain);

	if (used_up)
		condition_raise(
			drain->options.conditions, CONDITION_RING_DIR_FULL,
			"the ring directory's mount has not one %s left for them: processes "
			"that start now are not traced, others refuse spans and count them: "
			"make the mount larger (mount -o remount,%s)",
			used_up, *used_up == 'b' ? "size=..." : "nr_inodes=...");
	else if (now_ns - drain->health.ctl_full_ns > LOOK_NS)
		condition_clear(drain->options.conditions, CONDITION_RING_DIR_FULL);
}

void health_look(struct drain *drain, uint64_t now_ns)
{
	struct health *health = &drain->health;

	if (now_ns < health->due_ns)
		return;
	health->due_ns = now_ns + LOOK_NS;
	if (!follow_look(drain))
		return;
	look_at_room(drain, now_ns);
	if (!health->listing_failed && now_ns - health->ctl_failed_ns > LOOK_NS &&
	    now_ns - health->open_failed_ns > LOOK_NS)
		condition_clear(drain->options.conditions, CONDITION_RING_DIR_FAILING);
}
