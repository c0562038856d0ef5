/* Of every file that a simulated agent leaves: its summary says what its spans say. */
#ifndef SUPPORT_SIM_SUMMARY_H
#define SUPPORT_SIM_SUMMARY_H

#include <jansson.h>

/* NULL, or what is wrong. */
const char *sim_summary_check(json_t *file, json_t *spans);

#endif
