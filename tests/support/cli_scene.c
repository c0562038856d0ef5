#include "cli_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define OUTPUT_BYTES_MAX 65535

char scene_path[] = "/tmp/spanring-cli-XXXXXX";

int scene_setup(void **state)
{
	int fd = mkstemp(scene_path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

int scene_teardown(void **state)
{
	(void)state;
	return unlink(scene_path);
}

char *scene_output(int (*verb)(int argc, char **argv), int argc, char **argv, int *ret_code)
{
	char file[] = "/tmp/spanring-said-XXXXXX";
	char *text = calloc(1, OUTPUT_BYTES_MAX + 1);
	int fd = mkstemp(file), kept;

	assert_true(fd >= 0 && text);
	(void)fflush(stdout);
	kept = dup(STDOUT_FILENO);
	assert_true(dup2(fd, STDOUT_FILENO) >= 0);
	*ret_code = verb(argc, argv);
	(void)fflush(stdout);
	assert_true(dup2(kept, STDOUT_FILENO) >= 0);
	assert_true(pread(fd, text, OUTPUT_BYTES_MAX, 0) >= 0);
	close(kept);
	close(fd);
	unlink(file);
	return text;
}
