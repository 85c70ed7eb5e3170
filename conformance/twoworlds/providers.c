/* What there is: providers, their types, their parameters and their algorithms. */
#include "world.h"

static void number(HCRYPTPROV prov, const char *name, DWORD param)
{
	DWORD v = 0, n = sizeof v;
	BOOL ok = CryptGetProvParam(prov, param, (BYTE *)&v, &n, 0);
	printf("  %s: %s", name, said(ok));
	if (ok)
		printf(" %lu bytes %lx", (unsigned long)n, (unsigned long)v);
	printf("\n");
}

/* Whether the provider says of what type it is. */
static void type(HCRYPTPROV prov, DWORD want)
{
	DWORD v = 0, n = sizeof v;
	printf("  PP_PROVTYPE: %s", said(CryptGetProvParam(prov, PP_PROVTYPE, (BYTE *)&v, &n, 0)));
	printf(" %s\n", v == want ? "as acquired" : "another");
}

static void text(HCRYPTPROV prov, const char *name, DWORD param)
{
	char b[256];
	DWORD n = 0;
	printf("  %s: length %s", name, said(CryptGetProvParam(prov, param, NULL, &n, 0)));
	printf(" %lu,", (unsigned long)n);
	n = 1;
	printf(" short %s", said(CryptGetProvParam(prov, param, (BYTE *)b, &n, 0)));
	printf(" %lu,", (unsigned long)n);
	n = sizeof b;
	if (CryptGetProvParam(prov, param, (BYTE *)b, &n, 0))
		printf(" %s\n", b);
	else
		printf(" %s\n", said(FALSE));
}

static int by_id(const void *a, const void *b)
{
	return (int)((const PROV_ENUMALGS *)a)->aiAlgid - (int)((const PROV_ENUMALGS *)b)->aiAlgid;
}

static int by_id_ex(const void *a, const void *b)
{
	return (int)((const PROV_ENUMALGS_EX *)a)->aiAlgid - (int)((const PROV_ENUMALGS_EX *)b)->aiAlgid;
}

/* The algorithms, in an order of our own. */
static void algorithms(HCRYPTPROV prov)
{
	static PROV_ENUMALGS a[64];
	static PROV_ENUMALGS_EX e[64];
	DWORD n, i, all;
	for (all = 0; n = sizeof a[0], CryptGetProvParam(prov, PP_ENUMALGS, (BYTE *)&a[all], &n, all ? 0 : CRYPT_FIRST); all++)
		;
	printf("  %lu algorithms, then %s\n", (unsigned long)all, said(FALSE));
	qsort(a, all, sizeof a[0], by_id);
	for (i = 0; i < all; i++)
		printf("  %04x %lu bits %.*s\n", a[i].aiAlgid, (unsigned long)a[i].dwBitLen, (int)a[i].dwNameLen, a[i].szName);
	for (all = 0; n = sizeof e[0], CryptGetProvParam(prov, PP_ENUMALGS_EX, (BYTE *)&e[all], &n, all ? 0 : CRYPT_FIRST); all++)
		;
	printf("  %lu algorithms, then %s\n", (unsigned long)all, said(FALSE));
	qsort(e, all, sizeof e[0], by_id_ex);
	for (i = 0; i < all; i++)
		printf("  %04x %lu %lu %lu protocols %lx %lu:%s %lu:%s\n", e[i].aiAlgid, (unsigned long)e[i].dwDefaultLen,
		       (unsigned long)e[i].dwMinLen, (unsigned long)e[i].dwMaxLen, (unsigned long)e[i].dwProtocols,
		       (unsigned long)e[i].dwNameLen, e[i].szName, (unsigned long)e[i].dwLongNameLen, e[i].szLongName);
}

int main(void)
{
	size_t i;
	for (i = 0; i < PROVIDERS; i++) {
		HCRYPTPROV prov = context(&providers[i]);
		printf("%s\n", providers[i].name);
		text(prov, "PP_NAME", PP_NAME);
		text(prov, "PP_CONTAINER", PP_CONTAINER);
		type(prov, providers[i].type);
		number(prov, "PP_VERSION", PP_VERSION);
		number(prov, "PP_IMPTYPE", PP_IMPTYPE);
		number(prov, "PP_KEYSPEC", PP_KEYSPEC);
		number(prov, "PP_KEYSET_TYPE", PP_KEYSET_TYPE);
		number(prov, "PP_SIG_KEYSIZE_INC", PP_SIG_KEYSIZE_INC);
		number(prov, "PP_KEYX_KEYSIZE_INC", PP_KEYX_KEYSIZE_INC);
		number(prov, "no such parameter", 0x7777);
		algorithms(prov);
		printf("  release with flags: %s\n", said(CryptReleaseContext(prov, 1)));
		printf("  release again: %s\n", said(CryptReleaseContext(prov, 0)));
	}
	return 0;
}
