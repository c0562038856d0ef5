/* Texts of settings made into numbers. Each is true when the whole text was
 * understood; otherwise the result is untouched. */
#ifndef AGENT_OPTIONS_VALUE_H
#define AGENT_OPTIONS_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* 4096, 64MiB, 2G (binary), 3900kB (decimal). */
bool option_size(const char *text, uint64_t *ret_bytes);
/* 250ms, 10s, 5m, 1h, 2d; a bare number is milliseconds, as OpenTelemetry's
 * variables have it. */
bool option_duration(const char *text, uint64_t *ret_ns);
/* A whole number. */
bool option_limit(const char *text, uint32_t *ret_limit);
/* A whole number from 1 up. */
bool option_count(const char *text, uint32_t *ret_count);
/* One of `words` (NULL-terminated), case ignored: its index. */
bool option_word(const char *text, const char *const *words, uint32_t *ret_index);

/* No text and an empty one are the same. */
bool option_same_text(const char *a, const char *b);

#endif
