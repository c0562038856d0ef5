#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "file_env.h"

uint8_t fuzz_u8(struct fuzz_input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->at++;
}

uint16_t fuzz_u16(struct fuzz_input *input)
{
	uint16_t low = fuzz_u8(input);

	return (uint16_t)(low | fuzz_u8(input) << 8);
}

uint32_t fuzz_u32(struct fuzz_input *input)
{
	uint32_t low = fuzz_u16(input);

	return low | (uint32_t)fuzz_u16(input) << 16;
}

size_t fuzz_bytes(struct fuzz_input *input, size_t len, const uint8_t **ret_at)
{
	if (len > input->left)
		len = input->left;
	*ret_at = input->at;
	input->at += len;
	input->left -= len;
	return len;
}

static char *directory;

static void directory_remove(void)
{
	test_directory_remove(directory);
	free(directory);
}

const char *fuzz_directory(void)
{
	if (!directory) {
		directory = test_directory_new();
		(void)atexit(directory_remove); /* what is left then lies in TMPDIR */
	}
	return directory;
}

void fuzz_write(const char *path, const void *at, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	FUZZ_CHECK(fd >= 0);
	FUZZ_CHECK(write(fd, at, len) == (ssize_t)len);
	close(fd);
}
