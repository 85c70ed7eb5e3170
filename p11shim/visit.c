/* A call into Go. Two things of the host's could end the process there:
 *
 * A handler that interrupts a call and makes one itself, and one that leaves a call by siglongjmp, which ends it for its thread but
 * not for Go. Both are forbidden, and neither is seen by Go, which then takes one stack for another. So a thread that is in a call
 * makes no other: it gets an error.
 *
 * Exceptions of floating point numbers (feenableexcept, or a Fortran or Ada program's own): Go takes none for granted, and its
 * runtime divides by nought and rounds as it pleases. So in Go all are masked, and the host has its settings back after the
 * call. Other processors than x86 have no such exceptions, or next to none.
 */
#define _GNU_SOURCE
#include "visit.h"

__thread struct softcsp_visit softcsp_visit __attribute__((tls_model("initial-exec")));

#if defined __x86_64__

void softcsp_keep_floats(unsigned now)
{
	softcsp_visit.floats = now | SOFTCSP_KEPT;
	softcsp_reset_floats();
}

void softcsp_return_floats(void)
{
	_mm_setcsr(softcsp_visit.floats & ~SOFTCSP_KEPT);
	softcsp_visit.floats = 0;
}

void softcsp_reset_floats(void)
{
	_mm_setcsr(SOFTCSP_FLOATS);
}

#else

void softcsp_keep_floats(unsigned now)
{
	(void)now;
}

void softcsp_return_floats(void)
{
}

void softcsp_reset_floats(void)
{
}

#endif
