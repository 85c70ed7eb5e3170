/* A host in which the library cannot start, that forks at once and has its child start it, where there is room. The child has
 * nothing of the threads, and their lock, that were on their way out in the parent. */
#include "../fork/common.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
	struct rlimit before, narrow;
	CK_OBJECT_HANDLE key;

	if (argc < 2)
		return 2;
	load(argv[1]);
	getrlimit(RLIMIT_AS, &before);
	narrow = before;
	narrow.rlim_cur = 512 << 20;
	for (int i = 0; i < 6; i++) {
		pid_t pid;

		setrlimit(RLIMIT_AS, &narrow);
		EXPECT(CKR_HOST_MEMORY, C_Initialize(NULL));
		setrlimit(RLIMIT_AS, &before);
		pid = fork();
		if (pid == 0) {
			alarm(20);
			initialize();
			open_session(find_slot(), &key);
			_exit(0);
		}
		reap(pid);
	}
	initialize();
	open_session(find_slot(), &key);
	return done();
}
