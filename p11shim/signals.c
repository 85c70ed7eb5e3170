/* The host's signals that arrive while its thread is in Go. There the stack is a goroutine's, a few kB among others, and a
 * handler would overrun it. The kernel runs a handler on another stack where there is one, and where the handler was
 * installed with SA_ONSTACK. So each thread gets one before its first call, unless it has one that is large enough; and
 * handlers get the flag, as the Go runtime gives it to those that it finds when it starts. The host may install others at
 * any time: so they are looked at again, but not at every call, as it takes 64 system calls.
 */
#define _GNU_SOURCE
#include "signals.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A stack for handlers, above a page that faults. What the host has may be for one handler alone; LEAST holds a signal of any
 * processor, and the runtime's own handlers. */
#define STACK (256 * 1024)
#define LEAST (64 * 1024)
#define GUARD 4096

unsigned long softcsp_marked;

static pthread_key_t key;
static int have_key;

/* At the end of a thread. Where another destructor calls into Go afterwards, this comes again. */
static void forget_thread(void *stack)
{
	stack_t now;

	if (sigaltstack(NULL, &now) == 0 && now.ss_sp == (char *)stack + GUARD) {
		now.ss_flags = SS_DISABLE;
		if (sigaltstack(&now, NULL) != 0)
			return; /* a handler ends the thread: it is in use */
	}
	munmap(stack, GUARD + STACK);
	softcsp_thread = SOFTCSP_UNKNOWN;
}

void softcsp_prepare_signals(void)
{
	if (!have_key)
		have_key = softcsp_libc_key(&key, forget_thread) == 0;
	softcsp_mark_handlers();
}

void softcsp_meet_thread(void)
{
	stack_t now, ours = { .ss_size = STACK };
	char *p;

	softcsp_thread = SOFTCSP_MET;
	if (!have_key || sigaltstack(NULL, &now) != 0)
		return;
	if ((now.ss_flags & SS_ONSTACK) || (!(now.ss_flags & SS_DISABLE) && now.ss_size >= LEAST))
		return;
	/* Not by the library's own mmap: a handler may fork, and its stack is to be there in the child. */
	p = (char *)syscall(SYS_mmap, NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return; /* the runtime makes a small one */
	madvise(p, GUARD + STACK, MADV_DONTDUMP); /* registers lie there, with what of a key was in them */
	ours.ss_sp = p + GUARD;
	if (mprotect(p, GUARD, PROT_NONE) != 0 || pthread_setspecific(key, p) != 0)
		munmap(p, GUARD + STACK);
	else
		sigaltstack(&ours, NULL);
}

/* Gives one handler the flag. The host may install another at the same time, which then has to come back. */
static void mark(int sig, struct sigaction seen)
{
	for (int tries = 0; tries < 8; tries++) {
		struct sigaction marked = seen, before;

		if (!(seen.sa_flags & SA_SIGINFO) && (seen.sa_handler == SIG_DFL || seen.sa_handler == SIG_IGN))
			marked.sa_flags = seen.sa_flags;
		else
			marked.sa_flags |= SA_ONSTACK;
		if (sigaction(sig, &marked, &before) != 0)
			return;
		if (before.sa_sigaction == seen.sa_sigaction && (before.sa_flags | SA_ONSTACK) == (seen.sa_flags | SA_ONSTACK))
			return;
		seen = before;
	}
}

void softcsp_mark_handlers(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	__atomic_store_n(&softcsp_marked, (unsigned long)now.tv_sec * 100 + now.tv_nsec / 10000000, __ATOMIC_RELAXED);
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		struct sigaction seen;

		if (sigaction(sig, NULL, &seen) != 0 || (seen.sa_flags & SA_ONSTACK))
			continue;
		if ((seen.sa_flags & SA_SIGINFO) || (seen.sa_handler != SIG_DFL && seen.sa_handler != SIG_IGN))
			mark(sig, seen);
	}
}
