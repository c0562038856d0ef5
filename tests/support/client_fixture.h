/* The client library in a directory of its own, and a stand-in for the agent
 * that gives blocks back and acknowledges flushes when the test says so. */
#ifndef SUPPORT_CLIENT_FIXTURE_H
#define SUPPORT_CLIENT_FIXTURE_H

#include "ring_view.h"
#include "spanring.h"

struct client_fixture {
	char directory[64]; /* on tmpfs, ours alone */
	int descriptors;    /* open before; the teardown checks that as many are */
};

/* cmocka's setup and teardown: *state is a struct client_fixture. The teardown
 * shuts the library down and removes the directory. */
int client_fixture_setup(void **state);
int client_fixture_teardown(void **state);

/* Removes the files, as an agent would. */
void client_fixture_teardown_files(struct client_fixture *fixture);

/* Begins tracing with a ring of that size (0: the default) and a resource that
 * is given whole and empty. Fails the test when it cannot. */
void client_fixture_init(struct client_fixture *fixture, uint64_t ring_bytes);

/* Reads the only ring there; fails the test unless it is good. */
void client_fixture_read(struct client_fixture *fixture, struct ring_view *view);

/* Runs a function in a child made by fork() and returns its wait status. */
int client_fixture_fork(void (*run)(void *), void *argument);

int client_fixture_descriptors(void);

/* ---- the agent's part ------------------------------------------------------ */

struct fake_agent {
	uint8_t *ring; /* mapped read-only */
	size_t ring_size;
	struct wire_ctl_header *ctl;
	_Atomic uint32_t *returned;
	uint32_t block_count;
};

/* Answers the only ring of the directory from now on. */
void fake_agent_open(struct fake_agent *agent, const char *directory);
void fake_agent_close(struct fake_agent *agent);

/* Waits until the library has found the answers. */
void fake_agent_found(void);

/* Gives back every sealed block, at most `limit`; returns how many. */
uint32_t fake_agent_return(struct fake_agent *agent, uint32_t limit);

/* Acknowledges what was asked so far. */
void fake_agent_acknowledge(struct fake_agent *agent);

#endif
