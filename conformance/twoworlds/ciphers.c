/* Session keys at work: modes, parts, padding, lengths, parameters. */
#include "world.h"

static const ALG_ID ciphers[] = {CALG_RC2, CALG_RC4, CALG_DES, CALG_3DES_112, CALG_3DES, CALG_AES_128, CALG_AES_192, CALG_AES_256};

static void fill(BYTE *b, DWORD n)
{
	DWORD i;
	for (i = 0; i < n; i++)
		b[i] = (BYTE)(i * 7 + 1);
}

/* Encrypts lengths around the block's, whole, and decrypts them. */
static void lengths(HCRYPTKEY k)
{
	DWORD len;
	for (len = 0; len <= 33; len += len < 7 ? 7 : len == 17 ? 14 : 1) {
		BYTE b[64];
		DWORD n = len;
		printf("  %lu: need %s", (unsigned long)len, said(CryptEncrypt(k, 0, TRUE, 0, NULL, &n, 0)));
		printf(" %lu", (unsigned long)n);
		fill(b, sizeof b);
		n = len;
		printf(" short %s", said(CryptEncrypt(k, 0, TRUE, 0, b, &n, len)));
		printf(" %lu ", (unsigned long)n);
		fill(b, sizeof b);
		n = len;
		if (CryptEncrypt(k, 0, TRUE, 0, b, &n, sizeof b))
			print_hex(b, n);
		printf(" back %s", said(CryptDecrypt(k, 0, TRUE, 0, b, &n)));
		printf(" %lu\n", (unsigned long)n);
	}
}

/* Encrypts in parts, and with a hash beside it. */
static void parts(HCRYPTPROV prov, HCRYPTKEY k)
{
	HCRYPTHASH h = hash_of(prov, CALG_MD5, "");
	BYTE b[64], value[16];
	DWORD n = 0, at = 0, v = sizeof value;
	BOOL ok = TRUE;
	fill(b, sizeof b);
	for (; ok && at < 48; at += n) {
		n = 16;
		ok = CryptEncrypt(k, h, at == 32, 0, b + at, &n, 32);
		printf("  part %s ", said(ok));
		if (ok)
			print_hex(b + at, n);
		printf("\n");
	}
	if (ok && CryptGetHashParam(h, HP_HASHVAL, value, &v, 0)) {
		printf("  hash ");
		print_hex(value, v);
		printf("\n");
	}
	CryptDestroyHash(h);
	n = 5;
	printf("  odd part %s", said(CryptEncrypt(k, 0, FALSE, 0, b, &n, 64)));
	printf(" %lu", (unsigned long)n);
	n = 5;
	printf(", odd end %s\n", said(CryptDecrypt(k, 0, TRUE, 0, b, &n)));
}

static void set(HCRYPTKEY k, const char *name, DWORD param, DWORD v)
{
	printf("  %s %lu: %s\n", name, (unsigned long)v, said(CryptSetKeyParam(k, param, (BYTE *)&v, 0)));
}

static void parameters(HCRYPTKEY k)
{
	static BYTE iv[16] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
	BYTE b[16];
	DWORD n = sizeof b;
	printf("  KP_IV set %s", said(CryptSetKeyParam(k, KP_IV, iv, 0)));
	printf(" get %s ", said(CryptGetKeyParam(k, KP_IV, b, &n, 0)));
	print_hex(b, n <= 16 ? n : 0);
	n = 1;
	printf(" short %s", said(CryptGetKeyParam(k, KP_IV, b, &n, 0)));
	printf(" %lu\n", (unsigned long)n);
	set(k, "KP_PADDING", KP_PADDING, 1);
	set(k, "KP_PADDING", KP_PADDING, 2);
	set(k, "KP_MODE", KP_MODE, 0);
	set(k, "KP_MODE", KP_MODE, 77);
	set(k, "KP_MODE_BITS", KP_MODE_BITS, 8);
	set(k, "KP_PERMISSIONS", KP_PERMISSIONS, CRYPT_ENCRYPT | CRYPT_DECRYPT);
	set(k, "KP_EFFECTIVE_KEYLEN", KP_EFFECTIVE_KEYLEN, 40);
	set(k, "KP_ALGID", KP_ALGID, CALG_RC4);
	set(k, "no such parameter", 0x777, 1);
}

static void one(HCRYPTPROV prov, ALG_ID alg)
{
	static const DWORD modes[] = {CRYPT_MODE_CBC, CRYPT_MODE_ECB, CRYPT_MODE_CFB, CRYPT_MODE_OFB};
	size_t i;
	HCRYPTKEY k;
	printf(" %04x\n", alg);
	for (i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		DWORD mode = modes[i];
		if (!(k = key_of(prov, alg, "ciphers", CRYPT_EXPORTABLE)))
			return;
		printf("  mode %lu: %s\n", (unsigned long)mode, said(CryptSetKeyParam(k, KP_MODE, (BYTE *)&mode, 0)));
		if (alg != CALG_RC4 && mode != CRYPT_MODE_OFB)
			lengths(k);
		parts(prov, k);
		CryptDestroyKey(k);
	}
	k = key_of(prov, alg, "ciphers", CRYPT_EXPORTABLE);
	parameters(k);
	CryptDestroyKey(k);
}

int main(void)
{
	size_t i, j;
	for (i = 0; i < PROVIDERS; i++) {
		HCRYPTPROV prov = context(&providers[i]);
		printf("%s\n", providers[i].name);
		for (j = 0; j < sizeof ciphers / sizeof ciphers[0]; j++)
			one(prov, ciphers[j]);
		CryptReleaseContext(prov, 0);
	}
	return 0;
}
