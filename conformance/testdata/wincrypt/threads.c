/* Sixteen threads, each with a context of its own and all with one hash object between them: no wrong byte, and a last error
 * for each thread. */
#include "check.h"

#include <pthread.h>

enum { THREADS = 16, ROUNDS = 200 };

static HCRYPTPROV shared_provider;
static HCRYPTHASH shared_hash;

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
	for (int i = 0; i < ROUNDS; i++) {
		HCRYPTHASH hash = 0;
		DWORD n = 16, m = 16;

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

int main(void)
{
	pthread_t threads[THREADS];

	CHECK(CryptAcquireContext(&shared_provider, NULL, MS_ENH_RSA_AES_PROV, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
	CHECK(CryptCreateHash(shared_provider, CALG_SHA1, 0, 0, &shared_hash));
	CHECK(CryptHashData(shared_hash, (const BYTE *)"apple", 5, 0));
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
	for (size_t i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
	CHECK(CryptReleaseContext(shared_provider, 0));
	return checked();
}
