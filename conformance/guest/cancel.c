/* A host that cancels its threads: while they start the library, fork, or make calls. Where a thread is cancelled it leaves nothing
 * locked. Destructors of its values, which run then, may call. */
#include "../fork/common.h"

static CK_SLOT_ID slot;
static pthread_key_t value;

static void *cancelled_start(void *unused)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

	pthread_cancel(pthread_self());
	p11->C_Initialize(&args);
	pthread_testcancel();
	fault("it was not cancelled");
	return unused;
}

static void *cancelled_fork(void *unused)
{
	pid_t pid;

	pthread_cancel(pthread_self());
	pid = fork();
	if (pid == 0)
		_exit(0);
	pthread_testcancel();
	return unused;
}

static void *worker(void *unused)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session = open_session(slot, &key);

	pthread_setspecific(value, &value);
	for (;;) {
		sign(session, key, 0);
		pthread_testcancel();
	}
	return unused;
}

/* Runs at the end of a thread, and again after others have. */
static void late(void *p)
{
	static __thread int times;
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session = open_session(slot, &key);

	sign(session, key, 0);
	MUST(C_CloseSession(session));
	if (times++ < 2)
		pthread_setspecific(value, p);
}

static void run(void *(*f)(void *))
{
	pthread_t thread;

	start(&thread, f, NULL);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	pthread_t threads[4];
	CK_INFO info;
	pid_t pid;

	if (argc < 2)
		return 2;
	load(argv[1]);
	run(cancelled_start);
	EXPECT(CKR_CRYPTOKI_ALREADY_INITIALIZED, C_Initialize(NULL));
	slot = find_slot();
	session = open_session(slot, &key);
	sign(session, key, 1);
	run(cancelled_fork);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		run(cancelled_start);
		MUST(C_GetInfo(&info));
		_exit(0);
	}
	reap(pid);
	pthread_key_create(&value, late);
	for (int i = 0; i < 10; i++) {
		for (int j = 0; j < 4; j++)
			start(&threads[j], worker, NULL);
		usleep(i * 300);
		for (int j = 0; j < 4; j++)
			pthread_cancel(threads[j]);
		for (int j = 0; j < 4; j++)
			pthread_join(threads[j], NULL);
	}
	sign(session, key, 0);
	MUST(C_Finalize(NULL));
	return done();
}
