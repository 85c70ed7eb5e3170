/* A host that only loads the library has no thread and no handler more than before. Once it is in use, its threads have every
 * signal blocked but what faults, calls leave the host's own mask alone, also while they last, and what the host waits
 * for comes to the host. */
#include "../fork/common.h"

#include <dirent.h>
#include <poll.h>
#include <sys/signalfd.h>

static unsigned long faults; /* what the runtime may leave unblocked: SIGKILL and SIGSTOP cannot be blocked, two are libc's */

static unsigned long bit(int sig)
{
	return 1ul << (sig - 1);
}

static unsigned long blocked(const char *task)
{
	char path[300], line[300];
	unsigned long mask = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%s/status", task);
	f = fopen(path, "r");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		sscanf(line, "SigBlk: %lx", &mask);
	if (f != NULL)
		fclose(f);
	return mask;
}

/* Looks at all threads, and counts them. */
static int look(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0;

	while ((e = readdir(tasks)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		n++;
		if (atoi(e->d_name) != getpid() && (blocked(e->d_name) | faults) != ~0ul)
			fault("a thread of the library does not block %lx", ~(blocked(e->d_name) | faults));
	}
	closedir(tasks);
	return n;
}

static void handlers(unsigned long *caught)
{
	char line[300];
	FILE *f = fopen("/proc/self/status", "r");

	*caught = 0;
	while (fgets(line, sizeof line, f) != NULL)
		sscanf(line, "SigCgt: %lx", caught);
	fclose(f);
}

/* A thread that blocks some signals and makes long calls. */
static char task[32];
static unsigned long held;

static void *caller(void *slot)
{
	CK_BYTE exponent[] = { 1, 0, 1 };
	CK_ULONG bits = 2048;
	CK_ATTRIBUTE template[] = { { CKA_MODULUS_BITS, &bits, sizeof bits }, { CKA_PUBLIC_EXPONENT, exponent, sizeof exponent } };
	CK_MECHANISM mechanism = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_OBJECT_HANDLE key, other;
	CK_SESSION_HANDLE session;
	sigset_t mask;

	sigemptyset(&mask);
	for (int sig = 1; sig < 64; sig++)
		if (held & bit(sig))
			sigaddset(&mask, sig);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	session = open_session((CK_SLOT_ID)slot, &key);
	snprintf(task, sizeof task, "%d", (int)syscall(SYS_gettid));
	while (!stop)
		MUST(C_GenerateKeyPair(session, &mechanism, template, 2, NULL, 0, &key, &other));
	return NULL;
}

static void watch_caller(CK_SLOT_ID slot)
{
	pthread_t thread;

	held = bit(SIGCHLD) | bit(SIGPROF) | bit(SIGUSR1) | bit(SIGRTMIN) | bit(SIGSTKFLT);
	start(&thread, caller, (void *)slot);
	for (double until = now() + 0.4; now() < until; usleep(500))
		if (task[0] != 0 && (blocked(task) & held) != held)
			fault("a call unblocks %lx in the host's thread", held & ~blocked(task));
	stop = 1;
	pthread_join(thread, NULL);
}

static void await(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	const int signals[] = { SIGHUP, SIGTERM, SIGCHLD, SIGUSR1, SIGALRM, SIGPROF, SIGQUIT, SIGPIPE, SIGURG, SIGRTMIN, SIGRTMIN + 1 };
	const struct timespec second = { 1, 0 };
	sigset_t mask;
	int fd;

	alarm(0);
	sigfillset(&mask);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	for (int i = 0; i < 30; i++)
		for (size_t j = 0; j < sizeof signals / sizeof *signals; j++) {
			sign(session, key, 0);
			kill(getpid(), signals[j]);
			if (i % 2 == 0) {
				if (sigtimedwait(&mask, NULL, &second) != signals[j])
					fault("sigtimedwait misses signal %d", signals[j]);
			} else {
				struct pollfd ready = { fd, POLLIN, 0 };
				struct signalfd_siginfo info;

				if (poll(&ready, 1, 1000) != 1 || read(fd, &info, sizeof info) != sizeof info || (int)info.ssi_signo != signals[j])
					fault("signalfd misses signal %d", signals[j]);
			}
		}
	close(fd);
}

int main(int argc, char **argv)
{
	const int left[] = { SIGKILL, SIGSTOP, SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, 32, 33 };
	unsigned long before, after;
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;

	if (argc < 2)
		return 2;
	for (size_t i = 0; i < sizeof left / sizeof *left; i++)
		faults |= bit(left[i]);
	handlers(&before);
	load(argv[1]);
	handlers(&after);
	if (look() != 1 || before != after)
		fault("%d threads, and handlers of %lx, by loading the library", look(), after & ~before);
	session = begin(argv[1], &key);
	handlers(&after);
	if (after & ~before & ~(bit(SIGSEGV) | bit(SIGBUS) | bit(SIGFPE) | bit(32) | bit(33)))
		fault("handlers of %lx", after & ~before);
	MUST(C_GetSessionInfo(session, &info));
	watch_caller(info.slotID);
	look();
	await(session, key);
	look();
	return done();
}
