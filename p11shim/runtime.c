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

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int create_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
typedef int create_key(pthread_key_t *key, void (*destructor)(void *));

static create_thread *libc_create_thread;
static create_key *libc_create_key;

/* Libc's functions are looked up while the library is loaded: the runtime holds locks when it calls, and dlsym takes the
 * loader's. What the loader gives the entry is kept for the start. */
static int count;
static char **arguments;

__attribute__((constructor)) static void loaded(int argc, char **argv)
{
	libc_create_thread = (create_thread *)dlsym(RTLD_NEXT, "pthread_create");
	libc_create_key = (create_key *)dlsym(RTLD_NEXT, "pthread_key_create");
	count = argc;
	arguments = argv;
	softcsp_find_file();
	softcsp_watch_forks();
}

/* While the runtime starts: the thread that it wants to create, which exists already, so that there being none is an error
 * before anything is done. */
static int starting;
static void *(*first)(void *);
static void *first_arg;

HIDDEN int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	if (libc_create_thread == NULL)
		return ENOSYS;
	if (!starting)
		return libc_create_thread(thread, attr, start, arg);
	starting = 0;
	first = start;
	first_arg = arg;
	return 0;
}

static void *run(void *unused)
{
	softcsp_go_entry[0](count, arguments, arguments + count + 1);
	return first != NULL ? first(first_arg) : unused;
}

int softcsp_create_thread(void *(*start)(void *))
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t every, before;
	int err;

	if (libc_create_thread == NULL)
		return ENOSYS;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	err = libc_create_thread(&thread, &attr, start, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

/* The threads of the runtime have the mask of its first: the host's signals are none of theirs. */
int softcsp_start_runtime(void)
{
	int err;

	if (softcsp_go_entry == NULL) /* built without start.ld: the runtime runs */
		return 0;
	if (libc_create_thread == NULL || libc_create_key == NULL)
		return ENOSYS;
	starting = 1;
	err = softcsp_create_thread(run);
	if (err != 0)
		starting = 0;
	return err;
}

/* The runtime has one thread-specific value, whose destructor enters Go when a thread ends that called Go. The forking
 * thread's child inherits the value and must not: its runtime is dead. */
static void (*thread_ended)(void *);

static void guarded(void *value)
{
	if (!softcsp_absent())
		thread_ended(value);
}

HIDDEN int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	if (libc_create_key == NULL)
		return EAGAIN;
	if (destructor == NULL || thread_ended != NULL)
		return libc_create_key(key, destructor);
	thread_ended = destructor;
	return libc_create_key(key, guarded);
}

/* All of the runtime's memory comes from here, and keys that are in use lie in it, prepared for ciphers. So none of it is
 * in a core dump, and a forked child, whose runtime is dead, finds zeros. */
HIDDEN void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset)
{
	void *p = (void *)syscall(SYS_mmap, addr, length, prot, flags, fd, offset);
	int kept = errno;

	if (p != MAP_FAILED && (flags & MAP_ANONYMOUS) && (flags & MAP_TYPE) == MAP_PRIVATE) {
		madvise(p, length, MADV_DONTDUMP);
		madvise(p, length, MADV_WIPEONFORK);
		errno = kept;
	}
	return p;
}
