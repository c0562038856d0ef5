/* The beginning of a run by whoever puts more on its root than spanring_run_begin() does. */
#ifndef LIBCLIENT_RUN_H
#define LIBCLIENT_RUN_H

#include "begin.h"

/* As spanring_run_begin(), for a root that `begin` has all of: `start` and `goal` of the
 * options are the caller's to have put there. `options` are whole. */
int run_begin(struct spanring_span *ret_root, const char *name, size_t name_length,
	      const struct spanring_run_options *options, struct begin *begin);

/* Options of any size, made whole. */
void run_take_options(struct spanring_run_options *ret,
		      const struct spanring_run_options *options);

#endif
