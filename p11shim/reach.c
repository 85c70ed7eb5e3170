/*
 * What C alone answers (stubs.c: it works in a forked child too, without Go) must not fault in a caller's memory, as a fault
 * in C cannot be recovered from. The kernel says whether memory is there: it answers EFAULT where it is not, and what it
 * is asked for does nothing else. Where it will not say, memory is taken to be there.
 */
#define _GNU_SOURCE
#include "reach.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORD = 8, PAGE = 4096 };

/* The kernel reads a set of signals, and then finds that it does not know what to do with it. */
static int word_readable(uintptr_t at)
{
	return syscall(SYS_rt_sigprocmask, ~0, at & ~(uintptr_t)(WORD - 1), NULL, WORD) == 0 || errno != EFAULT;
}

int softcsp_readable(const void *p, size_t n)
{
	uintptr_t at = (uintptr_t)p, last = at + n - 1;
	int saved = errno, good = 1;

	if (n == 0)
		return 1;
	if (at < PAGE || last < at) /* NULL asks the kernel nothing */
		return 0;
	for (; good && at <= last; at = (at | (PAGE - 1)) + 1)
		good = word_readable(at);
	errno = saved;
	return good;
}

/* The kernel stores the number of a processor, in place of what is put back. */
static int half_writable(unsigned char *p)
{
	unsigned was;

	memcpy(&was, p, sizeof was);
	if (syscall(SYS_getcpu, p, NULL, NULL) != 0)
		return errno != EFAULT;
	memcpy(p, &was, sizeof was);
	return 1;
}

/* n is less than a page, and no less than what getcpu stores. */
int softcsp_writable(void *p, size_t n)
{
	int saved = errno, good;

	good = softcsp_readable(p, n) && half_writable(p) && half_writable((unsigned char *)p + n - sizeof(unsigned));
	errno = saved;
	return good;
}
