/* A Go runtime is not started when the library is loaded, as Go would have it, but when it is first needed. So an image can
 * lie in a process without threads and signal handlers: in one that only looks at the library, and before a fork for the
 * child to come (fork.c).
 *
 * The runtime's entry, which start.ld keeps from the loader, installs signal handlers, creates a thread and returns. The
 * runtime reaches libc for some of what it does, and a symbol of the library itself comes before libc's: so the functions
 * here are in its way.
 */
#define _GNU_SOURCE
#include "runtime.h"

#include "copy.h"
#include "guest.h"
#include "handlers.h"
#include "signals.h"
#include "threads.h"
#include "visit.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Libc's functions are looked up while the library is loaded: the runtime holds locks when it calls, and dlsym takes the
 * loader's. */
__attribute__((constructor)) static void loaded(void)
{
	softcsp_find_threads();
	softcsp_find_heap();
	softcsp_find_sigaction();
	softcsp_find_file();
	softcsp_watch_forks();
}

static void *run(void *arguments)
{
	char **argv = arguments;

	softcsp_go_entry[0](1, argv, argv + 2);
	return NULL;
}

/* What each call into Go begins with. It waits until the runtime has started, where a thread can be cancelled, and then keeps a lock
 * from all others. So the start waits for it, where none is cancelled. */
extern uintptr_t _cgo_wait_runtime_init_done(void);

/* The entry runs in one of the threads that are held for the runtime, and gets another for the runtime's first. */
CK_RV softcsp_start_runtime(void)
{
	char **arguments;
	CK_RV rv;

	if (softcsp_go_entry == NULL) /* built without start.ld: the runtime runs */
		return CKR_OK;
	if (softcsp_libc_create == NULL || softcsp_libc_key == NULL || softcsp_libc_sigaction == NULL)
		return CKR_FUNCTION_FAILED;
	rv = softcsp_welcome();
	if (rv != CKR_OK)
		return rv;
	softcsp_prepare_signals();
	arguments = softcsp_arguments();
	if (arguments == NULL || !softcsp_give(run, arguments)) {
		softcsp_release_threads();
		softcsp_spend();
		return CKR_HOST_MEMORY;
	}
	_cgo_wait_runtime_init_done();
	return CKR_OK;
}

/* The runtime has one thread-specific value, whose destructor enters Go when a thread ends that called Go. The forking
 * thread's child inherits the value and must not: its runtime is dead. */
static void (*thread_ended)(void *);

static void guarded(void *value)
{
	if (softcsp_absent() || softcsp_visit.inside)
		return;
	softcsp_visit.inside = 1; /* for handlers that interrupt it */
	thread_ended(value);
	softcsp_visit.inside = 0;
}

HIDDEN int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	if (softcsp_libc_key == NULL)
		return EAGAIN;
	if (destructor == NULL || thread_ended != NULL)
		return softcsp_libc_key(key, destructor);
	thread_ended = destructor;
	return softcsp_libc_key(key, guarded);
}

/* All of the runtime's memory comes from here, and keys that are in use lie in it, prepared for ciphers. So none of it is
 * in a core dump, and a forked child, whose runtime is dead, finds zeros. What is only reserved, most of a runtime's address
 * space, the child does not have: it needs as much for the runtime of its own. */
HIDDEN void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *p = (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
	int kept;

	if (p == MAP_FAILED && softcsp_spend())
		p = (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
	kept = errno;
	if (p != MAP_FAILED && (flags & MAP_ANONYMOUS) && (flags & MAP_TYPE) == MAP_PRIVATE) {
		madvise(p, length, MADV_DONTDUMP);
		madvise(p, length, prot == PROT_NONE ? MADV_DONTFORK : MADV_WIPEONFORK);
		errno = kept;
	}
	return p;
}
