/* Children that are forked while other threads of the parent are inside the loader, whose locks nobody gives back in the
 * child. C_Initialize works there, and at once.
 * fork_loader MODULE [CHILDREN] */
#include "common.h"

#include <link.h>

static int nothing(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info, (void)size, (void)data;
	return 0;
}

static void *iterating(void *unused)
{
	while (!stop)
		dl_iterate_phdr(nothing, NULL);
	return unused;
}

static int holding(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info, (void)size;
	pthread_barrier_wait(data); /* the lock is held */
	pthread_barrier_wait(data);
	return 1;
}

static void *holder(void *barrier)
{
	dl_iterate_phdr(holding, barrier);
	return NULL;
}

/* A child for which nothing could be prepared, as no handlers ran, and for which the loader does not answer: it is told so, and
 * ends as others do. */
static void unprepared(void)
{
	pthread_barrier_t barrier;
	pthread_t thread;
	pid_t pid;

	pthread_barrier_init(&barrier, NULL, 2);
	start(&thread, holder, &barrier);
	pthread_barrier_wait(&barrier);
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		double t = now();

		alarm(10);
		if (freopen("/dev/null", "w", stderr) == NULL)
			fault("freopen");
		EXPECT(CKR_LIBRARY_LOAD_FAILED, C_Initialize(NULL));
		if (now() - t > 3)
			fault("C_Initialize failed after %.1f s", now() - t);
		exit(0);
	}
	reap(pid);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void *opening(void *name)
{
	while (!stop) {
		void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);

		if (handle == NULL)
			fault("dlopen: %s", dlerror());
		dlclose(handle);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static char *libraries[] = { "libresolv.so.2", "libutil.so.1" };
	int children = argc > 2 ? atoi(argv[2]) : 40;
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	pthread_t thread[4];

	if (argc < 2)
		return 2;
	session = begin(argv[1], &key);
	unprepared();
	for (int i = 0; i < 2; i++) {
		start(&thread[i], opening, libraries[i]);
		start(&thread[2 + i], iterating, NULL);
	}
	for (int i = 0; i < children; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			double t = now();

			alarm(10);
			expect_uninitialized(session);
			initialize();
			if (now() - t > 3) /* one, and some more for a busy machine */
				fault("C_Initialize took %.1f s", now() - t);
			if (i % 8 == 0)
				sign(open_session(find_slot(), &key), key, 0);
			MUST(C_Finalize(NULL));
			_exit(0);
		}
		reap(pid);
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);

	sign(session, key, 0);
	return done();
}
