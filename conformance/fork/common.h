/* What the programs of this folder share. Each takes the path of a module, works in a token directory of its own unless
 * the environment names one, and prints "ok", or what went wrong and exits with 1. */
#ifndef COMMON_H
#define COMMON_H

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <softcsp/cryptoki.h>

#define PATIENCE 60 /* seconds after which a process counts as hung */

static CK_FUNCTION_LIST *p11;
static CK_BYTE label[32] = "fork                            ";
static CK_UTF8CHAR so_pin[] = "so-pin-1", user_pin[] = "user-pin-1";
static CK_BYTE expected[32]; /* the signature that every process must get */

static void fault(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stdout, "%d: ", (int)getpid());
	vfprintf(stdout, format, args);
	fprintf(stdout, "\n");
	fflush(stdout);
	va_end(args);
	_exit(1);
}

static void must(CK_RV rv, const char *what)
{
	if (rv != CKR_OK)
		fault("%s: 0x%lx", what, rv);
}

#define MUST(call) must(p11->call, #call)

static void expect(CK_RV rv, CK_RV want, const char *what)
{
	if (rv != want)
		fault("%s: 0x%lx, want 0x%lx", what, rv, want);
}

#define EXPECT(want, call) expect(p11->call, want, #call)

static char directory[4096]; /* our own token directory */
static int made;             /* and whether it was made */

/* Writes a template for mkstemp and mkdtemp, where temporary files belong. */
static void temporary(char *template, size_t size, const char *name)
{
	const char *dir = getenv("TMPDIR");

	if (snprintf(template, size, "%s/softcsp-%s.XXXXXX", dir != NULL && *dir != 0 ? dir : "/tmp", name) >= (int)size)
		fault("TMPDIR is too long");
}

/* Loads the module. */
static void load(const char *path)
{
	CK_C_GetFunctionList get;
	void *handle;

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(PATIENCE);
	setenv("SOFTCSP_KDF", "test", 0);
	if (getenv("SOFTCSP_TOKENDIR") == NULL && getenv("SOFTCSP_STORE") == NULL) {
		temporary(directory, sizeof directory, "fork");
		if (mkdtemp(directory) == NULL)
			fault("mkdtemp: %s", strerror(errno));
		setenv("SOFTCSP_TOKENDIR", directory, 1);
		made = 1;
	}
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL)
		fault("dlopen: %s", dlerror());
	get = (CK_C_GetFunctionList)dlsym(handle, "C_GetFunctionList");
	if (get == NULL)
		fault("no C_GetFunctionList");
	must(get(&p11), "C_GetFunctionList");
}

static void initialize(void)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };

	MUST(C_Initialize(&args));
}

/* Finds the slot of our token, and makes the token where there is none. */
static CK_SLOT_ID find_slot(void)
{
	CK_SLOT_ID slots[64];
	CK_ULONG n = 64;
	CK_SESSION_HANDLE session;

	MUST(C_GetSlotList(CK_TRUE, slots, &n));
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO info;

		MUST(C_GetTokenInfo(slots[i], &info));
		if (memcmp(info.label, label, sizeof label) == 0)
			return slots[i];
	}
	n = 64;
	MUST(C_GetSlotList(CK_FALSE, slots, &n));
	if (n == 0)
		fault("no slot");
	MUST(C_InitToken(slots[n - 1], so_pin, sizeof so_pin - 1, label));
	MUST(C_OpenSession(slots[n - 1], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
	MUST(C_Login(session, CKU_SO, so_pin, sizeof so_pin - 1));
	MUST(C_InitPIN(session, user_pin, sizeof user_pin - 1));
	MUST(C_Logout(session));
	MUST(C_CloseSession(session));
	return slots[n - 1];
}

/* Opens a session, logs in unless this process has, and makes a key. */
static CK_SESSION_HANDLE open_session(CK_SLOT_ID slot, CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_BYTE value[32] = "a secret every process knows";
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof class }, { CKA_KEY_TYPE, &type, sizeof type }, { CKA_VALUE, value, sizeof value },
		{ CKA_SIGN, &yes, sizeof yes }, { CKA_TOKEN, &no, sizeof no },
	};
	CK_SESSION_HANDLE session;
	CK_RV rv;

	MUST(C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session));
	rv = p11->C_Login(session, CKU_USER, user_pin, sizeof user_pin - 1);
	if (rv != CKR_USER_ALREADY_LOGGED_IN)
		must(rv, "C_Login");
	MUST(C_CreateObject(session, template, sizeof template / sizeof *template, key));
	return session;
}

/* Signs; the first signature of the first process is what all others are compared with. */
static void sign(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key, int first)
{
	CK_MECHANISM mechanism = { CKM_SHA256_HMAC, NULL, 0 };
	CK_BYTE data[] = "data", signature[32];
	CK_ULONG n = sizeof signature;

	MUST(C_SignInit(session, &mechanism, key));
	MUST(C_Sign(session, data, sizeof data, signature, &n));
	if (first)
		memcpy(expected, signature, sizeof expected);
	else if (n != sizeof expected || memcmp(signature, expected, n) != 0)
		fault("wrong signature");
}

/* A whole life in one process: initialise, sign, finalise. */
static void live(int signatures)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;

	initialize();
	session = open_session(find_slot(), &key);
	for (int i = 0; i < signatures; i++)
		sign(session, key, 0);
	MUST(C_Finalize(NULL));
}

/* The parent's beginning: a token, a session, the expected signature. */
static CK_SESSION_HANDLE begin(const char *path, CK_OBJECT_HANDLE *key)
{
	CK_SESSION_HANDLE session;

	load(path);
	initialize();
	session = open_session(find_slot(), key);
	sign(session, *key, 1);
	return session;
}

/* Before C_Initialize a child has nothing of its parent's. */
static void expect_uninitialized(CK_SESSION_HANDLE session)
{
	CK_SESSION_INFO info;
	CK_INFO library;

	EXPECT(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetInfo(&library));
	EXPECT(CKR_CRYPTOKI_NOT_INITIALIZED, C_GetSessionInfo(session, &info));
	EXPECT(CKR_CRYPTOKI_NOT_INITIALIZED, C_Finalize(NULL));
}

/* Waits for a child and passes its failure on. */
static void reap(pid_t pid)
{
	int status;

	if (pid < 0)
		fault("fork: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fault("waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		fault("child %d: signal %d%s", (int)pid, WTERMSIG(status), WTERMSIG(status) == SIGALRM ? " (it hung)" : "");
	if (WEXITSTATUS(status) != 0)
		fault("child %d: exit %d", (int)pid, WEXITSTATUS(status));
}

/* Threads of the parent that sign until they are told to stop. */
static volatile int stop;

static void *signer(void *slot)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session = open_session((CK_SLOT_ID)slot, &key);

	while (!stop)
		sign(session, key, 0);
	MUST(C_CloseSession(session));
	return NULL;
}

static void start(pthread_t *thread, void *(*f)(void *), void *arg)
{
	if (pthread_create(thread, NULL, f, arg) != 0)
		fault("pthread_create");
}

/* Open descriptors of this process. */
static int descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int unlinking(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st, (void)type, (void)f;
	return remove(path);
}

/* The end of a program that found nothing wrong. */
static int done(void)
{
	if (made)
		nftw(directory, unlinking, 16, FTW_DEPTH | FTW_PHYS);
	printf("ok\n");
	return 0;
}

/* Not every program uses everything. */
__attribute__((unused)) static void *const all[] = {
	(void *)live, (void *)begin, (void *)expect_uninitialized, (void *)reap, (void *)signer, (void *)start, (void *)descriptors,
	(void *)now, (void *)done,
};

#endif
