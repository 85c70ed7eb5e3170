/* A host whose standard error is a pipe that nobody reads: WHAT is "closed", where the reader is gone, or "full". What the library
 * says there, in C and in Go, before it starts and later, neither ends the host, which has SIGPIPE as it is by default, nor
 * holds it; and a signal that the host has blocked is not left behind for it. */
#include "../fork/common.h"

#include <sys/resource.h>

static void spoil(const char *what)
{
	static const char room[4096];
	int ends[2];

	if (pipe(ends) != 0)
		fault("pipe");
	if (strcmp(what, "closed") == 0) {
		close(ends[0]);
	} else {
		fcntl(ends[1], F_SETFL, O_NONBLOCK);
		while (write(ends[1], room, sizeof room) > 0)
			;
		fcntl(ends[1], F_SETFL, 0);
	}
	dup2(ends[1], STDERR_FILENO);
}

static void expect_nothing_pending(void)
{
	sigset_t pending;

	sigpending(&pending);
	if (sigismember(&pending, SIGPIPE))
		fault("SIGPIPE is pending");
}

int main(int argc, char **argv)
{
	struct rlimit before, narrow;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	sigset_t every;

	if (argc < 3)
		return 2;
	spoil(argv[2]);
	setenv("SOFTCSP_LOG", "debug", 1);
	load(argv[1]);
	alarm(20);
	getrlimit(RLIMIT_AS, &before);
	narrow = before;
	narrow.rlim_cur = 512 << 20;
	setrlimit(RLIMIT_AS, &narrow);
	EXPECT(CKR_HOST_MEMORY, C_Initialize(NULL)); /* C says why */
	setrlimit(RLIMIT_AS, &before);
	setenv("SOFTCSP_CONF", "/nonexistent/softcsp.toml", 1);
	if (p11->C_Initialize(NULL) == CKR_OK) /* Go says why */
		fault("a configuration that is not there is taken");
	setenv("SOFTCSP_CONF", "", 1);
	initialize();
	session = open_session(find_slot(), &key);
	sign(session, key, 1);
	sigfillset(&every);
	sigprocmask(SIG_BLOCK, &every, NULL);
	sign(session, key, 0);
	expect_nothing_pending();
	MUST(C_Finalize(NULL));
	return done();
}
