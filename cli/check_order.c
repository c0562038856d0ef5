/* A12: each resource and each scope stands once, both by their earliest span;
 * spans by start, those that started together with parents first. */
#include "check.h"

#include <inttypes.h>

static uint64_t start_of(json_t *span)
{
	return otlp_uint64(json_object_get(span, "startTimeUnixNano"));
}

static uint64_t earliest_in_scope(json_t *scope)
{
	uint64_t earliest = UINT64_MAX;
	json_t *span;
	size_t i;

	json_array_foreach (json_object_get(scope, "spans"), i, span)
		if (start_of(span) < earliest)
			earliest = start_of(span);
	return earliest;
}

static uint64_t earliest_in_resource(json_t *resource)
{
	uint64_t earliest = UINT64_MAX;
	json_t *scope;
	size_t i;

	json_array_foreach (json_object_get(resource, "scopeSpans"), i, scope)
		if (earliest_in_scope(scope) < earliest)
			earliest = earliest_in_scope(scope);
	return earliest;
}

static bool equal_member(json_t *a, json_t *b, const char *key)
{
	a = json_object_get(a, key);
	b = json_object_get(b, key);
	return (!a && !b) || json_equal(a, b);
}

static bool stands_before(json_t *list, size_t i, const char *key)
{
	json_t *at = json_array_get(list, i);

	for (size_t j = 0; j < i; j++) {
		json_t *other = json_array_get(list, j);

		if (equal_member(other, at, key) && equal_member(other, at, "schemaUrl"))
			return true;
	}
	return false;
}

static void check_scopes(struct check *check, json_t *scopes)
{
	uint64_t before = 0, earliest;
	json_t *scope;
	size_t i;

	json_array_foreach (scopes, i, scope) {
		earliest = earliest_in_scope(scope);
		if (stands_before(scopes, i, "scope"))
			check_fail(check, CHECK_ORDER, NULL,
				   "scope %zu of a resource stands twice", i + 1);
		if (earliest < before)
			check_fail(check, CHECK_ORDER, NULL,
				   "scope %zu of a resource began before the one above it",
				   i + 1);
		before = earliest;
	}
}

static void check_resources(struct check *check, json_t *resources)
{
	uint64_t before = 0, earliest;
	json_t *resource;
	size_t i;

	json_array_foreach (resources, i, resource) {
		earliest = earliest_in_resource(resource);
		if (stands_before(resources, i, "resource"))
			check_fail(check, CHECK_ORDER, NULL, "resource %zu stands twice",
				   i + 1);
		if (earliest < before)
			check_fail(check, CHECK_ORDER, NULL,
				   "resource %zu began before the one above it", i + 1);
		before = earliest;
		check_scopes(check, json_object_get(resource, "scopeSpans"));
	}
}

void check_order(struct check *check)
{
	const struct archive_file *file = check->file;

	if (file->document_count != 1)
		return; /* A11 says enough */
	check_resources(check, json_object_get(file->documents[0], "resourceSpans"));
	for (size_t i = 0; i < file->span_count; i++) {
		const struct archive_span *span = &file->spans[i], *parent = span->parent;

		if (i && span->scope == span[-1].scope && span->start_ns < span[-1].start_ns)
			check_fail(check, CHECK_ORDER, span,
				   "started before the span above it");
		if (parent && parent > span && parent->scope == span->scope &&
		    parent->start_ns == span->start_ns)
			check_fail(check, CHECK_ORDER, span,
				   "stands above its parent, which started with it");
	}
}
