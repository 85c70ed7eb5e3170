/* Sixteen threads derive, encrypt and decrypt with contexts of their own, and derive from one hash that all share, for as many
 * seconds as the argument says. Every byte is compared, and memory and threads may not grow once all are at work. */
#define _GNU_SOURCE
#include <wincrypt.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { threads = 16 };

static HCRYPTPROV shared_prov;
static HCRYPTHASH shared_hash;
static atomic_int stop;
static atomic_long rounds;

static const BYTE key[] = {0x08, 0x02, 0x00, 0x00, 0x02, 0x66, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0xb5, 0xdc, 0xb3, 0xb0,
			   0x48, 0x8c, 0x0d, 0x08, 0xb7, 0xfd, 0x73, 0x86, 0xb1, 0xa9, 0x0d, 0xf5};

static void need(int ok, const char *what)
{
	if (!ok) {
		printf("%s: %08x\n", what, (unsigned)GetLastError());
		_exit(1);
	}
}

static void same_key(HCRYPTKEY k)
{
	BYTE blob[64];
	DWORD n = sizeof blob;
	need(CryptExportKey(k, 0, PLAINTEXTKEYBLOB, 0, blob, &n), "CryptExportKey");
	need(n == sizeof key && memcmp(blob, key, n) == 0, "another key");
}

static void own(unsigned seed)
{
	HCRYPTPROV prov;
	HCRYPTHASH h;
	HCRYPTKEY k;
	BYTE text[128], b[144];
	DWORD i, n = seed % 100 + 1;
	need(CryptAcquireContextA(&prov, NULL, "Microsoft Strong Cryptographic Provider", PROV_RSA_FULL, CRYPT_VERIFYCONTEXT), "CryptAcquireContext");
	need(CryptCreateHash(prov, CALG_MD5, 0, 0, &h), "CryptCreateHash");
	need(CryptHashData(h, (const BYTE *)"apple-camshaft", 14, 0), "CryptHashData");
	need(CryptDeriveKey(prov, CALG_RC2, h, 128 << 16 | CRYPT_EXPORTABLE, &k), "CryptDeriveKey");
	same_key(k);
	for (i = 0; i < n; i++)
		text[i] = b[i] = (BYTE)(seed + i);
	i = n;
	need(CryptEncrypt(k, 0, TRUE, 0, b, &i, sizeof b), "CryptEncrypt");
	need(CryptDecrypt(k, 0, TRUE, 0, b, &i), "CryptDecrypt");
	need(i == n && memcmp(b, text, n) == 0, "another text");
	need(!CryptHashData(h, text, 1, 0) && GetLastError() == (DWORD)NTE_BAD_HASH_STATE, "the hash is finished");
	need(CryptDestroyKey(k) && CryptDestroyHash(h) && CryptReleaseContext(prov, 0), "destroy");
}

static void *work(void *arg)
{
	unsigned seed = (unsigned)(size_t)arg;
	while (!atomic_load(&stop)) {
		HCRYPTKEY k;
		own(seed++);
		need(CryptDeriveKey(shared_prov, CALG_RC2, shared_hash, 128 << 16 | CRYPT_EXPORTABLE, &k), "the shared hash");
		same_key(k);
		need(CryptDestroyKey(k), "CryptDestroyKey");
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

static long resident(void)
{
	long all, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	need(f && fscanf(f, "%ld %ld", &all, &pages) == 2, "statm");
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int argc, char **argv)
{
	pthread_t t[threads];
	int i, seconds = argc > 1 ? atoi(argv[1]) : 3;
	long before, after;
	need(CryptAcquireContextA(&shared_prov, NULL, "Microsoft Strong Cryptographic Provider", PROV_RSA_FULL, CRYPT_VERIFYCONTEXT), "CryptAcquireContext");
	need(CryptCreateHash(shared_prov, CALG_MD5, 0, 0, &shared_hash), "CryptCreateHash");
	need(CryptHashData(shared_hash, (const BYTE *)"apple-camshaft", 14, 0), "CryptHashData");
	for (i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, work, (void *)(size_t)(i * 1000));
	sleep(seconds / 3 + 1);
	before = resident();
	sleep(seconds - seconds / 3);
	after = resident();
	atomic_store(&stop, 1);
	for (i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	need(CryptDestroyHash(shared_hash) && CryptReleaseContext(shared_prov, 0), "destroy");
	printf("%ld rounds, %ld KB then %ld KB\n", atomic_load(&rounds), before, after);
	need(after < before + 8192, "memory grows");
	printf("ok\n");
	return 0;
}
