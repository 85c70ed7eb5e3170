/* The host's signals in calls: see signals.c. */
#ifndef SOFTCSP_SIGNALS_H
#define SOFTCSP_SIGNALS_H

#include "fork.h"

/* Makes what belongs to threads, before the runtime starts, and gives the handlers that there are the flag. */
void softcsp_prepare_signals(void) HIDDEN;

void softcsp_arrive_anew(void) HIDDEN;

/* Calls that this thread may make until its handlers are looked at. In the space that the loader keeps for libraries: the
 * other way needs the loader itself as a library. */
extern __thread int softcsp_calls HIDDEN __attribute__((tls_model("initial-exec")));

/* Comes before each call into Go. */
static inline void softcsp_arrive(void)
{
	if (__builtin_expect(--softcsp_calls < 0, 0))
		softcsp_arrive_anew();
}

#endif
