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

/* Anchors: a literal and the place of its mark. */
#define AT(text, mark) {text, mark, false, NULL}
#define IN_ANY_CASE(text, mark) {text, mark, true, NULL}
/* The end of a parameter's name. */
#define NAME(text) {text, 0, true, redact_lead_name}
#define BEHIND(text, lead) {text, 0, false, lead}
/* The end of a JSON member's name; in JSON that is in a string, too. */
#define MEMBER(end) {end "\"", 0, true, redact_lead_member}, {end "\\", 0, true, redact_lead_member}

/* Names of attributes (and of what is in maps) whose value is a secret. */
#define SECRET_KEYS \
	"authorization, *.authorization, *proxy_authorization, cookie, *.cookie, *set_cookie, " \
	"*password, *passwd, *passphrase, *api_key, *apikey, *secret_key, *secretkey, " \
	"*access_key, *accesskey, *private_key, *privatekey, *client_secret, *clientsecret, " \
	"secret, *.secret, *_secret, *access_token, *accesstoken, *refresh_token, " \
	"*refreshtoken, id_token, *.id_token, *auth_token, *authtoken, *session_token, " \
	"*sessiontoken, *bearer_token, *security_token"

const struct redact_builtin redact_builtins[] = {
	{"secret-keys", true, SECRET_KEYS, NULL, NULL, {{NULL, 0, false, NULL}}},
	{"anthropic-key", true, NULL, BEGIN "sk-ant-" WORD "{16,}+", NULL,
	 {AT("sk-ant-", 0)}},
	{"openai-key", true, NULL, BEGIN "sk-" WORD "{20,}+", redact_looks_random,
	 {AT("sk-", 0)}},
	{"google-key", true, NULL,
	 BEGIN "(?:AIza" WORD "{35}" END "|ya29\\.[A-Za-z0-9._-]{20,}+|GOCSPX-" WORD "{20,}+)",
	 NULL, {AT("AIza", 0), AT("ya29.", 2), AT("GOCSPX-", 0)}},
	{"aws-key", true, NULL,
	 "(?|" BEGIN "((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})" END
	 "|(?i:secret_access_key|SecretAccessKey)[\"'\\\\\\s:=]{1,8}"
	 "([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+]))", NULL,
	 {AT("AKIA", 0), AT("ASIA", 0), AT("ABIA", 0),
	  AT("ACCA", 0), IN_ANY_CASE("secret_access_key", 5),
	  AT("SecretAccessKey", 5), AT("secretAccessKey", 5)}},
	{"github-token", true, NULL,
	 BEGIN "(?:gh[pousr]_" ALNUM "{36,}+|github_pat_[A-Za-z0-9_]{36,}+)", NULL,
	 {AT("ghp_", 1), AT("gho_", 1), AT("ghu_", 1),
	  AT("ghs_", 1), AT("ghr_", 1), AT("github_pat_", 5)}},
	{"gitlab-token", true, NULL,
	 BEGIN "gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|ffct)-[A-Za-z0-9_.-]{20,}+", NULL,
	 {AT("glpat-", 3), AT("gldt-", 2), AT("glrt-", 2),
	  AT("glcbt-", 3), AT("glptt-", 3), AT("glft-", 2),
	  AT("glimt-", 3), AT("glagent-", 5), AT("glsoat-", 4),
	  AT("gloas-", 3), AT("glffct-", 4)}},
	{"slack-token", true, NULL,
	 "(?|" BEGIN "(xox[abceoprs](?:\\.xox[bp])?-[A-Za-z0-9-]{10,}+|xapp-[0-9]-[A-Za-z0-9-]{10,}+)"
	 "|hooks\\.slack\\.com/(?:services|workflows|triggers)/([A-Za-z0-9_/+-]{20,}+))",
	 NULL, {AT("xox", 0), AT("xapp-", 2), AT("hooks.slack.com/", 5)}},
	{"huggingface-token", true, NULL, BEGIN "hf_" ALNUM "{30,}+", NULL,
	 {AT("hf_", 0)}},
	{"stripe-key", true, NULL,
	 BEGIN "(?:[sr]k_(?:live|test)_" ALNUM "{16,}+|whsec_[A-Za-z0-9+/]{24,}+=*)", NULL,
	 {AT("sk_live_", 1), AT("sk_test_", 1), AT("rk_live_", 1),
	  AT("rk_test_", 1), AT("whsec_", 3)}},
	{"azure-key", true, NULL,
	 "(?|(?:AccountKey|AccessKey)=([A-Za-z0-9+/]{20,}+={0,2})"
	 "|" BEGIN "([A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34})" END
	 "|" BEGIN "(" ALNUM "{52}JQQJ9" ALNUM "{20,27}+)" END ")", NULL,
	 {AT("AccountKey=", 6), AT("AccessKey=", 5), BEHIND("8Q~", redact_lead_three),
	  BEHIND("JQQJ9", redact_lead_fifty_two)}},
	{"npm-token", true, NULL, BEGIN "npm_" ALNUM "{36,}+", NULL, {AT("npm_", 1)}},
	{"vendor-token", true, NULL,
	 BEGIN "(?:pypi-" WORD "{50,}+|SG\\." WORD "{16,32}\\." WORD "{32,64}" END
	 "|gsk_" ALNUM "{32,}+|xai-" ALNUM "{40,}+|r8_" ALNUM "{32,}+|pplx-" ALNUM "{32,}+"
	 "|dapi[0-9a-f]{32}(?:-[0-9])?" END "|do[opr]_v1_[0-9a-f]{40,}+|lin_api_" ALNUM "{32,}+"
	 "|ntn_" ALNUM "{40,}+|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}" END "|hv[sb]\\." WORD "{24,}+"
	 "|glsa_[A-Za-z0-9_]{32,}+|nvapi-" WORD "{40,}+|pk-lf-" WORD "{20,}+"
	 "|lsv2_(?:pt|sk)_[A-Za-z0-9_]{32,}+|pcsk_[A-Za-z0-9_]{32,}+"
	 "|tvly-[A-Za-z0-9-]{20,}+|dckr_pat_" WORD "{20,}+"
	 "|AGE-SECRET-KEY-1[0-9A-Z]{40,}+|[0-9]{8,12}:AA" WORD "{32,}+)", NULL,
	 {AT("pypi-", 2), AT("SG.", 0), AT("gsk_", 1),
	  AT("xai-", 1), AT("r8_", 0), AT("pplx-", 2),
	  AT("dapi", 0), AT("doo_v1_", 3), AT("dop_v1_", 3),
	  AT("dor_v1_", 3), AT("lin_api_", 2), AT("ntn_", 1),
	  AT("shpat_", 3), AT("shpca_", 3), AT("shppa_", 3),
	  AT("shpss_", 3), AT("hvs.", 1), AT("hvb.", 1),
	  AT("glsa_", 2), AT("nvapi-", 3), AT("pk-lf-", 0),
	  AT("lsv2_", 2), AT("pcsk_", 2), AT("tvly-", 2),
	  AT("dckr_pat_", 2), AT("AGE-SECRET-KEY-1", 0), BEHIND(":AA", redact_lead_digits)}},
	{"jwt", true, NULL,
	 BEGIN "eyJ" WORD "{8,}+\\.(?:eyJ" WORD "{8,}+\\." WORD "*+|" WORD "*+\\." WORD "++\\." WORD
	 "++\\." WORD "++)", NULL,
	 {AT("eyJ", 0)}},
	{"bearer", true, NULL,
	 "(?i:bearer)(?:[\\s:+]|%20|\\\\u0020){1,4}([A-Za-z0-9._~+/-]{12,}+=*)",
	 redact_has_digit, {IN_ANY_CASE("bearer", 3)}},
	{"basic-auth", true, NULL,
	 "\\b(?i:basic)(?:\\s|%20|\\\\u0020){1,4}([A-Za-z0-9+/]{6,}+={0,2})", redact_is_basic,
	 {IN_ANY_CASE("basic", 2)}},
	{"private-key", true, NULL,
	 "-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", redact_pem,
	 {AT("-----BEGIN ", 5)}},
	{"url-password", true, NULL,
	 "://[^\\s/@:?#\"'<>\\\\]{0,128}+:" NO_PLACEHOLDER "(?![0-9]{1,5}[,;|)])"
	 "([^\\s/?#\"'<>\\\\]{1,1024})@", NULL,
	 {AT("://", 0)}},
	{"url-parameter", true, NULL,
	 "(?|(?:(?<=[?&#])|(?<=&amp;)|(?<=\\\\)u0026|(?<=%)(?:26|3[Ff]|23))(?i:" WORD "{0,32}?"
	 "(?:(?:token|secret|password|passwd|pwd|passphrase)=" NO_PLACEHOLDER VALUE("1")
	 "|(?:key|sig|signature|auth|credential)=" NO_PLACEHOLDER VALUE("6") "))"
	 "|(?:(?<=;)|(?<=; ))(?i:(?:password|pwd|secret)=)" NO_PLACEHOLDER VALUE("4") ")",
	 NULL,
	 {NAME("ey="), NAME("en="), NAME("et="), NAME("rd="), NAME("wd="), NAME("se="),
	  NAME("ig="), NAME("re="), NAME("th="), NAME("al=")}},
	{"json-secret", true, NULL,
	 "(?i:" WORD "{0,32}?(?:password|passwd|passphrase|api[_-]?key|secret|secret[_-]?key"
	 "|private[_-]?key|access[_-]?token|refresh[_-]?token|auth[_-]?token|session[_-]?token"
	 "|authorization))"
	 "(?:\"\\s*+:\\s*+\"" NO_PLACEHOLDER "((?:[^\"\\\\]++|\\\\.)++)"
	 "|\\\\{1,7}+\"\\s*+:\\s*+\\\\{1,7}+\"" NO_PLACEHOLDER "((?:[^\"\\\\]++|\\\\(?!\\\\{0,7}+\"))++))",
	 NULL,
	 {MEMBER("rd"), MEMBER("wd"), MEMBER("se"), MEMBER("ey"), MEMBER("et"), MEMBER("en"),
	  MEMBER("on")}},
	{"email", false, NULL,
	 "(?<![A-Za-z0-9._%+-])([A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\\.[A-Za-z0-9-]{1,63}){1,8})",
	 NULL, {BEHIND("@", redact_lead_mailbox)}},
	{"card-number", false, NULL, "(?<![0-9A-Za-z._-])[0-9](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z_]|[.-][0-9])",
	 redact_is_card, {{NULL, 0, false, NULL}}},
};
/* clang-format on */
const uint32_t redact_builtin_count = sizeof redact_builtins / sizeof redact_builtins[0];
