/* The entry of the Go runtime: see start.ld. */
#ifndef SOFTCSP_START_H
#define SOFTCSP_START_H

/* One function, as the loader would call it. Weak: a build without start.ld has none, and its runtime starts when it is
 * loaded. It installs signal handlers, creates a thread, and returns. The runtime reads the environment and the auxiliary
 * vector that follow argv. */
typedef void softcsp_entry(int argc, char **argv, char **envp);

extern softcsp_entry *const softcsp_go_entry[1] __attribute__((weak, visibility("hidden")));

#endif
