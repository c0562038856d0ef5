/* The public headers by themselves: in C and C++ of all ages, and for musl, without
 * a warning. A compiler that is not installed is skipped. */
#include "spanring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char program[] =
	"#include <spanring/genai.h>\n"
	"#include <spanring/propagation.h>\n"
	"#include <spanring/semconv.h>\n"
	"#include <spanring/testing.h>\n"
	"#include <spanring.h>\n"
	"int use(const char *text, int n)\n"
	"{\n"
	"	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;\n"
	"	struct spanring_attribute attributes[2];\n"
	"	struct spanring_span span;\n"
	"	SPANRING_SPAN(block, \"block\");\n"
	"	attributes[0] = spanring_string(\"text\", text);\n"
	"	attributes[1] = spanring_int(\"n\", n);\n"
	"	options.kind = SPANRING_KIND_CLIENT;\n"
	"	spanring_start(&span, \"span\", &options);\n"
	"	spanring_set_attributes(&span, attributes, 2);\n"
	"	spanring_set_double(&span, \"d\", 0.5);\n"
	"	spanring_add_event(&span, \"event\", attributes, 2);\n"
	"	spanring_record_exception(&span, \"T\", text, NULL);\n"
	"	return spanring_end(&span);\n"
	"}\n"
	"int call(const char *model, double temperature)\n"
	"{\n"
	"	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;\n"
	"	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;\n"
	"	struct spanring_agent_options agent = SPANRING_AGENT_OPTIONS_INIT;\n"
	"	struct spanring_tool_options tool = SPANRING_TOOL_OPTIONS_INIT;\n"
	"	struct spanring_backoff backoff = SPANRING_BACKOFF_INIT;\n"
	"	struct spanring_span span;\n"
	"	agent.model = tool.server = model;\n"
	"	spanring_agent_begin(&span, model, &agent);\n"
	"	spanring_tool_begin(&span, model, &tool);\n"
	"	request.temperature = temperature + backoff.base_ms;\n"
	"	spanring_llm_begin(&span, \"gemini\", model, &request);\n"
	"	spanring_set_string(&span, SPANRING_ATTR_URL_FULL, \"/\");\n"
	"	return spanring_llm_end(&span, &response);\n"
	"}\n";

static void compile(const char *compiler, const char *language)
{
	char path[] = "/tmp/spanring-header-XXXXXX", command[512];
	int fd;

	(void)snprintf(command, sizeof command, "command -v %.*s > /dev/null",
		       (int)strcspn(compiler, " "), compiler);
	if (system(command) != 0) {
		print_message("%s is not installed\n", compiler);
		return;
	}
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, program, sizeof program - 1), sizeof program - 1);
	close(fd);
	(void)snprintf(command, sizeof command,
		       "%s -x %s -Iinclude -Wall -Wextra -Wshadow -Wconversion -Werror "
		       "-fvisibility=hidden -c -o /dev/null %s",
		       compiler, language, path);
	assert_int_equal(system(command), 0);
	unlink(path);
}

static void the_header_compiles_in_c_of_all_ages(void **state)
{
	(void)state;
	compile("gcc -std=gnu99", "c");
	compile("gcc -std=c11 -pedantic", "c");
	compile("clang -std=c11 -pedantic", "c");
	compile("gcc -m32", "c");
}

static void the_header_compiles_in_cplusplus(void **state)
{
	(void)state;
	compile("g++ -std=c++98", "c++");
	compile("g++ -std=c++20 -pedantic", "c++");
	compile("clang++ -std=c++11", "c++");
}

static void the_header_compiles_for_musl(void **state)
{
	(void)state;
	compile("musl-gcc -std=c11", "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_header_compiles_in_c_of_all_ages),
		cmocka_unit_test(the_header_compiles_in_cplusplus),
		cmocka_unit_test(the_header_compiles_for_musl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
