/* What the kernel's ring answers when it did not do a sync at all, forged into the
 * completion queue: that says nothing of the disk, so the job goes elsewhere. */
#include "base/env_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
	int calls, result;
} done;
static struct env_job *given;
static int given_count;

static void on_done(void *arg, int result)
{
	(void)arg;
	done.calls++;
	done.result = result;
}

static void take(void *arg, struct env_job *job)
{
	(void)arg;
	given = job;
	given_count++;
}

static struct env_uring uring;
static int fd;

static int setup(void **state)
{
	char path[] = "/tmp/spanring-uring-XXXXXX";

	(void)state;
	done.calls = given_count = 0;
	given = NULL;
	if (env_uring_init(&uring, take, NULL) < 0) {
		print_message("io_uring is not allowed here\n");
		return 0;
	}
	fd = mkstemp(path);
	unlink(path);
	return fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	if (given)
		env_job_free(given);
	if (uring.open)
		close(fd);
	env_uring_fini(&uring);
	return 0;
}

/* A real sync, whose answer is another one when it is looked at. */
static void sync_that_answers(int result)
{
	struct env_job *job = calloc(1, sizeof *job);
	struct io_uring_cqe *cqe;

	if (!uring.open) {
		free(job);
		skip();
	}
	assert_non_null(job);
	job->fd = fd;
	job->done = on_done;
	assert_int_equal(env_uring_sync(&uring, job), 0);
	assert_int_equal(io_uring_wait_cqe(&uring.ring, &cqe), 0);
	cqe->res = result;
	env_uring_collect(&uring, 0);
}

static void an_answer_of_the_disk_is_the_result(void **state)
{
	(void)state;
	sync_that_answers(-EIO);
	assert_int_equal(done.calls, 1);
	assert_int_equal(done.result, -EIO);
	sync_that_answers(-ENOSPC);
	assert_int_equal(done.result, -ENOSPC);
	sync_that_answers(0);
	assert_int_equal(done.calls, 3);
	assert_int_equal(done.result, 0);
	assert_int_equal(given_count, 0);
}

static void a_sync_the_kernel_did_not_do_goes_elsewhere(void **state)
{
	static const int answers[] = {-ECANCELED, -EINTR,  -EAGAIN,	-EINVAL, -ENOSYS,
				      -EPERM,	  -ENOMEM, -EOPNOTSUPP, 1};

	(void)state;
	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
		sync_that_answers(answers[i]);
		assert_int_equal(done.calls, 0);
		assert_int_equal(given_count, (int)i + 1);
		assert_ptr_equal(given->done, on_done);
		env_job_free(given);
		given = NULL;
	}
	assert_int_equal(uring.sync_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_of_the_disk_is_the_result, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_sync_the_kernel_did_not_do_goes_elsewhere,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
