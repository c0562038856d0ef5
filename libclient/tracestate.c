#include "tracestate.h"

#include "spanring.h"

#include <stdatomic.h>

static struct {
	_Atomic uint32_t ready; /* length + 1 once the text is complete */
	char text[SPANRING_TRACESTATE_MAX];
} table[TRACESTATE_COUNT_MAX];

static _Atomic uint32_t table_next;

uint8_t tracestate_number(const char *text, size_t length)
{
	uint32_t index;

	if (length == 0 || length > SPANRING_TRACESTATE_MAX)
		return 0;
	for (index = 0; index < TRACESTATE_COUNT_MAX; index++) {
		/* S1: acquire, pairs with the release below. */
		uint32_t ready = atomic_load_explicit(&table[index].ready,
						      memory_order_acquire);

		if (ready == length + 1 && memcmp(table[index].text, text, length) == 0)
			return (uint8_t)(index + 1);
	}
	/* Relaxed: it hands out places. The check keeps it from wrapping. Two
	 * threads may enter the same text twice: harmless. */
	if (atomic_load_explicit(&table_next, memory_order_relaxed) >= TRACESTATE_COUNT_MAX)
		return 0;
	index = atomic_fetch_add_explicit(&table_next, 1, memory_order_relaxed);
	if (index >= TRACESTATE_COUNT_MAX)
		return 0;
	memcpy(table[index].text, text, length);
	/* S1: release. */
	atomic_store_explicit(&table[index].ready, (uint32_t)length + 1, memory_order_release);
	return (uint8_t)(index + 1);
}

struct record_text tracestate_text(uint8_t number)
{
	uint32_t ready;

	if (number == 0 || number > TRACESTATE_COUNT_MAX)
		return (struct record_text){NULL, 0};
	ready = atomic_load_explicit(&table[number - 1].ready, memory_order_acquire); /* S1 */
	if (ready == 0)
		return (struct record_text){NULL, 0};
	return (struct record_text){(const uint8_t *)table[number - 1].text, ready - 1};
}
