/* For tests of verbs: a file to be read, and what a verb prints. */
#ifndef SUPPORT_CLI_SCENE_H
#define SUPPORT_CLI_SCENE_H

/* The file, empty at first, and made and removed by the two fixtures of a group. */
extern char scene_path[];
int scene_setup(void **state);
int scene_teardown(void **state);

/* What the verb prints on standard output; *ret_code: what it returns. Free it. */
char *scene_output(int (*verb)(int argc, char **argv), int argc, char **argv, int *ret_code);

#endif
