#include "options_dirs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int set_printed(char **at, const char *format, const char *text)
{
	char *made = NULL;

	if (asprintf(&made, format, text) < 0)
		return -ENOMEM;
	*at = made;
	return 0;
}

/* A private agent has everything in its own directory. */
static int private_dirs(struct options *options)
{
	if (!options->private_dir)
		return 0;
	free(options->ring_dir);
	free(options->state_dir);
	options->ring_dir = NULL;
	options->state_dir = NULL;
	if (set_printed(&options->ring_dir, "%s/ring", options->private_dir) < 0)
		return -ENOMEM;
	return set_printed(&options->state_dir, "%s/state", options->private_dir);
}

/* The same list the client searches: see "Directory" in README.md. */
static int default_ring_dir(struct options *options)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char uid[16];

	if (options->ring_dir)
		return 0;
	if (access("/run/spanring/ring", W_OK) == 0)
		return set_printed(&options->ring_dir, "%s", "/run/spanring/ring");
	if (runtime && runtime[0] == '/' && access(runtime, W_OK) == 0)
		return set_printed(&options->ring_dir, "%s/spanring", runtime);
	(void)snprintf(uid, sizeof uid, "%u", (unsigned)geteuid());
	return set_printed(&options->ring_dir, "/dev/shm/spanring-%s", uid);
}

static int default_state_dir(struct options *options)
{
	const char *base = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (options->state_dir)
		return 0;
	if (geteuid() == 0 || access("/var/lib/spanring", W_OK) == 0)
		return set_printed(&options->state_dir, "%s", "/var/lib/spanring");
	if (base && base[0] == '/')
		return set_printed(&options->state_dir, "%s/spanring", base);
	if (home && home[0] == '/')
		return set_printed(&options->state_dir, "%s/.local/state/spanring", home);
	return set_printed(&options->state_dir, "/tmp/spanring-state-%s",
			   getenv("USER") ?: "user");
}

int options_find_dirs(struct options *options)
{
	int r = private_dirs(options);

	if (r == 0)
		r = default_ring_dir(options);
	return r < 0 ? r : default_state_dir(options);
}
