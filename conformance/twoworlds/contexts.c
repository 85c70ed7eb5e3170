/* Contexts: how they are acquired, named containers and the keys in them, providers by default, and the wide functions. */
#include "world.h"

static const char container[] = "two-worlds-test";

static HCRYPTPROV acquire(const char *what, const char *name, const char *provider, DWORD type, DWORD flags)
{
	HCRYPTPROV p = 0;
	printf(" %s: %s\n", what, said(CryptAcquireContextA(&p, name, provider, type, flags)));
	return p;
}

static void release(HCRYPTPROV p)
{
	if (p)
		printf("  release %s\n", said(CryptReleaseContext(p, 0)));
}

static void wide(const char *s, WCHAR *w)
{
	while ((*w++ = (WCHAR)*s++))
		;
}

static void refused(void)
{
	printf("what is refused\n");
	release(acquire("no such type", NULL, NULL, 0, CRYPT_VERIFYCONTEXT));
	release(acquire("another type", NULL, NULL, 1000, CRYPT_VERIFYCONTEXT));
	release(acquire("no such provider", NULL, "no such provider", PROV_RSA_FULL, CRYPT_VERIFYCONTEXT));
	release(acquire("empty provider", NULL, "", PROV_RSA_FULL, CRYPT_VERIFYCONTEXT));
	release(acquire("provider of another type", NULL, providers[3].name, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT));
	release(acquire("named and to verify", container, providers[0].name, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT));
	release(acquire("no container", "two-worlds-none", providers[0].name, PROV_RSA_FULL, 0));
	release(acquire("delete no container", "two-worlds-none", providers[0].name, PROV_RSA_FULL, CRYPT_DELETEKEYSET));
	printf(" no room: %s\n", said(CryptAcquireContextA(NULL, NULL, NULL, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT)));
}

static void sign(HCRYPTPROV p, DWORD spec)
{
	HCRYPTHASH h = hash_of(p, CALG_SHA1, "signed in a container");
	HCRYPTKEY k = 0;
	BYTE sig[512];
	DWORD n = sizeof sig;
	printf("  sign with %lu: %s", (unsigned long)spec, said(CryptSignHashA(h, spec, NULL, 0, sig, &n)));
	if (CryptGetUserKey(p, spec, &k)) {
		printf(" verify %s", said(CryptVerifySignatureA(h, sig, n, k, NULL, 0)));
		CryptDestroyKey(k);
	} else {
		printf(" key %s", said(FALSE));
	}
	printf("\n");
	CryptDestroyHash(h);
}

static void contained(const struct provider *provider)
{
	char name[64];
	DWORD n = sizeof name, bits = 1024u << 16;
	HCRYPTKEY k = 0;
	HCRYPTPROV p, q = 0;
	printf("%s\n", provider->name);
	CryptAcquireContextA(&q, container, provider->name, provider->type, CRYPT_DELETEKEYSET);
	p = acquire("new", container, provider->name, provider->type, CRYPT_NEWKEYSET);
	release(acquire("new again", container, provider->name, provider->type, CRYPT_NEWKEYSET));
	printf("  name %s", said(CryptGetProvParam(p, PP_CONTAINER, (BYTE *)name, &n, 0)));
	printf(" %s\n", name);
	printf("  no pair yet: %s\n", said(CryptGetUserKey(p, AT_SIGNATURE, &k)));
	printf("  make a pair: %s\n", said(CryptGenKey(p, AT_SIGNATURE, bits | CRYPT_EXPORTABLE, &k)));
	CryptDestroyKey(k);
	sign(p, AT_SIGNATURE);
	sign(p, AT_KEYEXCHANGE);
	printf("  make another: %s\n", said(CryptGenKey(p, AT_KEYEXCHANGE, bits, &k)));
	n = 0;
	printf("  export it: %s\n", said(CryptExportKey(k, 0, PRIVATEKEYBLOB, 0, NULL, &n)));
	CryptDestroyKey(k);
	release(p);
	p = acquire("again", container, provider->name, provider->type, 0);
	sign(p, AT_SIGNATURE);
	sign(p, AT_KEYEXCHANGE);
	printf("  one more reference: %s\n", said(CryptContextAddRef(p, NULL, 0)));
	release(p);
	release(p);
	printf("  after the last: %s\n", said(CryptReleaseContext(p, 0)));
	release(acquire("delete", container, provider->name, provider->type, CRYPT_DELETEKEYSET));
	release(acquire("deleted", container, provider->name, provider->type, 0));
}

static void defaults(void)
{
	static const DWORD types[] = {PROV_RSA_FULL, PROV_RSA_AES};
	char name[256];
	size_t i;
	printf("by default\n");
	for (i = 0; i < 2; i++) {
		DWORD n = sizeof name;
		HCRYPTPROV p;
		printf(" type %lu: %s", (unsigned long)types[i], said(CryptGetDefaultProviderA(types[i], NULL, CRYPT_MACHINE_DEFAULT, name, &n)));
		printf(" %s\n", name);
		p = acquire("acquire", NULL, NULL, types[i], CRYPT_VERIFYCONTEXT);
		n = sizeof name;
		if (CryptGetProvParam(p, PP_NAME, (BYTE *)name, &n, 0))
			printf("  %s\n", name);
		release(p);
	}
}

static void wides(void)
{
	WCHAR w[256];
	HCRYPTPROV p = 0;
	HCRYPTHASH h;
	DWORD n = 0;
	wide(providers[1].name, w);
	printf("wide\n acquire %s\n", said(CryptAcquireContextW(&p, NULL, w, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT)));
	h = hash_of(p, CALG_MD5, "wide");
	printf(" sign without a pair %s\n", said(CryptSignHashW(h, AT_SIGNATURE, NULL, 0, NULL, &n)));
	CryptDestroyHash(h);
	release(p);
	wide("no such provider", w);
	printf(" no such provider %s\n", said(CryptAcquireContextW(&p, NULL, w, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT)));
}

int main(void)
{
	size_t i;
	refused();
	for (i = 0; i < PROVIDERS; i++)
		contained(&providers[i]);
	defaults();
	wides();
	return 0;
}
