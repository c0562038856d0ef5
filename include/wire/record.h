/* The record codec: what a block holds, and, whole and joined, what the log
 * holds. Every bounded write has its bounded read beside it.
 *
 * A record is an 8-byte head and a body; the next record begins at the next
 * multiple of 8, the padding between is zero. Inside a record nothing is
 * aligned. `length` counts head and body without padding.
 *
 *   head    u32 length · u8 type · u8 flags · u16 aux
 *
 * Records of one thread are read in the order they were written. A span is
 * named by its 8-byte id, which must be unique among the open spans of its
 * ring.
 *
 * A record that does not fit the rest of a block travels in FRAGMENTs: the
 * bytes of the whole record (its head included) are cut over the bodies of
 * consecutive FRAGMENT records of the same thread. The first has
 * WIRE_FRAGMENT_FIRST and begins its body with a u32 of the whole length and a
 * u32 zero; the last has WIRE_FRAGMENT_LAST. Anything else of that thread in
 * between, or the thread's end, abandons the value.
 *
 * A reader calls record_check() on a private copy first; the record_get_*()
 * functions are safe on what it accepted, and only there. Unknown types are
 * skipped by length and counted. Types, flags and reserved bytes are only ever
 * added to. */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum wire_record_type {
	WIRE_START = 1,	      /* a span begins */
	WIRE_END = 2,	      /* a span ends */
	WIRE_ATTRIBUTE = 3,   /* one attribute of a span */
	WIRE_EVENT = 4,	      /* an event with its attributes */
	WIRE_LINK = 5,	      /* a link, at start or later */
	WIRE_STATUS = 6,      /* set status */
	WIRE_NAME = 7,	      /* update name */
	WIRE_RESOURCE = 8,    /* the process's resource; a later one replaces it */
	WIRE_SCOPE = 9,	      /* an instrumentation scope and its number */
	WIRE_RUN = 10,	      /* a run begins or ends */
	WIRE_DROPPED = 11,    /* what a limit or a full ring took from a span */
	WIRE_PROCESS_END = 12,/* the process says that it ends */
	WIRE_FRAGMENT = 13,   /* a piece of a record */
	WIRE_LIMITS = 14,     /* of the process's spans; a later one replaces it */
	WIRE_TYPE_MAX = 63,
};

enum wire_value_type {
	WIRE_EMPTY = 0,
	WIRE_STRING = 1, /* UTF-8 is hoped for, never assumed */
	WIRE_BOOL = 2,	 /* 1 byte, 0 or 1 */
	WIRE_INT = 3,	 /* 8 bytes, signed */
	WIRE_DOUBLE = 4, /* 8 bytes, IEEE 754 */
	WIRE_BYTES = 5,
	WIRE_ARRAY = 6,	 /* entries with empty keys */
	WIRE_MAP = 7,	 /* entries */
};

/* START, END, EVENT, PROCESS_END: `ticks` are Unix nanoseconds, not ticks. */
#define WIRE_TIME_WALL 0x01u

#define WIRE_FRAGMENT_FIRST 0x01u
#define WIRE_FRAGMENT_LAST 0x02u

#define WIRE_RUN_BEGIN 0x01u
#define WIRE_RUN_END 0x02u

#define WIRE_PROCESS_CODE_KNOWN 0x02u /* PROCESS_END: `code` is the exit status */
enum wire_process_end {
	WIRE_PROCESS_EXIT = 1,	  /* exit() or a return from main ran the destructors */
	WIRE_PROCESS_SIGTERM = 2, /* our opt-in handler: end all, UNSET becomes OK */
	WIRE_PROCESS_SHUTDOWN = 3,/* spanring_shutdown(): this ring is closed, the process lives */
};

/* How deep arrays and maps may nest. Deeper ones are refused at the source. */
#define WIRE_DEPTH_MAX 64
#define WIRE_RECORD_ALIGN 8u

struct wire_head {
	uint32_t length;
	uint8_t type;
	uint8_t flags;
	uint16_t aux;
};
_Static_assert(sizeof(struct wire_head) == 8, "record head");

/* aux: span kind as in OTLP (0-5). Name and tracestate follow. */
struct wire_start {
	struct wire_head head;
	uint64_t ticks;		    /* 8 */
	uint8_t trace_id[16];	    /* 16 */
	uint8_t span_id[8];	    /* 32 */
	uint8_t parent_span_id[8];  /* 40: zero for a root */
	uint32_t trace_flags;	    /* 48: as OTLP Span.flags: 0-7 W3C, 8 has-is-remote, 9 is-remote */
	uint32_t scope;		    /* 52: number of a SCOPE record, 0 none */
	uint32_t name_length;	    /* 56 */
	uint32_t tracestate_length; /* 60 */
};
_Static_assert(sizeof(struct wire_start) == 64, "START");

struct wire_end {
	struct wire_head head;
	uint8_t span_id[8]; /* 8 */
	uint64_t ticks;	    /* 16 */
};
_Static_assert(sizeof(struct wire_end) == 24, "END");

/* flags: enum wire_value_type. aux: key length. Key and value follow. */
struct wire_attribute {
	struct wire_head head;
	uint8_t span_id[8]; /* 8 */
};
_Static_assert(sizeof(struct wire_attribute) == 16, "ATTRIBUTE");

/* Name and entries follow. */
struct wire_event {
	struct wire_head head;
	uint8_t span_id[8];	     /* 8 */
	uint64_t ticks;		     /* 16 */
	uint32_t name_length;	     /* 24 */
	uint32_t dropped_attributes; /* 28 */
};
_Static_assert(sizeof(struct wire_event) == 32, "EVENT");

/* Tracestate and entries follow. */
struct wire_link {
	struct wire_head head;
	uint8_t span_id[8];	     /* 8: of the span that has the link */
	uint8_t linked_trace_id[16]; /* 16 */
	uint8_t linked_span_id[8];   /* 32 */
	uint32_t trace_flags;	     /* 40: as OTLP Link.flags */
	uint32_t tracestate_length;  /* 44 */
	uint32_t dropped_attributes; /* 48 */
	uint32_t reserved;	     /* 52 */
};
_Static_assert(sizeof(struct wire_link) == 56, "LINK");

/* STATUS: aux = code as in OTLP (0 unset, 1 ok, 2 error), the message follows.
 * NAME: the name follows. */
struct wire_text {
	struct wire_head head;
	uint8_t span_id[8]; /* 8 */
};
_Static_assert(sizeof(struct wire_text) == 16, "STATUS, NAME");

/* Schema URL and entries follow. */
struct wire_resource {
	struct wire_head head;
	uint32_t schema_url_length;  /* 8 */
	uint32_t dropped_attributes; /* 12 */
};
_Static_assert(sizeof(struct wire_resource) == 16, "RESOURCE");

/* Name, version, schema URL and entries follow. */
struct wire_scope {
	struct wire_head head;
	uint32_t number;	     /* 8: chosen by the client, from 1 */
	uint32_t name_length;	     /* 12 */
	uint32_t version_length;     /* 16 */
	uint32_t schema_url_length;  /* 20 */
	uint32_t dropped_attributes; /* 24 */
	uint32_t reserved;	     /* 28 */
};
_Static_assert(sizeof(struct wire_scope) == 32, "SCOPE");

/* flags: WIRE_RUN_BEGIN or WIRE_RUN_END. Entries about the run follow. */
struct wire_run {
	struct wire_head head;
	uint8_t trace_id[16]; /* 8 */
};
_Static_assert(sizeof(struct wire_run) == 24, "RUN");

struct wire_dropped {
	struct wire_head head;
	uint8_t span_id[8];  /* 8 */
	uint32_t attributes; /* 16: added to what was dropped before */
	uint32_t events;     /* 20 */
	uint32_t links;	     /* 24 */
	uint32_t reason;     /* 28: enum wire_refusal */
};
_Static_assert(sizeof(struct wire_dropped) == 32, "DROPPED");

/* aux: enum wire_process_end. */
struct wire_process_end_record {
	struct wire_head head;
	uint64_t ticks; /* 8 */
	int32_t code;	/* 16: exit status or signal number */
	uint32_t reserved;
};
_Static_assert(sizeof(struct wire_process_end_record) == 24, "PROCESS_END");

/* How many of each a span keeps: the first ones. What is over is counted on the
 * span when it is finished. Without this record nothing is over. */
struct wire_limits {
	struct wire_head head;
	uint32_t attributes; /* 8: keys; UINT32_MAX: no limit, as for the others */
	uint32_t events;     /* 12 */
	uint32_t links;	     /* 16 */
	uint32_t reserved;   /* 20 */
};
_Static_assert(sizeof(struct wire_limits) == 24, "LIMITS");

/* The first piece's body begins with this; the others' with their bytes. */
struct wire_fragment_first {
	struct wire_head head;
	uint32_t whole_length; /* 8 */
	uint32_t reserved;     /* 12 */
};
_Static_assert(sizeof(struct wire_fragment_first) == 16, "first FRAGMENT");

/* An entry of an array (key_length 0), a map, an event, a link, a resource or
 * a scope. Key and value follow, unaligned, and then the next entry. */
struct wire_entry {
	uint32_t value_length;
	uint16_t key_length;
	uint8_t type; /* enum wire_value_type */
	uint8_t reserved;
};
_Static_assert(sizeof(struct wire_entry) == 8, "entry");

static inline uint32_t record_padded(uint32_t length)
{
	return (length + WIRE_RECORD_ALIGN - 1) & ~(WIRE_RECORD_ALIGN - 1);
}

/* ---- bounded read -------------------------------------------------------- */

struct record_entry {
	const uint8_t *key;
	const uint8_t *value;
	uint32_t key_length;
	uint32_t value_length;
	enum wire_value_type type;
};

/* Takes the entry at *at and moves *at behind it. 1 an entry, 0 the end,
 * -EBADMSG not an entry. */
static inline int record_entry_next(const uint8_t **at, const uint8_t *end,
				    struct record_entry *ret)
{
	struct wire_entry entry;
	size_t left = (size_t)(end - *at);

	if (left == 0)
		return 0;
	if (left < sizeof entry)
		return -EBADMSG;
	memcpy(&entry, *at, sizeof entry);
	left -= sizeof entry;
	if (entry.key_length > left || entry.value_length > left - entry.key_length ||
	    entry.type > WIRE_MAP)
		return -EBADMSG;
	ret->key = *at + sizeof entry;
	ret->key_length = entry.key_length;
	ret->value = ret->key + entry.key_length;
	ret->value_length = entry.value_length;
	ret->type = (enum wire_value_type)entry.type;
	*at = ret->value + entry.value_length;
	return 1;
}

/* Checks a value of any depth. 0 or -EBADMSG. */
int record_check_value(enum wire_value_type type, const uint8_t *at, size_t length);
int record_check_entries(const uint8_t *at, size_t length);

/* Checks the record at `at`, of which `available` bytes may be read, with its
 * whole structure. Returns its padded length (what to advance by; it may pass
 * `available` by the padding of a last record only in the log, never in a
 * block, whose `committed` counts padding). -EBADMSG: not a record. An unknown
 * type is accepted by its length. */
int64_t record_check(const uint8_t *at, size_t available);

static inline struct wire_head record_head(const uint8_t *at)
{
	struct wire_head head;

	memcpy(&head, at, sizeof head);
	return head;
}

/* Views into a checked record; each borrows the record's bytes. */
struct record_text {
	const uint8_t *at;
	uint32_t length;
};

struct record_start {
	struct wire_start fixed;
	struct record_text name;
	struct record_text tracestate;
};
struct record_attribute {
	uint8_t span_id[8];
	struct record_entry entry;
};
struct record_event {
	struct wire_event fixed;
	struct record_text name;
	struct record_text entries;
};
struct record_link {
	struct wire_link fixed;
	struct record_text tracestate;
	struct record_text entries;
};
struct record_resource {
	struct wire_resource fixed;
	struct record_text schema_url;
	struct record_text entries;
};
struct record_scope {
	struct wire_scope fixed;
	struct record_text name;
	struct record_text version;
	struct record_text schema_url;
	struct record_text entries;
};
struct record_run {
	struct wire_run fixed;
	struct record_text entries;
};

static inline struct record_text record_rest(const uint8_t *at, uint32_t from)
{
	return (struct record_text){at + from, record_head(at).length - from};
}

static inline struct record_start record_get_start(const uint8_t *at)
{
	struct record_start r;

	memcpy(&r.fixed, at, sizeof r.fixed);
	r.name = (struct record_text){at + sizeof r.fixed, r.fixed.name_length};
	r.tracestate =
		(struct record_text){r.name.at + r.name.length, r.fixed.tracestate_length};
	return r;
}

static inline struct wire_end record_get_end(const uint8_t *at)
{
	struct wire_end end;

	memcpy(&end, at, sizeof end);
	return end;
}

static inline struct record_attribute record_get_attribute(const uint8_t *at)
{
	struct record_attribute r;
	struct wire_attribute fixed;

	memcpy(&fixed, at, sizeof fixed);
	memcpy(r.span_id, fixed.span_id, 8);
	r.entry.key = at + sizeof fixed;
	r.entry.key_length = fixed.head.aux;
	r.entry.value = r.entry.key + fixed.head.aux;
	r.entry.value_length = fixed.head.length - (uint32_t)sizeof fixed - fixed.head.aux;
	r.entry.type = (enum wire_value_type)fixed.head.flags;
	return r;
}

static inline struct record_event record_get_event(const uint8_t *at)
{
	struct record_event r;
	uint32_t from = sizeof r.fixed;

	memcpy(&r.fixed, at, sizeof r.fixed);
	r.name = (struct record_text){at + from, r.fixed.name_length};
	r.entries = record_rest(at, from + r.fixed.name_length);
	return r;
}

static inline struct record_link record_get_link(const uint8_t *at)
{
	struct record_link r;
	uint32_t from = sizeof r.fixed;

	memcpy(&r.fixed, at, sizeof r.fixed);
	r.tracestate = (struct record_text){at + from, r.fixed.tracestate_length};
	r.entries = record_rest(at, from + r.fixed.tracestate_length);
	return r;
}

/* STATUS and NAME: the text; the span id is at 8 of every span's record but
 * START, see record_span_id(). */
static inline struct record_text record_get_text(const uint8_t *at)
{
	return record_rest(at, sizeof(struct wire_text));
}

static inline struct record_resource record_get_resource(const uint8_t *at)
{
	struct record_resource r;
	uint32_t from = sizeof r.fixed;

	memcpy(&r.fixed, at, sizeof r.fixed);
	r.schema_url = (struct record_text){at + from, r.fixed.schema_url_length};
	r.entries = record_rest(at, from + r.fixed.schema_url_length);
	return r;
}

static inline struct record_scope record_get_scope(const uint8_t *at)
{
	struct record_scope r;
	uint32_t from = sizeof r.fixed;

	memcpy(&r.fixed, at, sizeof r.fixed);
	r.name = (struct record_text){at + from, r.fixed.name_length};
	from += r.fixed.name_length;
	r.version = (struct record_text){at + from, r.fixed.version_length};
	from += r.fixed.version_length;
	r.schema_url = (struct record_text){at + from, r.fixed.schema_url_length};
	from += r.fixed.schema_url_length;
	r.entries = record_rest(at, from);
	return r;
}

static inline struct record_run record_get_run(const uint8_t *at)
{
	struct record_run r;

	memcpy(&r.fixed, at, sizeof r.fixed);
	r.entries = record_rest(at, sizeof r.fixed);
	return r;
}

static inline struct wire_dropped record_get_dropped(const uint8_t *at)
{
	struct wire_dropped dropped;

	memcpy(&dropped, at, sizeof dropped);
	return dropped;
}

static inline struct wire_process_end_record record_get_process_end(const uint8_t *at)
{
	struct wire_process_end_record end;

	memcpy(&end, at, sizeof end);
	return end;
}

/* The span a checked record speaks of, as a map key; 0 for records that speak
 * of none (span ids are never zero). */
static inline uint64_t record_span_id(const uint8_t *at)
{
	uint64_t id = 0;

	switch (record_head(at).type) {
	case WIRE_START:
		memcpy(&id, at + offsetof(struct wire_start, span_id), 8);
		break;
	case WIRE_END:
	case WIRE_ATTRIBUTE:
	case WIRE_EVENT:
	case WIRE_LINK:
	case WIRE_STATUS:
	case WIRE_NAME:
	case WIRE_DROPPED:
		memcpy(&id, at + 8, 8);
		break;
	default:
		break;
	}
	return id;
}

/* ---- bounded write ------------------------------------------------------- */

/* The writers below fill the fixed part of a record into `at`; the caller
 * appends the variable parts in the order the structs name them and zeroes the
 * padding. They return the size of the fixed part. Lengths were checked by the
 * caller: a record's length fits 32 bits because a value is at most a quarter
 * of a ring of at most 16 GiB, less one block. */

static inline struct wire_head record_make_head(enum wire_record_type type, uint32_t length,
						unsigned flags, unsigned aux)
{
	return (struct wire_head){length, (uint8_t)type, (uint8_t)flags, (uint16_t)aux};
}

static inline uint32_t record_put_end(uint8_t *at, const uint8_t span_id[8], uint64_t ticks,
				      unsigned flags)
{
	struct wire_end end = {
		.head = record_make_head(WIRE_END, sizeof end, flags, 0),
		.ticks = ticks,
	};

	memcpy(end.span_id, span_id, 8);
	memcpy(at, &end, sizeof end);
	return sizeof end;
}

static inline uint32_t record_put_attribute(uint8_t *at, const uint8_t span_id[8],
					    enum wire_value_type type, uint32_t key_length,
					    uint32_t value_length)
{
	struct wire_attribute attribute = {
		.head = record_make_head(WIRE_ATTRIBUTE,
					 (uint32_t)sizeof attribute + key_length + value_length,
					 type, key_length),
	};

	memcpy(attribute.span_id, span_id, 8);
	memcpy(at, &attribute, sizeof attribute);
	return sizeof attribute;
}

static inline uint32_t record_put_entry(uint8_t *at, enum wire_value_type type,
					uint32_t key_length, uint32_t value_length)
{
	struct wire_entry entry = {value_length, (uint16_t)key_length, (uint8_t)type, 0};

	memcpy(at, &entry, sizeof entry);
	return sizeof entry;
}

#endif
