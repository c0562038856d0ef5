/* A program that has the library in it, loads it as a shared one, too, and loads
 * plugins that have it in them, and unloads all that again and again.
 *
 *	loads LIBRARY PLUGIN ROUNDS */
#include "told.h"

#include <dlfcn.h>
#include <pthread.h>

static const char *library, *plugin;

static void tell(const struct spanring_span *span, int ended)
{
	char trace_id[SPANRING_TRACE_ID_SIZE], span_id[SPANRING_SPAN_ID_SIZE];

	spanring_trace_id_hex(span, trace_id);
	spanring_span_id_hex(span, span_id);
	if (ended)
		told("end %s", span_id);
	else
		told("start %s %s %d of the plugin", trace_id, span_id, (int)getpid());
}

static void use_plugin(int shuts_down)
{
	void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
	int (*record)(void (*)(const struct spanring_span *, int), int);

	told_check(handle != NULL);
	if (!handle)
		return;
	record = (int (*)(void (*)(const struct spanring_span *, int), int))dlsym(
		handle, "plugin_record");
	told_check(record != NULL && record(tell, shuts_down) == 0);
	told_check(dlclose(handle) == 0);
}

static void use_library(void)
{
	void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	int (*init)(const struct spanring_options *);
	int (*start)(struct spanring_span *, const char *, size_t,
		     const struct spanring_start_options *);
	int (*end)(struct spanring_span *, uint64_t);
	int (*shut_down)(void);
	struct spanring_span span;

	told_check(handle != NULL);
	if (!handle)
		return;
	init = (int (*)(const struct spanring_options *))dlsym(handle, "spanring_init");
	start = (int (*)(struct spanring_span *, const char *, size_t,
			 const struct spanring_start_options *))dlsym(handle,
								      "spanring_span_start");
	end = (int (*)(struct spanring_span *, uint64_t))dlsym(handle, "spanring_span_end");
	shut_down = (int (*)(void))dlsym(handle, "spanring_shutdown");
	options.ring_bytes_max = 1 << 20;
	told_check(init && init(&options) == 0);
	told_check(start && start(&span, "of the plugin", 13, NULL) == 0);
	tell(&span, 0);
	told_check(end && end(&span, 0) == 0);
	tell(&span, 1);
	told_check(shut_down && shut_down() == 0);
	told_check(dlclose(handle) == 0);
}

/* Its destructors run when the plugin has been closed already. */
static void *in_a_thread(void *unused)
{
	use_plugin(1);
	use_library();
	return unused;
}

static size_t count_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	size_t lines = 0;
	int c;

	told_check(file != NULL);
	while (file && (c = getc(file)) != EOF)
		lines += c == '\n';
	if (file)
		fclose(file);
	return lines;
}

int main(int argc, char **argv)
{
	struct spanring_span root;
	size_t mappings = 0;

	if (argc < 4)
		return 2;
	library = argv[1];
	plugin = argv[2];
	told_init(1 << 20, 0);
	told_check(told_start(&root, "of the program", NULL) == 0);
	for (long i = 0; i < strtol(argv[3], NULL, 10); i++) {
		pthread_t thread;

		use_plugin(1);
		use_library();
		told_check(pthread_create(&thread, NULL, in_a_thread, NULL) == 0);
		told_check(pthread_join(thread, NULL) == 0);
		if (i == 3)
			mappings = count_mappings();
	}
	told_check(count_mappings() <= mappings + 2);
	use_plugin(0);
	told_check(told_end(&root) == 0);
	return 0;
}
