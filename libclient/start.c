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
			storage->marks = 0;
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

/* Level 2's flag: the right-most bytes of an id we made are random. */
#define FLAG_SAMPLED 0x01u
#define FLAG_RANDOM 0x02u

static void identify(struct thread *thread, struct spanring_span *span,
		     const struct spanring_span *parent,
		     const struct spanring_start_options *options)
{
	uint32_t epoch = thread->epoch;
	bool sampled;

	if (parent) {
		memcpy(span->trace_id, parent->trace_id, sizeof span->trace_id);
		span->trace_flags = parent->trace_flags;
		span->tracestate = parent->tracestate;
	} else if (options && options->trace_id) {
		memcpy(span->trace_id, options->trace_id, sizeof span->trace_id);
		span->trace_flags = 0;
	} else {
		ids_trace(&thread->ids, epoch, span->trace_id);
		span->trace_flags = FLAG_RANDOM;
	}
	if (options && options->span_id)
		memcpy(span->span_id, options->span_id, sizeof span->span_id);
	else
		ids_span(&thread->ids, epoch, span->span_id);
	sampled = sampler_decides(&client_sampler, span->trace_id, parent != NULL,
				  parent && parent->trace_flags & FLAG_SAMPLED);
	span->trace_flags &= (uint8_t)~FLAG_SAMPLED;
	if (sampled)
		span->trace_flags |= FLAG_SAMPLED;
}

/* A span that is not recorded stands for its parent, so that its children hang
 * where it would have hung. Without one, its children become roots of the
 * trace it would have begun. */
static void stand_in(struct spanring_span *span, const struct spanring_span *parent)
{
	if (parent) {
		uint8_t flags = span->trace_flags;

		*span = *parent;
		span->level = 0;
		span->marks &= CLIENT_MARK_REMOTE;
		if (flags)
			span->trace_flags = flags;
	} else {
		memset(span->span_id, 0, sizeof span->span_id);
	}
	span->epoch = 0;
}

/* ---- the records ----------------------------------------------------------- */

static void fill_start(struct wire_start *record, const struct spanring_span *span,
		       const struct spanring_span *parent, uint32_t name_length)
{
	record->head = record_make_head(WIRE_START, (uint32_t)sizeof *record + name_length, 0,
					SPANRING_KIND_INTERNAL);
	memcpy(record->trace_id, span->trace_id, sizeof record->trace_id);
	memcpy(record->span_id, span->span_id, sizeof record->span_id);
	/* 0x100: whether the parent is remote is known; 0x200: it is. */
	record->trace_flags = span->trace_flags | 0x100u;
	if (parent) {
		memcpy(record->parent_span_id, parent->span_id,
		       sizeof record->parent_span_id);
		if (parent->marks & CLIENT_MARK_REMOTE)
			record->trace_flags |= 0x200u;
	} else {
		memset(record->parent_span_id, 0, sizeof record->parent_span_id);
	}
	record->scope = 0;
	record->name_length = name_length;
	record->tracestate_length = 0;
	record->ticks = clock_ticks();
}

/* The common start: a name and a parent, in one piece. */
static int write_plain(struct thread *thread, const struct spanring_span *span,
		       const struct spanring_span *parent, const char *name,
		       uint32_t name_length)
{
	uint32_t padded = record_padded((uint32_t)sizeof(struct wire_start) + name_length);
	struct wire_start record;
	uint8_t *at;
	int r;

	r = writer_room(thread, padded, BLOCK_FOR_VALUE);
	if (__builtin_expect(r < 0, 0))
		return r;
	at = writer_place(thread, padded);
	fill_start(&record, span, parent, name_length);
	memcpy(at, &record, sizeof record);
	memcpy(at + sizeof record, name, name_length);
	writer_done(thread, padded);
	return 0;
}

static int write_full(struct thread *thread, const struct spanring_span *span,
		      const struct spanring_span *parent, const char *name,
		      uint32_t name_length, const struct spanring_start_options *options)
{
	struct record_text state = tracestate_text(span->tracestate);
	struct wire_start record;
	struct writer writer;
	int r;

	if (parent && options->remote_parent && !options->parent) {
		/* Also where the table of tracestates is full. */
		state.at = (const uint8_t *)options->remote_parent->tracestate;
		state.length = options->remote_parent->tracestate_length;
	}
	r = writer_begin(&writer, thread,
			 sizeof record + (uint64_t)name_length + state.length);
	if (r < 0)
		return r;
	fill_start(&record, span, parent, name_length);
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
static int write_with_options(struct thread *thread, const struct spanring_span *span,
			      const struct spanring_span *parent, const char *name,
			      uint32_t name_length,
			      const struct spanring_start_options *options)
{
	uint64_t together = sizeof(struct wire_start) + name_length + SPANRING_TRACESTATE_MAX +
			    span_attributes_bytes(options->attributes, options->attribute_count) +
			    span_links_bytes(options->links, options->link_count);
	int r = 0;

	if (together <= WRITER_SMALL_MAX)
		r = writer_room(thread, (uint32_t)together & ~(WIRE_RECORD_ALIGN - 1),
				BLOCK_FOR_VALUE);
	if (r == 0)
		r = write_full(thread, span, parent, name, name_length, options);
	if (r < 0)
		return r;
	if (together > WRITER_SMALL_MAX)
		writer_commit(thread);
	/* What is refused here is counted on the span, which has started. */
	(void)span_write_attributes(thread, span, options->attributes,
				    options->attribute_count);
	(void)span_write_links(thread, span, options->links, options->link_count);
	return 0;
}

/* ---- the call -------------------------------------------------------------- */

static int check_arguments(const char *name, size_t name_length,
			   const struct spanring_start_options *options)
{
	if (!name || name_length > NAME_LENGTH_MAX)
		return -EINVAL;
	if (!options)
		return 0;
	if ((unsigned)options->kind > SPANRING_KIND_CONSUMER ||
	    (options->trace_id && is_zero(options->trace_id, 16)) ||
	    (options->span_id && is_zero(options->span_id, 8)) ||
	    (options->remote_parent &&
	     options->remote_parent->tracestate_length > SPANRING_TRACESTATE_MAX))
		return -EINVAL;
	return 0;
}

/* Room for the end comes before the start: a span that cannot be ended is not
 * begun. */
static int record_start(struct thread *thread, struct spanring_span *span,
			const struct spanring_span *parent, const char *name,
			size_t name_length, const struct spanring_start_options *options)
{
	int r = reserve_take(thread);

	if (__builtin_expect(r < 0, 0))
		return r;
	if (__builtin_expect(!options && !span->tracestate, 1)) {
		r = write_plain(thread, span, parent, name, (uint32_t)name_length);
	} else {
		static const struct spanring_start_options none = {.size = sizeof none};

		r = write_with_options(thread, span, parent, name, (uint32_t)name_length,
				       options ? options : &none);
	}
	if (__builtin_expect(r < 0, 0)) {
		reserve_give(thread);
		return r;
	}
	writer_commit(thread);
	span->epoch = thread->epoch;
	return 0;
}

/* Outside the gate nothing can be written, but the parent is still known. */
static int start_without_gate(struct spanring_span *span,
			      const struct spanring_start_options *options, int error)
{
	const struct spanring_span *parent = NULL;
	struct spanring_span storage;
	struct thread *thread = thread_self;
	struct spanring_start_options none = {.size = sizeof none};

	memset(span, 0, sizeof *span);
	if (thread)
		parent = parent_of(thread, options ? options : &none, &storage);
	if (parent)
		stand_in(span, parent);
	return error;
}

int spanring_span_start(struct spanring_span *ret_span, const char *name, size_t name_length,
			const struct spanring_start_options *options)
{
	struct spanring_start_options copy;
	const struct spanring_span *parent;
	struct spanring_span span, storage;
	struct thread *thread;
	int r;

	if (options) {
		take_options(&copy, options);
		options = &copy;
	}
	r = client_enter_start(&thread);
	if (__builtin_expect(r < 0, 0))
		return start_without_gate(ret_span, options, r == -ENOENT ? 0 : r);
	memset(&span, 0, sizeof span);
	parent = options ? parent_of(thread, options, &storage) : current_of(thread);
	if (parent && !has_trace(parent))
		parent = NULL;
	r = check_arguments(name, name_length, options);
	if (r == 0) {
		identify(thread, &span, parent, options);
		if (span.trace_flags & FLAG_SAMPLED)
			r = record_start(thread, &span, parent, name, name_length, options);
	}
	if (__builtin_expect(r < 0, 0)) {
		writer_count(thread, r);
		stand_in(&span, parent);
	}
	thread_write_end(thread);
	*ret_span = span;
	return r;
}
