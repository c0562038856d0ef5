/* The agent's own messages: one logfmt line each on standard error, or for
 * journald (when standard error is its stream) with a priority prefix and no
 * time of our own.
 *
 *   ts=2026-01-31T12:00:00.123Z level=warning stage=export msg="collector ..."
 *
 * Lines of one stage, priority and format that come too often are held back:
 * `burst` are let through, then at most one in each `interval_ns`, which says
 * how many were suppressed. Everything a peer may have chosen is escaped
 * (quotes, backslash, control characters, whatever is not UTF-8 as \xNN), so a
 * line is always one line.
 *
 * A process has one standard error, so this has one state. The agent's thread
 * alone calls it. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h> /* LOG_ERR ... LOG_DEBUG, the priorities */

#define LOG_LINE_BYTES_MAX 2048 /* longer ones are cut, and end with "..." */

struct log_options {
	int level;	      /* LOG_ERR ... LOG_DEBUG: what is written */
	int fd;		      /* 2 in the agent */
	bool journald;	      /* log_is_journald() */
	unsigned burst;	      /* 0: 10 */
	uint64_t interval_ns; /* 0: 10 s */
	/* Clocks for tests; NULL: the real ones. */
	uint64_t (*mono_ns)(void *arg);
	uint64_t (*wall_ns)(void *arg);
	void *clock_arg;
};

/* `options` NULL: level info, standard error, found out journald. */
void log_init(const struct log_options *options);

/* What is written from now on. */
void log_set_level(int level);

/* Where it goes from now on; whose the descriptor before was is the caller's
 * business. Returns that one. */
int log_set_fd(int fd, bool journald);

/* Whether descriptor `fd` is the stream $JOURNAL_STREAM names. */
bool log_is_journald(int fd);

void log_line(int priority, const char *stage, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void log_line_v(int priority, const char *stage, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* A line that is already made, as stages hand them up. Lines that differ only
 * in words with digits, or in very long ones, are of one kind. */
void log_text(int priority, const char *stage, const char *line);

/* "error", "warning", "notice", "info", "debug" or a digit. -EINVAL. */
int log_level_parse(const char *text, int *ret_level);
const char *log_level_name(int level);

/* Lines held back since log_init(). */
uint64_t log_suppressed(void);

#endif
