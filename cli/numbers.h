/* The agent's numbers, as its status gives them and as the tables of
 * agent/base/counter.h name them: lines for people, and ledgers added up. */
#ifndef CLI_NUMBERS_H
#define CLI_NUMBERS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/counter.h"

#define NUMBERS_TABLES_MAX 3

/* A part of the status, and the tables its members come from; NULL ends them. */
struct numbers {
	json_t *part;
	const struct counter_table *tables[NUMBERS_TABLES_MAX];
};

/* "title    written 5 = drained 4 + held 1", wrapped to 80 columns. Terms that
 * are 0 are left out, but for the first of each side. */
void numbers_print_ledger(const char *title, const struct numbers *numbers);

/* "title    sealed 2, reopened 1": what is no term of the ledger and not 0.
 * Nothing is printed when there is nothing to say. */
void numbers_print_others(const char *title, const struct numbers *numbers);

/* Whether the ledger adds up; both sums are given. */
bool numbers_add_up(const struct numbers *numbers, uint64_t *ret_in, uint64_t *ret_out);

#endif
