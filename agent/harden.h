/* What the agent gives up before it reads anything of others: it holds prompts
 * and credentials in memory and reads files that anybody may have planted. */
#ifndef AGENT_HARDEN_H
#define AGENT_HARDEN_H

/* Neither dumped nor traced by others of this user, no new privileges, and no
 * system call that starts a program or looks into another process. Before the
 * first thread: threads inherit it. What the kernel does not know is left out;
 * nothing depends on it. */
void harden(void);

/* Sees to it that standard input, output and error are something, so that nothing
 * opened later gets their numbers, and what is said would be written into it. Before
 * anything is opened. */
void harden_descriptors(void);

#endif
