#include "resource.h"

#include "ids.h"
#include "wire/record.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Room for all keys, heads and values that come from here: two path names, a
 * host name and some constants. */
#define OWN_BYTES_MAX (4096u + 2 * PATH_MAX)

struct builder {
	uint8_t *from;
	uint8_t *at;
	uint8_t *end;
	bool full;
};

struct text {
	const char *at;
	size_t length;
};

static struct text text_of(const char *string)
{
	return (struct text){string, strlen(string)};
}

/* ---- keys, each once ----------------------------------------------------- */

static bool has_key(const struct record_entry *entry, struct text key)
{
	return entry->key_length == key.length && !memcmp(entry->key, key.at, key.length);
}

static bool find(const uint8_t *at, const uint8_t *end, struct text key,
		 struct record_entry *ret)
{
	while (record_entry_next(&at, end, ret) > 0)
		if (has_key(ret, key))
			return true;
	return false;
}

/* Adds an entry unless its key is there already: whoever ranks higher comes
 * first. An empty key is nobody's. */
static void put(struct builder *builder, struct text key, enum wire_value_type type,
		const void *value, size_t length)
{
	struct record_entry there;
	size_t left = (size_t)(builder->end - builder->at);

	if (key.length == 0 || key.length > UINT16_MAX || length > UINT32_MAX ||
	    find(builder->from, builder->at, key, &there))
		return;
	if (left < sizeof(struct wire_entry) || key.length > left - sizeof(struct wire_entry) ||
	    length > left - sizeof(struct wire_entry) - key.length) {
		builder->full = true;
		return;
	}
	builder->at +=
		record_put_entry(builder->at, type, (uint32_t)key.length, (uint32_t)length);
	memcpy(builder->at, key.at, key.length);
	builder->at += key.length;
	if (length)
		memcpy(builder->at, value, length);
	builder->at += length;
}

static void put_text(struct builder *builder, const char *key, struct text value)
{
	put(builder, text_of(key), WIRE_STRING, value.at, value.length);
}

static void put_string(struct builder *builder, const char *key, const char *value)
{
	if (value && *value)
		put_text(builder, key, text_of(value));
}

/* Of equal keys within the list the last one counts. */
static void put_entries(struct builder *builder, const uint8_t *at, size_t bytes)
{
	const uint8_t *end;
	struct record_entry entry, later;

	if (bytes == 0)
		return; /* `at` may be NULL then */
	end = at + bytes;
	while (record_entry_next(&at, end, &entry) > 0) {
		struct text key = {(const char *)entry.key, entry.key_length};

		if (!find(at, end, key, &later))
			put(builder, key, entry.type, entry.value, entry.value_length);
	}
}

static bool find_string(const struct builder *builder, const char *key, struct text *ret)
{
	struct record_entry entry;

	if (!find(builder->from, builder->at, text_of(key), &entry) ||
	    entry.type != WIRE_STRING)
		return false;
	*ret = (struct text){(const char *)entry.value, entry.value_length};
	return true;
}

/* ---- what is found out --------------------------------------------------- */

/* The running file's name without its folder. An upgrade that replaced the
 * file must not rename the service. */
static struct text executable_name(char path[PATH_MAX])
{
	static const char deleted[] = " (deleted)";
	const size_t suffix = sizeof deleted - 1;
	ssize_t got = readlink("/proc/self/exe", path, PATH_MAX);
	struct text name = {path, 0};
	const char *slash;

	if (got <= 0)
		return text_of(program_invocation_short_name);
	name.length = (size_t)got;
	if (name.length > suffix && !memcmp(path + got - suffix, deleted, suffix))
		name.length -= suffix;
	slash = memrchr(path, '/', name.length);
	if (slash) {
		name.length -= (size_t)(slash + 1 - path);
		name.at = slash + 1;
	}
	return name;
}

static struct text without_extension(struct text name)
{
	const char *dot = memrchr(name.at, '.', name.length);

	if (dot && dot != name.at)
		name.length = (size_t)(dot - name.at);
	return name;
}

static void detect_host(struct builder *builder)
{
	struct utsname machine;

	if (uname(&machine) == 0)
		put_string(builder, "host.name", machine.nodename);
}

static void detect_process(struct builder *builder, struct text executable)
{
	int64_t pid = getpid();

	put(builder, text_of("process.pid"), WIRE_INT, &pid, sizeof pid);
	if (executable.length)
		put_text(builder, "process.executable.name", executable);
}

static void detect_instance(struct builder *builder)
{
	char uuid[IDS_UUID_LENGTH + 1];

	ids_uuid(uuid);
	put_string(builder, "service.instance.id", uuid);
}

/* ---- what follows from the rest ------------------------------------------ */

static void put_service_name(struct builder *builder, struct text executable)
{
	static const char unknown[] = "unknown_service:";
	char name[sizeof unknown + NAME_MAX];
	size_t length = executable.length < NAME_MAX ? executable.length : NAME_MAX;

	memcpy(name, unknown, sizeof unknown - 1);
	memcpy(name + sizeof unknown - 1, executable.at, length);
	length += sizeof unknown - 1;
	put_text(builder, "service.name", (struct text){name, length});
}

/* The older name and the newer one say the same, whichever was given. */
static void put_deployment(struct builder *builder, const struct environment *environment)
{
	struct text place = {"development", strlen("development")};

	if (!find_string(builder, "deployment.environment", &place) &&
	    !find_string(builder, "deployment.environment.name", &place) && environment &&
	    environment->deployment_environment)
		place = text_of(environment->deployment_environment);
	put_text(builder, "deployment.environment", place);
	put_text(builder, "deployment.environment.name", place);
}

static void put_module(struct builder *builder, const struct resource_options *options,
		       struct text service, struct text executable)
{
	static const char suffix[] = ".module";
	struct text name = without_extension(executable);
	char key[256 + sizeof suffix];

	if (options->module_name && *options->module_name)
		name = text_of(options->module_name);
	else if (!(options->detectors & ENVIRONMENT_DETECT_SERVICE))
		return;
	if (options->module_key && *options->module_key) {
		put_text(builder, options->module_key, name);
		return;
	}
	if (service.length > 256)
		return;
	memcpy(key, service.at, service.length);
	memcpy(key + service.length, suffix, sizeof suffix);
	put_text(builder, key, name);
}

/* A service without a name still has a module; the executable's name within
 * the key would make every program's key another one. */
static struct text service_for_key(const struct builder *builder)
{
	struct text service;

	if (!find_string(builder, "service.name", &service) || !service.length)
		service = text_of("unknown_service");
	return service;
}

static void put_explicit(struct builder *builder, const struct resource_options *options)
{
	put_string(builder, "service.name", options->service_name);
	put_string(builder, "service.version", options->service_version);
	put_string(builder, "service.namespace", options->service_namespace);
	put_string(builder, "service.instance.id", options->service_instance_id);
	put_string(builder, "deployment.environment", options->deployment_environment);
	put_string(builder, "deployment.environment.name", options->deployment_environment);
	put_entries(builder, options->entries, options->entries_bytes);
}

static void put_environment(struct builder *builder, const struct environment *environment)
{
	if (!environment)
		return;
	put_string(builder, "service.name", environment->service_name);
	put_entries(builder, environment->resource_entries,
		    environment->resource_entries_bytes);
}

static void put_all(struct builder *builder, const struct resource_options *options)
{
	char path[PATH_MAX];
	struct text executable = executable_name(path), service;

	put_explicit(builder, options);
	put_environment(builder, options->environment);
	service = service_for_key(builder);
	put_service_name(builder, executable);
	put_module(builder, options, service, executable);
	put_deployment(builder, options->environment);
	if (options->detectors & ENVIRONMENT_DETECT_SERVICE)
		detect_instance(builder);
	if (options->detectors & ENVIRONMENT_DETECT_HOST)
		detect_host(builder);
	if (options->detectors & ENVIRONMENT_DETECT_PROCESS)
		detect_process(builder, executable);
	put_string(builder, "telemetry.sdk.name", "spanring");
	put_string(builder, "telemetry.sdk.language", "c");
	put_string(builder, "telemetry.sdk.version", SPANRING_VERSION);
}

/* ---- the whole ----------------------------------------------------------- */

static size_t length_or_0(const char *text)
{
	return text ? strlen(text) : 0;
}

size_t resource_bytes_max(const struct resource_options *options)
{
	size_t bytes = OWN_BYTES_MAX + options->entries_bytes;

	bytes += length_or_0(options->service_name);
	bytes += length_or_0(options->service_version);
	bytes += length_or_0(options->service_namespace);
	bytes += length_or_0(options->service_instance_id);
	bytes += 2 * length_or_0(options->deployment_environment);
	bytes += length_or_0(options->module_name);
	bytes += length_or_0(options->module_key);
	if (options->environment) {
		bytes += length_or_0(options->environment->service_name);
		bytes += 2 * length_or_0(options->environment->deployment_environment);
		/* Twice: one of its values may be written under both names of
		 * the deployment's environment. */
		bytes += 2 * options->environment->resource_entries_bytes;
	}
	return bytes + options->entries_bytes; /* twice, for the same reason */
}

int64_t resource_build(const struct resource_options *options, uint8_t *ret_entries,
		       size_t size)
{
	struct builder builder = {ret_entries, ret_entries, ret_entries + size, false};
	int error = errno;

	if (options->exact) {
		if (options->entries_bytes > size)
			return -ENOBUFS;
		if (options->entries_bytes)
			memcpy(ret_entries, options->entries, options->entries_bytes);
		return (int64_t)options->entries_bytes;
	}
	put_all(&builder, options);
	errno = error;
	return builder.full ? -ENOBUFS : builder.at - builder.from;
}
