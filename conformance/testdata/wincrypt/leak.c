/* Sixteen threads make contexts, hash objects and keys, and destroy some of them themselves: the others go with their context.
 * Neither memory nor descriptors may grow with the number of rounds. */
#include "check.h"

#include <dirent.h>
#include <pthread.h>

enum { THREADS = 16, WARM_UP = 20, ROUNDS = 120, KEYS = 30 };

static void *run(void *rounds)
{
	for (size_t r = 0; r < (size_t)rounds; r++) {
		HCRYPTPROV provider = 0;

		CHECK(CryptAcquireContext(&provider, NULL, NULL, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
		for (int i = 0; i < KEYS; i++) {
			HCRYPTHASH hash = 0, hash_copy = 0;
			HCRYPTKEY key = 0, key_copy = 0;
			BYTE data[64] = { 0 };
			DWORD n = 16;

			CHECK(CryptCreateHash(provider, CALG_SHA1, 0, 0, &hash) && CryptHashData(hash, data, 3, 0));
			CHECK(CryptDuplicateHash(hash, NULL, 0, &hash_copy));
			CHECK(CryptDeriveKey(provider, i % 2 ? CALG_AES_128 : CALG_RC4, hash, 0, &key));
			CHECK(CryptDuplicateKey(key, NULL, 0, &key_copy));
			CHECK(CryptEncrypt(key, 0, i % 4 == 0, 0, data, &n, sizeof data));
			if (i % 3 != 0)
				CHECK(CryptDestroyHash(hash) && CryptDestroyKey(key) && CryptDestroyHash(hash_copy) && CryptDestroyKey(key_copy));
		}
		CHECK(CryptReleaseContext(provider, 0));
	}
	return NULL;
}

static void all(size_t rounds)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, run, (void *)rounds) == 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL) == 0);
}

static int descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	CHECK(d != NULL);
	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

int main(void)
{
	long before;
	int open;

	all(WARM_UP);
	before = resident();
	open = descriptors();
	all(ROUNDS);
	CHECK(resident() - before < 16 * 1024);
	CHECK(descriptors() == open);
	return checked();
}
