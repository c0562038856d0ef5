/* The main() of a fuzz target without libFuzzer: gives it every file of its
 * corpus (or those named), each in a block of exactly its size, so that a
 * sanitizer sees the first byte beyond. */
#include <dirent.h>
#include <string.h>

#include "fuzz.h"

static void replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *at;
	long len;

	FUZZ_CHECK(file && fseek(file, 0, SEEK_END) == 0);
	len = ftell(file);
	FUZZ_CHECK(len >= 0);
	rewind(file);
	at = malloc((size_t)len + (len == 0));
	FUZZ_CHECK(at && fread(at, 1, (size_t)len, file) == (size_t)len);
	(void)fclose(file);
	/* For the reader of a failed run: the last one named is the one. */
	printf("%s\n", path);
	(void)fflush(stdout);
	FUZZ_CHECK(LLVMFuzzerTestOneInput(at, (size_t)len) == 0);
	free(at);
}

static int replay_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char *name;
	int count = 0;

	if (!dir) {
		fprintf(stderr, "%s: no corpus; run from the repository's root\n", path);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		FUZZ_CHECK(asprintf(&name, "%s/%s", path, entry->d_name) > 0);
		replay(name);
		free(name);
		count++;
	}
	closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char *corpus;
	int count;

	for (int i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc > 1)
		return 0;
	FUZZ_CHECK(asprintf(&corpus, "tests/fuzz/corpus/%s", name ? name + 1 : argv[0]) > 0);
	count = replay_directory(corpus);
	free(corpus);
	if (count <= 0)
		return 1;
	printf("[  PASSED  ] %d test(s).\n", count);
	return 0;
}
