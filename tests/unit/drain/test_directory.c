/* The ring directory: which ones are served, and what is planted in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "drain_house.h"

#define STRANGER 12345

struct street {
	struct house house;
	char said[1024];
};

static int setup(void **state)
{
	struct street *street = calloc(1, sizeof *street);

	house_build(&street->house);
	*state = street;
	return 0;
}

static int teardown(void **state)
{
	struct street *street = *state;

	house_tear_down(&street->house);
	free(street);
	return 0;
}

static void listen_to(void *arg, int priority, const char *line)
{
	struct street *street = arg;

	(void)priority;
	(void)snprintf(street->said, sizeof street->said, "%s", line);
}

static int try_serve(struct street *street)
{
	struct drain_ops ops = {.log = listen_to, .arg = street};
	struct drain_options options = street->house.options;
	struct drain *drain;
	int r;

	options.dir = street->house.dir;
	r = drain_new(&drain, street->house.env, &options, &ops);
	if (r == 0)
		drain_free(drain);
	return r;
}

static void assert_refused(struct street *street, const char *what_to_do)
{
	assert_int_equal(try_serve(street), -EPERM);
	assert_non_null(strstr(street->said, what_to_do));
	assert_non_null(strstr(street->said, street->house.dir));
	assert_int_equal(access(street->house.dir, F_OK), 0);
}

static void a_directory_that_others_may_write_is_refused(void **state)
{
	struct street *street = *state;

	assert_int_equal(chmod(street->house.dir, 0770), 0);
	assert_refused(street, "chmod 0700");
	assert_int_equal(chmod(street->house.dir, 0702), 0);
	assert_refused(street, "3733");
	assert_int_equal(chmod(street->house.dir, 03733), 0);
	assert_int_equal(try_serve(street), 0);
	assert_int_equal(chmod(street->house.dir, 0755), 0);
	assert_int_equal(try_serve(street), 0);
}

static void a_directory_of_another_user_is_refused(void **state)
{
	struct street *street = *state;

	if (geteuid() != 0)
		skip(); /* only root can give one away */
	assert_int_equal(chown(street->house.dir, STRANGER, STRANGER), 0);
	assert_refused(street, "chown");
	assert_int_equal(chown(street->house.dir, 0, 0), 0);
	assert_int_equal(try_serve(street), 0);
}

static void path_in(char path[400], const struct street *street, const char *name)
{
	(void)snprintf(path, 400, "%s/%s", street->house.dir, name);
}

/* What plants something at `path`; `victim` is a file that must stay as it is. */
typedef void plant_fn(const char *path, const char *victim);

static void plant_link(const char *path, const char *victim)
{
	assert_int_equal(symlink(victim, path), 0);
}

static void plant_hard_link(const char *path, const char *victim)
{
	assert_int_equal(link(victim, path), 0);
}

static void plant_fifo(const char *path, const char *victim)
{
	(void)victim;
	assert_int_equal(mkfifo(path, 0666), 0);
}

static void plant_directory(const char *path, const char *victim)
{
	(void)victim;
	assert_int_equal(mkdir(path, 0777), 0);
}

static plant_fn *const plants[] = {plant_link, plant_hard_link, plant_fifo, plant_directory};

static void victim_make(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "precious", 8), 8);
	close(fd);
}

static void assert_victim_whole(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 8);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void what_is_planted_as_agent_page_is_replaced(void **state)
{
	struct street *street = *state;
	char path[400], victim[400];
	struct stat st;

	path_in(path, street, WIRE_PAGE_NAME);
	path_in(victim, street, "victim");
	victim_make(victim);
	for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
		(void)unlink(path);
		plants[i](path, victim);
		assert_int_equal(try_serve(street), 0);
		assert_int_equal(lstat(path, &st), 0);
		assert_true(S_ISREG(st.st_mode));
		assert_int_equal(st.st_size, WIRE_HEADER_BYTES);
		assert_victim_whole(victim);
	}
}

static void what_is_planted_as_a_rings_answers_is_replaced(void **state)
{
	struct street *street = *state;
	char path[400], victim[400];

	path_in(victim, street, "victim");
	victim_make(victim);
	house_start(&street->house);
	for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
		struct ring_writer writer;
		struct ring_pen pen;
		struct stat st;
		char name[64];

		ring_writer_prepare(&writer, street->house.dir, (uint8_t)(i + 1), 1u << 20);
		(void)snprintf(name, sizeof name, "%.32s%s", writer.name, WIRE_CTL_SUFFIX);
		path_in(path, street, name);
		plants[i](path, victim);
		ring_writer_publish(&writer);
		ring_pen_init(&pen, &writer, 1);
		ring_pen_open(&pen, 0);
		ring_pen_start(&pen, 1, "a");
		house_settle(&street->house);
		assert_int_equal(house_count(&street->house, (uint8_t)(i + 1), 1, NULL), 1);
		assert_int_equal(lstat(path, &st), 0);
		assert_true(S_ISREG(st.st_mode));
		assert_victim_whole(victim);
		ring_writer_close(&writer);
	}
}

static void assert_there(const char *dir, const char *name, bool there)
{
	char path[400];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(access(path, F_OK) == 0, there);
}

static void begin_ring(struct street *street, struct ring_writer *writer, struct ring_pen *pen,
		       uint8_t seed)
{
	ring_writer_make(writer, street->house.dir, seed, 1u << 20);
	ring_pen_init(pen, writer, 1);
	ring_pen_open(pen, 0);
	ring_pen_start(pen, 1, "a");
	house_settle(&street->house);
	assert_int_equal(house_count(&street->house, seed, 1, NULL), 1);
}

static void remove_dead(struct street *street, uint8_t seed)
{
	uint32_t ring = house_ring(&street->house, seed);

	for (int i = 0; i < 100 && !street->house.rings[ring].dead; i++)
		house_tick(&street->house, 100);
	assert_true(street->house.rings[ring].dead);
	drain_remove(street->house.drain, ring);
}

/* The old one's rings are served, and removed, where they lie. */
static void a_directory_that_is_replaced_is_followed(void **state)
{
	struct street *street = *state;
	struct ring_writer old, later;
	struct ring_pen old_pen, later_pen;
	char elsewhere[80];

	house_start(&street->house);
	begin_ring(street, &old, &old_pen, 1);
	(void)snprintf(elsewhere, sizeof elsewhere, "%s-moved", street->house.dir);
	assert_int_equal(rename(street->house.dir, elsewhere), 0);
	for (int i = 0; i < 20; i++)
		house_tick(&street->house, 100);
	assert_there(street->house.dir, WIRE_PAGE_NAME, true);
	assert_non_null(strstr(street->house.said, "is served now"));
	begin_ring(street, &later, &later_pen, 2);
	ring_pen_start(&old_pen, 2, "b");
	house_settle(&street->house);
	assert_int_equal(house_count(&street->house, 1, 1, NULL), 2);
	ring_writer_die(&old);
	remove_dead(street, 1);
	assert_there(elsewhere, old.name, false);
	ring_writer_die(&later);
	remove_dead(street, 2);
	assert_there(street->house.dir, later.name, false);
	ring_writer_close(&old);
	ring_writer_close(&later);
	house_check_ledgers(&street->house);
	/* Of the old one only the page is left. */
	(void)strcat(elsewhere, "/" WIRE_PAGE_NAME);
	assert_int_equal(unlink(elsewhere), 0);
	*strrchr(elsewhere, '/') = '\0';
	assert_int_equal(rmdir(elsewhere), 0);
}

static const struct env_ops *real;
static unsigned listings;

static int count_list(struct env *env, int dirfd, env_name_fn *each, void *arg)
{
	listings++;
	return real->list(env, dirfd, each, arg);
}

/* Whoever may write there may plant a hundred thousand names. */
static void a_start_lists_the_directory_once(void **state)
{
	struct street *street = *state;
	struct env *env = street->house.env;
	struct ring_writer ring;
	struct ring_pen pen;
	struct env_ops counted;

	house_stop(&street->house);
	real = env->ops;
	counted = *real;
	counted.list = count_list;
	env->ops = &counted;
	listings = 0;
	house_start(&street->house);
	/* What comes behind the listing is heard of. */
	begin_ring(street, &ring, &pen, 1);
	assert_int_equal(listings, 1);
	env->ops = real;
	ring_writer_close(&ring);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_directory_that_others_may_write_is_refused),
		TEST(a_directory_of_another_user_is_refused),
		TEST(what_is_planted_as_agent_page_is_replaced),
		TEST(what_is_planted_as_a_rings_answers_is_replaced),
		TEST(a_directory_that_is_replaced_is_followed),
		TEST(a_start_lists_the_directory_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
