/* exit() and C_Finalize while other threads are inside, in a process and in its child.
 * fork_exit MODULE */
#include "common.h"

static int inside;

/* Signs until the library is gone. */
static void *relentless(void *slot)
{
	CK_MECHANISM mechanism = { CKM_SHA256_HMAC, NULL, 0 };
	CK_BYTE data[] = "data", signature[32];
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session = open_session((CK_SLOT_ID)slot, &key);

	__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		CK_ULONG n = sizeof signature;
		CK_RV rv = p11->C_SignInit(session, &mechanism, key);

		if (rv == CKR_OK)
			rv = p11->C_Sign(session, data, sizeof data, signature, &n);
		if (rv == CKR_CRYPTOKI_NOT_INITIALIZED || rv == CKR_SESSION_HANDLE_INVALID)
			return NULL;
		must(rv, "signing");
	}
}

static void leave(CK_SLOT_ID slot, int finalize)
{
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		start(&thread[i], relentless, (void *)slot);
	while (__atomic_load_n(&inside, __ATOMIC_SEQ_CST) < 4)
		usleep(1000);
	usleep(20000);
	if (finalize) {
		MUST(C_Finalize(NULL));
		for (int i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
	}
	exit(0);
}

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE key;
	pid_t pid;

	if (argc < 2)
		return 2;
	begin(argv[1], &key);
	for (int i = 0; i < 6; i++) {
		pid = fork();
		if (pid == 0) {
			alarm(PATIENCE);
			initialize();
			leave(find_slot(), i % 2);
		}
		reap(pid);
	}
	CK_SLOT_ID slot = find_slot();

	done();
	leave(slot, 0); /* which may still fail */
}
