/* A Go runtime is not started when the library is loaded, as Go would have it, but when it is first needed. So an image can
 * lie in a process without threads and signal handlers: in one that only looks at the library, and before a fork for the
 * child to come (fork.c).
 *
 * The loader calls the runtime's entry among the constructors. It installs signal handlers and creates a thread. The
 * runtime reaches libc for both, and a symbol of the library itself comes before libc's: the functions here are in its
 * way, and do nothing while the image sleeps. softcsp_start_runtime calls the entry again.
 */
#define _GNU_SOURCE
#include "runtime.h"

#include "copy.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

extern const ElfW(Ehdr) __ehdr_start HIDDEN;
extern ElfW(Dyn) _DYNAMIC[] HIDDEN;

typedef int create_thread(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);
typedef int create_key(pthread_key_t *key, void (*destructor)(void *));
typedef int set_action(int sig, const struct sigaction *act, struct sigaction *old);

static create_thread *libc_create_thread;
static create_key *libc_create_key;
static set_action *libc_sigaction;

/* Libc's functions are looked up while the library is loaded: the runtime holds locks when it calls, and dlsym takes the
 * loader's. What the loader gives the entry is kept for the start. */
static int count;
static char **arguments;

/* The one constructor of the library that is in C: see enter. */
__attribute__((constructor)) static void loaded(int argc, char **argv)
{
	libc_create_thread = (create_thread *)dlsym(RTLD_NEXT, "pthread_create");
	libc_create_key = (create_key *)dlsym(RTLD_NEXT, "pthread_key_create");
	libc_sigaction = (set_action *)dlsym(RTLD_NEXT, "sigaction");
	count = argc;
	arguments = argv;
	softcsp_find_file();
	softcsp_watch_forks();
}

static enum { ASLEEP, STARTING, AWAKE } state;

/* The thread that the runtime wants to create when it starts; it exists already. */
static void *(*first)(void *);
static void *first_arg;

HIDDEN int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	switch (state) {
	case ASLEEP:
		return 0;
	case STARTING:
		first = start;
		first_arg = arg;
		state = AWAKE;
		return 0;
	default:
		return libc_create_thread(thread, attr, start, arg);
	}
}

HIDDEN int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	if (libc_sigaction == NULL) {
		errno = EINVAL;
		return -1;
	}
	return libc_sigaction(sig, state == ASLEEP ? NULL : act, old);
}

/* Calls the runtime's entry, which has no name outside of Go: what there is among the constructors beside ours. */
static void enter(void)
{
	typedef void constructor(int argc, char **argv);
	const char *image = (const char *)&__ehdr_start;
	constructor *const *list = NULL;
	size_t n = 0;

	for (const ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_INIT_ARRAY)
			list = (constructor *const *)(image + d->d_un.d_ptr);
		else if (d->d_tag == DT_INIT_ARRAYSZ)
			n = d->d_un.d_val / sizeof *list;
	}
	for (size_t i = 0; list != NULL && i < n; i++)
		if (list[i] != loaded)
			list[i](count, arguments);
}

static void *run(void *unused)
{
	enter();
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

	if (libc_create_key == NULL || libc_sigaction == NULL)
		return ENOSYS;
	state = STARTING;
	err = softcsp_create_thread(run);
	if (err != 0)
		state = ASLEEP;
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
