/* A host whose signal handler forks, as those that report crashes do, while its threads are inside the library.
 * fork_signal MODULE */
#include "common.h"

#include <sys/time.h>

static volatile sig_atomic_t forks;

static void forking(int sig)
{
	int kept = errno, status;
	pid_t pid = fork();

	(void)sig;
	if (pid == 0) {
		char deep[16384]; /* the stack is there, and so is room on it */

		memset(deep, forks, sizeof deep);
		execl("/bin/true", "true", (char *)NULL);
		_exit(deep[100]);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			_exit(3);
	if (pid > 0 && status != 0) {
		static const char text[] = "a child of a signal handler did not end well\n";

		_exit(write(STDOUT_FILENO, text, sizeof text - 1) > 0 ? 4 : 5);
	}
	forks++;
	errno = kept;
}

int main(int argc, char **argv)
{
	struct itimerval every = { { 0, 5000 }, { 0, 5000 } }, never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action;
	pthread_t thread[2];
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slot;
	double t;

	if (argc < 2)
		return 2;
	memset(&action, 0, sizeof action);
	action.sa_handler = forking;
	action.sa_flags = SA_RESTART;
	sigaction(SIGVTALRM, &action, NULL);
	session = begin(argv[1], &key);
	slot = find_slot();
	for (int i = 0; i < 2; i++)
		start(&thread[i], signer, (void *)slot);
	setitimer(ITIMER_VIRTUAL, &every, NULL);
	for (t = now(); forks < 50 && now() - t < 20;)
		sign(session, key, 0);
	setitimer(ITIMER_VIRTUAL, &never, NULL);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	if (forks < 10)
		fault("%d forks", (int)forks);
	sign(session, key, 0);
	return done();
}
