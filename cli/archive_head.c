#include "archive_head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPENING "{\"resourceSpans\":[{\"resource\":"
#define HEAD_BYTES ((size_t)8 << 10)
/* A resource is 1 MiB at most when the agent writes it; JSON may be longer. */
#define HEAD_BYTES_MAX ((size_t)8 << 20)

/* Where the object that begins the text ends; 0: not in it. */
static size_t object_len(struct bytes text)
{
	bool in_string = false, escaped = false;
	unsigned depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];

		if (escaped)
			escaped = false;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			escaped = c == '\\';
		else if (c == '{')
			depth++;
		else if (c == '}' && --depth == 0)
			return i + 1;
		if (depth == 0 && !in_string)
			return 0;
	}
	return 0;
}

/* Reads up to `size` bytes in all. 1: that many are there, 0: the file ends before. */
static int read_more(struct buf *text, int fd, size_t size)
{
	if (buf_reserve(text, size) < 0)
		return -ENOMEM;
	while (text->len < size) {
		ssize_t n = read(fd, text->at + text->len, size - text->len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		text->len += n > 0 ? (size_t)n : 0;
	}
	return 1;
}

/* Found: a new reference. */
static int read_resource(json_t **ret_resource, struct buf *text, int fd)
{
	const size_t opening = strlen(OPENING);
	int more;

	for (size_t size = HEAD_BYTES; size <= HEAD_BYTES_MAX; size *= 4) {
		size_t len;

		more = read_more(text, fd, size);
		if (more < 0)
			return more;
		if (text->len <= opening || memcmp(text->at, OPENING, opening) != 0)
			return 0;
		len = object_len((struct bytes){text->at + opening, text->len - opening});
		if (len > 0) {
			*ret_resource = json_loadb((const char *)text->at + opening, len,
						   JSON_ALLOW_NUL, NULL);
			return *ret_resource != NULL;
		}
		if (!more)
			return 0;
	}
	return 0;
}

int archive_head_read(struct archive_head *head, const char *path)
{
	struct buf text = BUF_INIT;
	struct stat st;
	int fd, r;

	*head = (struct archive_head){0};
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		r = 0;
	else
		r = read_resource(&head->resource, &text, fd);
	(void)close(fd);
	buf_fini(&text);
	if (r <= 0)
		return r;
	run_facts_read(&head->facts, head->resource);
	if (head->facts.present)
		return 1;
	archive_head_free(head);
	return 0;
}

void archive_head_free(struct archive_head *head)
{
	json_decref(head->resource);
	*head = (struct archive_head){0};
}
