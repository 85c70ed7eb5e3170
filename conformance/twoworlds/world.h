/* What the programs of this directory have in common. They use wincrypt.h and the C library, and print what came of each
 * call, a line each, so that the lines of two worlds can be compared. */
#ifndef WORLD_H
#define WORLD_H

#ifdef _WIN32
#include <windows.h>
#endif
#include <wincrypt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* what a call left: "ok", or its error */
static inline const char *said(BOOL ok)
{
	static char text[16];
	if (ok)
		return "ok";
	snprintf(text, sizeof text, "%08lx", (unsigned long)GetLastError());
	return text;
}

static inline void print_hex(const BYTE *b, DWORD n)
{
	DWORD i;
	for (i = 0; i < n; i++)
		printf("%02x", b[i]);
}

/* The hexadecimal digits of s, "-" for none. The caller frees what comes back. */
static inline BYTE *from_hex(const char *s, DWORD *n)
{
	BYTE *b = malloc(strlen(s) / 2 + 1);
	unsigned v;
	*n = 0;
	if (strcmp(s, "-") == 0)
		return b;
	for (; sscanf(s, "%2x", &v) == 1 && s[0] && s[1]; s += 2)
		b[(*n)++] = (BYTE)v;
	return b;
}

/* The providers, as Windows spells them. */
static const struct provider {
	const char *name;
	DWORD type;
} providers[] = {
	{"Microsoft Base Cryptographic Provider v1.0", PROV_RSA_FULL},
	{"Microsoft Strong Cryptographic Provider", PROV_RSA_FULL},
	{"Microsoft Enhanced Cryptographic Provider v1.0", PROV_RSA_FULL},
	{"Microsoft Enhanced RSA and AES Cryptographic Provider", PROV_RSA_AES},
};
#define PROVIDERS (sizeof providers / sizeof providers[0])

/* Acquires a context that needs no keys. */
static inline HCRYPTPROV context(const struct provider *p)
{
	HCRYPTPROV prov = 0;
	if (!CryptAcquireContextA(&prov, NULL, p->name, p->type, CRYPT_VERIFYCONTEXT))
		printf("acquire %s: %s\n", p->name, said(FALSE));
	return prov;
}

/* A hash object that has been given a text. */
static inline HCRYPTHASH hash_of(HCRYPTPROV prov, ALG_ID alg, const char *text)
{
	HCRYPTHASH h = 0;
	if (!CryptCreateHash(prov, alg, 0, 0, &h))
		printf("create %x: %s\n", alg, said(FALSE));
	else if (!CryptHashData(h, (const BYTE *)text, (DWORD)strlen(text), 0))
		printf("feed %x: %s\n", alg, said(FALSE));
	return h;
}

/* A key that is derived from a text. */
static inline HCRYPTKEY key_of(HCRYPTPROV prov, ALG_ID alg, const char *text, DWORD flags)
{
	HCRYPTHASH h = hash_of(prov, CALG_SHA1, text);
	HCRYPTKEY k = 0;
	if (!CryptDeriveKey(prov, alg, h, flags, &k))
		printf("derive %x: %s\n", alg, said(FALSE));
	CryptDestroyHash(h);
	return k;
}

#endif
