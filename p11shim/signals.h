/* The host's signals in calls: see signals.c. */
#ifndef SOFTCSP_SIGNALS_H
#define SOFTCSP_SIGNALS_H

#include <time.h>

#include "threads.h"

/* Makes what belongs to threads, before the runtime starts. */
void softcsp_prepare_signals(void) HIDDEN;

void softcsp_meet_thread(void) HIDDEN;
void softcsp_mark_handlers(void) HIDDEN;

/* When the handlers were looked at last, in hundredths of a second. */
extern unsigned long softcsp_marked HIDDEN;

/* Comes before each call into Go. */
static inline void softcsp_arrive(void)
{
	struct timespec now;

	if (__builtin_expect(softcsp_thread == SOFTCSP_UNKNOWN, 0))
		softcsp_meet_thread();
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* no system call */
	if (__builtin_expect((unsigned long)now.tv_sec * 100 + now.tv_nsec / 10000000 - __atomic_load_n(&softcsp_marked, __ATOMIC_RELAXED) >= 2, 0))
		softcsp_mark_handlers();
}

#endif
