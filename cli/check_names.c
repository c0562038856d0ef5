/* Names that OpenTelemetry has given up: tools look for the newer ones. Who writes
 * both serves everybody, and is left alone. */
#include "check.h"

#include <stdio.h>

#include "spanring/semconv.h"

/* tests/lint/test_old_names.py holds it against <spanring/semconv.h>. */
static const struct {
	const char *old, *now; /* NULL: nothing took its place */
} names[] = {
	{SPANRING_ATTR_GEN_AI_SYSTEM, SPANRING_ATTR_GEN_AI_PROVIDER_NAME},
	{SPANRING_ATTR_GEN_AI_USAGE_PROMPT_TOKENS, SPANRING_ATTR_GEN_AI_USAGE_INPUT_TOKENS},
	{SPANRING_ATTR_GEN_AI_USAGE_COMPLETION_TOKENS,
	 SPANRING_ATTR_GEN_AI_USAGE_OUTPUT_TOKENS},
	{SPANRING_ATTR_GEN_AI_PROMPT, "gen_ai.input.messages"},
	{SPANRING_ATTR_GEN_AI_COMPLETION, "gen_ai.output.messages"},
	{SPANRING_ATTR_GEN_AI_OPENAI_REQUEST_SEED, "gen_ai.request.seed"},
	{SPANRING_ATTR_GEN_AI_OPENAI_REQUEST_RESPONSE_FORMAT, "gen_ai.output.type"},
	{SPANRING_ATTR_GEN_AI_OPENAI_REQUEST_SERVICE_TIER, "openai.request.service_tier"},
	{SPANRING_ATTR_GEN_AI_OPENAI_RESPONSE_SERVICE_TIER, "openai.response.service_tier"},
	{SPANRING_ATTR_GEN_AI_OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
	 "openai.response.system_fingerprint"},
	{SPANRING_ATTR_EXCEPTION_ESCAPED, NULL},
	{SPANRING_ATTR_HTTP_METHOD, "http.request.method"},
	{SPANRING_ATTR_HTTP_STATUS_CODE, SPANRING_ATTR_HTTP_RESPONSE_STATUS_CODE},
	{SPANRING_ATTR_HTTP_URL, SPANRING_ATTR_URL_FULL},
	{SPANRING_ATTR_HTTP_TARGET, "url.path"},
	{SPANRING_ATTR_HTTP_SCHEME, "url.scheme"},
	{SPANRING_ATTR_HTTP_HOST, "server.address"},
	{SPANRING_ATTR_HTTP_USER_AGENT, "user_agent.original"},
	{SPANRING_ATTR_HTTP_FLAVOR, "network.protocol.version"},
	{SPANRING_ATTR_HTTP_CLIENT_IP, "client.address"},
	{SPANRING_ATTR_HTTP_SERVER_NAME, "server.address"},
	{SPANRING_ATTR_HTTP_REQUEST_CONTENT_LENGTH, "http.request.body.size"},
	{SPANRING_ATTR_HTTP_RESPONSE_CONTENT_LENGTH, "http.response.body.size"},
	{SPANRING_ATTR_DEPLOYMENT_ENVIRONMENT, "deployment.environment.name"},
	/* Not in our header: who wrote them were other libraries. */
	{"net.peer.name", "server.address"},
	{"net.peer.port", "server.port"},
	{"net.peer.ip", "network.peer.address"},
	{"net.host.name", "server.address"},
	{"net.host.port", "server.port"},
	{"net.sock.peer.addr", "network.peer.address"},
	{"db.system", "db.system.name"},
	{"db.statement", "db.query.text"},
	{"db.operation", "db.operation.name"},
	{"db.name", "db.namespace"},
	{"db.sql.table", "db.collection.name"},
	{"code.function", "code.function.name"},
	{"code.filepath", "code.file.path"},
	{"code.lineno", "code.line.number"},
};
#define NAMES (sizeof(names) / sizeof(names[0]))
_Static_assert(NAMES <= CHECK_OLD_NAMES_MAX, "a counter for each");

void check_names(struct check *check, json_t *object)
{
	json_t *attribute;
	size_t i;

	json_array_foreach (json_object_get(object, "attributes"), i, attribute) {
		const char *key = otlp_string(json_object_get(attribute, "key"));

		for (size_t n = 0; n < NAMES; n++) {
			if (key[0] != names[n].old[0] || strcmp(key, names[n].old) != 0)
				continue;
			if (!names[n].now || !otlp_attribute(object, names[n].now))
				check->old_names[n]++;
			break;
		}
	}
}

bool check_names_next(const struct check *check, size_t *at, char *ret_sentence, size_t size)
{
	for (; *at < NAMES; ++*at) {
		uint32_t count = check->old_names[*at];
		int len;

		if (count == 0)
			continue;
		len = count == 1
			      ? snprintf(ret_sentence, size, "%s (once) is an older name",
					 names[*at].old)
			      : snprintf(ret_sentence, size, "%s (%u times) is an older name",
					 names[*at].old, count);
		if (names[*at].now && len > 0 && (size_t)len < size)
			(void)snprintf(ret_sentence + len, size - (size_t)len,
				       "; write %s beside it", names[*at].now);
		++*at;
		return true;
	}
	return false;
}
