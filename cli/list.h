/* What `spanring list` prints. */
#ifndef CLI_LIST_H
#define CLI_LIST_H

#include <time.h>

#include "run_list.h"
#include "terminal.h"

/* Lines with as many columns as the terminal has room for. The year stands with runs
 * of another than `now`. */
void list_table(struct buf *out, const struct terminal *terminal, time_t now,
		const struct run_entry *entries, size_t count);

/* One object per line. -ENOMEM. */
int list_json(struct buf *out, const struct run_entry *entries, size_t count);

#endif
