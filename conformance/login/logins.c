/* Many log in to one token at the same moment: ./logins MODULE MODE. The token allows a single wrong PIN, or two, so whatever takes
 * a try that it does not give back locks it.
 *
 * apart     processes that load the module each, with the user's PIN, the SO's, and C_SetPIN with either
 * children  the same, in forked children of a process that has the module loaded and is logged in
 * wrong     wrong PINs at once: each is counted, and no more are looked at than are counted
 * killed    a login is killed at any moment, again and again: one try at most is gone, and the next login gives it back */
#include "../fork/common.h"

#include <sys/mman.h>

enum { PROCESSES = 24 };

struct shared {
	int ready, go, done;
};
static struct shared *shared;

static CK_ULONG flags(CK_SLOT_ID slot)
{
	CK_TOKEN_INFO info;

	MUST(C_GetTokenInfo(slot, &info));
	return info.flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED |
			     CKF_SO_PIN_COUNT_LOW | CKF_SO_PIN_FINAL_TRY | CKF_SO_PIN_LOCKED);
}

static CK_SESSION_HANDLE present(CK_SLOT_ID *slot)
{
	CK_SESSION_HANDLE session;

	initialize();
	*slot = find_slot();
	MUST(C_OpenSession(*slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
	return session;
}

static CK_RV enter(int n, CK_SESSION_HANDLE s, CK_BYTE *user, CK_ULONG size)
{
	switch (n % 4) {
	case 0:
		return p11->C_Login(s, CKU_SO, so_pin, sizeof so_pin - 1);
	case 1:
		return p11->C_SetPIN(s, user_pin, sizeof user_pin - 1, user_pin, sizeof user_pin - 1);
	default:
		return p11->C_Login(s, CKU_USER, user, size);
	}
}

static void meet(void)
{
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&shared->go, __ATOMIC_SEQ_CST))
		usleep(100);
}

/* What the flags say where there is one try and nobody has used it. */
static const CK_ULONG single = CKF_USER_PIN_FINAL_TRY | CKF_SO_PIN_FINAL_TRY;

/* One of those who have the right PIN. The last one watches the flags, which never tell of a try that is gone. */
static void right(int n, const char *module)
{
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE s;

	if (module != NULL)
		load(module);
	s = present(&slot);
	meet();
	if (n < PROCESSES - 1) {
		must(enter(n, s, user_pin, sizeof user_pin - 1), "logging in with the right PIN");
	} else {
		while (!__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST))
			if (flags(slot) != single)
				fault("flags 0x%lx, and nobody has given a wrong PIN", flags(slot));
	}
	MUST(C_Finalize(NULL));
	_exit(0);
}

static void all_right(pid_t *pids, const char *module)
{
	for (int i = 0; i < PROCESSES; i++)
		if ((pids[i] = fork()) == 0)
			right(i, module);
	while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < PROCESSES)
		usleep(1000);
	__atomic_store_n(&shared->go, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		if (i == PROCESSES - 1)
			__atomic_store_n(&shared->done, 1, __ATOMIC_SEQ_CST);
		if (waitpid(pids[i], &status, 0) != pids[i] || status != 0)
			fault("process %d ended with 0x%x", i, status);
	}
}

/* Runs f in a process of its own, so that this one loads nothing. */
static void apart(void (*f)(const char *), const char *module)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		f(module);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		fault("ended with 0x%x", status);
}

static void make(const char *module)
{
	CK_SLOT_ID slot;

	load(module);
	present(&slot);
	MUST(C_Finalize(NULL));
}

static void wrong(int n, const char *module)
{
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE s;
	CK_BYTE pin[] = "wrong-00";
	CK_RV rv;

	load(module);
	s = present(&slot);
	pin[6] += n / 10;
	pin[7] += n % 10;
	meet();
	rv = p11->C_Login(s, CKU_USER, pin, sizeof pin - 1);
	if (rv != CKR_PIN_INCORRECT && rv != CKR_PIN_LOCKED)
		fault("a wrong PIN: 0x%lx", rv);
	MUST(C_Finalize(NULL));
	_exit(rv == CKR_PIN_INCORRECT ? 0 : 1);
}

/* More wrong PINs at once than there are tries. */
static void all_wrong(const char *module, int tries)
{
	pid_t pids[PROCESSES];
	int looked = 0;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE s;

	for (int i = 0; i < PROCESSES; i++)
		if ((pids[i] = fork()) == 0)
			wrong(i, module);
	while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < PROCESSES)
		usleep(1000);
	__atomic_store_n(&shared->go, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		if (waitpid(pids[i], &status, 0) != pids[i] || !WIFEXITED(status))
			fault("a wrong PIN ended a process with 0x%x", status);
		looked += WEXITSTATUS(status) == 0;
	}
	if (looked != tries)
		fault("%d wrong PINs were looked at, of %d that may be", looked, tries);
	load(module);
	s = present(&slot);
	if (flags(slot) != CKF_USER_PIN_LOCKED)
		fault("flags 0x%lx", flags(slot));
	EXPECT(CKR_PIN_LOCKED, C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
	MUST(C_Login(s, CKU_SO, so_pin, sizeof so_pin - 1));
}

static void log_in(const char *module)
{
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE s;

	load(module);
	s = present(&slot);
	MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
	if (flags(slot) != 0)
		fault("flags 0x%lx after a login", flags(slot));
	MUST(C_Finalize(NULL));
}

/* One process after another is killed while it logs in again and again. */
static void killed(const char *module)
{
	for (int round = 0; round < 12; round++) {
		pid_t pid = fork();

		if (pid == 0) {
			CK_SLOT_ID slot;
			CK_SESSION_HANDLE s;

			load(module);
			s = present(&slot);
			for (shared->ready = 1;;) {
				MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
				MUST(C_Logout(s));
			}
		}
		while (!__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST))
			usleep(100);
		usleep(1000 + 700 * round);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		shared->ready = 0;
		apart(log_in, module);
	}
}

int main(int argc, char **argv)
{
	pid_t pids[PROCESSES];
	const char *module = argv[1], *mode = argv[2];

	if (argc != 3)
		fault("usage: logins MODULE MODE");
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		fault("mmap: %s", strerror(errno));
	apart(make, module);
	if (strcmp(mode, "apart") == 0) {
		all_right(pids, module);
	} else if (strcmp(mode, "children") == 0) {
		CK_SLOT_ID slot;
		CK_SESSION_HANDLE s;

		load(module);
		s = present(&slot);
		MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
		all_right(pids, NULL);
	} else if (strcmp(mode, "wrong") == 0) {
		all_wrong(module, 7);
	} else if (strcmp(mode, "killed") == 0) {
		killed(module);
	} else {
		fault("there is no mode %s", mode);
	}
	printf("ok\n");
	return 0;
}
