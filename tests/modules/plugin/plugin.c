/* A plugin that has the tracing library linked in, and may be unloaded. */
#include <spanring.h>

int plugin_record(void (*tell)(const struct spanring_span *span, int ended), int shuts_down);

int plugin_record(void (*tell)(const struct spanring_span *span, int ended), int shuts_down)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	struct spanring_span span;
	int r;

	options.ring_bytes_max = 1 << 20;
	options.service_name = "plugin";
	r = spanring_init(&options);
	if (r < 0)
		return r;
	r = spanring_start(&span, "of the plugin", NULL);
	if (r < 0)
		return r;
	tell(&span, 0);
	r = spanring_end(&span);
	if (r < 0)
		return r;
	tell(&span, 1);
	return shuts_down ? spanring_shutdown() : 0;
}
