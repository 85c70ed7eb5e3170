/* A host that does what it must not: a handler that interrupts a call "calls", "jumps" out of it, or "starts" the library while it
 * starts. The thread gets an error from what it calls then, and the process goes on. */
#include "../fork/common.h"

#include <setjmp.h>

static sigjmp_buf place;
static volatile sig_atomic_t inside, done_within;
static volatile CK_RV answer;
static int jumps;

static void handler(int sig)
{
	CK_INFO info;

	(void)sig;
	if (!inside)
		return;
	if (jumps)
		siglongjmp(place, 1);
	answer = p11->C_GetInfo(&info);
	done_within = 1;
}

static void *kick(void *thread)
{
	while (!stop) {
		if (inside)
			pthread_kill(*(pthread_t *)thread, SIGUSR1);
		usleep(1000);
	}
	return NULL;
}

static CK_RV generate(CK_SESSION_HANDLE session)
{
	CK_ULONG bits = 2048;
	CK_ATTRIBUTE template[] = { { CKA_MODULUS_BITS, &bits, sizeof bits } };
	CK_MECHANISM mechanism = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	CK_OBJECT_HANDLE a, b;
	CK_RV rv;

	inside = 1;
	rv = p11->C_GenerateKeyPair(session, &mechanism, template, 1, NULL, 0, &a, &b);
	inside = 0;
	return rv;
}

static void *other(void *session)
{
	MUST(C_CloseSession((CK_SESSION_HANDLE)session));
	return NULL;
}

static void *leaver(void *session)
{
	CK_SESSION_INFO info;

	if (sigsetjmp(place, 1) == 0) {
		generate((CK_SESSION_HANDLE)session);
		fault("it was not interrupted");
	}
	inside = 0;
	EXPECT(CKR_FUNCTION_FAILED, C_GetSessionInfo((CK_SESSION_HANDLE)session, &info));
	return NULL; /* and the thread can end */
}

static void starter(int sig)
{
	CK_RV rv;

	(void)sig;
	if (!inside)
		return;
	rv = p11->C_Initialize(NULL);
	if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED)
		expect(rv, CKR_FUNCTION_FAILED, "C_Initialize of the handler's");
}

/* In children, each of which starts the library. */
static void starts(void)
{
	struct sigaction action = { .sa_handler = starter };
	pthread_t kicker, self = pthread_self();
	CK_INFO info;

	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			CK_RV rv;

			alarm(20);
			start(&kicker, kick, &self);
			inside = 1;
			rv = p11->C_Initialize(NULL);
			inside = 0;
			if (rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) /* by a handler that came before */
				must(rv, "C_Initialize");
			MUST(C_GetInfo(&info));
			_exit(0);
		}
		reap(pid);
	}
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = handler };
	CK_SESSION_HANDLE session, second;
	pthread_t kicker, self = pthread_self(), thread;
	CK_OBJECT_HANDLE key;
	CK_SESSION_INFO info;

	if (argc < 3)
		return 2;
	if (strcmp(argv[2], "starts") == 0) {
		load(argv[1]);
		starts();
		return done();
	}
	jumps = strcmp(argv[2], "jumps") == 0;
	session = begin(argv[1], &key);
	MUST(C_GetSessionInfo(session, &info));
	second = open_session(info.slotID, &key);
	sigaction(SIGUSR1, &action, NULL);
	if (jumps) {
		start(&thread, leaver, (void *)session);
		start(&kicker, kick, &thread);
		pthread_join(thread, NULL);
	} else {
		start(&kicker, kick, &self);
		while (!done_within)
			must(generate(session), "C_GenerateKeyPair");
		expect(answer, CKR_FUNCTION_FAILED, "a call of the handler's");
		sign(second, key, 0);
		start(&thread, other, (void *)second);
		pthread_join(thread, NULL);
	}
	stop = 1;
	pthread_join(kicker, NULL);
	return done();
}
