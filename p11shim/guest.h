/* What the Go runtime needs of a process, and gets from it: see guest.c. */
#ifndef SOFTCSP_GUEST_H
#define SOFTCSP_GUEST_H

#include <stddef.h>

#include "fork.h"

/* Sees whether the runtime can start here, and holds what it needs. Otherwise it says why not. */
CK_RV softcsp_welcome(void) HIDDEN;

/* The arguments to start it with, after softcsp_welcome. Their environment and auxiliary vector follow. NULL without memory. */
char **softcsp_arguments(void) HIDDEN;

/* Gives back the address space that is kept for bad times. Zero where there is none. */
int softcsp_spend(void) HIDDEN;

#endif
