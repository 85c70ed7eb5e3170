/* Children, forked one after another and many at a time, while threads of the parent sign.
 * fork_basic MODULE [CHILDREN [THREADS]] */
#include "common.h"

#define AT_ONCE 8

int main(int argc, char **argv)
{
	int children = argc > 2 ? atoi(argv[2]) : 100, threads = argc > 3 ? atoi(argv[3]) : 2;
	pthread_t thread[64];
	pid_t pids[AT_ONCE] = { 0 };
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slot;

	if (argc < 2 || threads > 64)
		return 2;
	session = begin(argv[1], &key);
	slot = find_slot();
	for (int i = 0; i < threads; i++)
		start(&thread[i], signer, (void *)slot);
	for (int i = 0; i < children + AT_ONCE; i++) {
		pid_t *pid = &pids[i % AT_ONCE];

		if (*pid != 0)
			reap(*pid);
		*pid = 0;
		if (i >= children)
			continue;
		*pid = fork();
		if (*pid == 0) {
			alarm(PATIENCE);
			expect_uninitialized(session);
			live(20);
			live(1); /* and again after C_Finalize */
			_exit(0);
		}
	}
	stop = 1;
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	sign(session, key, 0); /* the parent is as it was */
	MUST(C_Finalize(NULL));
	return done();
}
