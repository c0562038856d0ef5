#include "otlp/json_parse.h"

#include <errno.h>

/* jansson gives its allocator no argument. */
static json_malloc_t allocate;
static bool refused;

static void *allocate_and_tell(size_t size)
{
	void *at = allocate(size);

	refused |= !at;
	return at;
}

int otlp_json_parse(json_t **ret_value, struct bytes text, size_t flags,
		    json_error_t *ret_where)
{
	json_free_t release;
	json_t *value;

	json_get_alloc_funcs(&allocate, &release);
	refused = false;
	json_set_alloc_funcs(allocate_and_tell, release);
	value = json_loadb((const char *)text.at, text.len, flags, ret_where);
	json_set_alloc_funcs(allocate, release);
	if (value && !refused) {
		*ret_value = value;
		return 0;
	}
	json_decref(value); /* may be NULL */
	return refused || json_error_code(ret_where) == json_error_out_of_memory ? -ENOMEM
										 : -EBADMSG;
}
