#include "archive/group.h"

#include "archive/spool_sum.h"
#include "archive/summary.h"
#include "base/crc32c.h"
#include "opentelemetry/proto/common/v1/common.pb-c.h"
#include "opentelemetry/proto/resource/v1/resource.pb-c.h"
#include "otlp/json_print.h"
#include "otlp/json_text.h"

#include <errno.h>
#include <stdlib.h>

#define OPEN_LEN (sizeof(GROUP_OPEN) - 1)
#define CLOSE_LEN (sizeof(GROUP_CLOSE) - 1)

#define RESOURCE (&opentelemetry__proto__resource__v1__resource__descriptor)
#define SCOPE (&opentelemetry__proto__common__v1__instrumentation_scope__descriptor)

static void group_fini(struct group *group)
{
	buf_fini(&group->head);
	buf_fini(&group->tail);
	buf_fini(&group->key);
}

void groups_fini(struct groups *groups)
{
	for (uint32_t i = 0; i < groups->count; i++)
		group_fini(&groups->at[i]);
	free(groups->at);
	*groups = (struct groups){0};
}

struct bytes group_resource_head(const struct group *group)
{
	return (struct bytes){group->head.at + OPEN_LEN, group->resource_head_len};
}

struct bytes group_scope_head(const struct group *group)
{
	size_t before = OPEN_LEN + group->resource_head_len;

	return (struct bytes){group->head.at + before, group->head.len - before};
}

struct bytes group_scope_tail(const struct group *group)
{
	return (struct bytes){group->tail.at, group->scope_tail_len};
}

struct bytes group_resource_tail(const struct group *group)
{
	return (struct bytes){group->tail.at + group->scope_tail_len,
			      group->tail.len - group->scope_tail_len - CLOSE_LEN};
}

struct bytes group_summed_tail(const struct group *group)
{
	return (struct bytes){group->tail.at, group->tail.len - SPOOL_CLOSE_BYTES};
}

/* Not for hostile input of its own: a collision costs a comparison. */
static uint64_t mix(uint64_t hash, struct bytes bytes)
{
	uint64_t word;

	hash = (hash ^ bytes.len) * UINT64_C(0x9e3779b97f4a7c15);
	for (; bytes.len >= 8; bytes.at += 8, bytes.len -= 8) {
		memcpy(&word, bytes.at, 8);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 29;
	}
	word = 0;
	if (bytes.len)
		memcpy(&word, bytes.at, bytes.len);
	return (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t key_hash(const struct finished_span *span)
{
	uint64_t hash = mix(1, span->resource);

	hash = mix(hash, span->resource_schema_url);
	hash = mix(hash, span->scope);
	return mix(hash, span->scope_schema_url);
}

static void append_part(struct buf *out, struct bytes part)
{
	uint64_t len = part.len;

	(void)buf_append(out, &len, sizeof(len));
	(void)buf_append(out, part.at, part.len);
}

static int key_make(struct buf *out, const struct finished_span *span)
{
	append_part(out, span->resource);
	append_part(out, span->resource_schema_url);
	append_part(out, span->scope);
	append_part(out, span->scope_schema_url);
	return buf_failed(out) ? -ENOMEM : 0;
}

static bool take_part(struct bytes *key, struct bytes part)
{
	uint64_t len;

	memcpy(&len, key->at, sizeof(len));
	if (len != part.len || (len && memcmp(key->at + sizeof(len), part.at, len) != 0))
		return false;
	key->at += sizeof(len) + len;
	return true;
}

static bool key_matches(const struct group *group, const struct finished_span *span)
{
	struct bytes key = buf_bytes(&group->key);

	return take_part(&key, span->resource) && take_part(&key, span->resource_schema_url) &&
	       take_part(&key, span->scope) && take_part(&key, span->scope_schema_url);
}

static void print_schema_url(struct buf *out, struct bytes url)
{
	if (url.len == 0)
		return;
	(void)buf_append_text(out, ",\"schemaUrl\":");
	json_text_string(out, url);
}

struct bytes group_resource(const struct group *group)
{
	uint64_t len;

	memcpy(&len, group->key.at, sizeof(len));
	return (struct bytes){group->key.at + sizeof(len), (size_t)len};
}

/* What stands under a summary's names was not said by the resource: a file that was
 * read back has it, or somebody sent what he had read out of one. */
static int print_resource_head(struct buf *out, struct bytes resource, struct bytes summary)
{
	struct buf own = BUF_INIT;
	int r = 0;

	if (summary.len || summary_is_in(resource)) {
		r = summary_split(&own, resource, false);
		if (r >= 0)
			r = buf_append(&own, summary.at, summary.len);
		resource = buf_bytes(&own);
	}
	(void)buf_append_text(out, "{\"resource\":");
	if (r >= 0)
		r = otlp_json_print_filled(out, RESOURCE, resource);
	(void)buf_append_text(out, ",\"scopeSpans\":[");
	buf_fini(&own);
	if (r < 0)
		return r;
	return buf_failed(out) ? -ENOMEM : 0;
}

int group_print_first_head(struct buf *out, const struct group *group, struct bytes summary)
{
	return print_resource_head(out, group_resource(group), summary);
}

static int print_head(struct group *group, const struct finished_span *span)
{
	struct buf *head = &group->head;
	int r;

	(void)buf_append_text(head, GROUP_OPEN);
	r = print_resource_head(head, span->resource, (struct bytes){NULL, 0});
	if (r < 0)
		return r;
	group->resource_head_len = (uint32_t)(head->len - OPEN_LEN);
	(void)buf_append_text(head, "{\"scope\":");
	r = otlp_json_print_filled(head, SCOPE, span->scope);
	if (r < 0)
		return r;
	(void)buf_append_text(head, ",\"spans\":[");
	return buf_failed(head) ? -ENOMEM : 0;
}

static int print_tail(struct group *group, const struct finished_span *span)
{
	struct buf *tail = &group->tail;

	(void)buf_append_text(tail, "]");
	print_schema_url(tail, span->scope_schema_url);
	(void)buf_append_text(tail, "}");
	group->scope_tail_len = (uint32_t)tail->len;
	(void)buf_append_text(tail, "]");
	print_schema_url(tail, span->resource_schema_url);
	(void)buf_append_text(tail, "}" GROUP_CLOSE);
	return buf_failed(tail) ? -ENOMEM : 0;
}

static int group_print(struct group *group, const struct finished_span *span)
{
	int r;

	*group = (struct group){.key_hash = key_hash(span)};
	r = key_make(&group->key, span);
	if (r >= 0)
		r = print_head(group, span);
	if (r >= 0)
		r = print_tail(group, span);
	group->head_crc = crc32c(0, group->head.at, group->head.len);
	if (r < 0)
		group_fini(group);
	return r;
}

static bool same_resource(const struct group *a, const struct group *b)
{
	return bytes_equal(group_resource_head(a), group_resource_head(b)) &&
	       bytes_equal(group_resource_tail(a), group_resource_tail(b));
}

static int groups_reserve(struct groups *groups)
{
	uint32_t cap = groups->cap ? groups->cap * 2 : 4;
	struct group *at;

	if (groups->count < groups->cap)
		return 0;
	at = reallocarray(groups->at, cap, sizeof(*at));
	if (!at)
		return -ENOMEM;
	groups->at = at;
	groups->cap = cap;
	return 0;
}

/* Messages that were encoded differently may still print equally. */
static uint32_t groups_add(struct groups *groups, struct group *group)
{
	group->resource = groups->count;
	for (uint32_t i = groups->count; i-- > 0;) {
		struct group *other = &groups->at[i];

		if (!same_resource(group, other))
			continue;
		group->resource = other->resource;
		if (bytes_equal(group_scope_head(group), group_scope_head(other)) &&
		    bytes_equal(group_scope_tail(group), group_scope_tail(other))) {
			group_fini(group);
			return i;
		}
	}
	groups->at[groups->count] = *group;
	return groups->count++;
}

int groups_find(struct groups *groups, const struct finished_span *span, uint32_t *ret_group)
{
	struct group group;
	uint64_t hash;
	int r;

	/* Mostly it is the group of the span before: to compare is cheaper than to
	 * hash. */
	if (groups->recent < groups->count && key_matches(&groups->at[groups->recent], span)) {
		*ret_group = groups->recent;
		return 0;
	}
	hash = key_hash(span);
	for (uint32_t n = 0; n < groups->count; n++) {
		uint32_t i = (groups->recent + n) % groups->count;

		if (groups->at[i].key_hash == hash && key_matches(&groups->at[i], span)) {
			*ret_group = groups->recent = i;
			return 0;
		}
	}
	r = groups_reserve(groups);
	if (r < 0)
		return r;
	r = group_print(&group, span);
	if (r < 0)
		return r;
	*ret_group = groups->recent = groups_add(groups, &group);
	return 0;
}
