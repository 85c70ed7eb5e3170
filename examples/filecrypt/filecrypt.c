/* Encrypts a file with a key that is derived from a password, sends the key to somebody with an exchange key, and decrypts
 * the file with what arrived there: CryptHashData, CryptDeriveKey, CryptSetKeyParam, CryptEncrypt in pieces, CryptExportKey,
 * CryptImportKey, CryptDecrypt in pieces.
 *
 *     gcc -I<prefix>/include/softcsp filecrypt.c -o filecrypt -lsoftcsp
 *     ./filecrypt password plain encrypted decrypted
 */
#include <wincrypt.h>

enum { PIECE = 1024, BLOCK = 16 };

static int failed(const char *what)
{
	fprintf(stderr, "%s: error 0x%08x\n", what, GetLastError());
	return 0;
}

/* Encrypts or decrypts a file piece by piece. The last piece is the one that is shorter than the others. */
static int convert(HCRYPTKEY key, BOOL encrypt, const char *from, const char *to)
{
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	BYTE data[PIECE + BLOCK];
	int good = in != NULL && out != NULL;
	BOOL last = FALSE;

	while (good && !last) {
		DWORD n = (DWORD)fread(data, 1, PIECE, in);
		int next = getc(in);

		last = next == EOF;
		if (!last)
			ungetc(next, in);
		good = encrypt ? CryptEncrypt(key, 0, last, 0, data, &n, sizeof data) : CryptDecrypt(key, 0, last, 0, data, &n);
		if (!good)
			failed(encrypt ? "CryptEncrypt" : "CryptDecrypt");
		else
			good = fwrite(data, 1, n, out) == n;
	}
	if (in != NULL)
		fclose(in);
	if (out != NULL && fclose(out) != 0)
		good = 0;
	return good;
}

static HCRYPTKEY derive(HCRYPTPROV provider, const char *password)
{
	HCRYPTHASH hash = 0;
	HCRYPTKEY key = 0;

	if (!CryptCreateHash(provider, CALG_SHA_256, 0, 0, &hash)) {
		failed("CryptCreateHash");
		return 0;
	}
	if (!CryptHashData(hash, (const BYTE *)password, (DWORD)strlen(password), 0))
		failed("CryptHashData");
	else if (!CryptDeriveKey(provider, CALG_AES_256, hash, CRYPT_EXPORTABLE, &key))
		failed("CryptDeriveKey");
	CryptDestroyHash(hash);
	return key;
}

/* Takes a key from one context to another: as a SIMPLEBLOB for the receiver's exchange key, and with its IV beside it. */
static HCRYPTKEY transport(HCRYPTKEY key, HCRYPTPROV sender, HCRYPTPROV receiver, const BYTE *iv)
{
	HCRYPTKEY exchange = 0, public = 0, received = 0;
	BYTE public_blob[1024], blob[1024];
	DWORD n = sizeof public_blob, m = sizeof blob;

	if (!CryptGenKey(receiver, AT_KEYEXCHANGE, 2048u << 16, &exchange))
		failed("CryptGenKey");
	else if (!CryptExportKey(exchange, 0, PUBLICKEYBLOB, 0, public_blob, &n))
		failed("CryptExportKey");
	else if (!CryptImportKey(sender, public_blob, n, 0, 0, &public))
		failed("CryptImportKey");
	else if (!CryptExportKey(key, public, SIMPLEBLOB, 0, blob, &m))
		failed("CryptExportKey");
	else if (!CryptImportKey(receiver, blob, m, exchange, 0, &received))
		failed("CryptImportKey");
	else if (!CryptSetKeyParam(received, KP_IV, iv, 0))
		failed("CryptSetKeyParam");
	if (public != 0)
		CryptDestroyKey(public);
	if (exchange != 0)
		CryptDestroyKey(exchange);
	return received;
}

int main(int argc, char **argv)
{
	static const BYTE iv[BLOCK] = "a fresh IV, pls";
	HCRYPTPROV sender = 0, receiver = 0;
	HCRYPTKEY key = 0, received = 0;
	int status = 1;

	if (argc != 5) {
		fprintf(stderr, "usage: %s PASSWORD PLAIN ENCRYPTED DECRYPTED\n", argv[0]);
		return 2;
	}
	if (!CryptAcquireContext(&sender, NULL, MS_ENH_RSA_AES_PROV, PROV_RSA_AES, CRYPT_VERIFYCONTEXT) ||
	    !CryptAcquireContext(&receiver, NULL, MS_ENH_RSA_AES_PROV, PROV_RSA_AES, CRYPT_VERIFYCONTEXT)) {
		failed("CryptAcquireContext");
		goto done;
	}
	key = derive(sender, argv[1]);
	if (key == 0)
		goto done;
	if (!CryptSetKeyParam(key, KP_IV, iv, 0)) {
		failed("CryptSetKeyParam");
		goto done;
	}
	if (!convert(key, TRUE, argv[2], argv[3]))
		goto done;
	received = transport(key, sender, receiver, iv);
	if (received == 0 || !convert(received, FALSE, argv[3], argv[4]))
		goto done;
	status = 0;
done:
	if (received != 0)
		CryptDestroyKey(received);
	if (key != 0)
		CryptDestroyKey(key);
	if (receiver != 0)
		CryptReleaseContext(receiver, 0);
	if (sender != 0)
		CryptReleaseContext(sender, 0);
	return status;
}
