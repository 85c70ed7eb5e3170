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

static void algorithms(HCRYPTPROV prov)
{
	PROV_ENUMALGS a;
	PROV_ENUMALGS_EX e;
	DWORD n = sizeof a, first = CRYPT_FIRST;
	while (CryptGetProvParam(prov, PP_ENUMALGS, (BYTE *)&a, &n, first)) {
		printf("  %04x %lu bits %.*s\n", a.aiAlgid, (unsigned long)a.dwBitLen, (int)a.dwNameLen, a.szName);
		n = sizeof a, first = 0;
	}
	printf("  end: %s\n", said(FALSE));
	n = sizeof e, first = CRYPT_FIRST;
	while (CryptGetProvParam(prov, PP_ENUMALGS_EX, (BYTE *)&e, &n, first)) {
		printf("  %04x %lu %lu %lu protocols %lx %lu:%s %lu:%s\n", e.aiAlgid, (unsigned long)e.dwDefaultLen, (unsigned long)e.dwMinLen,
		       (unsigned long)e.dwMaxLen, (unsigned long)e.dwProtocols, (unsigned long)e.dwNameLen, e.szName,
		       (unsigned long)e.dwLongNameLen, e.szLongName);
		n = sizeof e, first = 0;
	}
	printf("  end: %s\n", said(FALSE));
}

int main(void)
{
	size_t i;
	for (i = 0; i < PROVIDERS; i++) {
		HCRYPTPROV prov = context(&providers[i]);
		printf("%s\n", providers[i].name);
		text(prov, "PP_NAME", PP_NAME);
		text(prov, "PP_CONTAINER", PP_CONTAINER);
		number(prov, "PP_PROVTYPE", PP_PROVTYPE);
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
