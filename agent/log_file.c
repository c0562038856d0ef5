#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "base/log.h"

#define LOG_FILE_MODE 0640

int log_file_open(const struct options *options)
{
	const char *path = options->log_file;
	int fd = STDERR_FILENO, before, r;

	if (path && *path)
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY,
			  LOG_FILE_MODE);
	if (fd < 0) {
		r = -errno;
		log_line(LOG_ERR, "agent", "agent.log_file %s cannot be opened: %s", path,
			 strerror(-r));
		return r;
	}
	before = log_set_fd(fd, log_is_journald(fd));
	if (before != STDERR_FILENO && before != fd)
		(void)close(before);
	return 0;
}

int log_file_begin(const struct options *options)
{
	log_init(&(struct log_options){
		.level = (int)options->log_level,
		.fd = STDERR_FILENO,
		.journald = log_is_journald(STDERR_FILENO),
	});
	return log_file_open(options);
}
