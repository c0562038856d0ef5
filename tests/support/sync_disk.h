/* A disk whose syncs are the test's, put over a file_env: they fail so often, or
 * are not answered for a while, and what is asked again of a descriptor whose sync
 * failed is counted. One at a time. */
#ifndef SUPPORT_SYNC_DISK_H
#define SUPPORT_SYNC_DISK_H

#include "file_env.h"

#define SYNC_DISK_DESCRIPTORS_MAX 1024
#define SYNC_DISK_HELD_MAX 64

struct sync_disk {
	struct env_ops ops; /* the world's, but for these */
	int failures_left;  /* the next so many syncs of files fail; -1: all */
	int error;	    /* -EIO */
	bool directories;   /* those of directories fail as well */
	bool slow;	    /* answers are held back until sync_disk_answer() */

	unsigned asked;
	unsigned asked_again;  /* of a file's descriptor of which one failed */
	unsigned blocking;     /* by a call that waits */
	unsigned names_synced; /* directories, with success */
	bool failed[SYNC_DISK_DESCRIPTORS_MAX];
	struct {
		int fd;
		env_done_fn *done;
		void *arg;
	} held[SYNC_DISK_HELD_MAX];
	unsigned held_count;
};

void sync_disk_install(struct sync_disk *disk, struct file_env *world);
/* What was held back is answered by the world's next wait(). */
void sync_disk_answer(struct sync_disk *disk);

#endif
