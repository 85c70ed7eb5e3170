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
			if (now() - t > 1)
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
