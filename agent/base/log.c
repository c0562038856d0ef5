#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_KEYS 64

/* How often one kind of line came. Kinds that fall into one slot share it: the
 * newer takes it over, so at worst a line too many is written. */
struct log_key {
	uint64_t kind;
	unsigned written;
	uint64_t suppressed;
	uint64_t since_ns;
};

static struct {
	struct log_options options;
	bool ready;
	uint64_t suppressed;
	struct log_key keys[LOG_KEYS];
} logger;

static const char *const level_names[] = {
	[LOG_EMERG] = "emerg",	   [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit",
	[LOG_ERR] = "error",	   [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
	[LOG_INFO] = "info",	   [LOG_DEBUG] = "debug",
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	(void)clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t real_mono_ns(void *arg)
{
	(void)arg;
	return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t real_wall_ns(void *arg)
{
	(void)arg;
	return clock_ns(CLOCK_REALTIME);
}

bool log_is_journald(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 || fstat(fd, &st) < 0)
		return false;
	return st.st_dev == dev && st.st_ino == ino;
}

void log_init(const struct log_options *options)
{
	memset(&logger, 0, sizeof logger);
	if (options)
		logger.options = *options;
	else
		logger.options = (struct log_options){
			.level = LOG_INFO,
			.fd = STDERR_FILENO,
			.journald = log_is_journald(STDERR_FILENO),
		};
	if (logger.options.burst == 0)
		logger.options.burst = 10;
	if (logger.options.interval_ns == 0)
		logger.options.interval_ns = UINT64_C(10000000000);
	if (!logger.options.mono_ns)
		logger.options.mono_ns = real_mono_ns;
	if (!logger.options.wall_ns)
		logger.options.wall_ns = real_wall_ns;
	logger.ready = true;
}

void log_set_level(int level)
{
	logger.options.level = level;
}

int log_set_fd(int fd, bool journald)
{
	int before = logger.options.fd;

	logger.options.fd = fd;
	logger.options.journald = journald;
	return before;
}

const char *log_level_name(int level)
{
	return level >= 0 && level <= LOG_DEBUG ? level_names[level] : "unknown";
}

int log_level_parse(const char *text, int *ret_level)
{
	for (int i = LOG_EMERG; i <= LOG_DEBUG; i++)
		if (strcmp(text, level_names[i]) == 0 ||
		    (text[0] == '0' + i && text[1] == '\0')) {
			*ret_level = i;
			return 0;
		}
	if (strcmp(text, "err") == 0)
		*ret_level = LOG_ERR;
	else if (strcmp(text, "warn") == 0)
		*ret_level = LOG_WARNING;
	else
		return -EINVAL;
	return 0;
}

uint64_t log_suppressed(void)
{
	return logger.suppressed;
}

/* ---- how often ------------------------------------------------------------ */

static struct log_key *key_find(uint64_t kind)
{
	struct log_key *key = &logger.keys[kind % LOG_KEYS];

	if (key->kind != kind)
		*key = (struct log_key){.kind = kind};
	return key;
}

/* Formats and stages are literals: their addresses name the call. */
static uint64_t kind_of_call(int priority, const char *stage, const char *format)
{
	return ((uintptr_t)format * 31 + (uintptr_t)stage) * UINT64_C(0x9e3779b97f4a7c15) +
	       (unsigned)priority;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t word_length(const char *at)
{
	size_t len = 0;

	while (is_digit(at[len]) || ((at[len] | 0x20) >= 'a' && (at[len] | 0x20) <= 'z'))
		len++;
	return len;
}

/* Numbers and names somebody chose, of which there may be any number: a word
 * with a digit in it, or one longer than ours are. */
static bool is_chosen(const char *word, size_t len)
{
	if (len >= 16)
		return true;
	for (size_t i = 0; i < len; i++)
		if (is_digit(word[i]))
			return true;
	return false;
}

static uint64_t hash_byte(uint64_t hash, char byte)
{
	return (hash ^ (unsigned char)byte) * UINT64_C(0x100000001b3);
}

static uint64_t kind_of_line(int priority, const char *stage, const char *line)
{
	uint64_t hash = kind_of_call(priority, stage, "");

	for (size_t len; *line; line += len) {
		len = word_length(line);
		if (len == 0) {
			hash = hash_byte(hash, *line);
			len = 1;
		} else if (!is_chosen(line, len)) {
			for (size_t i = 0; i < len; i++)
				hash = hash_byte(hash, line[i]);
		}
	}
	return hash;
}

/* True when the line may be written; *ret_suppressed went missing before it. */
static bool key_admit(struct log_key *key, uint64_t now_ns, uint64_t *ret_suppressed)
{
	if (now_ns - key->since_ns >= logger.options.interval_ns || key->since_ns == 0) {
		*ret_suppressed = key->suppressed;
		key->written = key->suppressed ? logger.options.burst : 1;
		key->suppressed = 0;
		key->since_ns = now_ns;
		return true;
	}
	if (key->written < logger.options.burst) {
		key->written++;
		*ret_suppressed = 0;
		return true;
	}
	key->suppressed++;
	logger.suppressed++;
	return false;
}

/* ---- one line ------------------------------------------------------------- */

struct line {
	char at[LOG_LINE_BYTES_MAX];
	size_t len;
	bool cut;
};

#define LINE_TAIL 8 /* room for ..., the closing quote and the newline */

static void line_put(struct line *line, const char *at, size_t len)
{
	if (line->cut || len > sizeof line->at - LINE_TAIL - line->len) {
		line->cut = true;
		return;
	}
	memcpy(line->at + line->len, at, len);
	line->len += len;
}

static void line_put_text(struct line *line, const char *text)
{
	line_put(line, text, strlen(text));
}

static void line_put_time(struct line *line, uint64_t wall_ns)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	char text[64];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(text, sizeof text, "ts=%04d-%02d-%02dT%02d:%02d:%02d.%03dZ ",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(wall_ns / 1000000 % 1000));
	line_put_text(line, text);
}

/* Bytes of the UTF-8 sequence at `at`; 0: none, or a C1 control character,
 * which terminals obey. */
static size_t utf8_take(const unsigned char *at)
{
	size_t len;

	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	/* The text ends with a NUL, which is no continuation byte. */
	for (size_t i = 1; i < len; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	if (at[0] == 0xc2 && at[1] < 0xa0)
		return 0;
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return len;
}

static void line_put_escaped(struct line *line, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at && !line->cut) {
		size_t len = *at >= 0x20 && *at < 0x7f ? 1 : utf8_take(at);
		char hex[8];

		if (*at == '"' || *at == '\\') {
			line_put(line, "\\", 1);
			line_put(line, (const char *)at, 1);
		} else if (len > 0) {
			line_put(line, (const char *)at, len);
		} else if (*at == '\n') {
			line_put(line, "\\n", 2);
		} else if (*at == '\t') {
			line_put(line, "\\t", 2);
		} else {
			snprintf(hex, sizeof hex, "\\x%02x", *at);
			line_put(line, hex, 4);
		}
		at += len > 0 ? len : 1;
	}
}

static void line_write(struct line *line)
{
	size_t done = 0;

	/* A log that cannot be written must not stop the agent. */
	while (done < line->len) {
		ssize_t n = write(logger.options.fd, line->at + done, line->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		done += (size_t)n;
	}
}

static void line_say(int priority, const char *stage, const char *message, uint64_t suppressed)
{
	struct line line = {.len = 0};
	char text[64];

	if (logger.options.journald) {
		snprintf(text, sizeof text, "<%d>", priority);
		line_put_text(&line, text);
	} else {
		line_put_time(&line, logger.options.wall_ns(logger.options.clock_arg));
	}
	snprintf(text, sizeof text, "level=%s stage=", log_level_name(priority));
	line_put_text(&line, text);
	line_put_escaped(&line, stage);
	if (suppressed) {
		snprintf(text, sizeof text, " suppressed=%llu", (unsigned long long)suppressed);
		line_put_text(&line, text);
	}
	line_put_text(&line, " msg=\"");
	line_put_escaped(&line, message);
	if (line.cut) {
		memcpy(line.at + line.len, "...", 3);
		line.len += 3;
	}
	memcpy(line.at + line.len, "\"\n", 2);
	line.len += 2;
	line_write(&line);
}

static bool level_admits(int priority)
{
	if (!logger.ready)
		log_init(NULL);
	return priority <= logger.options.level;
}

static bool kind_admits(uint64_t kind, uint64_t *ret_suppressed)
{
	return key_admit(key_find(kind), logger.options.mono_ns(logger.options.clock_arg),
			 ret_suppressed);
}

void log_line_v(int priority, const char *stage, const char *format, va_list args)
{
	char message[LOG_LINE_BYTES_MAX];
	uint64_t suppressed;

	if (!level_admits(priority) ||
	    !kind_admits(kind_of_call(priority, stage, format), &suppressed))
		return;
	vsnprintf(message, sizeof message, format, args);
	line_say(priority, stage, message, suppressed);
}

void log_line(int priority, const char *stage, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line_v(priority, stage, format, args);
	va_end(args);
}

void log_text(int priority, const char *stage, const char *line)
{
	uint64_t suppressed;

	if (level_admits(priority) &&
	    kind_admits(kind_of_line(priority, stage, line), &suppressed))
		line_say(priority, stage, line, suppressed);
}
