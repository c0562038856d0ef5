/* What a pattern cannot say of a secret, or not cheaply. */
#ifndef REDACT_CHECKS_H
#define REDACT_CHECKS_H

#include "redact/rules.h"

/* ---- redact_check_fn -------------------------------------------------------- */

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

/* ---- redact_lead_fn --------------------------------------------------------- */

/* A parameter's name, if what is in front of it begins a parameter. */
bool redact_lead_name(struct bytes text, size_t least, size_t at, size_t *ret_from);
/* A JSON member's name, if it is in quotes. */
bool redact_lead_member(struct bytes text, size_t least, size_t at, size_t *ret_from);
/* So many bytes, of whatever kind. */
bool redact_lead_three(struct bytes text, size_t least, size_t at, size_t *ret_from);
bool redact_lead_fifty_two(struct bytes text, size_t least, size_t at, size_t *ret_from);
/* Eight to twelve digits. */
bool redact_lead_digits(struct bytes text, size_t least, size_t at, size_t *ret_from);
/* The part of a mail address in front of its @. */
bool redact_lead_mailbox(struct bytes text, size_t least, size_t at, size_t *ret_from);

#endif
