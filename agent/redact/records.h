/* Redaction of the records of rings: every text of every record that
 * record_check() has accepted. What is in no known place (records of unknown types,
 * bytes behind a record's known ones) is cut off: nobody could say what it is. */
#ifndef REDACT_RECORDS_H
#define REDACT_RECORDS_H

#include "redact/redactor.h"

/* Whether the record may stay as it is. */
bool redact_record_stays(struct redactor *redactor, const uint8_t *record);
/* Appends what may stay of it, padded, with its length. -ENOMEM. */
int redact_record_write(struct redactor *redactor, struct buf *out, const uint8_t *record);

#endif
