/* The receiver's settings as a whole: each by itself may be right, and still the
 * agent would be sent what it sends. */
#ifndef AGENT_OPTIONS_RECEIVE_H
#define AGENT_OPTIONS_RECEIVE_H

#include "options.h"

/* False after `say` was told what is wrong, and which settings say so. Names that
 * export.endpoint holds are looked up, if its port is one of ours. */
bool options_check_receive(const struct options *options, options_say_fn *say, void *say_arg);

#endif
