/* Threads in children: several that call C_Initialize at once, a fork from a thread that then ends, forks that run no
 * handlers, forks from several threads at once.
 * fork_threads MODULE */
#include "common.h"

#define THREADS 8

static CK_SESSION_HANDLE parents;
static pthread_barrier_t barrier;

/* Calls C_Initialize with all others; one wins. */
static void *race(void *won)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_RV rv;

	pthread_barrier_wait(&barrier);
	rv = p11->C_Initialize(&args);
	if (rv == CKR_OK)
		__atomic_add_fetch((int *)won, 1, __ATOMIC_SEQ_CST);
	else
		expect(rv, CKR_CRYPTOKI_ALREADY_INITIALIZED, "C_Initialize");
	pthread_barrier_wait(&barrier);
	session = open_session(find_slot(), &key);
	for (int i = 0; i < 20; i++)
		sign(session, key, 0);
	return NULL;
}

static void race_child(void)
{
	pthread_t thread[THREADS];

	for (int round = 0; round < 3; round++) {
		int won = 0;

		pthread_barrier_init(&barrier, NULL, THREADS);
		for (int i = 0; i < THREADS; i++)
			start(&thread[i], race, &won);
		for (int i = 0; i < THREADS; i++)
			pthread_join(thread[i], NULL);
		if (won != 1)
			fault("%d threads initialised", won);
		MUST(C_Finalize(NULL));
	}
}

/* Forks, while others are inside, from a thread that has been inside the library; the child's only thread returns from its function. */
static void *ending(void *unused)
{
	CK_SESSION_INFO info;
	pid_t pid;

	(void)unused;
	MUST(C_GetSessionInfo(parents, &info));
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE);
		return NULL; /* the last thread ends: the process exits with 0 */
	}
	reap(pid);
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE);
		expect_uninitialized(parents);
		live(3);
		_exit(0); /* the copy's own threads would keep the process */
	}
	reap(pid);
	return NULL;
}

static void *forking(void *unused)
{
	(void)unused;
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(PATIENCE);
			expect_uninitialized(parents);
			live(3);
			_exit(0);
		}
		reap(pid);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[THREADS];
	CK_OBJECT_HANDLE key;
	pid_t pid;

	if (argc < 2)
		return 2;
	parents = begin(argv[1], &key);
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE);
		expect_uninitialized(parents);
		race_child();
		_exit(0);
	}
	reap(pid);
	for (int i = 0; i < 4; i++)
		start(&thread[i], signer, (void *)find_slot());
	for (int i = 0; i < 20; i++) {
		start(&thread[4], ending, NULL);
		pthread_join(thread[4], NULL);
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL); /* a fork that libc does not see */
	if (pid == 0) {
		expect_uninitialized(parents);
		_exit(0);
	}
	reap(pid);
	pid = vfork(); /* a child that is its parent until it execs */
	if (pid == 0)
		execl("/bin/true", "true", (char *)NULL);
	reap(pid);
	sign(parents, key, 0);
	if (system("true") != 0)
		fault("system");
	for (int i = 0; i < 4; i++)
		start(&thread[i], forking, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	sign(parents, key, 0);
	return done();
}
