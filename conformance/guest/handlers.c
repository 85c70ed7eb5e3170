/* A host whose handlers interrupt calls: by timers, of the processor's time and of the day's, from another thread, and without
 * SA_RESTART and SA_ONSTACK. "before" or "after" says whether they are installed before the library is loaded or when it is
 * in use, "again" has them installed anew all the time; a number says how many bytes of stack they use. With "own" the
 * host has a stack for handlers, of the least size that there is. A handler runs in the host's threads alone. */
#include "../fork/common.h"

#include <alloca.h>
#include <sys/time.h>

static int room;
static __thread int host; /* this is a thread of the host's */
static volatile int strangers, hits;

static void handler(int sig)
{
	volatile char *p = alloca(room);

	for (int i = 0; i < room; i += 64)
		p[i] = (char)sig;
	hits++;
	if (!host)
		strangers = sig;
}

static void install(void)
{
	struct sigaction action = { .sa_handler = handler };
	const int signals[] = { SIGPROF, SIGALRM, SIGUSR1, SIGCHLD, SIGRTMIN };

	if (room > 16 * 1024) /* one at a time */
		sigfillset(&action.sa_mask);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaction(signals[i], &action, NULL);
}

/* A new thread of the host's, which takes signals once it is known as that. */
static void begin_thread(void)
{
	sigset_t none;

	host = 1;
	sigemptyset(&none);
	pthread_sigmask(SIG_SETMASK, &none, NULL);
}

static void *kick(void *unused)
{
	begin_thread();
	while (!stop) {
		kill(getpid(), SIGUSR1);
		kill(getpid(), SIGCHLD);
		kill(getpid(), SIGRTMIN);
		for (double until = now() + 0.0005; now() < until;)
			sched_yield();
	}
	return unused;
}

static void make_pair(CK_SESSION_HANDLE session, CK_BBOOL kept)
{
	CK_BYTE p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	CK_ATTRIBUTE public[] = { { CKA_EC_PARAMS, p256, sizeof p256 }, { CKA_TOKEN, &kept, 1 } };
	CK_ATTRIBUTE private[] = { { CKA_TOKEN, &kept, 1 } };
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_OBJECT_HANDLE a, b;

	MUST(C_GenerateKeyPair(session, &mechanism, public, 2, private, 1, &a, &b));
	MUST(C_DestroyObject(session, a));
	MUST(C_DestroyObject(session, b));
}

static void *user(void *slot)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;

	begin_thread();
	session = open_session((CK_SLOT_ID)slot, &key);
	while (!stop)
		sign(session, key, 0);
	MUST(C_CloseSession(session));
	return NULL;
}

int main(int argc, char **argv)
{
	static char small[2048 + 6144];
	stack_t own = { .ss_sp = small, .ss_size = sizeof small };
	struct itimerval every = { { 0, 1000 }, { 0, 1000 } };
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session, writer;
	CK_SESSION_INFO info;
	sigset_t every_signal;
	pthread_t threads[2];

	if (argc < 4)
		return 2;
	host = 1;
	room = atoi(argv[3]);
	if (argc > 4)
		sigaltstack(&own, NULL);
	if (strcmp(argv[2], "before") == 0)
		install();
	session = begin(argv[1], &key);
	alarm(0);
	MUST(C_GetSessionInfo(session, &info));
	MUST(C_OpenSession(info.slotID, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &writer));
	if (strcmp(argv[2], "before") != 0)
		install();
	setitimer(ITIMER_PROF, &every, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	sigfillset(&every_signal);
	pthread_sigmask(SIG_SETMASK, &every_signal, NULL);
	start(&threads[0], kick, NULL);
	start(&threads[1], user, (void *)info.slotID);
	begin_thread();
	for (double until = now() + 0.7; now() < until;) {
		if (strcmp(argv[2], "again") == 0)
			install();
		make_pair(writer, hits % 8 == 0);
		for (int i = 0; i < 20; i++)
			sign(session, key, 0);
	}
	stop = 1;
	memset(&every, 0, sizeof every);
	setitimer(ITIMER_PROF, &every, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	if (strangers)
		fault("a handler of signal %d ran in a thread of the library", strangers);
	if (hits < 100)
		fault("%d signals", hits);
	MUST(C_Finalize(NULL));
	return done();
}
