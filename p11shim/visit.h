/* A call into Go, and what it must find in the host's thread: see visit.c. */
#ifndef SOFTCSP_VISIT_H
#define SOFTCSP_VISIT_H

#include "signals.h"

#if defined __x86_64__
#include <xmmintrin.h>
#endif

/* What a thread of the host's has to do with the library. */
struct softcsp_visit {
	int calls;       /* that it may make until its handlers are looked at: see signals.c */
	char inside;     /* it is in Go */
	unsigned floats; /* its settings for numbers with fractions, where they are not as Go has them; otherwise 0 */
};

/* In the space that the loader keeps for libraries: the other way needs the loader itself as a library. */
extern __thread struct softcsp_visit softcsp_visit HIDDEN __attribute__((tls_model("initial-exec")));

void softcsp_keep_floats(unsigned now) HIDDEN;
void softcsp_return_floats(void) HIDDEN;

/* Gives the thread the settings that every thread begins with. */
void softcsp_reset_floats(void) HIDDEN;

/* All exceptions masked, to nearest, nothing flushed to zero: what is left out are the flags of exceptions that there were. */
#define SOFTCSP_FLOATS 0x1f80u
#define SOFTCSP_FLAGS 0x3fu
#define SOFTCSP_KEPT 0x80000000u /* no setting */

/* Comes before each call into Go. Zero where there must be none. */
static inline int softcsp_arrive(void)
{
	if (__builtin_expect(softcsp_visit.inside, 0))
		return 0;
	softcsp_visit.inside = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__builtin_expect(--softcsp_visit.calls < 0, 0) && !softcsp_arrive_anew()) {
		softcsp_visit.calls = 0;
		softcsp_visit.inside = 0;
		return 0;
	}
#if defined __x86_64__
	unsigned now = _mm_getcsr();

	if (__builtin_expect((now & ~SOFTCSP_FLAGS) != SOFTCSP_FLOATS, 0))
		softcsp_keep_floats(now);
#endif
	return 1;
}

/* Comes after it, with what it returned. */
static inline CK_ULONG softcsp_leave(CK_ULONG rv)
{
	if (__builtin_expect(softcsp_visit.floats, 0))
		softcsp_return_floats();
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	softcsp_visit.inside = 0;
	return rv;
}

#endif
