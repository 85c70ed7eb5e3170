/* Sixteen threads, each with contexts of its own and all with one hash object between them, for a number of rounds, or for as many
 * seconds as the argument says: no wrong byte, a last error for each thread, and no growth of memory once all are at work. */
#include "check.h"

#include <pthread.h>
#include <unistd.h>

enum { THREADS = 16, ROUNDS = 200 };

static HCRYPTPROV shared_provider;
static HCRYPTHASH shared_hash;
static int timed; /* seconds: ROUNDS do not end it, stop does */
static volatile int stop;

/* The key of Microsoft's page, as a PLAINTEXTKEYBLOB. */
static const BYTE page_key[] = { 0x08, 0x02, 0x00, 0x00, 0x02, 0x66, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0xb5, 0xdc, 0xb3, 0xb0,
				 0x48, 0x8c, 0x0d, 0x08, 0xb7, 0xfd, 0x73, 0x86, 0xb1, 0xa9, 0x0d, 0xf5 };

/* The key of the page in a context that is made for it, and a text of some length there and back. */
static void page(unsigned seed)
{
	HCRYPTPROV provider = 0;
	HCRYPTHASH hash = 0;
	HCRYPTKEY key = 0;
	BYTE text[128], data[144], blob[64];
	DWORD size = seed % 100 + 1, n = size, length = sizeof blob;

	CHECK(CryptAcquireContext(&provider, NULL, MS_STRONG_PROV, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT));
	CHECK(CryptCreateHash(provider, CALG_MD5, 0, 0, &hash));
	CHECK(CryptHashData(hash, (const BYTE *)"apple-camshaft", 14, 0));
	CHECK(CryptDeriveKey(provider, CALG_RC2, hash, 128 << 16 | CRYPT_EXPORTABLE, &key));
	CHECK(CryptExportKey(key, 0, PLAINTEXTKEYBLOB, 0, blob, &length));
	CHECK(length == sizeof page_key && memcmp(blob, page_key, length) == 0);
	for (DWORD i = 0; i < size; i++)
		text[i] = data[i] = (BYTE)(seed + i);
	CHECK(CryptEncrypt(key, 0, TRUE, 0, data, &n, sizeof data));
	CHECK(CryptDecrypt(key, 0, TRUE, 0, data, &n));
	CHECK(n == size && memcmp(data, text, size) == 0);
	CHECK(!CryptHashData(hash, text, 1, 0) && GetLastError() == (DWORD)NTE_BAD_HASH_STATE);
	CHECK(CryptDestroyKey(key) && CryptDestroyHash(hash) && CryptReleaseContext(provider, 0));
}

static void encrypt(HCRYPTPROV provider, HCRYPTHASH hash, ALG_ID algid, BYTE *data, DWORD *n, DWORD room)
{
	HCRYPTKEY key = 0;

	CHECK(CryptDeriveKey(provider, algid, hash, 0, &key));
	CHECK(CryptEncrypt(key, 0, TRUE, 0, data, n, room));
	CHECK(CryptDestroyKey(key));
}

static void *run(void *argument)
{
	static const ALG_ID ciphers[] = { CALG_RC2, CALG_RC4, CALG_3DES, CALG_AES_256 };
	ALG_ID algid = ciphers[(size_t)argument % 4];
	HCRYPTPROV provider = 0;
	BYTE first[32], again[32];
	DWORD expected = (DWORD)(size_t)argument + 1;

	CHECK(CryptAcquireContext(&provider, NULL, MS_ENH_RSA_AES_PROV, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
	for (unsigned i = 0; timed ? !stop : i < ROUNDS; i++) {
		HCRYPTHASH hash = 0;
		DWORD n = 16, m = 16;

		page((unsigned)(size_t)argument * 1000 + i);
		SetLastError(expected);
		memset(first, 'x', sizeof first);
		memset(again, 'x', sizeof again);
		CHECK(CryptCreateHash(provider, CALG_SHA1, 0, 0, &hash));
		CHECK(CryptHashData(hash, (const BYTE *)"apple", 5, 0));
		encrypt(provider, hash, algid, first, &n, sizeof first);
		encrypt(shared_provider, shared_hash, algid, again, &m, sizeof again);
		CHECK(n == m && memcmp(first, again, n) == 0);
		CHECK(CryptDestroyHash(hash));
		CHECK(GetLastError() == expected);
	}
	CHECK(CryptReleaseContext(provider, 0));
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	timed = argc > 1 ? atoi(argv[1]) : 0;
	CHECK(CryptAcquireContext(&shared_provider, NULL, MS_ENH_RSA_AES_PROV, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
	CHECK(CryptCreateHash(shared_provider, CALG_SHA1, 0, 0, &shared_hash));
	CHECK(CryptHashData(shared_hash, (const BYTE *)"apple", 5, 0));
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
	if (timed) {
		long before;

		sleep(timed / 3 + 1);
		before = resident();
		sleep(timed - timed / 3);
		CHECK(resident() < before + 8192);
		stop = 1;
	}
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(CryptReleaseContext(shared_provider, 0));
	return checked();
}
