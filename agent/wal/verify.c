#include "wal/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "wal/cursor.h"
#include "wal/segment.h"

struct verify {
	struct env *env;
	const struct wal_verify_ops *ops;
	int dir_fd;
	struct frame_cursor cursor;
	struct frame_chain chain;
	uint64_t *numbers;
	uint32_t count, cap;
	uint64_t number_before, sequence_before; /* of the segment before; 0: none */
	struct wal_segment_report report;
};

/* ---- frames ------------------------------------------------------------------ */

static size_t payload_least(uint8_t kind)
{
	switch (kind) {
	case WAL_RECORD:
		return sizeof(struct wal_record);
	case WAL_SPAN:
		return sizeof(struct wal_span);
	case WAL_SCOPE:
		return sizeof(struct wal_scope);
	default:
		return sizeof(struct wal_key);
	}
}

static void count_span(struct wal_segment_report *report, struct bytes payload)
{
	struct wal_span head;

	memcpy(&head, payload.at, sizeof head);
	if (report->first_span == 0)
		report->first_span = head.number;
	report->last_span = head.number;
}

static void take_payload(struct verify *verify, const struct frame *last, struct bytes payload,
			 uint64_t offset)
{
	struct wal_segment_report *report = &verify->report;
	uint8_t kind = last->head.kind;
	bool known = kind >= WAL_RECORD && kind <= WAL_KIND_LAST;

	report->chains++;
	report->kinds[known ? kind : 0]++;
	if (known && payload.len < payload_least(kind))
		report->odd_payloads++;
	else if (kind == WAL_SPAN)
		count_span(report, payload);
	if (verify->ops->payload)
		verify->ops->payload(verify->ops->arg,
				     &(struct wal_payload_view){report->number, offset,
								last->head.sequence, kind,
								payload});
}

/* Good frames stand behind each other, so a gap between two is damage. */
static void take_gap(struct verify *verify, const struct frame *frame)
{
	struct wal_segment_report *report = &verify->report;

	if (frame->offset == report->used)
		return;
	report->damaged_bytes += frame->offset - report->used;
	if (verify->ops->damage)
		verify->ops->damage(verify->ops->arg, report->number, report->used,
				    frame->offset - report->used);
}

static int take_frames(struct verify *verify)
{
	struct wal_segment_report *report = &verify->report;
	uint64_t damaged = verify->cursor.damaged, incomplete = verify->chain.incomplete;
	struct bytes payload;
	struct frame frame;
	uint64_t offset;
	int r;

	while ((r = frame_cursor_next(&verify->cursor, &frame)) > 0) {
		take_gap(verify, &frame);
		report->used = verify->cursor.offset;
		report->frames++;
		report->last_sequence = frame.head.sequence;
		r = frame_chain_take(&verify->chain, &frame, &payload, &offset);
		if (r > 0)
			take_payload(verify, &frame, payload, offset);
		if (r < 0)
			return r;
	}
	frame_chain_drop(&verify->chain);
	report->damaged = verify->cursor.damaged - damaged;
	report->incomplete_chains = verify->chain.incomplete - incomplete;
	if (r == -ENOMEM)
		return r;
	report->error = r;
	return 0;
}

/* The last byte behind the good frames that is not zero says how long the tail is. */
static uint64_t tail_of(struct verify *verify, int fd)
{
	const struct wal_segment_report *report = &verify->report;
	uint64_t end = report->used;
	uint8_t piece[4096];
	ssize_t n;

	for (uint64_t at = report->used; at < report->size; at += (uint64_t)n) {
		n = segment_read(verify->env, fd, piece, sizeof piece, at);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			if (piece[i])
				end = at + (uint64_t)i + 1;
	}
	return end - report->used;
}

static int take_segment(struct verify *verify, int fd, const struct wal_segment_header *header)
{
	struct wal_segment_report *report = &verify->report;
	int r;

	report->used = header->header_bytes;
	report->first_sequence = header->first_sequence;
	if (verify->sequence_before && header->first_sequence > verify->sequence_before + 1)
		report->missing_sequences =
			header->first_sequence - verify->sequence_before - 1;
	frame_cursor_begin(&verify->cursor, fd, frame_seed(header->salt), header->header_bytes,
			   report->size, header->first_sequence);
	r = take_frames(verify);
	if (r < 0)
		return r;
	if (!report->error)
		report->tail_bytes = tail_of(verify, fd);
	if (report->tail_bytes && verify->ops->damage)
		verify->ops->damage(verify->ops->arg, report->number, report->used,
				    report->tail_bytes);
	verify->sequence_before =
		report->last_sequence ? report->last_sequence : header->first_sequence - 1;
	return 0;
}

/* ---- segments ----------------------------------------------------------------- */

static int judge_header(struct verify *verify, int fd, struct wal_segment_header *ret_header)
{
	struct wal_segment_report *report = &verify->report;
	uint8_t at[WAL_FRAMES_OFFSET] = {0};
	struct stat st;
	ssize_t n;
	int r;

	n = verify->env->ops->fstat(verify->env, fd, &st);
	if (n == 0)
		n = segment_read(verify->env, fd, at, sizeof at, 0);
	if (n < 0) {
		report->error = (int)n;
		return WAL_SEGMENT_UNREADABLE;
	}
	report->size = (uint64_t)st.st_size;
	/* For a version we do not know this is all there is to say. */
	memcpy(ret_header, at, sizeof *ret_header);
	r = segment_check_header(at, (size_t)n, report->number, ret_header,
				 &report->header_damaged);
	report->version = ret_header->version;
	report->compat = ret_header->compat;
	report->incompat = ret_header->incompat;
	if (r == 0)
		return WAL_SEGMENT_GOOD;
	if (r == -EPROTO)
		return WAL_SEGMENT_OTHER;
	report->used = n < (ssize_t)sizeof at ? (uint64_t)n : sizeof at;
	return report->last && tail_of(verify, fd) == 0 ? WAL_SEGMENT_EMPTY
							: WAL_SEGMENT_NO_HEADER;
}

static int verify_segment(struct verify *verify, uint64_t number, bool last)
{
	struct wal_segment_report *report = &verify->report;
	struct wal_segment_header header;
	char name[SEGMENT_NAME_BYTES];
	int fd, r = 0;

	*report = (struct wal_segment_report){.number = number, .last = last};
	if (verify->number_before)
		report->missing_segments = number - verify->number_before - 1;
	verify->number_before = number;
	segment_name(number, name);
	fd = verify->env->ops->open(verify->env, verify->dir_fd, name, O_RDONLY | O_NOFOLLOW,
				    0);
	if (fd < 0) {
		report->verdict = WAL_SEGMENT_UNREADABLE;
		report->error = fd;
	} else {
		report->verdict = judge_header(verify, fd, &header);
		if (report->verdict == WAL_SEGMENT_GOOD)
			r = take_segment(verify, fd, &header);
		(void)verify->env->ops->close(verify->env, fd);
	}
	if (report->verdict != WAL_SEGMENT_GOOD)
		verify->sequence_before = 0; /* nothing is known of what was in it */
	if (r == 0 && verify->ops->segment)
		verify->ops->segment(verify->ops->arg, report);
	return r;
}

static int name_found(void *arg, const char *name)
{
	struct verify *verify = arg;
	uint32_t cap = verify->cap ? verify->cap * 2 : 64;
	uint64_t number, *numbers;

	if (!segment_name_parse(name, "", &number))
		return 0;
	if (verify->count == verify->cap) {
		numbers = reallocarray(verify->numbers, cap, sizeof *numbers);
		if (!numbers)
			return -ENOMEM;
		verify->numbers = numbers;
		verify->cap = cap;
	}
	verify->numbers[verify->count++] = number;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int wal_verify(struct env *env, const char *dir, const struct wal_verify_ops *ops)
{
	struct verify verify = {.env = env, .ops = ops};
	int r;

	verify.dir_fd = env->ops->open(env, AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (verify.dir_fd < 0)
		return verify.dir_fd;
	frame_cursor_init(&verify.cursor, env);
	frame_chain_init(&verify.chain);
	r = env->ops->list(env, verify.dir_fd, name_found, &verify);
	if (r == 0 && verify.count == 0)
		r = -ENOENT;
	if (verify.count)
		qsort(verify.numbers, verify.count, sizeof *verify.numbers, compare);
	for (uint32_t i = 0; r == 0 && i < verify.count; i++)
		r = verify_segment(&verify, verify.numbers[i], i + 1 == verify.count);
	frame_chain_fini(&verify.chain);
	frame_cursor_fini(&verify.cursor);
	(void)env->ops->close(env, verify.dir_fd);
	free(verify.numbers);
	return r;
}

/* ---- words --------------------------------------------------------------------- */

bool wal_report_is_damaged(const struct wal_segment_report *report)
{
	return (report->verdict != WAL_SEGMENT_GOOD && report->verdict != WAL_SEGMENT_EMPTY) ||
	       report->header_damaged || report->error || report->damaged ||
	       report->tail_bytes || report->incomplete_chains || report->odd_payloads ||
	       report->kinds[0] || report->missing_segments || report->missing_sequences;
}

const char *wal_kind_name(uint8_t kind)
{
	static const char *const names[] = {
		[WAL_RECORD] = "RECORD", [WAL_SPAN] = "SPAN",	    [WAL_SCOPE] = "SCOPE",
		[WAL_STATE] = "STATE",	 [WAL_RING] = "RING",	    [WAL_CLOSED] = "CLOSED",
		[WAL_RUN] = "RUN",	 [WAL_ARCHIVE] = "ARCHIVE", [WAL_CURSOR] = "CURSOR",
		[WAL_LEDGER] = "LEDGER", [WAL_PROCESS] = "PROCESS",
	};

	if (kind >= sizeof names / sizeof names[0] || !names[kind])
		return "?";
	return names[kind];
}
