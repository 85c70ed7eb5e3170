/* Descriptors and time: many forks and many cycles of C_Initialize and C_Finalize leave no descriptor open, and a child's
 * C_Initialize is quick.
 * fork_leaks MODULE */
#include "common.h"

static void cycles(int n)
{
	int before;

	live(1);
	before = descriptors();
	for (int i = 0; i < n; i++)
		live(1);
	if (descriptors() != before)
		fault("%d descriptors after %d cycles, %d before", descriptors(), n, before);
}

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	int before, inherited;
	double t, worst = 0;
	pid_t pid;

	if (argc < 2)
		return 2;
	session = begin(argv[1], &key);
	reap((pid = fork()) == 0 ? (_exit(0), 0) : pid);
	before = descriptors();
	for (int i = 0; i < 40; i++) {
		t = now();
		pid = fork();
		if (pid == 0) {
			inherited = descriptors();
			initialize();
			if (now() - t > 5)
				fault("C_Initialize of a child took %.1f s", now() - t);
			MUST(C_Finalize(NULL));
			if (descriptors() > inherited + 8) /* a runtime has a few of its own */
				fault("%d descriptors in a child that inherited %d", descriptors(), inherited);
			cycles(5);
			_exit(0);
		}
		reap(pid);
		if (now() - t > worst)
			worst = now() - t;
	}
	if (descriptors() != before)
		fault("%d descriptors after forks, %d before", descriptors(), before);
	sign(session, key, 0);
	MUST(C_Finalize(NULL));
	cycles(20);
	return done();
}
