/* Spans as the console shows them: nothing in a request moves a terminal's cursor,
 * and each line ends. */
#include "fuzz.h"

#include <errno.h>

#include "export/console_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct buf out = BUF_INIT;
	int r = console_text(&out, (struct bytes){at, len});

	FUZZ_CHECK(r == 0 || r == -EBADMSG || r == -ENOMEM);
	for (size_t i = 0; i < out.len; i++)
		FUZZ_CHECK((out.at[i] >= ' ' && out.at[i] != 0x7f) || out.at[i] == '\n');
	for (size_t i = 1; i < out.len; i++)
		FUZZ_CHECK(out.at[i - 1] != 0xc2 || out.at[i] >= 0xa0);
	FUZZ_CHECK(!out.len || out.at[out.len - 1] == '\n');
	buf_fini(&out);
	return 0;
}
