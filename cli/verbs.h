/* The verbs of the command. Each takes its own argv (argv[0] is the verb) and
 * returns the process's exit code: 0 ok, 1 failed, 2 usage. */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

int check_main(int argc, char **argv);
int demo_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int list_main(int argc, char **argv);
int redact_main(int argc, char **argv);
int recover_main(int argc, char **argv);
int run_main(int argc, char **argv);
int show_main(int argc, char **argv);
int sink_main(int argc, char **argv);
int status_main(int argc, char **argv);
int wal_main(int argc, char **argv);

#endif
