/* A Go runtime does not survive fork(): in the child only the forking thread exists. PKCS#11 has the child call
 * C_Initialize anew (section 5.4 of version 3.1), and this is the cure: the child goes on with a fresh copy of the library,
 * whose runtime sleeps until then (runtime.c). The functions of this image, to which the host has pointers, forward to
 * those of the copy.
 *
 * How a child is known: the words that say "this process started this image" lie on a page that the kernel wipes in every
 * child (MADV_WIPEONFORK), even where clone() is called directly. Where there is no such kernel, pthread_atfork and
 * C_Initialize do it. With the flag go the lock, which another thread may have held, and the copy that the parent
 * forwarded to. A vforked child shares the page and is its parent.
 *
 * Where the copy comes from: the first fork after C_Initialize loads a spare, which stays asleep in the parent, and which each
 * of its children wakes for itself. So a child needs nothing of the loader, whose locks may have been held by a
 * thread that is not there any more, nor a descriptor, nor a file; and it shares with its siblings what it does not
 * write. A child without a spare (clone() runs no handlers) loads a copy itself, if the loader's locks can be had. A child
 * of a parent that started no runtime needs no copy: it starts this image.
 */
#define _GNU_SOURCE
#include "fork.h"

#include "copy.h"
#include "handlers.h"
#include "runtime.h"
#include "say.h"
#include "threads.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct softcsp_process softcsp_process;

/* What outlives a fork. */
static int wiped;                             /* the kernel wipes softcsp_process */
static int started;                           /* some process started this image: all others are its children */
static const struct softcsp_image *spare;     /* a copy that sleeps, for children */
static int barren;                            /* none could be loaded: each child is to try for itself */
static const struct softcsp_image *successor; /* the copy that a child took, for the child's own children */

/* This thread has the lock, or is about to: a handler that interrupts it must not wait for it. */
static __thread char busy __attribute__((tls_model("initial-exec")));

static void lock(void)
{
	pthread_mutex_lock(&softcsp_process.lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&softcsp_process.lock);
}

/* Wipes the page where the kernel does not. A child's handlers run in the order in which they were registered, and one of
 * the host's may have called C_Initialize before ours runs: what was wiped in this process is not wiped again. */
static void settle(void)
{
	if (wiped || softcsp_process.pid == getpid())
		return;
	memset(&softcsp_process, 0, sizeof softcsp_process);
	softcsp_process.pid = getpid();
}

/* Meets a copy and tells it where it comes from. */
static const struct softcsp_image *image_of(void *handle)
{
	CK_C_GetInterface get = (CK_C_GetInterface)dlsym(handle, "C_GetInterface");
	CK_UTF8CHAR name[] = SOFTCSP_IMAGE;
	CK_INTERFACE *interface;
	const struct softcsp_image *image;

	if (get == NULL || get(name, NULL, &interface, 0) != CKR_OK)
		return NULL;
	image = interface->pFunctionList;
	image->adopt(softcsp_path());
	return image;
}

static int seen(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info, (void)size, (void)data;
	return 1;
}

static void say(const char *why)
{
	softcsp_say("cannot load a copy of %s in a forked process: %s", softcsp_path(), why);
}

/* What the thread does that loads a spare. */
enum { NOT, ASKING, COPYING };

static void set_loading(int what)
{
	lock();
	softcsp_process.loading = what;
	pthread_cond_broadcast(&softcsp_process.loaded);
	unlock();
}

/* Loads a spare. The first look at the loader takes the lock that a fork leaves held, and no other: who waits for that one
 * for ever does not have the lock that exit() needs. */
static void *loader(void *unused)
{
	const struct softcsp_image *image = NULL;
	const char *why = "";
	void *handle;

	dl_iterate_phdr(seen, NULL);
	set_loading(COPYING);
	handle = softcsp_load_copy(&why);
	if (handle != NULL)
		image = image_of(handle);
	if (image != NULL)
		softcsp_forget_file();
	else if (softcsp_absent())
		say(why);
	barren = image == NULL;
	__atomic_store_n(&spare, image, __ATOMIC_RELEASE);
	set_loading(NOT);
	return unused;
}

/* Waits a tenth of a second, or until the loading has ended. The caller holds the lock. */
static void wait_a_little(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 100 * 1000 * 1000;
	if (until.tv_nsec >= 1000 * 1000 * 1000) {
		until.tv_nsec -= 1000 * 1000 * 1000;
		until.tv_sec++;
	}
	while (softcsp_process.loading != NOT)
		if (pthread_cond_timedwait(&softcsp_process.loaded, &softcsp_process.lock, &until) != 0)
			break;
}

/* Has a spare loaded, by a thread of its own, and waits, for a while: who holds the loader's locks may wait for this thread,
 * and in a child may be no more. So the loader has to answer within a second. What it does then takes its time in a
 * child, which has nothing without it; a parent's fork is not kept for long, and that once. The caller holds the lock. */
static void load_spare(void)
{
	static int gave_up;
	int child = softcsp_absent();

	if (softcsp_process.loading == NOT) {
		if (softcsp_create_thread(loader) != 0) {
			if (child)
				say("no thread can be created");
			return;
		}
		softcsp_process.loading = ASKING;
	} else if (gave_up && !child) {
		return;
	}
	for (int tenths = 0; softcsp_process.loading != NOT; tenths++) {
		if (tenths >= (softcsp_process.loading == ASKING ? 9 : child ? 300 : 20)) {
			gave_up = 1;
			if (child)
				say("the loader does not answer");
			return;
		}
		wait_a_little();
	}
}

void softcsp_prepare(void)
{
	int cancellable;

	if (softcsp_absent()) {
		if (softcsp_fresh() != NULL)
			softcsp_fresh()->prepare();
		return;
	}
	if (__atomic_load_n(&spare, __ATOMIC_ACQUIRE) != NULL || barren || busy)
		return;
	busy = 1;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
	lock();
	if (spare == NULL)
		load_spare();
	unlock();
	pthread_setcancelstate(cancellable, NULL);
	busy = 0;
}

void softcsp_child(void)
{
	busy = 0;
	if (successor != NULL)
		successor->child();
	settle();
	if (softcsp_absent())
		softcsp_restore_handlers();
}

void softcsp_watch_forks(void)
{
	wiped = sysconf(_SC_PAGESIZE) == sizeof softcsp_process &&
		madvise(&softcsp_process, sizeof softcsp_process, MADV_WIPEONFORK) == 0;
	softcsp_process.pid = getpid();
	if (!softcsp_is_copy()) /* whose handlers the library calls that it is a copy of */
		pthread_atfork(softcsp_prepare, NULL, softcsp_child);
}

void softcsp_adopt(const char *path)
{
	softcsp_set_path(path);
}

/* Starts this image, unless another process did: then it is dead here. The caller holds the lock. */
static const struct softcsp_image *start(CK_RV *why)
{
	started = 1; /* from here on a child may have half a runtime */
	*why = softcsp_start_runtime();
	if (*why != CKR_OK) {
		started = 0;
		return NULL;
	}
	__atomic_store_n(&softcsp_process.here, 1, __ATOMIC_RELEASE);
	return &softcsp_image;
}

/* Finds the image for this process: in a grandchild that of the child's copy, which is as dead there as this one. */
static const struct softcsp_image *find(CK_RV *why)
{
	if (successor == NULL) {
		if (spare == NULL)
			load_spare();
		successor = spare;
	}
	return successor != NULL ? successor->load(why) : NULL;
}

const struct softcsp_image *softcsp_load(CK_RV *why)
{
	const struct softcsp_image *image;
	int cancellable;

	*why = CKR_LIBRARY_LOAD_FAILED;
	settle();
	if (!softcsp_absent())
		return &softcsp_image;
	if (busy) {
		*why = CKR_FUNCTION_FAILED;
		return NULL;
	}
	busy = 1;
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable); /* what waits and opens files is a place to cancel at */
	lock();
	image = softcsp_process.fresh;
	if (!softcsp_absent()) {
		image = &softcsp_image;
	} else if (image == NULL && !started) {
		image = start(why);
	} else if (image == NULL) {
		softcsp_restore_handlers(); /* a handler of the host's may be here before ours, or none have run */
		image = find(why);
		__atomic_store_n(&softcsp_process.fresh, image, __ATOMIC_RELEASE);
	}
	unlock();
	pthread_setcancelstate(cancellable, NULL);
	busy = 0;
	return image;
}
