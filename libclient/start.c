/* The start of a span: who its parent is, whether it is recorded, and its
 * first records. */
#include "attributes.h"
#include "clock.h"
#include "context.h"
#include "span.h"
#include "tracestate.h"

#define NAME_LENGTH_MAX UINT16_MAX

/* Every field but the first was added at once; a caller that forgot the size
 * knew them. */
static void take_options(struct spanring_start_options *ret,
			 const struct spanring_start_options *given)
{
	size_t size = given->size;

	if (size == 0 || size > sizeof *ret)
		size = sizeof *ret;
	memset(ret, 0, sizeof *ret);
	memcpy(ret, given, size);
}

/* ---- the parent ------------------------------------------------------------ */

static const struct spanring_span *current_of(const struct thread *thread)
{
	uint32_t depth = thread->depth;

	if (depth == 0)
		return client_inherited.trace_flags || client_inherited.marks
			       ? &client_inherited
			       : NULL;
	if (depth > THREAD_STACK_MAX)
		depth = THREAD_STACK_MAX;
	return &thread->stack[depth - 1];
}

/* Returns the span to start under, or NULL for a root. A remote parent is made
 * into a span in *storage. */
static const struct spanring_span *parent_of(const struct thread *thread,
					     const struct spanring_start_options *options,
					     struct spanring_span *storage)
{
	if (options->root)
		return NULL;
	if (options->parent)
		return options->parent;
	if (options->remote_parent) {
		if (spanring_span_from_context(storage, options->remote_parent) < 0)
			return NULL;
		if (!options->remote_parent->is_remote)
			storage->marks &= (uint8_t)~CLIENT_MARK_REMOTE;
		return storage;
	}
	return current_of(thread);
}

static bool is_zero(const uint8_t *id, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (id[i])
			return false;
	return true;
}

/* A parent without a trace is no parent; one with a trace but no id of its own
 * stands in for a root that was refused. */
static bool has_trace(const struct spanring_span *parent)
{
	uint64_t halves[2];

	memcpy(halves, parent->trace_id, sizeof halves);
	return (halves[0] | halves[1]) != 0;
}

/* ---- identity -------------------------------------------------------------- */

#define FLAG_SAMPLED 0x01u
#define FLAG_RANDOM 0x02u /* Level 2: the right-most bytes of the trace id are */

/* Who the new span is. Words, not bytes: they go from registers into the
 * record and into the caller's span. */
struct identity {
	uint64_t trace_id[2];
	uint64_t span_id;
	uint64_t parent_id;
	uint8_t flags;
	uint8_t tracestate;
	uint8_t debug; /* CLIENT_MARK_DEBUG or 0 */
	bool parent_is_remote;
};

static inline void adopt(struct identity *identity, const struct spanring_span *parent)
{
	memcpy(&identity->trace_id[0], parent->trace_id, 8);
	memcpy(&identity->trace_id[1], parent->trace_id + 8, 8);
	memcpy(&identity->parent_id, parent->span_id, 8);
	identity->flags = parent->trace_flags;
	identity->tracestate = parent->tracestate;
	identity->debug = parent->marks & CLIENT_MARK_DEBUG;
	identity->parent_is_remote = (parent->marks & CLIENT_MARK_REMOTE) != 0;
}

static inline uint64_t new_id(struct thread *thread)
{
	uint64_t word;

	if (__builtin_expect(thread->ids.epoch != thread->epoch, 0))
		ids_seed(&thread->ids, thread->epoch);
	do {
		word = ids_next(&thread->ids);
	} while (__builtin_expect(word == 0, 0));
	return word;
}

static inline void found_trace(struct thread *thread, struct identity *identity,
			       const uint8_t *trace_id)
{
	identity->parent_id = 0;
	identity->tracestate = 0;
	identity->debug = 0;
	identity->parent_is_remote = false;
	if (trace_id) {
		memcpy(identity->trace_id, trace_id, sizeof identity->trace_id);
		identity->flags = 0;
		return;
	}
	identity->trace_id[0] = new_id(thread);
	identity->trace_id[1] = new_id(thread);
	identity->flags = FLAG_RANDOM;
}

static inline void decide(struct identity *identity, bool has_parent)
{
	bool sampled = sampler_decides(&client_sampler, (const uint8_t *)identity->trace_id,
				       has_parent, identity->flags & FLAG_SAMPLED);

	identity->flags &= (uint8_t)~FLAG_SAMPLED;
	identity->flags |= sampled ? FLAG_SAMPLED : 0;
}

static inline void name_span(struct spanring_span *ret_span, const struct identity *identity,
			     uint32_t epoch)
{
	memcpy(ret_span->trace_id, &identity->trace_id[0], 8);
	memcpy(ret_span->trace_id + 8, &identity->trace_id[1], 8);
	memcpy(ret_span->span_id, &identity->span_id, 8);
	ret_span->epoch = epoch;
	ret_span->trace_flags = identity->flags;
	ret_span->marks = identity->debug;
	ret_span->level = 0;
	ret_span->tracestate = identity->tracestate;
}

/* A span that is not recorded stands for its parent, so that its children hang
 * where it would have hung. Without one, its children become roots of the
 * trace it would have begun. */
static void stand_in(struct spanring_span *ret_span, struct identity *identity)
{
	identity->span_id = identity->parent_id;
	name_span(ret_span, identity, 0);
	if (identity->parent_is_remote)
		ret_span->marks |= CLIENT_MARK_REMOTE;
}

/* ---- the records ----------------------------------------------------------- */

/* Straight into the block, or into a copy where the record may be cut. */
static inline void fill_start(struct wire_start *record, const struct identity *identity,
			      uint32_t name_length)
{
	record->head = record_make_head(WIRE_START, (uint32_t)sizeof *record + name_length, 0,
					SPANRING_KIND_INTERNAL);
	memcpy(record->trace_id, &identity->trace_id[0], 8);
	memcpy(record->trace_id + 8, &identity->trace_id[1], 8);
	memcpy(record->span_id, &identity->span_id, 8);
	memcpy(record->parent_span_id, &identity->parent_id, 8);
	/* 0x100: whether the parent is remote is known; 0x200: it is. */
	record->trace_flags =
		identity->flags | 0x100u | (identity->parent_is_remote ? 0x200u : 0);
	record->scope = 0;
	record->name_length = name_length;
	record->tracestate_length = 0;
	record->ticks = clock_ticks();
}

/* The common start: a name and a parent, in one piece. */
static inline int write_plain(struct thread *thread, const struct identity *identity,
			      const char *name, uint32_t name_length)
{
	uint32_t padded = record_padded((uint32_t)sizeof(struct wire_start) + name_length);
	uint8_t *at;
	int r;

	r = writer_room(thread, padded, BLOCK_FOR_VALUE);
	if (__builtin_expect(r < 0, 0))
		return r;
	at = writer_place(thread, padded);
	fill_start((struct wire_start *)at, identity, name_length);
	writer_copy(at + sizeof(struct wire_start), name, name_length);
	writer_done(thread, padded);
	return 0;
}

static int write_full(struct thread *thread, const struct identity *identity, const char *name,
		      uint32_t name_length, const struct spanring_start_options *options)
{
	struct record_text state = tracestate_text(identity->tracestate);
	struct wire_start record;
	struct writer writer;
	int r;

	if (identity->parent_id && options->remote_parent && !options->parent) {
		/* Also where the table of tracestates is full. */
		state.at = (const uint8_t *)options->remote_parent->tracestate;
		state.length = options->remote_parent->tracestate_length;
	}
	r = writer_begin(&writer, thread, sizeof record + (uint64_t)name_length + state.length);
	if (r < 0)
		return r;
	fill_start(&record, identity, name_length);
	record.head.length += state.length;
	record.head.aux = options->kind ? (uint16_t)options->kind : SPANRING_KIND_INTERNAL;
	if (options->time_unix_ns) {
		record.head.flags = WIRE_TIME_WALL;
		record.ticks = options->time_unix_ns;
	}
	record.scope = options->scope;
	record.tracestate_length = state.length;
	writer_put(&writer, &record, sizeof record);
	writer_put(&writer, name, name_length);
	if (state.length)
		writer_put(&writer, state.at, state.length);
	writer_end(&writer);
	return 0;
}

/* The span, its attributes and its links: in one commit where they are small. */
static int write_with_options(struct thread *thread, const struct identity *identity,
			      const char *name, uint32_t name_length,
			      const struct spanring_start_options *options)
{
	uint64_t together =
		sizeof(struct wire_start) + name_length + SPANRING_TRACESTATE_MAX +
		span_attributes_bytes(options->attributes, options->attribute_count) +
		span_links_bytes(options->links, options->link_count);
	struct spanring_span span;
	int r = 0;

	if (together <= WRITER_SMALL_MAX)
		r = writer_room(thread, record_padded((uint32_t)together), BLOCK_FOR_VALUE);
	if (r == 0)
		r = write_full(thread, identity, name, name_length, options);
	if (r < 0)
		return r;
	if (together > WRITER_SMALL_MAX)
		writer_commit(thread);
	/* What is refused here is counted on the span, which has started. */
	name_span(&span, identity, thread->stamp);
	(void)span_write_attributes(thread, &span, options->attributes,
				    options->attribute_count);
	(void)span_write_links(thread, &span, options->links, options->link_count);
	return 0;
}

/* ---- the call -------------------------------------------------------------- */

static int check_arguments(const char *name, size_t name_length,
			   const struct spanring_start_options *options)
{
	if (!name || name_length > NAME_LENGTH_MAX)
		return -EINVAL;
	if ((unsigned)options->kind > SPANRING_KIND_CONSUMER ||
	    (options->attribute_count && !options->attributes) ||
	    (options->link_count && !options->links) ||
	    (options->trace_id && is_zero(options->trace_id, 16)) ||
	    (options->span_id && is_zero(options->span_id, 8)) ||
	    (options->remote_parent &&
	     options->remote_parent->tracestate_length > SPANRING_TRACESTATE_MAX))
		return -EINVAL;
	return 0;
}

/* Room for the end comes before the start: a span that cannot be ended is not
 * begun. */
static int record_with_options(struct thread *thread, const struct identity *identity,
			       const char *name, size_t name_length,
			       const struct spanring_start_options *options)
{
	int r = reserve_take(thread);

	if (r < 0)
		return r;
	r = write_with_options(thread, identity, name, (uint32_t)name_length, options);
	if (r < 0) {
		reserve_give(thread);
		return r;
	}
	writer_commit(thread);
	return 0;
}

static inline int record_plain(struct thread *thread, const struct identity *identity,
			       const char *name, size_t name_length)
{
	int r = reserve_take(thread);

	if (__builtin_expect(r < 0, 0))
		return r;
	r = write_plain(thread, identity, name, (uint32_t)name_length);
	if (__builtin_expect(r < 0, 0)) {
		reserve_give(thread);
		return r;
	}
	writer_commit(thread);
	return 0;
}

static const struct spanring_start_options no_options = {.size = sizeof no_options};

/* With options, or with anything else that is out of the ordinary. */
static __attribute__((noinline)) int start_full(struct thread *thread,
						struct spanring_span *ret_span,
						const char *name, size_t name_length,
						const struct spanring_start_options *options)
{
	const struct spanring_span *parent;
	struct identity identity = {.span_id = 0};
	struct spanring_span storage;
	int r = check_arguments(name, name_length, options);

	parent = parent_of(thread, options, &storage);
	if (parent && has_trace(parent))
		adopt(&identity, parent);
	else
		found_trace(thread, &identity, r == 0 ? options->trace_id : NULL);
	decide(&identity, parent && has_trace(parent));
	if (r == 0 && options->span_id)
		memcpy(&identity.span_id, options->span_id, sizeof identity.span_id);
	else
		identity.span_id = new_id(thread);
	if (r == 0 && identity.flags & FLAG_SAMPLED)
		r = record_with_options(thread, &identity, name, name_length, options);
	if (r == 0) {
		name_span(ret_span, &identity,
			  identity.flags & FLAG_SAMPLED ? thread->stamp : 0);
	} else {
		writer_count(thread, r);
		stand_in(ret_span, &identity);
	}
	thread_write_end(thread);
	return r;
}

/* Outside the gate nothing can be written, but the parent is still known. */
static __attribute__((noinline)) int
start_without_gate(struct spanring_span *ret_span, const struct spanring_start_options *options,
		   int error)
{
	const struct spanring_span *parent = NULL;
	struct identity identity = {.span_id = 0};
	struct spanring_span storage;
	struct thread *thread = thread_self;

	if (thread)
		parent = parent_of(thread, options, &storage);
	if (parent)
		adopt(&identity, parent);
	stand_in(ret_span, &identity);
	return error;
}

static __attribute__((noinline)) int start_slow(struct spanring_span *ret_span,
						const char *name, size_t name_length,
						const struct spanring_start_options *options)
{
	struct spanring_start_options copy = no_options;
	struct thread *thread;
	int r;

	if (options)
		take_options(&copy, options);
	r = client_enter_start(&thread);
	if (r < 0)
		return start_without_gate(ret_span, &copy, r == -ENOENT ? 0 : r);
	return start_full(thread, ret_span, name, name_length, &copy);
}

int spanring_span_start(struct spanring_span *ret_span, const char *name, size_t name_length,
			const struct spanring_start_options *options)
{
	const struct spanring_span *parent;
	struct identity identity;
	struct thread *thread;
	int r;

	if (__builtin_expect(options || !name || name_length > WRITER_SMALL_MAX / 2, 0))
		return start_slow(ret_span, name, name_length, options);
	r = client_enter_start(&thread);
	if (__builtin_expect(r < 0, 0))
		return start_without_gate(ret_span, &no_options, r == -ENOENT ? 0 : r);
	parent = current_of(thread);
	if (parent && has_trace(parent)) {
		if (__builtin_expect(parent->tracestate, 0))
			return start_full(thread, ret_span, name, name_length, &no_options);
		adopt(&identity, parent);
		decide(&identity, true);
	} else {
		found_trace(thread, &identity, NULL);
		decide(&identity, false);
	}
	identity.span_id = new_id(thread);
	if (__builtin_expect(identity.flags & FLAG_SAMPLED, 1)) {
		r = record_plain(thread, &identity, name, name_length);
		if (__builtin_expect(r == 0, 1)) {
			name_span(ret_span, &identity, thread->stamp);
		} else {
			writer_count(thread, r);
			stand_in(ret_span, &identity);
		}
	} else {
		name_span(ret_span, &identity, 0);
	}
	thread_write_end(thread);
	return r;
}
