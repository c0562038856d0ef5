/* A server that lives long and makes one short trace per request: a SERVER span
 * with two children.
 *
 *	serve_requests COUNT PAUSE_US
 *
 * Says how many requests it could not record, and then lives on until its
 * standard input ends. */
#include <spanring.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static int look_up(const struct spanring_span *request, int64_t number)
{
	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;
	struct spanring_span span;
	int failed;

	options.parent = request;
	options.kind = SPANRING_KIND_CLIENT;
	failed = spanring_start(&span, "cache.get", &options) < 0;
	failed |= spanring_set_int(&span, "cache.key", number) < 0;
	failed |= spanring_set_bool(&span, "cache.hit", number % 3 != 0) < 0;
	failed |= spanring_end(&span) < 0;
	return failed;
}

static int serve(int64_t number)
{
	struct spanring_start_options options = SPANRING_START_OPTIONS_INIT;
	struct spanring_span request;
	int failed;

	options.root = true;
	options.kind = SPANRING_KIND_SERVER;
	failed = spanring_start(&request, "GET /items", &options) < 0;
	failed |= spanring_set_int(&request, "request.number", number) < 0;
	failed |= look_up(&request, number);
	failed |= look_up(&request, number + 1);
	failed |= spanring_set_status(&request, SPANRING_STATUS_OK, NULL) < 0;
	failed |= spanring_end(&request) < 0;
	return failed;
}

int main(int argc, char **argv)
{
	struct spanring_options options = SPANRING_OPTIONS_INIT;
	long count = argc > 1 ? atol(argv[1]) : 1, pause_us = argc > 2 ? atol(argv[2]) : 0;
	struct timespec pause = {pause_us / 1000000, pause_us % 1000000 * 1000};
	long failed = 0;
	char end;

	options.service_name = "server";
	if (spanring_init(&options) < 0)
		return 1;
	for (long i = 0; i < count; i++) {
		failed += serve(i);
		if (pause_us)
			(void)nanosleep(&pause, NULL);
	}
	printf("failed %ld\n", failed);
	(void)fflush(stdout);
	return read(STDIN_FILENO, &end, 1) < 0;
}
