/* Children of children, with threads inside the library at every fork; some generations fork before C_Initialize, some
 * after C_Finalize.
 * fork_nested MODULE [DEPTH [THREADS]] */
#include "common.h"

static int threads = 4;

static void generation(int depth, CK_SESSION_HANDLE parents)
{
	pthread_t thread[64];
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slot;
	pid_t pid;

	alarm(PATIENCE);
	expect_uninitialized(parents);
	pid = fork(); /* a child of an image that is dead here */
	if (pid == 0) {
		expect_uninitialized(parents);
		live(3);
		_exit(0);
	}
	reap(pid);
	initialize();
	slot = find_slot();
	session = open_session(slot, &key);
	stop = 0;
	for (int i = 0; i < threads; i++)
		start(&thread[i], signer, (void *)slot);
	for (int i = 0; depth > 0 && i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			generation(depth - 1, session);
			_exit(0);
		}
		reap(pid);
	}
	stop = 1;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	sign(session, key, 0);
	MUST(C_Finalize(NULL));
	pid = fork(); /* a child of an image that was finalised */
	if (pid == 0) {
		expect_uninitialized(session);
		live(3);
		_exit(0);
	}
	reap(pid);
	live(1);
}

int main(int argc, char **argv)
{
	int depth = argc > 2 ? atoi(argv[2]) : 3;
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	pid_t pid;

	if (argc < 2)
		return 2;
	if (argc > 3)
		threads = atoi(argv[3]);
	session = begin(argv[1], &key);
	pid = fork();
	if (pid == 0) {
		generation(depth - 1, session);
		_exit(0);
	}
	reap(pid);
	sign(session, key, 0);
	return done();
}
