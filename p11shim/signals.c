/* The host's signals that arrive while its thread is in Go. The kernel runs a handler on a stack for handlers where there is
 * one, and where it was installed with SA_ONSTACK, and otherwise on what stack there is: a goroutine's, which has room for
 * 120 kB of it (tools/overlay.sh). So that there is more, each thread gets a stack for handlers before its first call, unless
 * it has one that is large enough; and handlers get the flag, as the Go runtime gives it to those that it finds when it
 * starts. The host may install others at any time: so they are looked at again, but not at every call, as it takes 64
 * system calls.
 */
#define _GNU_SOURCE
#include "signals.h"

#include "handlers.h"
#include "threads.h"
#include "visit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* A stack for handlers, above a page that faults. What the host has may be for one handler alone; LEAST holds a signal of any
 * processor and the runtime's own handlers, and is what other Go runtimes give their threads. */
#define STACK (512 * 1024)
#define LEAST (32 * 1024)
#define GUARD 4096

#define CALLS 16     /* between two looks at the clock */
#define HUNDREDTHS 2 /* between two looks at the handlers */

/* This thread has a stack for handlers, or cannot have one. */
static __thread char met __attribute__((tls_model("initial-exec")));

static pthread_key_t key;
static int have_key;
static unsigned long marked; /* when the handlers were looked at */

static unsigned long hundredths(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* no system call */
	return now.tv_sec * 100ul + now.tv_nsec / 10000000;
}

/* At the end of a thread. Where another destructor calls into Go afterwards, this comes again. */
static void forget_thread(void *stack)
{
	stack_t now;

	if (sigaltstack(NULL, &now) != 0)
		return; /* nobody says whether it is in use */
	if (now.ss_sp == (char *)stack + GUARD) {
		now.ss_flags = SS_DISABLE;
		if (sigaltstack(&now, NULL) != 0)
			return; /* a handler ends the thread: it is in use */
	}
	munmap(stack, GUARD + STACK);
	met = 0;
	softcsp_visit.calls = 0;
}

/* Zero where the system refuses what Go would end the process for: a host may have shut itself in since the start. */
static int meet_thread(void)
{
	stack_t now, ours = { .ss_size = STACK };
	sigset_t mask;
	char *p;

	if (sigaltstack(NULL, &now) != 0 || pthread_sigmask(SIG_BLOCK, NULL, &mask) != 0)
		return 0;
	met = 1;
	if (!have_key || (now.ss_flags & SS_ONSTACK) || (!(now.ss_flags & SS_DISABLE) && now.ss_size >= LEAST))
		return 1;
	/* Not by the library's own mmap: a handler may fork, and its stack is to be there in the child. */
	p = (char *)syscall(SYS_mmap, NULL, GUARD + STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return 1; /* the runtime makes a small one */
	madvise(p, GUARD + STACK, MADV_DONTDUMP); /* registers lie there, with what of a key was in them */
	ours.ss_sp = p + GUARD;
	if (mprotect(p, GUARD, PROT_NONE) != 0 || pthread_setspecific(key, p) != 0)
		munmap(p, GUARD + STACK);
	else
		sigaltstack(&ours, NULL);
	return 1;
}

/* There is a function to call. */
static int handles(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) || (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

/* Gives one handler the flag. The host may install another at the same time, which then has to come back. */
static void mark(int sig, struct sigaction seen)
{
	for (int tries = 0; tries < 8; tries++) {
		struct sigaction marked = seen, before;

		if (handles(&seen))
			marked.sa_flags |= SA_ONSTACK;
		if (softcsp_libc_sigaction(sig, &marked, &before) != 0)
			return;
		if (before.sa_sigaction == seen.sa_sigaction && (before.sa_flags | SA_ONSTACK) == (seen.sa_flags | SA_ONSTACK))
			return;
		seen = before;
	}
}

static void mark_all(void)
{
	__atomic_store_n(&marked, hundredths(), __ATOMIC_RELAXED);
	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		struct sigaction seen;

		if (softcsp_libc_sigaction(sig, NULL, &seen) == 0 && !(seen.sa_flags & SA_ONSTACK) && handles(&seen))
			mark(sig, seen);
	}
}

void softcsp_prepare_signals(void)
{
	if (!have_key)
		have_key = softcsp_libc_key(&key, forget_thread) == 0;
	mark_all();
}

int softcsp_arrive_anew(void)
{
	if (!met && !meet_thread())
		return 0;
	softcsp_visit.calls = CALLS;
	if (hundredths() - __atomic_load_n(&marked, __ATOMIC_RELAXED) >= HUNDREDTHS)
		mark_all();
	return 1;
}
