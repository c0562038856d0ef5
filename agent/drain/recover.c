/* What the log says of rings, before the first tick. */
#include <errno.h>
#include <syslog.h>

#include "drain/ring_state.h"
#include "drain/stage.h"

static int remembered(struct drain *drain, const uint8_t instance[16], struct ring **ret_ring)
{
	int r;

	*ret_ring = stage_ring_find(drain, instance);
	if (*ret_ring)
		return 0;
	r = stage_ring_add(drain, instance, ret_ring);
	if (r < 0)
		return r;
	(*ret_ring)->phase = RING_REMEMBERED;
	return 0;
}

static int heard_of(struct drain *drain, const uint8_t instance[16], uint64_t segment,
		    struct ring **ret_ring)
{
	int r = remembered(drain, instance, ret_ring);

	if (r == 0 && !(*ret_ring)->in_log)
		(*ret_ring)->state_segment = segment; /* its identity was lost */
	return r;
}

int drain_recover_slices(struct drain *drain, const uint8_t instance[16],
			 const struct slice *slices, uint32_t n, uint64_t segment)
{
	struct ring *ring;
	int r;

	r = heard_of(drain, instance, segment, &ring);
	return r < 0 ? r : ring_state_add(ring, slices, n);
}

int drain_recover_span(struct drain *drain, const uint8_t instance[16], uint64_t segment)
{
	struct ring *ring;
	int r;

	r = heard_of(drain, instance, segment, &ring);
	if (r == 0)
		ring->spans_left = ring->closed;
	return r;
}

int drain_recover_state(struct drain *drain, const uint8_t instance[16], struct bytes state,
			uint64_t segment, struct ring_identity *ret_identity)
{
	struct ring *ring;
	int r;

	r = remembered(drain, instance, &ring);
	if (r < 0)
		return r;
	r = ring_state_read(ring, state);
	if (r < 0)
		return r;
	ring->in_log = true;
	ring->closed = ring->spans_left = ring->counted = false;
	ring->state_segment = segment;
	*ret_identity = ring->identity;
	return 0;
}

void drain_recover_closed(struct drain *drain, const uint8_t instance[16], struct bytes counts)
{
	struct ring *ring;

	/* Kept until the directory was listed: its files may still be there,
	 * and must not be read again. */
	if (remembered(drain, instance, &ring) < 0)
		return;
	stage_recover_counts(drain, ring, counts);
	ring->closed = true;
	ring->spans_left = false;
}

/* A ring of which only the log is left. */
static void file_is_gone(struct drain *drain, struct ring *ring)
{
	if (ring->closed && !ring->spans_left) {
		stage_ring_drop(drain, ring);
		return;
	}
	if (drain->ops.ring_seen(drain->ops.arg, ring->index, &ring->identity) < 0)
		return; /* it stays remembered; the next start tries again */
	ring->seen_told = true;
	drain->counters.rings_seen++;
	ring->lock_free = true;
	ring->lock_free_ns = drain->env->ops->mono_ns(drain->env);
	ring->phase = RING_DYING;
}

int drain_recovered(struct drain *drain)
{
	uint64_t now_ns = drain->env->ops->mono_ns(drain->env);
	bool gone = false;
	int r;

	r = find_all(drain);
	if (r < 0) {
		stage_log(drain, LOG_ERR, "the ring directory cannot be read: %s",
			  strerror(-r));
		return r;
	}
	for (uint32_t i = 0; i < drain->ring_count; i++) {
		struct ring *ring = drain->rings[i];

		if (ring && ring->phase == RING_REMEMBERED) {
			gone = true;
			file_is_gone(drain, ring);
		} else if (ring && ring->phase == RING_FOUND) {
			(void)find_attach(drain, ring, now_ns);
		}
	}
	/* The news was heard before that listing: the first look needs none of its own,
	 * unless a ring was gone, whose answers may be left. */
	drain->listed = !gone;
	drain->listed_ns = now_ns;
	drain->recovered = true;
	return 0;
}
