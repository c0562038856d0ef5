/* The ring directory: its agent.page, which also is the lock that there is one
 * agent, and the names that come and go in it. Everything in it may be
 * planted by others. */
#ifndef DRAIN_RING_DIR_H
#define DRAIN_RING_DIR_H

#include "base/env.h"
#include "drain/guard.h"
#include "wire/abi.h"

struct ring_dir {
	struct env *env;
	int fd;
	struct stat st;
	int page_fd;	 /* holds the lock */
	uint32_t holder; /* after -EBUSY: the pid of who has it; 0 unknown */
	struct wire_agent_page *page;
	struct guard guard;
	int news_fd; /* -1: none to be had, the directory is listed instead */
	bool on_tmpfs;
	uint32_t rings; /* that lie in it: see follow.c */
};

#define RING_DIR_NAME_BYTES 48

/* Creates the directory when missing (its parents, too): 0700, and as root
 * under /run 3733, the mode of a directory that serves every user.
 * -EBUSY: another agent holds agent.page. -EPERM: it is not a directory that can
 * be served safely, `*ret_reason` says why and what to do; else that is "".
 * -ENOTDIR, -EACCES, -ENOSPC. */
int ring_dir_open(struct ring_dir *directory, struct env *env, const char *path,
		  const char **ret_reason);
void ring_dir_close(struct ring_dir *directory);

/* Tries to have news where there are none; `path` leads to it. The caller watches news_fd, and lists
 * once more behind it. */
int ring_dir_hear(struct ring_dir *directory, const char *path);

/* Calls `each` for every name (all of them, or those that came since). A name
 * may be given twice. 1: some were lost, or there are no news (any more): list. */
int ring_dir_list(struct ring_dir *directory, env_name_fn *each, void *arg);
int ring_dir_news(struct ring_dir *directory, env_name_fn *each, void *arg);

/* <32 lower-case hex digits>.ring, and its id. */
bool ring_dir_parse_ring(const char *name, uint8_t ret_instance[16]);
void ring_dir_name(char ret_name[RING_DIR_NAME_BYTES], const uint8_t instance[16],
			 const char *suffix);

/* Takes what was planted under a name of ours out of the way: removed, or, as
 * for a directory, renamed. */
int ring_dir_unplant(struct env *env, int dirfd, const char *name);

/* Removes a ring in the making whose maker is gone: unlocked, and older than a
 * minute. True when removed. */
bool ring_dir_sweep(struct ring_dir *directory, const char *name);

#endif
