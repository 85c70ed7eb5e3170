/* The host's signals in calls: see signals.c. */
#ifndef SOFTCSP_SIGNALS_H
#define SOFTCSP_SIGNALS_H

#include "fork.h"

/* Makes what belongs to threads, before the runtime starts, and gives the handlers that there are the flag. */
void softcsp_prepare_signals(void) HIDDEN;

/* Comes before a call into Go, but not before each: before a thread's first, and at times. Zero where the thread must not call, as it
 * is refused what Go does to a thread that is new to it. */
int softcsp_arrive_anew(void) HIDDEN;

#endif
