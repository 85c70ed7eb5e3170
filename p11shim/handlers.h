/* The signal handlers that the Go runtime installs: see handlers.c. */
#ifndef SOFTCSP_HANDLERS_H
#define SOFTCSP_HANDLERS_H

#include "fork.h"

void softcsp_find_sigaction(void) HIDDEN;

/* Takes the runtime's handlers back, in a forked child. */
void softcsp_restore_handlers(void) HIDDEN;

#endif
