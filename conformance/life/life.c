/* The life of a module in a host: exit and C_Finalize while threads are inside, initialising again and again, dlclose, and
 * four threads that do everything at once.
 * life MODULE MODE, and the environment says where the token is. Prints "ok", or what went wrong. */
#include "../fork/common.h"

#include <dirent.h>
#include <stdatomic.h>

#define WORKERS 4

static CK_SLOT_ID slot;
static atomic_int finalized; /* C_Finalize has been called: CKR_CRYPTOKI_NOT_INITIALIZED is an answer now */
static atomic_long rounds;

/* A call in a worker: OK, or the end where the library is being finalized. */
#define DO(call)                                                                         \
	do {                                                                             \
		CK_RV rv_ = p11->call;                                                   \
		if (rv_ == CKR_CRYPTOKI_NOT_INITIALIZED && atomic_load(&finalized))      \
			return 0;                                                        \
		must(rv_, #call);                                                        \
	} while (0)

static int crypt_and_find(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key, CK_ULONG seed)
{
	CK_BYTE iv[16] = { 0 }, plain[40], sealed[64], back[64];
	CK_MECHANISM cbc = { CKM_AES_CBC_PAD, iv, sizeof iv };
	CK_ULONG n = sizeof sealed, m = sizeof back, found;
	CK_OBJECT_HANDLE handles[4];
	CK_ATTRIBUTE id = { CKA_ID, &seed, sizeof seed };

	memset(plain, (int)seed, sizeof plain);
	DO(C_EncryptInit(s, &cbc, key));
	DO(C_Encrypt(s, plain, sizeof plain, sealed, &n));
	DO(C_DecryptInit(s, &cbc, key));
	DO(C_Decrypt(s, sealed, n, back, &m));
	if (m != sizeof plain || memcmp(plain, back, m) != 0)
		fault("what was decrypted is not what was encrypted");
	DO(C_FindObjectsInit(s, &id, 1));
	DO(C_FindObjects(s, handles, 4, &found));
	DO(C_FindObjectsFinal(s));
	if (found != 1 || handles[0] != key)
		fault("found %lu objects with an id that one has", found);
	return 1;
}

/* A round: a session, a session key, its use, sometimes a token object. Returns 0 when the library is gone. */
static int round_of(CK_ULONG seed)
{
	CK_OBJECT_CLASS secret = CKO_SECRET_KEY, data = CKO_DATA;
	CK_KEY_TYPE aes = CKK_AES;
	CK_BBOOL yes = CK_TRUE;
	CK_ULONG len = 32;
	CK_BYTE text[100] = "text";
	CK_MECHANISM generate = { CKM_AES_KEY_GEN, NULL, 0 };
	CK_ATTRIBUTE key[] = {
		{ CKA_CLASS, &secret, sizeof secret }, { CKA_KEY_TYPE, &aes, sizeof aes }, { CKA_VALUE_LEN, &len, sizeof len },
		{ CKA_ID, &seed, sizeof seed }, { CKA_ENCRYPT, &yes, 1 }, { CKA_DECRYPT, &yes, 1 },
	};
	CK_ATTRIBUTE object[] = { { CKA_CLASS, &data, sizeof data }, { CKA_TOKEN, &yes, 1 }, { CKA_VALUE, text, sizeof text } };
	CK_SESSION_HANDLE s;
	CK_OBJECT_HANDLE k, o;

	DO(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s));
	DO(C_GenerateKey(s, &generate, key, sizeof key / sizeof *key, &k));
	if (!crypt_and_find(s, k, seed))
		return 0;
	if (seed % 32 == 0) {
		DO(C_CreateObject(s, object, sizeof object / sizeof *object, &o));
		DO(C_DestroyObject(s, o));
	}
	DO(C_CloseSession(s));
	atomic_fetch_add(&rounds, 1);
	return 1;
}

static void *worker(void *number)
{
	for (CK_ULONG seed = (CK_ULONG)number << 32; !stop && round_of(seed); seed++)
		;
	return NULL;
}

static CK_SESSION_HANDLE begin_work(pthread_t *threads)
{
	CK_SESSION_HANDLE login;

	initialize();
	slot = find_slot();
	MUST(C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &login));
	MUST(C_Login(login, CKU_USER, user_pin, sizeof user_pin - 1));
	for (CK_ULONG i = 0; i < WORKERS; i++)
		start(&threads[i], worker, (void *)(i + 1));
	return login;
}

static void pause_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

static void join(pthread_t *threads)
{
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
}

static void exit_busy(void)
{
	pthread_t threads[WORKERS];

	begin_work(threads);
	pause_ms(60);
	done();
	exit(0);
}

/* Learns the signature that live compares with. */
static void learn(void)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;

	initialize();
	session = open_session(find_slot(), &key);
	sign(session, key, 1);
	MUST(C_Finalize(NULL));
}

static void finalize_busy(void)
{
	pthread_t threads[WORKERS];

	learn();
	begin_work(threads);
	pause_ms(60);
	atomic_store(&finalized, 1);
	MUST(C_Finalize(NULL));
	join(threads);
	/* And it can begin anew. */
	atomic_store(&finalized, 0);
	live(1);
}

static void stress(void)
{
	pthread_t threads[WORKERS];

	begin_work(threads);
	pause_ms(1500);
	stop = 1;
	join(threads);
	MUST(C_Finalize(NULL));
	if (atomic_load(&rounds) < 100)
		fault("only %ld rounds in a second and a half", atomic_load(&rounds));
}

static long status(const char *key)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	long v = -1;

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			v = atol(line + strlen(key));
	if (f)
		fclose(f);
	return v;
}

static void reinit(void)
{
	long rss = 0, threads = 0;
	int fds = 0;

	learn();
	for (int i = 0; i < 120; i++) {
		if (i == 20) {
			rss = status("VmRSS:");
			threads = status("Threads:");
			fds = descriptors();
		}
		live(1);
	}
	if (status("VmRSS:") - rss > 4096)
		fault("grew by %ld KiB in 100 cycles", status("VmRSS:") - rss);
	if (status("Threads:") - threads > 2)
		fault("%ld threads after 100 cycles, %ld before", status("Threads:"), threads);
	if (descriptors() != fds)
		fault("%d descriptors after 100 cycles, %d before", descriptors(), fds);
}

static void unload(const char *path, int finalize)
{
	void *handle;

	learn();
	initialize();
	slot = find_slot();
	if (finalize)
		MUST(C_Finalize(NULL));
	handle = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	if (handle == NULL || dlclose(handle) != 0 || dlclose(handle) != 0)
		fault("dlclose: %s", dlerror());
	pause_ms(20);
	if (finalize) {
		load(path);
		live(1);
	}
}

/* What hosts do in their exit handlers. */
static void at_exit(void) { p11->C_Finalize(NULL); }

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "";

	if (argc != 3)
		return 2;
	load(argv[1]);
	if (strcmp(mode, "exit-busy") == 0) {
		exit_busy();
	} else if (strcmp(mode, "finalize-in-exit-handler") == 0) {
		atexit(at_exit);
		atomic_store(&finalized, 1);
		exit_busy();
	} else if (strcmp(mode, "finalize-busy") == 0) {
		finalize_busy();
	} else if (strcmp(mode, "stress") == 0) {
		stress();
	} else if (strcmp(mode, "reinit") == 0) {
		reinit();
	} else if (strcmp(mode, "dlclose") == 0) {
		unload(argv[1], 1);
	} else if (strcmp(mode, "dlclose-initialized") == 0) {
		unload(argv[1], 0);
	} else if (strcmp(mode, "load-exit") == 0) {
		/* nothing */
	} else if (strcmp(mode, "no-finalize") == 0) {
		initialize();
		slot = find_slot();
	} else {
		return 2;
	}
	return done();
}
