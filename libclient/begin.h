/* A span that begins with attributes of ours in front of the caller's, and becomes the
 * thread's current one: what runs and the steps of an agent have in common.
 *
 * On the caller's stack; one thread. What was added is borrowed until begin_start(). */
#ifndef LIBCLIENT_BEGIN_H
#define LIBCLIENT_BEGIN_H

#include "spanring.h"

/* Ours and the caller's appear together with the span as long as they are no more than
 * this; the rest of the caller's follows. */
#define BEGIN_ATTRIBUTES_MAX 32u

struct begin {
	struct spanring_start_options start; /* a copy, to be changed at will */
	size_t count;
	struct spanring_attribute attributes[BEGIN_ATTRIBUTES_MAX];
};

/* How much of a struct of `size` bytes a caller gave who says `given`: it may know fewer or
 * more of its fields, and one that forgot to say meant all there are now. */
static inline size_t begin_known_size(size_t given, size_t size)
{
	return given && given < size ? given : size;
}

/* Copies so much; what is not given is zero. */
void begin_copy_sized(void *to, size_t size, const void *from, size_t given);

/* `start` may be NULL; `kind` is taken where it says none. */
void begin_init(struct begin *begin, const struct spanring_start_options *start,
		enum spanring_kind kind);

/* One of ours: at most BEGIN_ATTRIBUTES_MAX. */
static inline void begin_add(struct begin *begin, struct spanring_attribute attribute)
{
	begin->attributes[begin->count++] = attribute;
}

/* The same for a text that may not be known. */
static inline void begin_add_text(struct begin *begin, const char *key, const char *text)
{
	if (text)
		begin_add(begin, spanring_string(key, text));
}

/* Results as spanring_start(). */
int begin_start(struct begin *begin, struct spanring_span *ret_span, const char *name,
		size_t name_length);

#endif
