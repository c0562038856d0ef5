/* What others call kinds of steps and vendors. */
#include "spanring/genai.h"

#include <string.h>

const char *spanring_step_name(enum spanring_step step)
{
	static const char *const names[] = {
		[SPANRING_STEP_LLM] = "LLM",
		[SPANRING_STEP_AGENT] = "AGENT",
		[SPANRING_STEP_CHAIN] = "CHAIN",
		[SPANRING_STEP_TOOL] = "TOOL",
		[SPANRING_STEP_EMBEDDING] = "EMBEDDING",
		[SPANRING_STEP_RETRIEVER] = "RETRIEVER",
		[SPANRING_STEP_RERANKER] = "RERANKER",
		[SPANRING_STEP_GUARDRAIL] = "GUARDRAIL",
		[SPANRING_STEP_EVALUATOR] = "EVALUATOR",
		[SPANRING_STEP_PROMPT] = "PROMPT",
	};

	return (unsigned)step < sizeof names / sizeof names[0] ? names[step] : NULL;
}

/* Names in use that are not OpenTelemetry's, and those. What is not here goes by its own
 * name, as "openai", "anthropic", "cohere", "deepseek", "groq" and "perplexity" do. */
static const char *const providers[][2] = {
	{"gemini", "gcp.gemini"},
	{"google_ai_studio", "gcp.gemini"},
	{"google", "gcp.gen_ai"},
	{"google_genai", "gcp.gen_ai"},
	{"vertex_ai", "gcp.vertex_ai"},
	{"vertexai", "gcp.vertex_ai"},
	{"az.ai.openai", "azure.ai.openai"},
	{"azure", "azure.ai.openai"},
	{"azure_openai", "azure.ai.openai"},
	{"az.ai.inference", "azure.ai.inference"},
	{"azure_ai", "azure.ai.inference"},
	{"aws", "aws.bedrock"},
	{"bedrock", "aws.bedrock"},
	{"aws_bedrock", "aws.bedrock"},
	{"watsonx", "ibm.watsonx.ai"},
	{"xai", "x_ai"},
	{"mistral", "mistral_ai"},
	{"mistralai", "mistral_ai"},
	{"moonshot", "moonshot_ai"},
};

const char *spanring_provider_name(const char *vendor)
{
	for (size_t i = 0; vendor && i < sizeof providers / sizeof providers[0]; i++)
		if (strcmp(vendor, providers[i][0]) == 0)
			return providers[i][1];
	return vendor;
}
