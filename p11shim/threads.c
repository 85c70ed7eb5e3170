/* The threads of the Go runtime. It wants one more whenever all that it has are busy or blocked, and ends the process where it
 * gets none. So there are as many as it can want before it starts (guest.c), which wait here until it does; a limit
 * that is met later is not met by it. They have small stacks, as Go code runs on others, and no signal goes to them: a new
 * thread has the mask of its creator.
 */
#define _GNU_SOURCE
#include "threads.h"

#include "visit.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

__thread char softcsp_runtime_thread __attribute__((tls_model("initial-exec")));

softcsp_create *softcsp_libc_create;
softcsp_key *softcsp_libc_key;

/* What a thread-local variable of the host takes is taken from the stacks: libc knows how much that is. */
static size_t (*least_stack)(const pthread_attr_t *attr);

#define STACK (512 * 1024) /* of which the runtime is told one half; a quarter is for handlers: see tools/overlay.sh */

void softcsp_find_threads(void)
{
	/* A host's thread sanitizer ends the process where a thread uses libc that it did not create. */
	void *where = dlsym(RTLD_DEFAULT, "__tsan_init") != NULL ? RTLD_DEFAULT : RTLD_NEXT;

	softcsp_libc_create = (softcsp_create *)dlsym(where, "pthread_create");
	softcsp_libc_key = (softcsp_key *)dlsym(RTLD_NEXT, "pthread_key_create");
	least_stack = (size_t (*)(const pthread_attr_t *))dlsym(RTLD_NEXT, "__pthread_get_minstack");
}

/* Of one process: a child has none of its parent's threads, and its parent's lock may be held. */
#define reserve softcsp_process.reserve
#define MOST ((int)(sizeof reserve.jobs / sizeof *reserve.jobs))

static void *wait_for_job(void *unused)
{
	struct softcsp_job job;

	softcsp_runtime_thread = 1;
	softcsp_reset_floats(); /* those of its creator's, otherwise */
	for (;;) {
		pthread_mutex_lock(&reserve.mutex);
		while (reserve.pending == 0 && reserve.leaving == 0)
			pthread_cond_wait(&reserve.given, &reserve.mutex);
		if (reserve.pending == 0) {
			reserve.leaving--;
			pthread_mutex_unlock(&reserve.mutex);
			return unused;
		}
		job = reserve.jobs[--reserve.pending];
		pthread_mutex_unlock(&reserve.mutex);
		job.start(job.arg);
		pthread_mutex_lock(&reserve.mutex); /* the runtime has done with this one: it waits for the next */
		reserve.waiting++;
		pthread_mutex_unlock(&reserve.mutex);
	}
}

/* Creates a thread that is detached and takes no signals: of a small stack, as all of the runtime's are, or as libc has it. */
static int create(void *(*start)(void *), void *arg, int small)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t every, before;
	int err;

	if (softcsp_libc_create == NULL)
		return ENOSYS;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (small)
		pthread_attr_setstacksize(&attr, STACK + (least_stack != NULL ? least_stack(&attr) : STACK * 3));
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	err = softcsp_libc_create(&thread, &attr, start, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return err;
}

int softcsp_create_thread(void *(*start)(void *))
{
	return create(start, NULL, 0);
}

int softcsp_reserve_threads(int want, int *why)
{
	int n = 0;

	for (*why = 0; n < want && n < MOST; n++) {
		*why = create(wait_for_job, NULL, 1);
		if (*why != 0)
			break;
	}
	pthread_mutex_lock(&reserve.mutex);
	reserve.waiting += n;
	pthread_mutex_unlock(&reserve.mutex);
	return n;
}

void softcsp_release_threads(void)
{
	pthread_mutex_lock(&reserve.mutex);
	reserve.leaving += reserve.waiting;
	reserve.waiting = 0;
	pthread_cond_broadcast(&reserve.given);
	pthread_mutex_unlock(&reserve.mutex);
}

int softcsp_give(void *(*start)(void *), void *arg)
{
	int ok;

	pthread_mutex_lock(&reserve.mutex);
	ok = reserve.waiting > 0 && reserve.pending < MOST;
	if (ok) {
		reserve.waiting--;
		reserve.jobs[reserve.pending++] = (struct softcsp_job){ start, arg };
		pthread_cond_signal(&reserve.given);
	}
	pthread_mutex_unlock(&reserve.mutex);
	return ok;
}

/* The runtime's pthread_create, as a symbol of the library itself comes before libc's. What it wants beyond the reserve may
 * be had, or be had soon. */
HIDDEN int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	const struct timespec tenth = { 0, 100 * 1000 * 1000 };
	int err = EAGAIN;

	(void)attr;
	*thread = pthread_self(); /* nobody asks */
	for (int tries = 0; tries < 100 && err == EAGAIN; tries++) {
		if (tries != 0)
			nanosleep(&tenth, NULL);
		err = softcsp_give(start, arg) ? 0 : create(start, arg, 1);
	}
	return err;
}

/* How much of a stack the runtime may take for its own. */
HIDDEN int pthread_attr_getstacksize(const pthread_attr_t *attr, size_t *size)
{
	(void)attr;
	*size = STACK / 2;
	return 0;
}
