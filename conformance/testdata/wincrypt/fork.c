/* Every first call in a forked child, and in its own children, reaches a library that works there. */
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static void derive(void)
{
	HCRYPTPROV provider = 0;
	HCRYPTHASH hash = 0;
	HCRYPTKEY key = 0;
	BYTE blob[64];
	DWORD n = sizeof blob;

	CHECK(CryptAcquireContext(&provider, NULL, NULL, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
	CHECK(CryptCreateHash(provider, CALG_SHA1, 0, 0, &hash));
	CHECK(CryptHashData(hash, (const BYTE *)"abc", 3, 0));
	CHECK(CryptDeriveKey(provider, CALG_AES_128, hash, CRYPT_EXPORTABLE, &key));
	CHECK(CryptExportKey(key, 0, PLAINTEXTKEYBLOB, 0, blob, &n));
	CHECK(n == 28);
	FAILS(ERROR_INVALID_PARAMETER, CryptDestroyKey(0x1234));
	CHECK(CryptDestroyKey(key) && CryptDestroyHash(hash) && CryptReleaseContext(provider, 0));
}

static void in_child(void (*run)(HCRYPTPROV), HCRYPTPROV parents)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		run(parents);
		fflush(stdout);
		_exit(wrong != 0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	CHECK(status == 0);
}

static void grandchild(HCRYPTPROV parents)
{
	FAILS(ERROR_INVALID_PARAMETER, CryptReleaseContext(parents, 0));
	derive();
}

static void child(HCRYPTPROV parents)
{
	BYTE random[4];

	/* Nothing of the parent's is there. */
	FAILS(ERROR_INVALID_PARAMETER, CryptGenRandom(parents, sizeof random, random));
	derive();
	in_child(grandchild, parents);
}

int main(void)
{
	HCRYPTPROV provider;

	derive();
	CHECK(CryptAcquireContext(&provider, NULL, NULL, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
	for (int i = 0; i < 3; i++)
		in_child(child, provider);
	derive();
	CHECK(CryptReleaseContext(provider, 0));
	return checked();
}
