/* Contexts and baggage in the head of an HTTP message, as text. */
#include "spanring/propagation.h"

#include "text.h"

#include <errno.h>
#include <strings.h>

/* ---- inject -------------------------------------------------------------------- */

struct output {
	char *text;
	size_t size;
	size_t length; /* without the NUL; may pass the size, then nothing more is put */
};

static void put(struct output *output, const char *text)
{
	size_t length = strlen(text);

	if (output->length + length < output->size)
		memcpy(output->text + output->length, text, length + 1);
	output->length += length;
}

static void put_line(void *carrier, const char *name, const char *value)
{
	put(carrier, name);
	put(carrier, ": ");
	put(carrier, value);
	put(carrier, "\r\n");
}

int spanring_inject_headers(const struct spanring_span *span, char *ret_text, size_t size)
{
	struct output output = {.text = ret_text, .size = size};

	if (size == 0)
		return -ENOSPC;
	ret_text[0] = '\0';
	(void)spanring_inject(span, put_line,
			      &output); /* without a context the text is empty */
	if (output.length < size)
		return (int)output.length;
	ret_text[0] = '\0';
	return -ENOSPC;
}

/* ---- extract ------------------------------------------------------------------- */

struct head {
	const char *text, *end;
	size_t length;			      /* of the value below */
	char value[SPANRING_BAGGAGE_MAX + 1]; /* of the header asked for last */
};

/* The line at *at, without its end; moves behind it. False: the head is over. */
static bool next_line(const char **at, const char *end, const char **ret_stop)
{
	const char *feed = memchr(*at, '\n', (size_t)(end - *at)), *stop = feed ? feed : end;

	if (stop > *at && stop[-1] == '\r')
		stop--;
	if (stop == *at)
		return false;
	*ret_stop = stop;
	*at = feed ? feed + 1 : end;
	return true;
}

/* Behind what earlier lines of the name brought. What is too long is cut where
 * a member of a list ends. */
static void add_value(struct head *head, struct text_piece value)
{
	size_t room;

	if (head->length && head->length < sizeof head->value - 1)
		head->value[head->length++] = ',';
	room = sizeof head->value - 1 - head->length;
	if (value.length > room)
		for (value.length = room; value.length && value.at[value.length] != ',';)
			value.length--;
	memcpy(head->value + head->length, value.at, value.length);
	head->length += value.length;
	head->value[head->length] = '\0';
}

static const char *find_header(void *carrier, const char *name)
{
	struct head *head = carrier;
	const char *at = head->text, *line = at, *stop;
	size_t length = strlen(name);
	bool found = false;

	head->length = 0;
	for (; next_line(&at, head->end, &stop); line = at) {
		if ((size_t)(stop - line) <= length || line[length] != ':' ||
		    strncasecmp(line, name, length) != 0)
			continue;
		found = true;
		add_value(head, text_trim(line + length + 1, stop));
	}
	return found ? head->value : NULL;
}

int spanring_extract_headers(const char *text, size_t length,
			     struct spanring_context *ret_context,
			     struct spanring_baggage *ret_baggage)
{
	struct head head = {.text = text, .end = text + length};

	return spanring_extract(find_header, &head, ret_context, ret_baggage);
}
