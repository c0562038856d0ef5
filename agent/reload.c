#include "reload.h"

#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "log_file.h"
#include "notify.h"
#include "options_value.h"

#define RELOAD_INTERVAL_NS UINT64_C(100000000)

static void say_error(void *arg, const char *line)
{
	(void)arg;
	log_line(LOG_ERR, "agent", "%s", line);
}

static void say_notice(void *arg, const char *line)
{
	(void)arg;
	log_line(LOG_NOTICE, "agent", "%s", line);
}

/* The log is opened first, because that can fail; what follows cannot. */
static int take(struct options *options, struct options *fresh, struct pipeline *pipeline)
{
	bool other_log = !option_same_text(options->log_file, fresh->log_file);
	struct pipeline_change change;
	unsigned changed;
	int r;

	r = pipeline_prepare(pipeline, fresh, &change);
	if (r < 0)
		return r;
	r = other_log ? log_file_open(fresh) : 0;
	if (r < 0) {
		pipeline_change_fini(&change);
		return r;
	}
	changed = options_adopt(options, fresh, say_notice, NULL);
	log_set_level((int)options->log_level);
	pipeline_apply(pipeline, &change);
	log_line(LOG_NOTICE, "agent", "configuration read again, %u settings changed", changed);
	return 0;
}

static void run(struct reload *reload, struct options *options, struct pipeline *pipeline)
{
	struct options fresh;
	int r;

	r = options_load(&fresh, reload->argc, reload->argv, say_error, NULL);
	if (r == 0)
		r = take(options, &fresh, pipeline);
	if (r == 0)
		pipeline->reloads++;
	else
		pipeline->reload_failures++;
	if (r != 0)
		log_line(LOG_ERR, "agent",
			 "the configuration was not taken, the old one stays in force");
	options_fini(&fresh);
}

void reload_tick(struct reload *reload, struct options *options, struct pipeline *pipeline)
{
	uint64_t now_ns = pipeline->env->ops->mono_ns(pipeline->env);

	if (!reload->wanted || now_ns < reload->due_ns)
		return;
	reload->wanted = false;
	reload->due_ns = now_ns + RELOAD_INTERVAL_NS;
	notify_reloading(now_ns);
	run(reload, options, pipeline);
	notify_ready();
}
