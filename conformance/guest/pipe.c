/* A host without SIGPIPE, whose standard error nobody reads any more, gets no signal by what the library logs; and a host that
 * takes the signal's default action still has it. */
#include "../fork/common.h"

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE key;
	int ends[2], status;
	pid_t pid;

	if (argc < 2 || pipe(ends) != 0)
		return 2;
	close(ends[0]);
	dup2(ends[1], STDERR_FILENO);
	signal(SIGPIPE, SIG_IGN);
	setenv("SOFTCSP_LOG", "debug", 1);
	begin(argv[1], &key);
	signal(SIGPIPE, SIG_DFL);
	pid = fork();
	if (pid == 0) {
		if (write(ends[1], "x", 1) != 1)
			_exit(3);
		_exit(4);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGPIPE)
		fault("a write to a pipe that nobody reads ends with %x", status);
	return done();
}
