/* A host that a filter of system calls shuts in, in all of its threads, "before" the library starts or "after" a login: CALL ERROR WHEN.
 * Every function may fail, in threads that have called before, in new ones, in a child, and after a new beginning. None ends the
 * process or holds it. */
#include "../fork/common.h"
#include "refuse.h"

static CK_SLOT_ID slot;
static volatile int shut_in;

/* Calls that use the system. */
static void attempt(void)
{
	static CK_BYTE long_data[2 << 20]; /* long enough to be asked for */
	CK_BYTE p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 }, room[100], hash[32];
	CK_BBOOL kept = CK_TRUE;
	CK_ATTRIBUTE public[] = { { CKA_EC_PARAMS, p256, sizeof p256 }, { CKA_TOKEN, &kept, 1 } }, private[] = { { CKA_TOKEN, &kept, 1 } };
	CK_MECHANISM pair = { CKM_EC_KEY_PAIR_GEN, NULL, 0 }, digest = { CKM_SHA256, NULL, 0 };
	CK_ULONG n = sizeof hash, count = 64;
	CK_OBJECT_HANDLE a, b;
	CK_SESSION_HANDLE session;
	CK_SLOT_ID slots[64];
	CK_TOKEN_INFO info;

	p11->C_GetSlotList(CK_TRUE, slots, &count);
	p11->C_GetTokenInfo(slot, &info);
	if (p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK)
		return;
	p11->C_Login(session, CKU_USER, user_pin, sizeof user_pin - 1);
	if (p11->C_GenerateKeyPair(session, &pair, public, 2, private, 1, &a, &b) == CKR_OK) {
		p11->C_DestroyObject(session, a);
		p11->C_DestroyObject(session, b);
	}
	p11->C_GenerateRandom(session, room, sizeof room);
	if (p11->C_GenerateRandom(session, (CK_BYTE_PTR)4096, 8192) == CKR_OK)
		fault("random bytes go nowhere");
	if (p11->C_DigestInit(session, &digest) == CKR_OK)
		p11->C_Digest(session, long_data, sizeof long_data, hash, &n);
	p11->C_SetPIN(session, user_pin, sizeof user_pin - 1, user_pin, sizeof user_pin - 1);
	p11->C_CloseSession(session);
}

static void *known(void *unused)
{
	CK_INFO info;

	p11->C_GetInfo(&info);
	while (!shut_in)
		usleep(1000);
	attempt();
	return unused;
}

static void *new(void *unused)
{
	if (!shut_in)
		while (!shut_in)
			usleep(1000);
	attempt();
	return unused;
}

int main(int argc, char **argv)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	pthread_t threads[4];
	pid_t pid;

	if (argc < 5)
		return 2;
	load(argv[1]);
	if (strcmp(argv[4], "before") == 0)
		refuse(atoi(argv[2]), atoi(argv[3]));
	if (p11->C_Initialize(&args) != CKR_OK && p11->C_Initialize(&args) != CKR_OK)
		return done();
	if (strcmp(argv[4], "after") == 0) {
		slot = find_slot();
		attempt();
		for (int i = 0; i < 4; i++) /* they are there before the filter, which may refuse threads */
			start(&threads[i], i % 2 == 0 ? known : new, NULL);
		usleep(20000);
		refuse(atoi(argv[2]), atoi(argv[3]));
	}
	shut_in = 1;
	attempt();
	if (strcmp(argv[4], "after") == 0)
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		if (p11->C_Initialize(&args) == CKR_OK)
			attempt();
		_exit(0);
	}
	if (pid > 0)
		reap(pid);
	p11->C_Finalize(NULL);
	if (p11->C_Initialize(&args) == CKR_OK)
		attempt();
	return done();
}
