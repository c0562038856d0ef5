/* spanring sink: a small OTLP/gRPC receiver that prints what it gets. */
#ifndef CLI_SINK_H
#define CLI_SINK_H

/* argv[0] is the verb. Returns the exit code: 0 ended as asked, 1 failed,
 * 2 wrong usage. */
int sink_main(int argc, char **argv);

#endif
