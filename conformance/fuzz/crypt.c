/*
 * crypt [--seed N] [--seconds N] [--threads N]: a host that calls CryptoAPI wrongly.
 *
 * Every function is called rightly first. Then functions are drawn by chance, with handles of which most are good (also of another
 * kind, or already destroyed, or in use in another thread), numbers that mean something and others, and memory of which most is good:
 * the rest is NULL, not mapped, not readable, read-only, cut off by the end of a page, misaligned or low. The same seed makes the same
 * calls in one thread.
 *
 * The calls are made by a child. That it ends otherwise than by itself, or that a call does not return in time, is a finding.
 */
#define _GNU_SOURCE
#include <wincrypt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, ROOM = 4096, POOL = 32, MOST_THREADS = 8, PATIENCE = 60, FUNCTIONS = 40 };
enum { PROV, HASH, KEY, KINDS };

#define GUARD (8UL << 30) /* more than any length that a DWORD can have */

struct worker {
	int number;
	uint64_t chance;
	unsigned char *hole, *none, *fixed, *edge, *odd, *good; /* all end at memory that is not there: lengths are wrong, too */
	int used;
};

/* What the child tells, also when it is dead. */
static struct shared {
	atomic_long succeeded[FUNCTIONS], called[FUNCTIONS];
	atomic_int in[MOST_THREADS];
	atomic_long since[MOST_THREADS];
} *shared;

static atomic_ulong pools[KINDS][POOL]; /* of all threads */
static const char *names[FUNCTIONS];
static atomic_int stop;

static uint64_t draw(struct worker *w, uint64_t below)
{
	uint64_t z = w->chance += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return below ? z % below : z;
}

#define PICK(w, list) ((list)[draw((w), sizeof(list) / sizeof((list)[0]))])

static void *map(size_t n, int protection)
{
	void *p = mmap(NULL, n, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		exit(70);
	return p;
}

/* ending maps n bytes before many that cannot be touched: what writes the end of a buffer first must not find other memory there. */
static unsigned char *ending(size_t n, int protection)
{
	unsigned char *p = map(n + GUARD, protection);

	mprotect(p + n, GUARD, PROT_NONE);
	return p;
}

static void memory(struct worker *w)
{
	w->hole = (unsigned char *)(1UL << 46); /* where nothing is mapped, nor will be while this runs */
	w->none = ending(4 * PAGE, PROT_NONE);
	w->fixed = ending(4 * PAGE, PROT_READ);
	w->edge = ending(4 * PAGE, PROT_READ | PROT_WRITE);
	w->odd = ending(4 * PAGE, PROT_READ | PROT_WRITE);
	w->good = ending(8 * ROOM, PROT_READ | PROT_WRITE);
}

/* mem is memory for n bytes, which begins with from where that is not NULL. */
static void *mem(struct worker *w, const void *from, size_t n)
{
	unsigned char *p = w->good + w->used++ % 8 * ROOM;

	if (n > ROOM)
		n = ROOM;
	switch (draw(w, 60)) {
	case 0: return NULL;
	case 1: return w->hole + draw(w, PAGE);
	case 2: return w->none + draw(w, PAGE);
	case 3: return w->fixed + draw(w, PAGE);
	case 4: return w->edge + 4 * PAGE - n / 2;
	case 5: return (void *)draw(w, 8192);
	case 6: p = w->odd + 1; break;
	case 7: p = w->edge + 4 * PAGE - n; break;
	}
	if (from)
		memcpy(p, from, n);
	return p;
}

static DWORD number(struct worker *w)
{
	static const DWORD some[] = { 0, 1, 2, 7, 8, 16, 40, 56, 64, 128, 192, 256, 511, 512, 4096, 65535, 65536, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff };

	return draw(w, 4) ? PICK(w, some) : (DWORD)draw(w, 0);
}

/* a is b in most cases, and any number in the others. */
static DWORD mostly(struct worker *w, DWORD b) { return draw(w, 12) ? b : number(w); }

static DWORD *length(struct worker *w, DWORD n)
{
	DWORD v = mostly(w, n);

	return mem(w, &v, sizeof v);
}

static unsigned long handle(struct worker *w, int kind)
{
	if (!draw(w, 25))
		return draw(w, 2) ? draw(w, 0) : 0;
	if (!draw(w, 25))
		kind = draw(w, KINDS);
	return atomic_load(&pools[kind][draw(w, POOL)]);
}

static void destroy(int kind, unsigned long h)
{
	if (!h)
		return;
	if (kind == PROV)
		CryptReleaseContext(h, 0);
	else if (kind == HASH)
		CryptDestroyHash(h);
	else
		CryptDestroyKey(h);
}

/* put keeps a handle in the place of another. */
static void put(struct worker *w, int kind, unsigned long h)
{
	destroy(kind, atomic_exchange(&pools[kind][draw(w, POOL)], h));
}

static const DWORD algorithms[] = { CALG_RC2, CALG_RC4, CALG_DES, CALG_3DES, CALG_3DES_112, CALG_AES_128, CALG_AES_192, CALG_AES_256, CALG_RC5 };
static const DWORD hashes[] = { CALG_MD2, CALG_MD4, CALG_MD5, CALG_SHA1, CALG_SHA_256, CALG_SHA_384, CALG_SHA_512, CALG_SSL3_SHAMD5, CALG_MAC, CALG_HMAC };
static const DWORD flags[] = { 0, 0, 0, CRYPT_EXPORTABLE, CRYPT_CREATE_SALT, CRYPT_NO_SALT, CRYPT_USER_PROTECTED, CRYPT_UPDATE_KEY, 128 << 16, 40 << 16, 512 << 16 | CRYPT_EXPORTABLE };
static const DWORD blobs[] = { SIMPLEBLOB, PUBLICKEYBLOB, PRIVATEKEYBLOB, PLAINTEXTKEYBLOB, OPAQUEKEYBLOB };
static const char *const containers[] = { NULL, "fuzz", "other", "" };
static const char *const provs[] = { MS_DEF_PROV, MS_STRONG_PROV, MS_ENHANCED_PROV, MS_ENH_RSA_AES_PROV, "softcsp", NULL, "nobody" };

/* begin and end surround a call. */
static void begin(struct worker *w, int f, const char *name)
{
	names[f] = name;
	atomic_fetch_add(&shared->called[f], 1);
	atomic_store(&shared->in[w->number], f);
	atomic_store(&shared->since[w->number], time(NULL));
}

static BOOL end(struct worker *w, int f, BOOL ok)
{
	atomic_store(&shared->since[w->number], 0);
	if (ok)
		atomic_fetch_add(&shared->succeeded[f], 1);
	else if (!GetLastError()) {
		fprintf(stderr, "crypt: %s fails without an error\n", names[f]);
		_exit(1);
	}
	return ok;
}

#define CALL(f, name, args) (begin(w, f, #name), end(w, f, name args))

/* made keeps the handle that a call wrote, if it could. */
static void made(struct worker *w, int kind, BOOL ok, const unsigned long *at)
{
	if (ok)
		put(w, kind, *at);
}

static void provider(struct worker *w, int f)
{
	const char *container = PICK(w, containers), *prov = PICK(w, provs);
	unsigned long *at = mem(w, NULL, sizeof *at);
	DWORD type = mostly(w, draw(w, 2) ? PROV_RSA_FULL : PROV_RSA_AES), params[] = { PP_NAME, PP_CONTAINER, PP_ENUMALGS, PP_ENUMALGS_EX, PP_ENUMCONTAINERS, PP_IMPTYPE, PP_VERSION, PP_PROVTYPE, PP_KEYSPEC, PP_UNIQUE_CONTAINER, PP_KEYSET_SEC_DESCR };

	switch (f) {
	case 0: made(w, PROV, CALL(f, CryptAcquireContextA, (at, container ? mem(w, container, strlen(container) + 1) : NULL, prov, type, mostly(w, draw(w, 2) ? CRYPT_VERIFYCONTEXT : draw(w, 2) ? CRYPT_NEWKEYSET : 0))), at); break;
	case 1: CALL(f, CryptContextAddRef, (handle(w, PROV), NULL, mostly(w, 0))); break;
	case 2: CALL(f, CryptReleaseContext, (handle(w, PROV), mostly(w, 0))); break;
	case 3: CALL(f, CryptGetProvParam, (handle(w, PROV), mostly(w, PICK(w, params)), mem(w, NULL, 512), length(w, 512), mostly(w, draw(w, 2)))); break;
	case 4: CALL(f, CryptSetProvParam, (handle(w, PROV), mostly(w, draw(w, 2) ? PP_KEYEXCHANGE_PIN : PP_KEYSET_SEC_DESCR), mem(w, "1234", 5), mostly(w, 0))); break;
	case 5: CALL(f, CryptGenRandom, (handle(w, PROV), mostly(w, draw(w, 600)), mem(w, NULL, 600))); break;
	case 6: CALL(f, CryptEnumProvidersA, (mostly(w, draw(w, 7)), NULL, mostly(w, 0), length(w, 0), mem(w, NULL, 200), length(w, 200))); break;
	case 7: CALL(f, CryptEnumProviderTypesA, (mostly(w, draw(w, 3)), NULL, mostly(w, 0), length(w, 0), mem(w, NULL, 200), length(w, 200))); break;
	case 8: CALL(f, CryptGetDefaultProviderA, (type, NULL, mostly(w, CRYPT_MACHINE_DEFAULT), mem(w, NULL, 200), length(w, 200))); break;
	case 9: CALL(f, CryptSetProviderA, (prov ? mem(w, prov, strlen(prov) + 1) : NULL, type)); break;
	case 10: CALL(f, CryptSetProviderExA, (prov ? mem(w, prov, strlen(prov) + 1) : NULL, type, NULL, mostly(w, CRYPT_USER_DEFAULT))); break;
	}
}

static void hash(struct worker *w, int f)
{
	static const BYTE text[ROOM];
	unsigned long *at = mem(w, NULL, sizeof *at);
	DWORD n = draw(w, 300), params[] = { HP_ALGID, HP_HASHVAL, HP_HASHSIZE, HP_HMAC_INFO, HP_TLS1PRF_LABEL };
	HMAC_INFO info = { .HashAlgid = PICK(w, hashes), .pbInnerString = mem(w, NULL, 64), .cbInnerString = mostly(w, draw(w, 2) ? 64 : 0) };
	DWORD param = PICK(w, params);

	switch (f) {
	case 11: made(w, HASH, CALL(f, CryptCreateHash, (handle(w, PROV), mostly(w, PICK(w, hashes)), draw(w, 2) ? handle(w, KEY) : 0, mostly(w, 0), at)), at); break;
	case 12: CALL(f, CryptHashData, (handle(w, HASH), mem(w, text, n), mostly(w, n), mostly(w, 0))); break;
	case 13: CALL(f, CryptHashSessionKey, (handle(w, HASH), handle(w, KEY), mostly(w, draw(w, 2)))); break;
	case 14: CALL(f, CryptGetHashParam, (handle(w, HASH), mostly(w, param), mem(w, NULL, 64), length(w, 64), mostly(w, 0))); break;
	case 15: CALL(f, CryptSetHashParam, (handle(w, HASH), mostly(w, param), param == HP_HMAC_INFO ? mem(w, &info, sizeof info) : mem(w, text, 64), mostly(w, 0))); break;
	case 16: made(w, HASH, CALL(f, CryptDuplicateHash, (handle(w, HASH), NULL, mostly(w, 0), at)), at); break;
	case 17: CALL(f, CryptDestroyHash, (handle(w, HASH))); break;
	case 18: CALL(f, CryptSignHashA, (handle(w, HASH), mostly(w, 1 + draw(w, 2)), NULL, mostly(w, draw(w, 2)), mem(w, NULL, 256), length(w, 256))); break;
	case 19: CALL(f, CryptVerifySignatureA, (handle(w, HASH), mem(w, text, 64), mostly(w, 64), handle(w, KEY), NULL, mostly(w, 0))); break;
	}
}

static void key(struct worker *w, int f)
{
	static const BYTE text[ROOM];
	unsigned long *at = mem(w, NULL, sizeof *at);
	DWORD n = 8 * draw(w, 40), params[] = { KP_IV, KP_SALT, KP_SALT_EX, KP_PADDING, KP_MODE, KP_MODE_BITS, KP_PERMISSIONS, KP_ALGID, KP_BLOCKLEN, KP_KEYLEN, KP_EFFECTIVE_KEYLEN }, size = n, *sizes;
	BYTE blob[ROOM], *p;

	switch (f) {
	case 20: made(w, KEY, CALL(f, CryptDeriveKey, (handle(w, PROV), mostly(w, PICK(w, algorithms)), handle(w, HASH), PICK(w, flags), at)), at); break;
	case 21: made(w, KEY, CALL(f, CryptGenKey, (handle(w, PROV), draw(w, 20) ? PICK(w, algorithms) : 1 + draw(w, 2), draw(w, 20) ? PICK(w, flags) : 512U << 16 | CRYPT_EXPORTABLE, at)), at); break;
	case 22: made(w, KEY, CALL(f, CryptGetUserKey, (handle(w, PROV), mostly(w, 1 + draw(w, 2)), at)), at); break;
	case 23: made(w, KEY, CALL(f, CryptDuplicateKey, (handle(w, KEY), NULL, mostly(w, 0), at)), at); break;
	case 24: CALL(f, CryptDestroyKey, (handle(w, KEY))); break;
	case 25: CALL(f, CryptGetKeyParam, (handle(w, KEY), mostly(w, PICK(w, params)), mem(w, NULL, 64), length(w, 64), mostly(w, 0))); break;
	case 26: size = draw(w, 5); CALL(f, CryptSetKeyParam, (handle(w, KEY), mostly(w, PICK(w, params)), mem(w, draw(w, 2) ? (void *)&size : (void *)text, 64), mostly(w, 0))); break;
	case 27: sizes = length(w, n); CALL(f, CryptEncrypt, (handle(w, KEY), draw(w, 3) ? 0 : handle(w, HASH), draw(w, 2), mostly(w, 0), mem(w, text, ROOM), sizes, mostly(w, draw(w, 2) ? n + 64 : 512))); break;
	case 28: sizes = length(w, n); CALL(f, CryptDecrypt, (handle(w, KEY), draw(w, 3) ? 0 : handle(w, HASH), draw(w, 2), mostly(w, 0), mem(w, text, ROOM), sizes)); break;
	case 29: CALL(f, CryptExportKey, (handle(w, KEY), draw(w, 2) ? handle(w, KEY) : 0, mostly(w, PICK(w, blobs)), mostly(w, 0), mem(w, NULL, ROOM), length(w, ROOM))); break;
	case 30: /* a good blob, changed somewhere */
		size = sizeof blob;
		if (!CryptExportKey(handle(w, KEY), draw(w, 2) ? handle(w, KEY) : 0, PICK(w, blobs), 0, blob, &size))
			size = draw(w, 2) ? 12 + 16 : draw(w, 200);
		for (n = draw(w, 3); n > 0 && size > 0; n--)
			blob[draw(w, draw(w, 2) && size > 20 ? 20 : size)] = draw(w, 256);
		p = mem(w, blob, size);
		made(w, KEY, CALL(f, CryptImportKey, (handle(w, PROV), p, mostly(w, size), draw(w, 2) ? handle(w, KEY) : 0, PICK(w, flags), at)), at);
		break;
	}
}

static void (*const steps[])(struct worker *, int) = { provider, hash, key };

static void step(struct worker *w)
{
	int f = draw(w, 31);

	steps[f < 11 ? 0 : f < 20 ? 1 : 2](w, f);
}

static void must(BOOL ok, int line)
{
	if (!ok) {
		fprintf(stderr, "crypt: line %d: %#x\n", line, GetLastError());
		_exit(1);
	}
}

#define MUST(f, name, args) must(CALL(f, name, args), __LINE__)

/* rightly calls each function as it is meant. */
static void rightly(struct worker *w)
{
	HCRYPTPROV p;
	HCRYPTHASH h, h2, mac;
	HCRYPTKEY k, k2, pair, user, again;
	BYTE buf[ROOM] = { 0 }, signature[512], value[64];
	DWORD n, type, mode = CRYPT_MODE_CBC;

	MUST(9, CryptSetProviderA, (MS_ENH_RSA_AES_PROV, PROV_RSA_AES));
	MUST(10, CryptSetProviderExA, (MS_ENH_RSA_AES_PROV, PROV_RSA_AES, NULL, CRYPT_USER_DEFAULT));
	MUST(0, CryptAcquireContextA, (&p, NULL, MS_ENH_RSA_AES_PROV, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
	MUST(1, CryptContextAddRef, (p, NULL, 0));
	MUST(2, CryptReleaseContext, (p, 0));
	n = sizeof buf; MUST(3, CryptGetProvParam, (p, PP_NAME, buf, &n, 0));
	MUST(4, CryptSetProvParam, (p, PP_KEYSET_SEC_DESCR, buf, 0));
	MUST(5, CryptGenRandom, (p, 16, buf));
	n = sizeof buf; MUST(6, CryptEnumProvidersA, (0, NULL, 0, &type, (char *)buf, &n));
	n = sizeof buf; MUST(7, CryptEnumProviderTypesA, (0, NULL, 0, &type, (char *)buf, &n));
	n = sizeof buf; MUST(8, CryptGetDefaultProviderA, (PROV_RSA_AES, NULL, CRYPT_MACHINE_DEFAULT, (char *)buf, &n));
	MUST(11, CryptCreateHash, (p, CALG_SHA1, 0, 0, &h));
	MUST(12, CryptHashData, (h, (const BYTE *)"text", 4, 0));
	MUST(16, CryptDuplicateHash, (h, NULL, 0, &h2));
	MUST(20, CryptDeriveKey, (p, CALG_AES_128, h, CRYPT_EXPORTABLE, &k));
	MUST(23, CryptDuplicateKey, (k, NULL, 0, &k2));
	MUST(26, CryptSetKeyParam, (k, KP_MODE, (BYTE *)&mode, 0));
	n = sizeof buf; MUST(25, CryptGetKeyParam, (k, KP_IV, buf, &n, 0));
	MUST(13, CryptHashSessionKey, (h2, k, 0));
	n = sizeof value; MUST(14, CryptGetHashParam, (h2, HP_HASHVAL, value, &n, 0));
	MUST(11, CryptCreateHash, (p, CALG_SHA1, 0, 0, &mac));
	MUST(15, CryptSetHashParam, (mac, HP_HASHVAL, value, 0));
	n = 5; MUST(27, CryptEncrypt, (k, 0, TRUE, 0, buf, &n, sizeof buf));
	MUST(28, CryptDecrypt, (k2, 0, TRUE, 0, buf, &n));
	MUST(21, CryptGenKey, (p, AT_SIGNATURE, 512U << 16 | CRYPT_EXPORTABLE, &pair));
	MUST(22, CryptGetUserKey, (p, AT_SIGNATURE, &user));
	n = sizeof signature; MUST(18, CryptSignHashA, (mac, AT_SIGNATURE, NULL, 0, signature, &n));
	MUST(19, CryptVerifySignatureA, (mac, signature, n, user, NULL, 0));
	n = sizeof buf; MUST(29, CryptExportKey, (k, 0, PLAINTEXTKEYBLOB, 0, buf, &n));
	MUST(30, CryptImportKey, (p, buf, n, 0, CRYPT_EXPORTABLE, &again));
	MUST(17, CryptDestroyHash, (mac));
	MUST(24, CryptDestroyKey, (again));
	put(w, PROV, p); put(w, HASH, h); put(w, HASH, h2); put(w, KEY, k); put(w, KEY, k2); put(w, KEY, pair); put(w, KEY, user);
}

static void *run(void *arg)
{
	struct worker *w = arg;

	memory(w);
	while (!atomic_load(&stop))
		step(w);
	return NULL;
}

static void child(long seed, int threads, int seconds)
{
	static struct worker workers[MOST_THREADS];
	pthread_t ids[MOST_THREADS];
	int i;

	for (i = 0; i < threads; i++)
		workers[i] = (struct worker){ .number = i, .chance = seed * 1000 + i };
	rightly(&workers[0]);
	for (i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, run, &workers[i]))
			exit(70);
	sleep(seconds);
	atomic_store(&stop, 1);
	for (i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	for (i = 0; i < POOL; i++) {
		destroy(HASH, pools[HASH][i]);
		destroy(KEY, pools[KEY][i]);
		destroy(PROV, pools[PROV][i]);
	}
	rightly(&workers[0]); /* and it still works */
	for (i = 0; i < FUNCTIONS; i++)
		if (names[i])
			printf("%s: %ld of %ld\n", names[i], atomic_load(&shared->succeeded[i]), atomic_load(&shared->called[i]));
	exit(0);
}

/* watch waits for the child, and returns what is wrong with it. */
static int watch(pid_t pid, int threads)
{
	int status, i;

	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		usleep(100000);
		for (i = 0; i < threads; i++) {
			long since = atomic_load(&shared->since[i]);

			if (since && time(NULL) - since > PATIENCE) {
				fprintf(stderr, "crypt: function %d does not return\n", atomic_load(&shared->in[i]));
				kill(pid, SIGABRT);
				waitpid(pid, &status, 0);
				return 1;
			}
		}
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	for (i = 0; i < threads; i++)
		fprintf(stderr, "crypt: status %#x, thread %d in function %d\n", status, i, atomic_load(&shared->in[i]));
	return 1;
}

int main(int argc, char **argv)
{
	long seed = 1;
	int threads = 1, seconds = 5, i;
	pid_t pid;

	for (i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			seed = atol(argv[i + 1]);
		else if (!strcmp(argv[i], "--threads"))
			threads = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--seconds"))
			seconds = atoi(argv[i + 1]);
	}
	if (threads < 1 || threads > MOST_THREADS)
		return 64;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 70;
	pid = fork();
	if (pid == 0)
		child(seed, threads, seconds);
	return watch(pid, threads);
}
