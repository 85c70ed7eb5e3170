/* A process is killed while one of its threads commits, and in that moment it has a child, which does nothing: the token must
 * be free for others at once, though the child has every descriptor and mapping of its parent.
 * killed MODULE fork|_Fork|clone [ROUNDS] */
#include "../fork/common.h"

static CK_OBJECT_HANDLE make(CK_SESSION_HANDLE session)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_BYTE value[] = "value";
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, sizeof yes }, { CKA_PRIVATE, &yes, sizeof yes },
		{ CKA_VALUE, value, sizeof value },
	};
	CK_OBJECT_HANDLE object;

	MUST(C_CreateObject(session, template, sizeof template / sizeof *template, &object));
	return object;
}

static CK_SESSION_HANDLE log_in(const char *path)
{
	CK_SESSION_HANDLE session;

	load(path);
	initialize();
	MUST(C_OpenSession(find_slot(), CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
	MUST(C_Login(session, CKU_USER, user_pin, sizeof user_pin - 1));
	return session;
}

static void *writer(void *session)
{
	for (;;)
		MUST(C_DestroyObject((CK_SESSION_HANDLE)session, make((CK_SESSION_HANDLE)session)));
	return NULL;
}

static pid_t another(const char *how)
{
	pid_t (*fork_only)(void) = (pid_t (*)(void))dlsym(RTLD_DEFAULT, "_Fork");

	if (strcmp(how, "clone") == 0)
		return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (strcmp(how, "_Fork") == 0 && fork_only != NULL)
		return fork_only();
	return fork();
}

/* The process that is killed. Its child says who it is, and waits. */
static void host(const char *path, const char *how, int out)
{
	CK_SESSION_HANDLE session = log_in(path);
	pthread_t thread;
	pid_t me = getpid();

	start(&thread, writer, (void *)session);
	usleep(10000 + me % 7 * 3000);
	if (another(how) == 0) {
		pid_t child = syscall(SYS_getpid);

		kill(me, SIGKILL);
		if (write(out, &child, sizeof child) == sizeof child)
			for (;;)
				pause();
		_exit(1);
	}
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int rounds = argc > 3 ? atoi(argv[3]) : 8;

	for (int i = 0; i < rounds; i++) {
		int ends[2], status;
		pid_t child, pid, other;
		double began;

		if (pipe(ends) != 0)
			fault("pipe");
		pid = fork();
		if (pid == 0)
			host(argv[1], argv[2], ends[1]);
		if (read(ends[0], &child, sizeof child) != sizeof child)
			fault("there is no child");
		waitpid(pid, NULL, 0);
		began = now();
		other = fork();
		if (other == 0) {
			CK_SESSION_HANDLE session = log_in(argv[1]);

			MUST(C_DestroyObject(session, make(session)));
			MUST(C_Finalize(NULL));
			_exit(0);
		}
		while (waitpid(other, &status, WNOHANG) == 0 && now() - began < 20)
			usleep(1000);
		kill(child, SIGKILL);
		if (now() - began >= 20 || status != 0)
			fault("round %d: another process could not write: %x after %.1f s", i, status, now() - began);
		if (now() - began > 4)
			fault("round %d: another process waited %.1f s", i, now() - began);
		close(ends[0]);
		close(ends[1]);
	}
	return done();
}
