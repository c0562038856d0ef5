#include "begin.h"

void begin_copy_sized(void *to, size_t size, const void *from, size_t given)
{
	size_t known = begin_known_size(given, size);

	memcpy(to, from, known);
	memset((char *)to + known, 0, size - known);
}

void begin_init(struct begin *begin, const struct spanring_start_options *start,
		enum spanring_kind kind)
{
	memset(&begin->start, 0, sizeof begin->start);
	if (start)
		begin_copy_sized(&begin->start, sizeof begin->start, start, start->size);
	begin->start.size = sizeof begin->start;
	if (begin->start.kind == SPANRING_KIND_UNSPECIFIED)
		begin->start.kind = kind;
	begin->count = 0;
}

int begin_start(struct begin *begin, struct spanring_span *ret_span, const char *name,
		size_t name_length)
{
	const struct spanring_attribute *given = begin->start.attributes;
	size_t count = begin->start.attribute_count, together = count, own = begin->count;
	int r;

	/* Without any of ours, and where the caller's make no sense, as they are. */
	if (own && (given || !count)) {
		if (together > BEGIN_ATTRIBUTES_MAX - own)
			together = BEGIN_ATTRIBUTES_MAX - own;
		if (together)
			memcpy(begin->attributes + own, given, together * sizeof *given);
		begin->start.attributes = begin->attributes;
		begin->start.attribute_count = own + together;
	}
	r = spanring_span_start(ret_span, name, name_length, &begin->start);
	(void)spanring_attach(ret_span); /* deeper than the stack: counted there */
	if (r == 0 && together < count)
		(void)spanring_set_attributes(ret_span, given + together,
					      count - together); /* counted there */
	return r;
}
