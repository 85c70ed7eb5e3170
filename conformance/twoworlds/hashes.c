/* Hash objects: values, states, parameters, copies. */
#include "world.h"

static const ALG_ID algorithms[] = {CALG_MD2, CALG_MD4, CALG_MD5, CALG_SHA1, CALG_SHA_256, CALG_SHA_384, CALG_SHA_512, CALG_SSL3_SHAMD5,
				    CALG_MAC, CALG_HMAC, 0, 0x80ff};

static void value(HCRYPTHASH h, const char *name)
{
	BYTE b[128];
	DWORD n = 0;
	printf("  %s: %s", name, said(CryptGetHashParam(h, HP_HASHVAL, NULL, &n, 0)));
	printf(" %lu", (unsigned long)n);
	n = 1;
	printf(" %s", said(CryptGetHashParam(h, HP_HASHVAL, b, &n, 0)));
	printf(" %lu ", (unsigned long)n);
	n = sizeof b;
	if (CryptGetHashParam(h, HP_HASHVAL, b, &n, 0))
		print_hex(b, n);
	else
		printf("%s", said(FALSE));
	printf("\n");
}

static void numbers(HCRYPTHASH h)
{
	DWORD v = 0, n = sizeof v;
	printf("  HP_ALGID %s", said(CryptGetHashParam(h, HP_ALGID, (BYTE *)&v, &n, 0)));
	printf(" %lx", (unsigned long)v);
	v = 0, n = sizeof v;
	printf(" HP_HASHSIZE %s", said(CryptGetHashParam(h, HP_HASHSIZE, (BYTE *)&v, &n, 0)));
	printf(" %lu", (unsigned long)v);
	n = sizeof v;
	printf(" other %s\n", said(CryptGetHashParam(h, 0x77, (BYTE *)&v, &n, 0)));
}

static void one(HCRYPTPROV prov, ALG_ID alg)
{
	static BYTE set[64] = {1, 2, 3};
	HCRYPTHASH h = 0, copy = 0;
	HCRYPTKEY k;
	BOOL ok = CryptCreateHash(prov, alg, 0, 0, &h);
	printf(" %04x: %s\n", alg, said(ok));
	if (!ok)
		return;
	numbers(h);
	printf("  feed %s", said(CryptHashData(h, (const BYTE *)"abc", 3, 0)));
	printf(", nothing %s", said(CryptHashData(h, NULL, 0, 0)));
	printf(", flags %s", said(CryptHashData(h, (const BYTE *)"abc", 3, 2)));
	printf(", copy %s\n", said(CryptDuplicateHash(h, NULL, 0, &copy)));
	if (alg == CALG_SSL3_SHAMD5) /* takes no data; a value that was not set is nothing */
		CryptSetHashParam(h, HP_HASHVAL, set, 0), CryptSetHashParam(copy, HP_HASHVAL, set, 0);
	value(h, "value");
	printf("  feed after value %s", said(CryptHashData(h, (const BYTE *)"d", 1, 0)));
	printf(", feed the copy %s\n", said(CryptHashData(copy, (const BYTE *)"d", 1, 0)));
	value(copy, "copy");
	k = key_of(prov, CALG_RC4, "session", CRYPT_EXPORTABLE);
	printf("  session key %s", said(CryptHashSessionKey(h, k, 0)));
	CryptDestroyKey(k);
	printf(", set %s\n", said(CryptSetHashParam(h, HP_HASHVAL, set, 0)));
	value(h, "set");
	printf("  destroy %s", said(CryptDestroyHash(h)));
	printf(", again %s, copy %s\n", said(CryptDestroyHash(h)), CryptDestroyHash(copy) ? "ok" : "not");
}

/* A session key in a hash: little-endian as CRYPT_LITTLE_ENDIAN says. */
static void session(HCRYPTPROV prov)
{
	HCRYPTKEY k = key_of(prov, CALG_RC2, "session", CRYPT_EXPORTABLE);
	DWORD flags;
	for (flags = 0; flags < 4; flags++) {
		HCRYPTHASH h = hash_of(prov, CALG_MD5, "x");
		printf("  flags %lu: %s\n", (unsigned long)flags, said(CryptHashSessionKey(h, k, flags)));
		value(h, "value");
		CryptDestroyHash(h);
	}
	CryptDestroyKey(k);
}

int main(void)
{
	size_t i, j;
	for (i = 0; i < PROVIDERS; i++) {
		HCRYPTPROV prov = context(&providers[i]);
		printf("%s\n", providers[i].name);
		for (j = 0; j < sizeof algorithms / sizeof algorithms[0]; j++)
			one(prov, algorithms[j]);
		session(prov);
		CryptReleaseContext(prov, 0);
	}
	return 0;
}
