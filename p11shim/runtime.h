/* How the Go runtime of this image starts, and what it gets in place of libc's functions: see runtime.c. */
#ifndef SOFTCSP_RUNTIME_H
#define SOFTCSP_RUNTIME_H

#include "fork.h"

/* The entry of the Go runtime, one function, as the loader would call it: see start.ld. Weak: a build without start.ld has
 * none, and its runtime starts when it is loaded. The runtime reads the environment and the auxiliary vector that follow
 * argv. */
typedef void softcsp_entry(int argc, char **argv, char **envp);

extern softcsp_entry *const softcsp_go_entry[1] __attribute__((weak, visibility("hidden")));

/* Starts the Go runtime of this image, once, or says on standard error why it cannot. */
CK_RV softcsp_start_runtime(void) HIDDEN;

#endif
