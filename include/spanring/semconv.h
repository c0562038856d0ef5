/* spanring/semconv.h - names of attributes that people and their tools use.
 *
 *	spanring_set_int(&span, SPANRING_ATTR_GEN_AI_USAGE_INPUT_TOKENS, 912);
 *
 * A constant is called what it holds: SPANRING_ATTR_ and the name in upper case,
 * with _ for the dots. Each line says first what becomes of the name:
 *
 *   Stable	   OpenTelemetry has promised to keep it.
 *   Development   OpenTelemetry's, and may still change. So are all of gen_ai.*.
 *   Deprecated	   given up there; what is read instead follows. Write the new one, and the
 *		   old one too where a tool of yours reads nothing else.
 *   OpenInference a convention of its own, read by evaluation tools.
 *   Custom	   of neither: what the pipelines and their tools agreed on.
 *
 * As of the semantic conventions 1.44 of OpenTelemetry, those of generative AI that left them,
 * and OpenInference 0.1.42. <spanring/genai.h> has calls that write most of gen_ai.* by
 * themselves. */
#ifndef SPANRING_SEMCONV_H
#define SPANRING_SEMCONV_H

/* ---- GenAI: the call -------------------------------------------------- */

/* Development. What was done: "chat", "embeddings", "invoke_agent", "execute_tool", ... */
#define SPANRING_ATTR_GEN_AI_OPERATION_NAME "gen_ai.operation.name"
/* Development. Who serves the model: "openai", "anthropic", "gcp.gemini", ... */
#define SPANRING_ATTR_GEN_AI_PROVIDER_NAME "gen_ai.provider.name"
/* Deprecated, gen_ai.provider.name instead. The same under its older name, which tools
 * still read. */
#define SPANRING_ATTR_GEN_AI_SYSTEM "gen_ai.system"
/* Development. The conversation, session or thread that the call belongs to. */
#define SPANRING_ATTR_GEN_AI_CONVERSATION_ID "gen_ai.conversation.id"
/* Development. What was asked for: "text", "json", "image" or "speech". */
#define SPANRING_ATTR_GEN_AI_OUTPUT_TYPE "gen_ai.output.type"

/* ---- GenAI: the request ----------------------------------------------- */

/* Development. The model that was asked for. */
#define SPANRING_ATTR_GEN_AI_REQUEST_MODEL "gen_ai.request.model"
/* Development. The temperature asked for; a double, and 0 is a value. */
#define SPANRING_ATTR_GEN_AI_REQUEST_TEMPERATURE "gen_ai.request.temperature"
/* Development. Nucleus sampling: the share of probability considered; a double. */
#define SPANRING_ATTR_GEN_AI_REQUEST_TOP_P "gen_ai.request.top_p"
/* Development. How many of the likeliest tokens are considered; a double. */
#define SPANRING_ATTR_GEN_AI_REQUEST_TOP_K "gen_ai.request.top_k"
/* Development. The most tokens the answer may have. */
#define SPANRING_ATTR_GEN_AI_REQUEST_MAX_TOKENS "gen_ai.request.max_tokens"
/* Development. How many answers were asked for. */
#define SPANRING_ATTR_GEN_AI_REQUEST_CHOICE_COUNT "gen_ai.request.choice.count"
/* Development. The seed, for answers that can be had again. */
#define SPANRING_ATTR_GEN_AI_REQUEST_SEED "gen_ai.request.seed"
/* Development. Texts that end the answer; an array of strings. */
#define SPANRING_ATTR_GEN_AI_REQUEST_STOP_SEQUENCES "gen_ai.request.stop_sequences"
/* Development. What a token costs for each time it was used; a double. */
#define SPANRING_ATTR_GEN_AI_REQUEST_FREQUENCY_PENALTY "gen_ai.request.frequency_penalty"
/* Development. What a token costs once it was used; a double. */
#define SPANRING_ATTR_GEN_AI_REQUEST_PRESENCE_PENALTY "gen_ai.request.presence_penalty"
/* Development. In which forms embeddings were asked for; an array of strings. */
#define SPANRING_ATTR_GEN_AI_REQUEST_ENCODING_FORMATS "gen_ai.request.encoding_formats"
/* Development. Whether the answer was to come in pieces. */
#define SPANRING_ATTR_GEN_AI_REQUEST_STREAM "gen_ai.request.stream"
/* Development. How many dimensions an embedding has. */
#define SPANRING_ATTR_GEN_AI_EMBEDDINGS_DIMENSION_COUNT "gen_ai.embeddings.dimension.count"

/* ---- GenAI: the response ---------------------------------------------- */

/* Development. The vendor's id of the answer. */
#define SPANRING_ATTR_GEN_AI_RESPONSE_ID "gen_ai.response.id"
/* Development. The model that answered, which may be a version of the one asked for. */
#define SPANRING_ATTR_GEN_AI_RESPONSE_MODEL "gen_ai.response.model"
/* Development. Why each answer ended; an array of strings, even of one. */
#define SPANRING_ATTR_GEN_AI_RESPONSE_FINISH_REASONS "gen_ai.response.finish_reasons"
/* Development. Seconds until the first piece of a streamed answer; a double. */
#define SPANRING_ATTR_GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK "gen_ai.response.time_to_first_chunk"

/* ---- GenAI: tokens ---------------------------------------------------- */

/* Development. Tokens of the whole prompt, what came from a cache included. */
#define SPANRING_ATTR_GEN_AI_USAGE_INPUT_TOKENS "gen_ai.usage.input_tokens"
/* Development. Tokens of the whole answer, the reasoning included. */
#define SPANRING_ATTR_GEN_AI_USAGE_OUTPUT_TOKENS "gen_ai.usage.output_tokens"
/* Development. Of the prompt's tokens, those read from a cache. */
#define SPANRING_ATTR_GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS \
	"gen_ai.usage.cache_read.input_tokens"
/* Development. Of the prompt's tokens, those written to a cache. */
#define SPANRING_ATTR_GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS \
	"gen_ai.usage.cache_creation.input_tokens"
/* Development. Of the answer's tokens, those of the reasoning. */
#define SPANRING_ATTR_GEN_AI_USAGE_REASONING_OUTPUT_TOKENS \
	"gen_ai.usage.reasoning.output_tokens"
/* Deprecated, gen_ai.usage.input_tokens instead. Tokens of the prompt. */
#define SPANRING_ATTR_GEN_AI_USAGE_PROMPT_TOKENS "gen_ai.usage.prompt_tokens"
/* Deprecated, gen_ai.usage.output_tokens instead. Tokens of the answer. */
#define SPANRING_ATTR_GEN_AI_USAGE_COMPLETION_TOKENS "gen_ai.usage.completion_tokens"
/* Development. Which tokens a metric counts: "input" or "output". */
#define SPANRING_ATTR_GEN_AI_TOKEN_TYPE "gen_ai.token.type"

/* ---- GenAI: content --------------------------------------------------- */

/* Development. What the model was sent: an array of messages with a role and parts. */
#define SPANRING_ATTR_GEN_AI_INPUT_MESSAGES "gen_ai.input.messages"
/* Development. What the model answered, in the same form. */
#define SPANRING_ATTR_GEN_AI_OUTPUT_MESSAGES "gen_ai.output.messages"
/* Development. Instructions that stand beside the conversation: an array of parts. */
#define SPANRING_ATTR_GEN_AI_SYSTEM_INSTRUCTIONS "gen_ai.system_instructions"
/* Development. The tools the model may call. */
#define SPANRING_ATTR_GEN_AI_TOOL_DEFINITIONS "gen_ai.tool.definitions"
/* Deprecated, gen_ai.input.messages instead. The prompt, as JSON. */
#define SPANRING_ATTR_GEN_AI_PROMPT "gen_ai.prompt"
/* Deprecated, gen_ai.output.messages instead. The answer, as JSON. */
#define SPANRING_ATTR_GEN_AI_COMPLETION "gen_ai.completion"
/* Custom. The answer's text, verbatim: where evaluation tools look for it. */
#define SPANRING_ATTR_GEN_AI_RESPONSE_CONTENT "gen_ai.response.content"
/* Custom. True where the text above was cut. */
#define SPANRING_ATTR_GEN_AI_RESPONSE_TRUNCATED "gen_ai.response.truncated"

/* ---- GenAI: agents, workflows, tools ---------------------------------- */

/* Development. The agent's id. */
#define SPANRING_ATTR_GEN_AI_AGENT_ID "gen_ai.agent.id"
/* Development. The agent's name, for people. */
#define SPANRING_ATTR_GEN_AI_AGENT_NAME "gen_ai.agent.name"
/* Development. What the agent is for. */
#define SPANRING_ATTR_GEN_AI_AGENT_DESCRIPTION "gen_ai.agent.description"
/* Development. The agent's version. */
#define SPANRING_ATTR_GEN_AI_AGENT_VERSION "gen_ai.agent.version"
/* Development. The name of the workflow the agents are part of. */
#define SPANRING_ATTR_GEN_AI_WORKFLOW_NAME "gen_ai.workflow.name"
/* Development. Where an agent looks its facts up. */
#define SPANRING_ATTR_GEN_AI_DATA_SOURCE_ID "gen_ai.data_source.id"
/* Development. The tool that was called. */
#define SPANRING_ATTR_GEN_AI_TOOL_NAME "gen_ai.tool.name"
/* Development. "function", "extension" or "datastore". */
#define SPANRING_ATTR_GEN_AI_TOOL_TYPE "gen_ai.tool.type"
/* Development. What the tool is for. */
#define SPANRING_ATTR_GEN_AI_TOOL_DESCRIPTION "gen_ai.tool.description"
/* Development. The call's id, which the model chose. */
#define SPANRING_ATTR_GEN_AI_TOOL_CALL_ID "gen_ai.tool.call.id"
/* Development. What the tool was given; JSON or a map. */
#define SPANRING_ATTR_GEN_AI_TOOL_CALL_ARGUMENTS "gen_ai.tool.call.arguments"
/* Development. What the tool answered; JSON or a map. */
#define SPANRING_ATTR_GEN_AI_TOOL_CALL_RESULT "gen_ai.tool.call.result"
/* Development. The name of the prompt's template. */
#define SPANRING_ATTR_GEN_AI_PROMPT_NAME "gen_ai.prompt.name"
/* Development. What was searched for. */
#define SPANRING_ATTR_GEN_AI_RETRIEVAL_QUERY_TEXT "gen_ai.retrieval.query.text"
/* Development. What was found. */
#define SPANRING_ATTR_GEN_AI_RETRIEVAL_DOCUMENTS "gen_ai.retrieval.documents"
/* Development. What an evaluation looked at. */
#define SPANRING_ATTR_GEN_AI_EVALUATION_NAME "gen_ai.evaluation.name"
/* Development. Its result as a number; a double. */
#define SPANRING_ATTR_GEN_AI_EVALUATION_SCORE_VALUE "gen_ai.evaluation.score.value"
/* Development. Its result as a word. */
#define SPANRING_ATTR_GEN_AI_EVALUATION_SCORE_LABEL "gen_ai.evaluation.score.label"
/* Development. Why that result. */
#define SPANRING_ATTR_GEN_AI_EVALUATION_EXPLANATION "gen_ai.evaluation.explanation"

/* ---- GenAI: one vendor's ---------------------------------------------- */

/* Development. OpenAI's service tier that was asked for. */
#define SPANRING_ATTR_OPENAI_REQUEST_SERVICE_TIER "openai.request.service_tier"
/* Development. OpenAI's service tier that was given. */
#define SPANRING_ATTR_OPENAI_RESPONSE_SERVICE_TIER "openai.response.service_tier"
/* Development. OpenAI's mark of the machine that answered. */
#define SPANRING_ATTR_OPENAI_RESPONSE_SYSTEM_FINGERPRINT "openai.response.system_fingerprint"
/* Deprecated, gen_ai.request.seed instead. The seed. */
#define SPANRING_ATTR_GEN_AI_OPENAI_REQUEST_SEED "gen_ai.openai.request.seed"
/* Deprecated, gen_ai.output.type instead. The form of the answer. */
#define SPANRING_ATTR_GEN_AI_OPENAI_REQUEST_RESPONSE_FORMAT \
	"gen_ai.openai.request.response_format"
/* Deprecated, openai.request.service_tier instead. The tier asked for. */
#define SPANRING_ATTR_GEN_AI_OPENAI_REQUEST_SERVICE_TIER "gen_ai.openai.request.service_tier"
/* Deprecated, openai.response.service_tier instead. The tier given. */
#define SPANRING_ATTR_GEN_AI_OPENAI_RESPONSE_SERVICE_TIER "gen_ai.openai.response.service_tier"
/* Deprecated, openai.response.system_fingerprint instead. The machine's mark. */
#define SPANRING_ATTR_GEN_AI_OPENAI_RESPONSE_SYSTEM_FINGERPRINT \
	"gen_ai.openai.response.system_fingerprint"

/* ---- Model Context Protocol ------------------------------------------- */

/* Development. The method that was called: "tools/call", "resources/read", ... */
#define SPANRING_ATTR_MCP_METHOD_NAME "mcp.method.name"
/* Development. The protocol's version, a date. */
#define SPANRING_ATTR_MCP_PROTOCOL_VERSION "mcp.protocol.version"
/* Development. The resource that was read. */
#define SPANRING_ATTR_MCP_RESOURCE_URI "mcp.resource.uri"
/* Development. The session with the server. */
#define SPANRING_ATTR_MCP_SESSION_ID "mcp.session.id"

/* ---- OpenInference ---------------------------------------------------- */

/* OpenInference. What kind of step the span is: "LLM", "AGENT", "TOOL", ... */
#define SPANRING_ATTR_OPENINFERENCE_SPAN_KIND "openinference.span.kind"
/* OpenInference. The project, on the resource. */
#define SPANRING_ATTR_OPENINFERENCE_PROJECT_NAME "openinference.project.name"
/* OpenInference. What a step was given, as text. */
#define SPANRING_ATTR_INPUT_VALUE "input.value"
/* OpenInference. Of what type that is: "text/plain" or "application/json". */
#define SPANRING_ATTR_INPUT_MIME_TYPE "input.mime_type"
/* OpenInference. What a step made of it, as text. */
#define SPANRING_ATTR_OUTPUT_VALUE "output.value"
/* OpenInference. Of what type that is. */
#define SPANRING_ATTR_OUTPUT_MIME_TYPE "output.mime_type"
/* OpenInference. The model. */
#define SPANRING_ATTR_LLM_MODEL_NAME "llm.model_name"
/* OpenInference. Who serves it. */
#define SPANRING_ATTR_LLM_PROVIDER "llm.provider"
/* OpenInference. Whose model it is. */
#define SPANRING_ATTR_LLM_SYSTEM "llm.system"
/* OpenInference. The parameters of the request, as JSON. */
#define SPANRING_ATTR_LLM_INVOCATION_PARAMETERS "llm.invocation_parameters"
/* OpenInference. Before an index and a message's key: llm.input_messages.0.message.content. */
#define SPANRING_ATTR_LLM_INPUT_MESSAGES "llm.input_messages"
/* OpenInference. The same of the answer. */
#define SPANRING_ATTR_LLM_OUTPUT_MESSAGES "llm.output_messages"
/* OpenInference. Tokens of the prompt. */
#define SPANRING_ATTR_LLM_TOKEN_COUNT_PROMPT "llm.token_count.prompt"
/* OpenInference. Tokens of the answer. */
#define SPANRING_ATTR_LLM_TOKEN_COUNT_COMPLETION "llm.token_count.completion"
/* OpenInference. Tokens of both. */
#define SPANRING_ATTR_LLM_TOKEN_COUNT_TOTAL "llm.token_count.total"
/* OpenInference. Of the prompt's tokens, those read from a cache. */
#define SPANRING_ATTR_LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_READ \
	"llm.token_count.prompt_details.cache_read"
/* OpenInference. Of the prompt's tokens, those written to a cache. */
#define SPANRING_ATTR_LLM_TOKEN_COUNT_PROMPT_DETAILS_CACHE_WRITE \
	"llm.token_count.prompt_details.cache_write"
/* OpenInference. Of the answer's tokens, those of the reasoning. */
#define SPANRING_ATTR_LLM_TOKEN_COUNT_COMPLETION_DETAILS_REASONING \
	"llm.token_count.completion_details.reasoning"
/* OpenInference. Why the answer ended. */
#define SPANRING_ATTR_LLM_FINISH_REASON "llm.finish_reason"
/* OpenInference. Before an index and tool.json_schema: the tools the model may call. */
#define SPANRING_ATTR_LLM_TOOLS "llm.tools"
/* OpenInference. Before an index and prompt.text: prompts of a completion. */
#define SPANRING_ATTR_LLM_PROMPTS "llm.prompts"
/* OpenInference. Before an index and completion.text: its answers. */
#define SPANRING_ATTR_LLM_CHOICES "llm.choices"
/* OpenInference. The template the prompt was made from. */
#define SPANRING_ATTR_LLM_PROMPT_TEMPLATE_TEMPLATE "llm.prompt_template.template"
/* OpenInference. What was put into it, as JSON. */
#define SPANRING_ATTR_LLM_PROMPT_TEMPLATE_VARIABLES "llm.prompt_template.variables"
/* OpenInference. Its version. */
#define SPANRING_ATTR_LLM_PROMPT_TEMPLATE_VERSION "llm.prompt_template.version"
/* OpenInference. What the prompt cost, in US dollars; a double. */
#define SPANRING_ATTR_LLM_COST_PROMPT "llm.cost.prompt"
/* OpenInference. What the answer cost. */
#define SPANRING_ATTR_LLM_COST_COMPLETION "llm.cost.completion"
/* OpenInference. What both cost. */
#define SPANRING_ATTR_LLM_COST_TOTAL "llm.cost.total"
/* OpenInference. Who a message is from: "user", "assistant", "system", "tool". */
#define SPANRING_ATTR_MESSAGE_ROLE "message.role"
/* OpenInference. The text of a message. */
#define SPANRING_ATTR_MESSAGE_CONTENT "message.content"
/* OpenInference. Before an index: the tools a message wants to be called. */
#define SPANRING_ATTR_MESSAGE_TOOL_CALLS "message.tool_calls"
/* OpenInference. The tool that was called. */
#define SPANRING_ATTR_TOOL_NAME "tool.name"
/* OpenInference. What the tool is for. */
#define SPANRING_ATTR_TOOL_DESCRIPTION "tool.description"
/* OpenInference. What it may be given, as JSON. */
#define SPANRING_ATTR_TOOL_PARAMETERS "tool.parameters"
/* OpenInference. Its schema, as JSON. */
#define SPANRING_ATTR_TOOL_JSON_SCHEMA "tool.json_schema"
/* OpenInference. The id of a call, which the model chose. */
#define SPANRING_ATTR_TOOL_CALL_ID "tool_call.id"
/* OpenInference. The function that is to be called. */
#define SPANRING_ATTR_TOOL_CALL_FUNCTION_NAME "tool_call.function.name"
/* OpenInference. Its arguments, as JSON. */
#define SPANRING_ATTR_TOOL_CALL_FUNCTION_ARGUMENTS "tool_call.function.arguments"
/* OpenInference. Before an index and a document's key. */
#define SPANRING_ATTR_RETRIEVAL_DOCUMENTS "retrieval.documents"
/* OpenInference. The id of a document. */
#define SPANRING_ATTR_DOCUMENT_ID "document.id"
/* OpenInference. Its text. */
#define SPANRING_ATTR_DOCUMENT_CONTENT "document.content"
/* OpenInference. How well it fits; a double. */
#define SPANRING_ATTR_DOCUMENT_SCORE "document.score"
/* OpenInference. The model that made embeddings. */
#define SPANRING_ATTR_EMBEDDING_MODEL_NAME "embedding.model_name"
/* OpenInference. Before an index and embedding.text or embedding.vector. */
#define SPANRING_ATTR_EMBEDDING_EMBEDDINGS "embedding.embeddings"
/* OpenInference. What an embedding stands for. */
#define SPANRING_ATTR_EMBEDDING_TEXT "embedding.text"
/* OpenInference. The embedding; an array of doubles. */
#define SPANRING_ATTR_EMBEDDING_VECTOR "embedding.vector"
/* OpenInference. The session a span belongs to. */
#define SPANRING_ATTR_SESSION_ID "session.id"
/* OpenInference. The user it was done for. */
#define SPANRING_ATTR_USER_ID "user.id"
/* OpenInference. The agent's name. */
#define SPANRING_ATTR_AGENT_NAME "agent.name"
/* OpenInference. The node of a graph of steps. */
#define SPANRING_ATTR_GRAPH_NODE_ID "graph.node.id"
/* OpenInference. Its name, for people. */
#define SPANRING_ATTR_GRAPH_NODE_NAME "graph.node.name"
/* OpenInference. The node before it. */
#define SPANRING_ATTR_GRAPH_NODE_PARENT_ID "graph.node.parent_id"
/* OpenInference. Whatever else, as JSON. */
#define SPANRING_ATTR_METADATA "metadata"
/* OpenInference. Words of yours; an array of strings. */
#define SPANRING_ATTR_TAG_TAGS "tag.tags"

/* ---- What the pipelines agreed on ------------------------------------- */

/* Custom. What a run is for; the first module's span must have it. */
#define SPANRING_ATTR_USER_GOAL "user_goal"
/* Custom. What a run answers; on the last module's span. */
#define SPANRING_ATTR_AGENT_FINAL_RESPONSE "agent.final_response"
/* Custom. What it should have answered, for an evaluation. */
#define SPANRING_ATTR_EXPECTED_RESPONSE "expected_response"
/* Custom. Which runner executed an agent: "claude_agent", ... */
#define SPANRING_ATTR_AGENT_RUNNER "agent.runner"
/* Custom. The number of a turn, from 0. */
#define SPANRING_ATTR_TURN_INDEX "turn.index"
/* Custom. The server that has the tool. */
#define SPANRING_ATTR_TOOL_SERVER "tool.server"
/* Custom. How often a call is tried at most. */
#define SPANRING_ATTR_RETRY_MAX_ATTEMPTS "retry.max_attempts"
/* Custom. The number of a try, from 0. */
#define SPANRING_ATTR_RETRY_ATTEMPT "retry.attempt"
/* Custom. Why a text was cut: "size_limit". */
#define SPANRING_ATTR_AGENTO_RESPONSE_TRUNCATED_REASON "agento.response.truncated_reason"
/* Custom. How many characters it had before. */
#define SPANRING_ATTR_AGENTO_RESPONSE_LENGTH "agento.response.length"

/* ---- Errors ----------------------------------------------------------- */

/* Stable. What went wrong, in a word: an exception's type, a status code, "timeout". */
#define SPANRING_ATTR_ERROR_TYPE "error.type"
/* Stable. An exception's type, in the event "exception". */
#define SPANRING_ATTR_EXCEPTION_TYPE "exception.type"
/* Stable. Its message. */
#define SPANRING_ATTR_EXCEPTION_MESSAGE "exception.message"
/* Stable. Its stack, as the language prints it. */
#define SPANRING_ATTR_EXCEPTION_STACKTRACE "exception.stacktrace"
/* Deprecated. Whether it left the span. */
#define SPANRING_ATTR_EXCEPTION_ESCAPED "exception.escaped"

/* ---- HTTP ------------------------------------------------------------- */

/* Stable. "GET", "POST", ...; "_OTHER" where it is none of the known ones. */
#define SPANRING_ATTR_HTTP_REQUEST_METHOD "http.request.method"
/* Stable. The method as it was sent, where it is none of the known ones. */
#define SPANRING_ATTR_HTTP_REQUEST_METHOD_ORIGINAL "http.request.method_original"
/* Stable. The number of the try, from 1 for the first repetition. */
#define SPANRING_ATTR_HTTP_REQUEST_RESEND_COUNT "http.request.resend_count"
/* Stable. Before a header's name in lower case: http.request.header.content-type. */
#define SPANRING_ATTR_HTTP_REQUEST_HEADER "http.request.header"
/* Stable. The status; an integer. */
#define SPANRING_ATTR_HTTP_RESPONSE_STATUS_CODE "http.response.status_code"
/* Stable. The same of the response. */
#define SPANRING_ATTR_HTTP_RESPONSE_HEADER "http.response.header"
/* Stable. The route that matched, with its placeholders: "/runs/{id}". */
#define SPANRING_ATTR_HTTP_ROUTE "http.route"
/* Development. Bytes of the request's body, as sent. */
#define SPANRING_ATTR_HTTP_REQUEST_BODY_SIZE "http.request.body.size"
/* Development. Bytes of the response's body, as sent. */
#define SPANRING_ATTR_HTTP_RESPONSE_BODY_SIZE "http.response.body.size"
/* Deprecated, http.request.method instead. The method. */
#define SPANRING_ATTR_HTTP_METHOD "http.method"
/* Deprecated, http.response.status_code instead. The status. */
#define SPANRING_ATTR_HTTP_STATUS_CODE "http.status_code"
/* Deprecated, url.full instead. The URL. */
#define SPANRING_ATTR_HTTP_URL "http.url"
/* Deprecated, url.path and url.query instead. Path and query. */
#define SPANRING_ATTR_HTTP_TARGET "http.target"
/* Deprecated, url.scheme instead. The scheme. */
#define SPANRING_ATTR_HTTP_SCHEME "http.scheme"
/* Deprecated, server.address instead. The host. */
#define SPANRING_ATTR_HTTP_HOST "http.host"
/* Deprecated, user_agent.original instead. Who asks. */
#define SPANRING_ATTR_HTTP_USER_AGENT "http.user_agent"
/* Deprecated, network.protocol.version instead. The protocol's version. */
#define SPANRING_ATTR_HTTP_FLAVOR "http.flavor"
/* Deprecated, client.address instead. Who asked. */
#define SPANRING_ATTR_HTTP_CLIENT_IP "http.client_ip"
/* Deprecated, server.address instead. Who was asked. */
#define SPANRING_ATTR_HTTP_SERVER_NAME "http.server_name"
/* Deprecated, http.request.body.size instead. Bytes of the request's body. */
#define SPANRING_ATTR_HTTP_REQUEST_CONTENT_LENGTH "http.request_content_length"
/* Deprecated, http.response.body.size instead. Bytes of the response's body. */
#define SPANRING_ATTR_HTTP_RESPONSE_CONTENT_LENGTH "http.response_content_length"
/* Stable. The whole URL, without its secrets. */
#define SPANRING_ATTR_URL_FULL "url.full"
/* Stable. Its path. */
#define SPANRING_ATTR_URL_PATH "url.path"
/* Stable. Its query, without its secrets. */
#define SPANRING_ATTR_URL_QUERY "url.query"
/* Stable. "http", "https", ... */
#define SPANRING_ATTR_URL_SCHEME "url.scheme"
/* Stable. What follows the "#". */
#define SPANRING_ATTR_URL_FRAGMENT "url.fragment"
/* Development. The path with its placeholders, as a client knows it. */
#define SPANRING_ATTR_URL_TEMPLATE "url.template"
/* Stable. Who is asked: a name, else an address. */
#define SPANRING_ATTR_SERVER_ADDRESS "server.address"
/* Stable. At which port. */
#define SPANRING_ATTR_SERVER_PORT "server.port"
/* Stable. Who asks. */
#define SPANRING_ATTR_CLIENT_ADDRESS "client.address"
/* Stable. From which port. */
#define SPANRING_ATTR_CLIENT_PORT "client.port"
/* Stable. "http", "grpc", ... */
#define SPANRING_ATTR_NETWORK_PROTOCOL_NAME "network.protocol.name"
/* Stable. "1.1", "2", ... */
#define SPANRING_ATTR_NETWORK_PROTOCOL_VERSION "network.protocol.version"
/* Stable. The other end of the connection. */
#define SPANRING_ATTR_NETWORK_PEER_ADDRESS "network.peer.address"
/* Stable. Its port. */
#define SPANRING_ATTR_NETWORK_PEER_PORT "network.peer.port"
/* Stable. What a client calls itself. */
#define SPANRING_ATTR_USER_AGENT_ORIGINAL "user_agent.original"

/* ---- Resources -------------------------------------------------------- */

/* Stable. The service; the same for all its processes. */
#define SPANRING_ATTR_SERVICE_NAME "service.name"
/* Stable. Its version. */
#define SPANRING_ATTR_SERVICE_VERSION "service.version"
/* Stable. The group of services it is one of. */
#define SPANRING_ATTR_SERVICE_NAMESPACE "service.namespace"
/* Stable. This one process of it. */
#define SPANRING_ATTR_SERVICE_INSTANCE_ID "service.instance.id"
/* Stable. Where it runs: "production", "staging", "development", ... */
#define SPANRING_ATTR_DEPLOYMENT_ENVIRONMENT_NAME "deployment.environment.name"
/* Deprecated, deployment.environment.name instead. The same under its older name, which
 * tools still read. */
#define SPANRING_ATTR_DEPLOYMENT_ENVIRONMENT "deployment.environment"
/* Development. The deployment. */
#define SPANRING_ATTR_DEPLOYMENT_NAME "deployment.name"
/* Development. Its id. */
#define SPANRING_ATTR_DEPLOYMENT_ID "deployment.id"
/* Development. "failed" or "succeeded". */
#define SPANRING_ATTR_DEPLOYMENT_STATUS "deployment.status"

#endif
