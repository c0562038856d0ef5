/* A12: each resource and each scope stands once, both by their earliest span;
 * spans by start, those that started together with parents first. */
#include "check.h"

#include <inttypes.h>

/* Spans stand in the file's order, and those of a scope one after the other. */
static uint64_t earliest_in_scope(const struct archive_span *spans, size_t count)
{
	uint64_t earliest = UINT64_MAX;

	for (size_t i = 0; i < count; i++)
		if (spans[i].start_ns < earliest)
			earliest = spans[i].start_ns;
	return earliest;
}

static size_t scope_size(json_t *scope)
{
	return json_array_size(json_object_get(scope, "spans"));
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

/* Takes the resource's spans off the front of `*spans`; returns the earliest start. */
static uint64_t check_scopes(struct check *check, json_t *scopes,
			     const struct archive_span **spans)
{
	uint64_t before = 0, earliest = UINT64_MAX, at;
	json_t *scope;
	size_t i;

	json_array_foreach (scopes, i, scope) {
		at = earliest_in_scope(*spans, scope_size(scope));
		*spans += scope_size(scope);
		if (stands_before(scopes, i, "scope"))
			check_fail(check, CHECK_ORDER, NULL,
				   "scope %zu of a resource stands twice", i + 1);
		if (at < before)
			check_fail(check, CHECK_ORDER, NULL,
				   "scope %zu of a resource began before the one above it",
				   i + 1);
		before = at;
		earliest = at < earliest ? at : earliest;
	}
	return earliest;
}

static void check_resources(struct check *check, json_t *resources)
{
	const struct archive_span *spans = check->file->spans;
	uint64_t before = 0, earliest;
	json_t *resource;
	size_t i;

	json_array_foreach (resources, i, resource) {
		if (stands_before(resources, i, "resource"))
			check_fail(check, CHECK_ORDER, NULL, "resource %zu stands twice",
				   i + 1);
		earliest = check_scopes(check, json_object_get(resource, "scopeSpans"), &spans);
		if (earliest < before)
			check_fail(check, CHECK_ORDER, NULL,
				   "resource %zu began before the one above it", i + 1);
		before = earliest;
	}
}

void check_order(struct check *check)
{
	const struct archive_file *file = check->file;

	if (file->document_count != 1 || file->span_count == 0)
		return; /* A11 and A3 say enough */
	check_resources(check, json_object_get(check->document, "resourceSpans"));
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
