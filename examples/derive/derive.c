/* Derives a session key from a password, as Microsoft's page of CryptDeriveKey does, and shows what can be known of it.
 *
 *     gcc -I<prefix>/include/softcsp derive.c -o derive -lsoftcsp
 */
#include <wincrypt.h>

static int failed(const char *what)
{
	fprintf(stderr, "%s: error 0x%08x\n", what, GetLastError());
	return 1;
}

static void print_hex(const char *name, const BYTE *data, DWORD n)
{
	printf("%s: ", name);
	for (DWORD i = 0; i < n; i++)
		printf("%02x", data[i]);
	printf("\n");
}

int main(void)
{
	static const char password[] = "correct horse";
	HCRYPTPROV provider = 0;
	HCRYPTHASH hash = 0;
	HCRYPTKEY key = 0;
	BYTE blob[64], salt[16];
	DWORD n, bits, status = 1;

	if (!CryptAcquireContext(&provider, NULL, MS_ENHANCED_PROV, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT)) {
		failed("CryptAcquireContext");
		goto done;
	}
	if (!CryptCreateHash(provider, CALG_MD5, 0, 0, &hash)) {
		failed("CryptCreateHash");
		goto done;
	}
	if (!CryptHashData(hash, (const BYTE *)password, sizeof password - 1, 0)) {
		failed("CryptHashData");
		goto done;
	}
	if (!CryptDeriveKey(provider, CALG_RC2, hash, (40 << 16) | CRYPT_EXPORTABLE, &key)) {
		failed("CryptDeriveKey");
		goto done;
	}

	n = sizeof bits;
	if (!CryptGetKeyParam(key, KP_KEYLEN, (BYTE *)&bits, &n, 0)) {
		failed("CryptGetKeyParam");
		goto done;
	}
	printf("bits: %u\n", bits);
	n = sizeof salt;
	if (!CryptGetKeyParam(key, KP_SALT, salt, &n, 0)) {
		failed("CryptGetKeyParam");
		goto done;
	}
	print_hex("salt", salt, n);
	n = sizeof blob;
	if (!CryptExportKey(key, 0, PLAINTEXTKEYBLOB, 0, blob, &n)) {
		failed("CryptExportKey");
		goto done;
	}
	print_hex("blob", blob, n);

	/* The hash object is finished: it takes no more data. */
	if (!CryptHashData(hash, (const BYTE *)password, 1, 0))
		printf("more data: 0x%08x\n", GetLastError());
	status = 0;
done:
	if (hash != 0)
		CryptDestroyHash(hash);
	if (key != 0)
		CryptDestroyKey(key);
	if (provider != 0)
		CryptReleaseContext(provider, 0);
	return (int)status;
}
