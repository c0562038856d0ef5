/* What a process may ask about its own tracing. */
#include "life.h"

#include <stddef.h>

const char *spanring_version(void)
{
	return SPANRING_VERSION;
}

const char *spanring_reason_text(enum spanring_reason reason)
{
	static const char *const texts[] = {
		[SPANRING_REASON_ON] = "tracing is on",
		[SPANRING_REASON_NOT_INITIALISED] = "spanring_init() was not called",
		[SPANRING_REASON_DISABLED] = "switched off by the environment",
		[SPANRING_REASON_NO_DIRECTORY] = "no ring directory, is spanringd running?",
		[SPANRING_REASON_UNTRUSTED] =
			"the ring directory is not to be trusted: owner or mode",
		[SPANRING_REASON_NOT_WRITABLE] = "no permission to write to the ring directory",
		[SPANRING_REASON_NO_SPACE] = "no space for the ring, or a file size limit",
		[SPANRING_REASON_NO_MEMORY] = "no memory for the ring",
		[SPANRING_REASON_SYSTEM] = "the ring could not be made",
		[SPANRING_REASON_SHUT_DOWN] = "spanring_shutdown() was called",
		[SPANRING_REASON_STOPPED] = "the agent asked for no new spans",
		[SPANRING_REASON_FORKED] = "a forked child, on with its first span",
	};

	if ((size_t)reason >= sizeof texts / sizeof texts[0])
		return "unknown reason";
	return texts[reason];
}

static uint32_t refused(const struct ring *ring, enum wire_refusal reason)
{
	/* Relaxed: a count for people. */
	return atomic_load_explicit(&ring->header->refused[reason], memory_order_relaxed);
}

static void fill_counts(struct spanring_report *state, const struct ring *ring)
{
	state->refused_ring_full = refused(ring, WIRE_REFUSED_RING_FULL);
	state->refused_too_large = refused(ring, WIRE_REFUSED_TOO_LARGE);
	state->refused_no_memory = refused(ring, WIRE_REFUSED_NO_MEMORY);
	state->refused_reentrant = refused(ring, WIRE_REFUSED_REENTRANT);
	state->refused_inherited = refused(ring, WIRE_REFUSED_INHERITED);
	state->refused_invalid = refused(ring, WIRE_REFUSED_INVALID);
	state->refused_limit = refused(ring, WIRE_REFUSED_LIMIT);
	state->ends_lost = refused(ring, WIRE_REFUSED_END_LOST);
	/* Relaxed: a count for people. */
	state->waited = atomic_load_explicit(&ring->header->waited, memory_order_relaxed);
}

static void fill_path(struct spanring_report *state)
{
	size_t length = strlen(life_report.path);

	if (length >= sizeof state->path)
		length = sizeof state->path - 1;
	memcpy(state->path, life_report.path, length);
}

/* Whether the agent has asked for no more spans. */
static bool stopped(const struct wire_ctl_header *ctl)
{
	/* Relaxed: a wish that stands alone. */
	return ctl && atomic_load_explicit(&ctl->please_stop, memory_order_relaxed);
}

int spanring_state(struct spanring_report *ret_state)
{
	struct spanring_report state = {.size = sizeof state};
	const struct wire_ctl_header *ctl = NULL;
	struct ring *ring = life_hold();
	size_t size;

	state.reason = life_report.reason;
	state.error = life_report.error;
	fill_path(&state);
	if (ring) {
		ring_look_for_agent(ring, true);
		ctl = atomic_load_explicit(&ring->ctl, memory_order_acquire); /* K1 */
		fill_counts(&state, ring);
		state.agent = ctl != NULL;
		if (stopped(ctl))
			state.reason = SPANRING_REASON_STOPPED;
		state.on = state.reason == SPANRING_REASON_ON;
	} else if (life_phase() == LIFE_ON) {
		state.reason = SPANRING_REASON_FORKED;
	}
	life_release();
	if (ret_state) {
		size = ret_state->size;
		if (size == 0 || size > sizeof state)
			size = sizeof state; /* all fields were there in the first version */
		state.size = size;
		memcpy(ret_state, &state, size);
	}
	return (int)state.on;
}
