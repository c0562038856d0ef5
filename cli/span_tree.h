/* Spans of a file put under their parents, trace by trace. */
#ifndef CLI_SPAN_TREE_H
#define CLI_SPAN_TREE_H

#include "archive_file.h"

/* Fills parent, child, next, orphan and file->traces. Siblings are in the order
 * of their start; a loop of parents is cut and its first span is an orphan. With
 * equal ids the first span is the parent. -ENOMEM. */
int span_tree_make(struct archive_file *file);

/* The span to visit after this one, parents first; NULL at the end. `*depth` is
 * kept along. */
struct archive_span *span_tree_next(struct archive_span *span, unsigned *depth);

#endif
