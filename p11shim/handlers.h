/* The signal handlers that the Go runtime installs: see handlers.c. */
#ifndef SOFTCSP_HANDLERS_H
#define SOFTCSP_HANDLERS_H

#include <signal.h>

#include "fork.h"

void softcsp_find_sigaction(void) HIDDEN;

typedef int softcsp_action(int sig, const struct sigaction *act, struct sigaction *old);

/* Libc's sigaction, or NULL. */
extern softcsp_action *softcsp_libc_sigaction HIDDEN;

/* Takes the runtime's handlers back, in a forked child. */
void softcsp_restore_handlers(void) HIDDEN;

#endif
