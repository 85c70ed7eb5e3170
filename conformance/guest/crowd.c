/* A host with many threads at once, each with a timer of its own, whose handler wants room; and one whose "children" come about in every
 * way that the system knows, while work is under way that C_AsyncComplete has not taken. */
#include "../fork/common.h"

#include <linux/sched.h>
#include <spawn.h>

#define THREADS 100

static CK_SLOT_ID slot;

static void handler(int sig)
{
	volatile char room[16384];

	for (size_t i = 0; i < sizeof room; i += 1024)
		room[i] = (char)sig;
}

/* Interrupts this thread alone, every half of a millisecond of its life. */
static timer_t interrupt(void)
{
	const struct itimerspec often = { { 0, 500000 }, { 0, 500000 } };
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 1 };
	timer_t timer;

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &often, NULL) != 0)
		fault("a timer: %s", strerror(errno));
	return timer;
}

static void *one_of_many(void *unused)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	timer_t timer = interrupt();

	session = open_session(slot, &key);
	for (int i = 0; i < 10; i++)
		sign(session, key, 0);
	EXPECT(CKR_ARGUMENTS_BAD, C_GenerateRandom(session, (CK_BYTE_PTR)4096, 8192));
	MUST(C_CloseSession(session));
	timer_delete(timer);
	return unused;
}

static void crowd(void)
{
	struct sigaction action = { .sa_handler = handler };
	pthread_t threads[THREADS];

	sigaction(SIGRTMIN + 1, &action, NULL);
	for (int i = 0; i < THREADS; i++)
		start(&threads[i], one_of_many, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static CK_RV generate(CK_SESSION_HANDLE session)
{
	CK_ULONG bits = 2048;
	CK_ATTRIBUTE template[] = { { CKA_MODULUS_BITS, &bits, sizeof bits } };
	CK_MECHANISM mechanism = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_OBJECT_HANDLE a, b;

	return p11->C_GenerateKeyPair(session, &mechanism, template, 1, NULL, 0, &a, &b);
}

static void child(CK_SESSION_HANDLE session)
{
	alarm(30);
	expect_uninitialized(session);
	live(1);
	_exit(0);
}

/* A child by clone3, of which libc knows nothing. */
static void cloned(CK_SESSION_HANDLE session, unsigned long long flags)
{
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		child(session);
	if (pid > 0 || errno != ENOSYS)
		reap(pid);
}

static void children(CK_SESSION_HANDLE session)
{
	char *argv[] = { "true", NULL }, *envp[] = { NULL };
	posix_spawn_file_actions_t actions;
	CK_SESSION_HANDLE pending[4];
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		MUST(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_ASYNC_SESSION, NULL, NULL, &pending[i]));
		expect(generate(pending[i]), CKR_PENDING, "C_GenerateKeyPair");
	}
	pid = fork();
	if (pid == 0)
		child(pending[0]);
	reap(pid);
	cloned(session, 0);
	cloned(session, CLONE_FILES | CLONE_FS);
	pid = vfork();
	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	reap(pid);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, 0);
	if (posix_spawn(&pid, "/bin/true", &actions, NULL, argv, envp) != 0)
		fault("posix_spawn");
	reap(pid);
	posix_spawn_file_actions_destroy(&actions);
	for (int i = 0; i < 4; i++)
		MUST(C_CloseSession(pending[i]));
}

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;

	if (argc < 2)
		return 2;
	session = begin(argv[1], &key);
	MUST(C_GetSessionInfo(session, &info));
	slot = info.slotID;
	if (argc > 2)
		children(session);
	else
		crowd();
	sign(session, key, 0);
	MUST(C_Finalize(NULL));
	return done();
}
