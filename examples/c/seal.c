/* Encrypts a file with a key from a password, carries the key from one context to another, and decrypts the file there.
 *
 *     seal PASSWORD IN SEALED OUT
 *
 * The key is AES with 256 bits from SHA-1 of the password, in CBC mode with an IV that stands at the front of SEALED. It
 * travels as a SIMPLEBLOB under the exchange key of the second context, which is made for this run. The same source builds
 * on Windows. */
#ifdef _WIN32
#include <windows.h>
#endif
#include <wincrypt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { block = 16, piece = 64 * block };

static void fail(const char *what)
{
	fprintf(stderr, "%s: error %08lx\n", what, (unsigned long)GetLastError());
	exit(1);
}

static FILE *file(const char *name, const char *mode)
{
	FILE *f = fopen(name, mode);
	if (!f) {
		perror(name);
		exit(1);
	}
	return f;
}

static HCRYPTPROV context(void)
{
	HCRYPTPROV prov;
	if (!CryptAcquireContextA(&prov, NULL, NULL, PROV_RSA_AES, CRYPT_VERIFYCONTEXT))
		fail("CryptAcquireContext");
	return prov;
}

static HCRYPTKEY derive(HCRYPTPROV prov, const char *password)
{
	HCRYPTHASH hash;
	HCRYPTKEY key;
	if (!CryptCreateHash(prov, CALG_SHA1, 0, 0, &hash))
		fail("CryptCreateHash");
	if (!CryptHashData(hash, (const BYTE *)password, (DWORD)strlen(password), 0))
		fail("CryptHashData");
	if (!CryptDeriveKey(prov, CALG_AES_256, hash, CRYPT_EXPORTABLE, &key))
		fail("CryptDeriveKey");
	CryptDestroyHash(hash);
	return key;
}

/* Reads the next piece, and tells whether it is the last. */
static DWORD next(FILE *in, BYTE *b, BOOL *last)
{
	DWORD n = (DWORD)fread(b, 1, piece, in);
	int c = getc(in);
	*last = c == EOF;
	if (c != EOF)
		ungetc(c, in);
	return n;
}

static void encrypt(HCRYPTPROV prov, HCRYPTKEY key, FILE *in, FILE *out)
{
	BYTE iv[block], b[piece + block];
	BOOL last = FALSE;
	if (!CryptGenRandom(prov, sizeof iv, iv) || !CryptSetKeyParam(key, KP_IV, iv, 0))
		fail("the IV");
	fwrite(iv, 1, sizeof iv, out);
	while (!last) {
		DWORD n = next(in, b, &last);
		if (!CryptEncrypt(key, 0, last, 0, b, &n, sizeof b))
			fail("CryptEncrypt");
		fwrite(b, 1, n, out);
	}
}

static void decrypt(HCRYPTKEY key, FILE *in, FILE *out)
{
	BYTE iv[block], b[piece];
	BOOL last = FALSE;
	if (fread(iv, 1, sizeof iv, in) != sizeof iv || !CryptSetKeyParam(key, KP_IV, iv, 0))
		fail("the IV");
	while (!last) {
		DWORD n = next(in, b, &last);
		if (!CryptDecrypt(key, 0, last, 0, b, &n))
			fail("CryptDecrypt");
		fwrite(b, 1, n, out);
	}
}

/* Carries a key to another context. */
static HCRYPTKEY carry(HCRYPTKEY key, HCRYPTPROV from, HCRYPTPROV to)
{
	HCRYPTKEY pair, public, carried;
	BYTE blob[1024];
	DWORD n = sizeof blob;
	if (!CryptGenKey(to, AT_KEYEXCHANGE, 2048u << 16, &pair))
		fail("CryptGenKey");
	if (!CryptExportKey(pair, 0, PUBLICKEYBLOB, 0, blob, &n) || !CryptImportKey(from, blob, n, 0, 0, &public))
		fail("the public key");
	n = sizeof blob;
	if (!CryptExportKey(key, public, SIMPLEBLOB, 0, blob, &n))
		fail("CryptExportKey");
	if (!CryptImportKey(to, blob, n, pair, 0, &carried))
		fail("CryptImportKey");
	CryptDestroyKey(public);
	CryptDestroyKey(pair);
	return carried;
}

int main(int argc, char **argv)
{
	HCRYPTPROV here, there;
	HCRYPTKEY key, carried;
	FILE *in, *out;
	if (argc != 5) {
		fprintf(stderr, "usage: seal PASSWORD IN SEALED OUT\n");
		return 2;
	}
	here = context();
	there = context();
	key = derive(here, argv[1]);
	in = file(argv[2], "rb"), out = file(argv[3], "wb");
	encrypt(here, key, in, out);
	fclose(in), fclose(out);
	carried = carry(key, here, there);
	in = file(argv[3], "rb"), out = file(argv[4], "wb");
	decrypt(carried, in, out);
	fclose(in), fclose(out);
	CryptDestroyKey(carried);
	CryptDestroyKey(key);
	CryptReleaseContext(there, 0);
	CryptReleaseContext(here, 0);
	return 0;
}
