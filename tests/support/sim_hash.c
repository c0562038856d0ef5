/* Whether two worlds are the same one: hashes of what is in them. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sim_world.h"

static uint64_t hash_bytes(uint64_t hash, const void *at, size_t len)
{
	const uint8_t *bytes = at;
	uint64_t word;

	hash = sim_mix(hash, len);
	for (; len >= 8; len -= 8, bytes += 8) {
		memcpy(&word, bytes, 8);
		hash = sim_mix(hash, word);
	}
	word = 0;
	memcpy(&word, bytes, len);
	return sim_mix(hash, word);
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);

	return len >= tail && strcmp(name + len - tail, suffix) == 0;
}

static uint64_t hash_file(uint64_t hash, const char *path)
{
	static uint8_t piece[1 << 16];
	FILE *file = fopen(path, "re");
	size_t n;

	while (file && (n = fread(piece, 1, sizeof piece, file)) > 0)
		hash = hash_bytes(hash, piece, n);
	if (file)
		(void)fclose(file);
	return hash;
}

/* The rings' own bytes are their modules' (hash_module()); those that are still in
 * the making nobody sees. */
static bool is_modules(const char *name)
{
	return ends_with(name, WIRE_RING_SUFFIX) || ends_with(name, WIRE_TEMPORARY_SUFFIX);
}

/* Names and bytes, in the names' order; of all below it, or of what ends so. */
static uint64_t hash_directory(uint64_t hash, const char *directory, const char *suffix)
{
	struct dirent **names;
	char path[SIM_PATH_BYTES + 256];
	int n = scandir(directory, &names, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;

		if (name[0] != '.' && ends_with(name, suffix)) {
			(void)snprintf(path, sizeof path, "%s/%s", directory, name);
			hash = hash_bytes(hash, name, strlen(name));
			if (names[i]->d_type == DT_DIR)
				hash = hash_directory(hash, path, suffix);
			else if (!is_modules(name))
				hash = hash_file(hash, path);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return hash;
}

uint64_t sim_archive_hash(const struct sim_world *world)
{
	char directory[SIM_PATH_BYTES];

	sim_path(world, "disk/archive", directory);
	return hash_directory(1, directory, ".otlp.json");
}

static uint64_t hash_module(uint64_t hash, const struct sim_module *module)
{
	const uint64_t state[] = {
		module->published,   module->dead,     module->lost,
		module->was_lost,    module->clean,    module->safe_ns,
		module->flush_asked, module->flush_ns, module->flushed_ns,
	};

	hash = hash_bytes(hash, state, sizeof state);
	for (unsigned i = 0; i < SIM_THREADS; i++) {
		const struct sim_thread *row = &module->threads[i];
		const uint64_t where[] = {
			row->count,	      row->spans,  row->next,
			row->pen.block,	      row->pen.at, row->pen.next_block,
			row->pen.next_record,
		};

		hash = hash_bytes(hash, where, sizeof where);
		for (uint32_t n = 0; n < row->count; n++) {
			const struct sim_record *record = &row->records[n];
			const uint64_t what[] = {record->kind, record->span, record->ticks,
						 record->when_ns};

			hash = hash_bytes(hash, what, sizeof what);
		}
	}
	return hash;
}

uint64_t sim_world_hash(const struct sim_world *world)
{
	const struct file_env *env = &world->env;
	const uint64_t state[] = {
		env->mono_ns,	 env->boot_ns,	    env->wall_ns,  env->ticks,
		env->passed_ns,	 env->random_state, world->turn,   world->net.mood,
		world->log_full, world->gave_up,    world->unsure, world->damaged,
	};
	uint64_t hash = hash_bytes(2, state, sizeof state);
	char path[SIM_PATH_BYTES];

	for (uint32_t i = 0; i < world->module_count; i++)
		hash = hash_module(hash, &world->modules[i]);
	hash = hash_bytes(hash, world->delivered, sizeof world->delivered);
	sim_path(world, "rings", path);
	hash = hash_directory(hash, path, "");
	sim_path(world, "disk", path);
	return hash_directory(hash, path, "");
}
