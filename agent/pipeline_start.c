/* Building the pipeline, stage by stage, and taking it apart. */
#include "pipeline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "base/hex.h"
#include "base/log.h"

#define DRAIN_BATCH_BYTES (UINT64_C(1) << 20)
#define RUN_FORGET_NS (UINT64_C(86400) * 1000000000)
#define OPEN_FILES_MAX 256
#define FAR_NS UINT64_C(10000000000) /* a delay that people who watch notice */
/* Of spans in batches: two of the largest usual size, each in two forms. */
#define DESTINATION_MEMORY_MIN ((size_t)8 << 20)

/* ---- what stages say ------------------------------------------------------- */

static void log_drain(void *arg, int priority, const char *line)
{
	(void)arg;
	log_text(priority, "drain", line);
}

static void log_wal(void *arg, int priority, const char *line)
{
	(void)arg;
	log_text(priority, "wal", line);
}

static void log_receive(void *arg, int priority, const char *line)
{
	(void)arg;
	log_text(priority, "receive", line);
}

static void log_assemble(void *arg, int priority, const char *line)
{
	(void)arg;
	log_text(priority, "assemble", line);
}

static void log_archive(void *arg, int priority, const char *line)
{
	(void)arg;
	log_text(priority, "archive", line);
}

/* Where there are several, each line says of whom it is. */
static void log_export(void *arg, int priority, const char *line)
{
	const struct destination *destination = arg;

	if (destination->alone)
		log_text(priority, "export", line);
	else
		log_line(priority, "export", "%s: %s", destination->name, line);
}

static void log_condition(void *arg, int priority, const char *stage, const char *line)
{
	(void)arg;
	log_text(priority, stage, line);
}

static int start_wal(struct pipeline *p)
{
	char dir[4096];
	struct wal_options options = {
		.dir = dir,
		.max_bytes = p->options->wal_max_bytes,
		.memory_bytes_max = p->options->wal_memory_bytes,
		.segment_bytes = p->options->wal_segment_bytes,
		.sync_interval_ns = p->options->wal_sync_interval_ns,
		.sync_each = p->options->wal_sync_each,
		.conditions = &p->conditions,
		.log = log_wal,
	};
	int r;

	(void)snprintf(dir, sizeof dir, "%s/wal", p->options->state_dir);
	r = wal_new(&p->wal, p->env, &options);
	if (r < 0)
		log_line(LOG_ERR, "wal", "%s cannot be used: %s%s", dir, strerror(-r),
			 r == -EBUSY ? " (another agent runs on it; give this one its own "
				       "--state-dir)"
				     : " (choose another with --state-dir)");
	return r;
}

static int start_drain(struct pipeline *p)
{
	struct drain_options options = {
		.dir = p->options->ring_dir,
		.busy_interval_ns = 10000000,
		.idle_interval_ns = 100000000,
		.batch_bytes_max = DRAIN_BATCH_BYTES,
		.round_bytes_max = p->options->ring_turn_bytes,
		.rings_per_user_max = p->options->ring_max_rings_per_user,
		.rings_max = p->options->ring_max_rings,
		.owners_lost = p->options->owners_lost,
		.conditions = &p->conditions,
	};
	struct drain_ops ops = {
		.ring_seen = news_ring_seen,
		.batch = news_batch,
		.round_end = news_round_end,
		.settled = news_settled,
		.ring_dead = news_ring_dead,
		.refused = news_refused,
		.end_lost = news_end_lost,
		.flush_wanted = news_flush_wanted,
		.ring_gone = news_ring_gone,
		.moved = news_ring_dir_moved,
		.ring_state = news_ring_state,
		.log = log_drain,
		.arg = p,
	};
	int r;

	r = drain_new(&p->drain, p->env, &options, &ops);
	if (r < 0)
		log_line(LOG_ERR, "drain", "ring directory %s cannot be served: %s%s",
			 p->options->ring_dir, strerror(-r),
			 r == -EBUSY ? " (another agent serves it)"
				     : " (choose another with --ring-dir)");
	return r;
}

/* Which boot this is: ticks of another one mean nothing here. Zero: unknown. */
static void read_boot_id(struct env *env, uint8_t ret_id[16])
{
	char text[64];
	int fd, digits = 0;
	ssize_t n;

	memset(ret_id, 0, 16);
	fd = env->ops->open(env, AT_FDCWD, "/proc/sys/kernel/random/boot_id", O_RDONLY, 0);
	if (fd < 0)
		return;
	n = env->ops->pread(env, fd, text, sizeof text, 0);
	(void)env->ops->close(env, fd);
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		int value = hex_digit_lower(text[i]);

		if (value < 0)
			continue;
		ret_id[digits / 2] = (uint8_t)(ret_id[digits / 2] << 4 | value);
		digits++;
	}
}

static uint64_t read_time_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/time", &st) == 0 ? st.st_ino : 0;
}

static int start_assemble(struct pipeline *p)
{
	struct assemble_options options = {
		.memory_bytes_max = p->options->assemble_memory_bytes,
		.idle_timeout_ns = p->options->archive_idle_timeout_ns,
		.stale_ttl_ns = p->options->assemble_stale_ttl_ns,
		.run_forget_ns = RUN_FORGET_NS,
		.open_spans_max = p->options->assemble_open_spans_max,
		.limits = p->options->limits,
		.kinds = &p->options->kinds,
		.time_namespace = read_time_namespace(),
	};
	struct assemble_ops ops = {
		.finished = news_finished,
		.run_seen = news_run_seen,
		.run_over = news_run_over,
		.state = news_span_state,
		.run_state = news_run_state,
		.process_state = news_process_state,
		.load = news_load,
		.log = log_assemble,
		.arg = p,
	};

	read_boot_id(p->env, options.boot_id);
	return assemble_new(&p->assemble, p->env, &options, &ops);
}

static int start_archive(struct pipeline *p)
{
	struct archive_options options = {
		.dir = p->options->archive_dir,
		.name = p->options->archive_name,
		.any_name = p->options->archive_any_name,
		.state_dir = p->options->state_dir,
		.min_spans = p->options->archive_min_spans,
		.roots = (const char *const *)p->options->archive_roots,
		.root_count = p->options->archive_root_count,
		.alone_ns = p->options->archive_idle_timeout_ns,
		.checkpoint_ns = 1000000000,
		.open_files_max = OPEN_FILES_MAX,
		.retention = p->options->archive_retention,
		.conditions = &p->conditions,
	};
	struct archive_ops ops = {
		.state = news_archive_state,
		.archived = news_archived,
		.sealed = news_sealed,
		.awaited = news_run_awaited,
		.account = news_run_account,
		.process = news_run_process,
		.dropped = news_dropped,
		.sent = news_sent,
		.log = log_archive,
		.arg = p,
	};

	if (!p->options->archive_enabled)
		return 0;
	if (options.root_count == 0)
		options.roots = NULL;
	return archive_new(&p->archive, p->env, &options, &ops);
}

/* By which it knows what it sent itself. */
static int make_agent_id(struct pipeline *p)
{
	uint8_t id[RECEIVE_AGENT_ID_DIGITS / 2];
	int r = p->env->ops->random(p->env, id, sizeof id);

	for (size_t i = 0; r >= 0 && i < sizeof id; i++)
		(void)snprintf(p->agent_id + 2 * i, 3, "%02x", id[i]);
	return r;
}

static int start_receive(struct pipeline *p)
{
	const struct options *settings = p->options;
	struct receive_options options = {
		.connections_max = settings->receive_connections,
		.streams_max = settings->receive_streams,
		.header_bytes_max = settings->receive_header_bytes,
		.request_bytes_max = settings->receive_request_bytes,
		.ratio_max = settings->receive_ratio,
		.memory_bytes_max = settings->receive_memory_bytes,
		.response_bytes_max = settings->receive_response_bytes,
		.request_timeout_ns = settings->receive_request_timeout_ns,
		.idle_timeout_ns = settings->receive_idle_timeout_ns,
		.ping_interval_ns = settings->receive_ping_interval_ns,
		.conditions = &p->conditions,
	};
	struct receive_ops ops = {
		.ready = news_receive_ready,
		.span = news_received,
		.sequence = news_receive_sequence,
		.log = log_receive,
		.arg = p,
	};

	/* A private agent is there for those who know its directory. */
	if (!settings->receive_enabled || settings->private_dir)
		return 0;
	memcpy(options.agent_id, p->agent_id, sizeof options.agent_id);
	/* They were found good when the settings were read. */
	(void)addresses_parse(&options.grpc,
			      settings->receive_grpc ? settings->receive_grpc : "");
	(void)addresses_parse(&options.http,
			      settings->receive_http ? settings->receive_http : "");
	return receive_new(&p->receive, p->env, &options, &ops);
}

/* A file that cannot be used is known at once, and so is what leaves the machine
 * for all to read. */
static int check_tls(const struct export_options *options)
{
	const struct endpoint *endpoint = &options->endpoint;
	struct tls tls;
	int r;

	if (!export_options_secure(options)) {
		if (!endpoint_is_local(endpoint))
			log_line(
				LOG_WARNING, "export",
				"spans go to %s unencrypted, for everybody on the way to read; "
				"use https:// if it speaks TLS",
				endpoint->authority);
		return 0;
	}
	r = tls_init(&tls, &options->tls, endpoint->host);
	if (r < 0) {
		log_line(LOG_ERR, "export", "%s", tls.error);
		return r;
	}
	tls_fini(&tls);
	return 0;
}

static size_t memory_of_each(const struct pipeline *p)
{
	size_t share = EXPORT_MEMORY_MAX / (p->destination_count ? p->destination_count : 1);

	return share > DESTINATION_MEMORY_MIN ? share : DESTINATION_MEMORY_MIN;
}

/* Between processes of one machine bytes cost less than making them fewer. */
static enum compression compression_of(const struct destination_settings *settings,
				       const struct endpoint *endpoint)
{
	if (settings->compression != COMPRESSIONS)
		return (enum compression)settings->compression;
	return endpoint_is_local(endpoint) ? COMPRESSION_NONE : COMPRESSION_GZIP;
}

/* So that the receiver knows a batch that comes back. */
static int mark_own(const struct pipeline *p, struct headers *headers, char *error, size_t len)
{
	if (!p->options->receive_enabled)
		return 0;
	if (headers->count == EXPORT_HEADERS_MAX) {
		(void)snprintf(error, len,
			       "headers: with receive.enabled one less than %d entries",
			       EXPORT_HEADERS_MAX);
		return -EINVAL;
	}
	headers->entries[headers->count++] =
		(struct export_header){RECEIVE_AGENT_HEADER, p->agent_id};
	return 0;
}

/* At least one: none would be the stage's word for its default. */
static uint64_t milliseconds(uint64_t ns)
{
	return ns < 1000000 ? 1 : ns / 1000000;
}

int destination_options(struct pipeline *p, struct destination *destination,
			const struct destination_settings *settings,
			struct export_options *ret_options, struct headers *ret_headers)
{
	struct export_options options = {.protocol = (enum export_protocol)settings->protocol};
	char error[256];
	int r;

	r = export_endpoint_parse(options.protocol, &options.endpoint, settings->endpoint,
				  error, sizeof error);
	if (r == 0)
		r = headers_load(ret_headers, settings->headers, settings->headers_file, error,
				 sizeof error);
	if (r == 0) {
		r = mark_own(p, ret_headers, error, sizeof error);
		if (r < 0)
			headers_fini(ret_headers);
	}
	if (r < 0) {
		log_export(destination, LOG_ERR, error);
		return r;
	}
	options.insecure = settings->insecure;
	options.tls = (struct tls_files){
		.authorities = settings->certificate,
		.certificate = settings->client_certificate,
		.key = settings->client_key,
	};
	r = check_tls(&options);
	if (r < 0) {
		headers_fini(ret_headers);
		return r;
	}
	options.headers = ret_headers->entries;
	options.headers_n = ret_headers->count;
	options.compression = compression_of(settings, &options.endpoint);
	options.timeout_ms =
		settings->timeout_ns ? milliseconds(settings->timeout_ns) : EXPORT_TIMEOUT_NONE;
	options.batch_spans_max = settings->batch_spans;
	options.batch_bytes_max = settings->batch_bytes;
	options.delay_ms = milliseconds(settings->delay_ns);
	options.streams_max = settings->streams;
	options.request_bytes_max = settings->request_bytes;
	options.response_bytes_max = settings->response_bytes;
	options.memory_max = memory_of_each(p);
	options.keep_together = !settings->isolate_rejected;
	options.park = pipeline_park;
	options.log = log_export;
	options.log_arg = destination;
	*ret_options = options;
	return 0;
}

static int start_destination(struct pipeline *p, struct destination *destination,
			     const struct destination_settings *settings)
{
	struct bytes unknown;
	int r;

	(void)snprintf(destination->name, sizeof destination->name, "%s",
		       settings->name ? settings->name : OPTIONS_DESTINATION_DEFAULT);
	destination->alone = p->destination_count == 1;
	destination->pipeline = p;
	/* Its names were found good when the settings were read. */
	r = redact_sink_init(&p->redact, &destination->live.redact, settings->redact, &unknown);
	if (r < 0)
		return r;
	return destination_options(p, destination, settings, &destination->options,
				   &destination->headers);
}

/* Their headers and endpoints live as long as the pipeline. */
static int start_destinations(struct pipeline *p)
{
	_Static_assert(PIPELINE_DESTINATIONS_MAX == OPTIONS_DESTINATIONS_MAX + 1, "each");
	int r = 0;

	while (options_destination(p->options, p->destination_count))
		p->destination_count++;
	for (uint32_t i = 0; r == 0 && i < p->destination_count; i++)
		r = start_destination(p, &p->destinations[i],
				      options_destination(p->options, i));
	return r;
}

/* After recovery, when the cursors are known. */
static int start_readers(struct pipeline *p)
{
	int r;

	for (uint32_t i = 0; i < p->destination_count; i++) {
		struct destination *destination = &p->destinations[i];

		destination->marked_number = destination->ledger.number;
		r = export_init(&destination->export, p->env, &destination->options,
				destination->marked_number + 1);
		if (r < 0)
			return r;
		destination->started = true;
		destination_resume(destination);
		destination->marked_ahead = destination_ahead(destination).number;
		r = destination_start_lanes(p, destination);
		if (r < 0)
			return r;
	}
	if (!p->archive)
		return 0;
	p->archive_read_number = archive_first_number(p->archive);
	r = wal_reader_new(&p->archive_reader, p->wal, archive_first_number(p->archive));
	/* The archive outlives a power loss; what it has, the log has, too. */
	if (r == 0)
		wal_reader_wait_for_sync(p->archive_reader);
	return r;
}

static int start_redact(struct pipeline *p)
{
	struct redact_fault fault;
	struct bytes unknown;
	int r;

	r = redact_init(&p->redact, &p->options->redact, &fault);
	if (r < 0)
		log_line(LOG_ERR, "redact", "%s: %s", fault.key, fault.text);
	else if (!p->options->redact.enabled)
		log_line(LOG_WARNING, "redact",
			 "redact.enabled is false: secrets in spans are kept and sent on");
	if (r == 0)
		r = redact_sink_init(&p->redact, &p->archive_redact, p->options->archive_redact,
				     &unknown);
	return r;
}

int pipeline_init(struct pipeline *p, struct env *env, const struct options *options)
{
	int r;

	memset(p, 0, sizeof *p);
	p->env = env;
	p->options = options;
	p->started_wall_ns = env->ops->wall_ns(env);
	p->far_ns = FAR_NS;
	conditions_init(&p->conditions, env, log_condition, NULL);
	r = start_redact(p);
	if (r == 0)
		r = make_agent_id(p);
	if (r == 0)
		r = start_wal(p);
	if (r == 0)
		r = start_drain(p);
	if (r == 0)
		r = start_assemble(p);
	if (r == 0)
		r = start_archive(p);
	if (r == 0)
		r = start_destinations(p);
	if (r == 0)
		r = start_receive(p);
	if (r == 0)
		r = pipeline_recover(p);
	if (r == 0)
		r = start_readers(p);
	return r;
}

void pipeline_fini(struct pipeline *p)
{
	receive_free(p->receive);
	for (uint32_t i = 0; i < p->destination_count; i++) {
		if (p->destinations[i].started)
			export_fini(&p->destinations[i].export);
		destination_free_lanes(&p->destinations[i]);
		headers_fini(&p->destinations[i].headers);
	}
	wal_reader_free(p->archive_reader);
	wal_reader_free(p->again_reader);
	archive_free(p->archive);
	assemble_free(p->assemble);
	drain_free(p->drain);
	redact_sink_fini(&p->archive_redact);
	redact_fini(&p->redact);
	wal_free(p->wal);
	free(p->acks);
	free(p->dead);
	free(p->slice_offsets);
	free(p->redacted);
	free(p->instances);
}
