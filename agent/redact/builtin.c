/* The rules everybody has. A new vendor's key is a row here, an anchor with a rare
 * mark, and a line in the test that tries each. */
#include "redact/checks.h"
#include "redact/rules.h"

/* Where a token may begin: not inside of a word; but behind an escape of JSON
 * (\n, \u0026) or of a URL (%20), whose last letter is none of it. */
#define BEGIN                                                                      \
	"(?:(?<![A-Za-z0-9_-])|(?<=\\\\[nrtbf])|(?<=%[0-9A-Fa-f][0-9A-Fa-f])|(?<=" \
	"\\\\u[0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f][0-9A-Fa-f]))"
#define END "(?![A-Za-z0-9_-])"
#define WORD "[A-Za-z0-9_-]"
#define ALNUM "[A-Za-z0-9]"
/* What stands for a secret is none: ${PASSWORD}, <password>, {password}, ****, and
 * what is redacted already. */
#define NO_PLACEHOLDER "(?!\\$|<|\\{|\\*|%s|\\[redacted)"
/* A value in a URL or a connection string. */
#define VALUE(least) "([^\\s&;#\"'<>\\\\`)\\]}|,]{" least ",}+)"

/* clang-format off */

/* Names of attributes (and of what is in maps) whose value is a secret. */
#define SECRET_KEYS \
	"authorization, *.authorization, *proxy_authorization, cookie, *.cookie, *set_cookie, " \
	"*password, *passwd, *passphrase, *api_key, *apikey, *secret_key, *secretkey, " \
	"*access_key, *accesskey, *private_key, *privatekey, *client_secret, *clientsecret, " \
	"secret, *.secret, *_secret, *access_token, *accesstoken, *refresh_token, " \
	"*refreshtoken, id_token, *.id_token, *auth_token, *authtoken, *session_token, " \
	"*sessiontoken, *bearer_token, *security_token"

const struct redact_builtin redact_builtins[] = {
	{"secret-keys", true, SECRET_KEYS, NULL, NULL, {{0}}},
	{"anthropic-key", true, NULL, BEGIN "sk-ant-" WORD "{16,}+", NULL,
	 {{"sk-ant-", 0, 0, false}}},
	{"openai-key", true, NULL, BEGIN "sk-" WORD "{20,}+", redact_looks_random,
	 {{"sk-", 0, 0, false}}},
	{"google-key", true, NULL,
	 BEGIN "(?:AIza" WORD "{35}" END "|ya29\\.[A-Za-z0-9._-]{20,}+|GOCSPX-" WORD "{20,}+)",
	 NULL, {{"AIza", 0, 0, false}, {"ya29.", 0, 0, false}, {"GOCSPX-", 0, 0, false}}},
	{"aws-key", true, NULL,
	 "(?|" BEGIN "((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})" END
	 "|(?i:secret_access_key|SecretAccessKey)[\"'\\\\\\s:=]{1,8}"
	 "([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+]))", NULL,
	 {{"AKIA", 0, 0, false}, {"ASIA", 0, 0, false}, {"ABIA", 0, 0, false},
	  {"ACCA", 0, 0, false}, {"secret_access_key", 5, 0, true},
	  {"SecretAccessKey", 5, 0, false}, {"secretAccessKey", 5, 0, false}}},
	{"github-token", true, NULL,
	 BEGIN "(?:gh[pousr]_" ALNUM "{36,}+|github_pat_[A-Za-z0-9_]{36,}+)", NULL,
	 {{"ghp_", 1, 0, false}, {"gho_", 1, 0, false}, {"ghu_", 1, 0, false},
	  {"ghs_", 1, 0, false}, {"ghr_", 1, 0, false}, {"github_pat_", 5, 0, false}}},
	{"gitlab-token", true, NULL,
	 BEGIN "gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct)-[A-Za-z0-9_.-]{20,}+", NULL,
	 {{"glpat-", 0, 0, false}, {"gldt-", 0, 0, false}, {"glrt-", 0, 0, false},
	  {"glcbt-", 0, 0, false}, {"glptt-", 0, 0, false}, {"glft-", 0, 0, false},
	  {"glimt-", 0, 0, false}, {"glagent-", 0, 0, false}, {"glsoat-", 0, 0, false},
	  {"gloas-", 0, 0, false}, {"glffct-", 0, 0, false}}},
	{"slack-token", true, NULL,
	 "(?|" BEGIN "(xox[abceoprs](?:\\.xox[bp])?-[A-Za-z0-9-]{10,}+|xapp-[0-9]-[A-Za-z0-9-]{10,}+)"
	 "|hooks\\.slack\\.com/(?:services|workflows|triggers)/([A-Za-z0-9_/+-]{20,}+))",
	 NULL, {{"xox", 0, 0, false}, {"xapp-", 0, 0, false}, {"hooks.slack.com/", 5, 0, false}}},
	{"huggingface-token", true, NULL, BEGIN "hf_" ALNUM "{30,}+", NULL,
	 {{"hf_", 0, 0, false}}},
	{"stripe-key", true, NULL,
	 BEGIN "(?:[sr]k_(?:live|test)_" ALNUM "{16,}+|whsec_[A-Za-z0-9+/]{24,}+=*)", NULL,
	 {{"sk_live_", 1, 0, false}, {"sk_test_", 1, 0, false}, {"rk_live_", 1, 0, false},
	  {"rk_test_", 1, 0, false}, {"whsec_", 0, 0, false}}},
	{"azure-key", true, NULL,
	 "(?|(?:AccountKey|AccessKey)=([A-Za-z0-9+/]{20,}+={0,2})"
	 "|" BEGIN "([A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34})" END
	 "|" BEGIN "(" ALNUM "{52}JQQJ9" ALNUM "{20,27}+)" END ")", NULL,
	 {{"AccountKey=", 6, 0, false}, {"AccessKey=", 5, 0, false}, {"8Q~", 0, 3, false},
	  {"JQQJ9", 0, 52, false}}},
	{"npm-token", true, NULL, BEGIN "npm_" ALNUM "{36,}+", NULL, {{"npm_", 1, 0, false}}},
	{"vendor-token", true, NULL,
	 BEGIN "(?:pypi-" WORD "{50,}+|SG\\." WORD "{16,32}\\." WORD "{32,64}" END
	 "|gsk_" ALNUM "{32,}+|xai-" ALNUM "{40,}+|r8_" ALNUM "{32,}+|pplx-" ALNUM "{32,}+"
	 "|dapi[0-9a-f]{32}(?:-[0-9])?" END "|do[opr]_v1_[0-9a-f]{40,}+|lin_api_" ALNUM "{32,}+"
	 "|ntn_" ALNUM "{40,}+|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}" END "|hv[sb]\\." WORD "{24,}+"
	 "|glsa_[A-Za-z0-9_]{32,}+|nvapi-" WORD "{40,}+|pk-lf-" WORD "{20,}+"
	 "|lsv2_(?:pt|sk)_[A-Za-z0-9_]{32,}+|pcsk_[A-Za-z0-9_]{32,}+"
	 "|tvly-[A-Za-z0-9-]{20,}+|dckr_pat_" WORD "{20,}+"
	 "|AGE-SECRET-KEY-1[0-9A-Z]{40,}+|[0-9]{8,12}:AA" WORD "{32,}+)", NULL,
	 {{"pypi-", 1, 0, false}, {"SG.", 0, 0, false}, {"gsk_", 0, 0, false},
	  {"xai-", 0, 0, false}, {"r8_", 0, 0, false}, {"pplx-", 1, 0, false},
	  {"dapi", 0, 0, false}, {"doo_v1_", 3, 0, false}, {"dop_v1_", 3, 0, false},
	  {"dor_v1_", 3, 0, false}, {"lin_api_", 2, 0, false}, {"ntn_", 0, 0, false},
	  {"shpat_", 1, 0, false}, {"shpca_", 1, 0, false}, {"shppa_", 1, 0, false},
	  {"shpss_", 1, 0, false}, {"hvs.", 1, 0, false}, {"hvb.", 1, 0, false},
	  {"glsa_", 0, 0, false}, {"nvapi-", 1, 0, false}, {"pk-lf-", 0, 0, false},
	  {"lsv2_", 1, 0, false}, {"pcsk_", 1, 0, false}, {"tvly-", 1, 0, false},
	  {"dckr_pat_", 1, 0, false}, {"AGE-SECRET-KEY-1", 0, 0, false}, {":AA", 0, 12, false}}},
	{"jwt", true, NULL,
	 BEGIN "eyJ" WORD "{8,}+\\.(?:eyJ" WORD "{8,}+\\." WORD "*+|" WORD "*+\\." WORD "++\\." WORD
	 "++\\." WORD "++)", NULL,
	 {{"eyJ", 0, 0, false}}},
	{"bearer", true, NULL,
	 "(?i:bearer)(?:[\\s:+]|%20|\\\\u0020){1,4}([A-Za-z0-9._~+/-]{12,}+=*)",
	 redact_has_digit, {{"bearer", 3, 0, true}}},
	{"basic-auth", true, NULL,
	 "\\b(?i:basic)(?:\\s|%20|\\\\u0020){1,4}([A-Za-z0-9+/]{6,}+={0,2})", redact_is_basic,
	 {{"basic", 2, 0, true}}},
	{"private-key", true, NULL,
	 "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", redact_pem,
	 {{"-----BEGIN ", 5, 0, false}}},
	{"url-password", true, NULL,
	 "://[^\\s/@:?#\"'<>\\\\]{0,128}+:" NO_PLACEHOLDER "(?![0-9]{1,5}[,;|)])"
	 "([^\\s/?#\"'<>\\\\]{1,1024})@", NULL,
	 {{"://", 0, 0, false}}},
	{"url-parameter", true, NULL,
	 "(?|(?:(?<=[?&#])|(?<=&amp;)|(?<=\\\\)u0026|(?<=%)(?:26|3[Ff]|23))(?i:" WORD "{0,32}?"
	 "(?:(?:token|secret|password|passwd|pwd|passphrase)=" NO_PLACEHOLDER VALUE("1")
	 "|(?:key|sig|signature|auth|credential)=" NO_PLACEHOLDER VALUE("6") "))"
	 "|(?:(?<=;)|(?<=; ))(?i:(?:password|pwd|secret)=)" NO_PLACEHOLDER VALUE("4") ")",
	 NULL,
	 {{"ey=", 0, 48, true}, {"en=", 0, 48, true}, {"et=", 0, 48, true}, {"rd=", 0, 48, true},
	  {"wd=", 0, 48, true}, {"se=", 0, 48, true}, {"ig=", 0, 48, true}, {"re=", 0, 48, true},
	  {"th=", 0, 48, true}, {"al=", 0, 48, true}}},
	{"email", false, NULL,
	 "(?<![A-Za-z0-9._%+-])([A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\\.[A-Za-z0-9-]{1,63}){1,8})",
	 NULL, {{"@", 0, 64, false}}},
	{"card-number", false, NULL, "(?<![0-9A-Za-z._-])[0-9](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z_]|[.-][0-9])",
	 redact_is_card, {{0}}},
};
/* clang-format on */
const uint32_t redact_builtin_count = sizeof redact_builtins / sizeof redact_builtins[0];
