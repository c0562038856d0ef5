/* The export stage against a scripted collector on a real socket, both driven by
 * one thread, with a clock that only the test moves. */
#ifndef SUPPORT_COLLECTOR_SCENE_H
#define SUPPORT_COLLECTOR_SCENE_H

#include "export/export.h"
#include "grpc_peer.h"
#include "test_env.h"

struct collector_scene {
	struct test_env env;
	struct export_options options;
	struct export export;
	int listener;
	int socket; /* accepted, or -1 */
	struct grpc_peer peer;
	bool deaf; /* the peer accepts and then does nothing */
	/* So many bytes of what it says leave, then the connection ends. */
	size_t cut_at;
	bool cut_reset;	      /* by a reset, not in good order */
	uint32_t streams_max; /* what it allows at a time; 0: 100 */
	unsigned accepted;
	void (*on_request)(void *arg, struct bytes body, struct grpc_peer_reply *reply);
	void *on_request_arg;
	uint64_t number;
	char log[8192];
};

/* With a listener on the loopback of that family; `host` as the endpoint has it. */
struct collector_scene *collector_new_on(int family, const char *host);
struct collector_scene *collector_new(void);
/* After the options were changed. */
void collector_begin(struct collector_scene *scene);
/* Looks whether the numbers add up. */
void collector_end(struct collector_scene *scene);

/* One turn of both sides. */
void collector_round(struct collector_scene *scene);
void collector_rounds(struct collector_scene *scene, int n);
/* The collector's side of the connection ends. */
void collector_hang_up(struct collector_scene *scene);

/* As export_push(): a span of so many bytes; `n` spans of 100. */
int collector_push_sized(struct collector_scene *scene, size_t len);
void collector_push(struct collector_scene *scene, unsigned n);

#endif
