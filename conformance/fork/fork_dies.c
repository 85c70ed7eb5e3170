/* What signals do to a forked child, before and after its C_Initialize: what they did without the library.
 * fork_dies MODULE */
#include "common.h"

static int handled[] = { SIGSEGV, SIGBUS, SIGFPE, SIGPIPE, SIGUSR1, SIGTERM };

static void handler(int sig)
{
	_exit(100 + sig);
}

/* Sends itself a signal, as the hardware and the kernel do where they can. */
static void hit(int sig)
{
	volatile int *nowhere = NULL;
	int ends[2];

	switch (sig) {
	case SIGSEGV:
		*nowhere = 1;
		break;
	case SIGPIPE:
		if (pipe(ends) != 0)
			fault("pipe");
		close(ends[0]);
		if (write(ends[1], "x", 1) == 1)
			fault("write");
		break;
	default:
		kill(getpid(), sig);
	}
	for (int i = 0; i < 100; i++)
		usleep(10000);
}

static void expect_end(int sig, int initialized, int caught)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(PATIENCE);
		if (initialized)
			initialize();
		hit(sig);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		fault("waitpid");
	if (caught ? !WIFEXITED(status) || WEXITSTATUS(status) != 100 + sig : !WIFSIGNALED(status) || WTERMSIG(status) != sig)
		fault("signal %d, %s, %s: status %#x", sig, initialized ? "initialised" : "not initialised", caught ? "handled" : "default", status);
}

static void host(const char *path, int caught)
{
	struct sigaction action;
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;

	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	for (size_t i = 0; caught && i < sizeof handled / sizeof *handled; i++)
		sigaction(handled[i], &action, NULL);
	session = begin(path, &key);
	for (int initialized = 0; initialized < 2; initialized++)
		for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
			expect_end(handled[i], initialized, caught);
	sign(session, key, 0);
	done();
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	for (int caught = 0; caught < 2; caught++) {
		pid_t pid = fork();

		if (pid == 0) {
			host(argv[1], caught);
			_exit(0);
		}
		reap(pid);
	}
	return 0;
}
