/* What a pattern cannot say of a secret. Each is a redact_check_fn. */
#ifndef REDACT_CHECKS_H
#define REDACT_CHECKS_H

#include "redact/rules.h"

/* Twelve letters and digits in a row, a digit among them: words are not made so. */
bool redact_looks_random(struct bytes text, struct redact_place *place);
/* A digit, or longer than any word. */
bool redact_has_digit(struct bytes text, struct redact_place *place);
/* Base64 of user:password. */
bool redact_is_basic(struct bytes text, struct redact_place *place);
/* From a PEM header to its end line, or, where there is none, what may be of a key. */
bool redact_pem(struct bytes text, struct redact_place *place);
/* 13 to 19 digits whose check digit is right. */
bool redact_is_card(struct bytes text, struct redact_place *place);

#endif
