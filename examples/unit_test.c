/* A unit test of code that is traced: what it records is looked at in the test itself, without
 * an agent. Any test framework will do; assert() is one. */
#undef NDEBUG
#include <spanring/genai.h>
#include <spanring/testing.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the code that is tested -------------------------------------------------------- */

static int answer(const char *question, bool busy)
{
	struct spanring_llm_request request = SPANRING_LLM_REQUEST_INIT;
	struct spanring_llm_response response = SPANRING_LLM_RESPONSE_INIT;
	struct spanring_span call;

	request.input = question;
	spanring_llm_begin(&call, "gemini", "gemini-1.5-pro", &request);
	if (busy) {
		spanring_fail(&call, "429", "quota exceeded");
		return -1;
	}
	response.text = "Carrots.";
	response.usage.input_tokens = 4;
	spanring_llm_end(&call, &response);
	return 0;
}

/* ---- its tests ------------------------------------------------------------------------- */

static void an_answer_has_its_tokens(void)
{
	const struct spanring_test_span *call;
	struct spanring_test_spans *spans;

	spanring_test_begin(NULL);
	answer("What grows here?", false);
	spans = spanring_test_snapshot();

	call = spanring_test_find(spans, "chat gemini-1.5-pro");
	assert(call && call->ended && call->status == SPANRING_STATUS_OK);
	assert(spanring_test_int(call, "gen_ai.usage.input_tokens") == 4);

	spanring_test_free(spans);
	spanring_test_end();
}

static void a_busy_vendor_is_an_error(void)
{
	struct spanring_test_spans *spans;
	char *tree;

	spanring_test_begin(NULL);
	answer("What grows here?", true);
	spans = spanring_test_snapshot();

	tree = spanring_test_text(spans, SPANRING_TEST_NAMES);
	assert(strcmp(tree, "- chat gemini-1.5-pro, client, error \"quota exceeded\"\n") == 0);

	free(tree);
	spanring_test_free(spans);
	spanring_test_end();
}

int main(void)
{
	an_answer_has_its_tokens();
	a_busy_vendor_is_an_error();
	printf("2 tests passed\n");
	return 0;
}
