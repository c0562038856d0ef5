/* The baggage this process was started with. */
#ifndef LIBCLIENT_BAGGAGE_H
#define LIBCLIENT_BAGGAGE_H

struct spanring_baggage;

/* At init, once; every thread that has attached none of its own has this. */
void baggage_inherit(const struct spanring_baggage *baggage);

#endif
