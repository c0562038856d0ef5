#include "base/reserve.h"

#include <errno.h>
#include <stdlib.h>

int reserve_fill(struct reserve *reserve, size_t bytes)
{
	if (reserve->bytes >= bytes)
		return 0;
	(void)reserve_spend(reserve); /* or it would be there twice for a moment */
	reserve->block = malloc(bytes);
	if (!reserve->block)
		return -ENOMEM;
	reserve->bytes = bytes;
	return 0;
}

bool reserve_spend(struct reserve *reserve)
{
	bool held = reserve->block != NULL;

	free(reserve->block);
	*reserve = (struct reserve){0};
	return held;
}
