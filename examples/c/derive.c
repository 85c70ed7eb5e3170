/* Derives a session key from a password: the calls that Microsoft's page of CryptDeriveKey makes, in its order.
 *
 *     gcc derive.c $(pkg-config --cflags --libs softcsp) -o derive
 *
 * The same source builds on Windows. It prints the key that comes out, as a PLAINTEXTKEYBLOB. */
#ifdef _WIN32
#include <windows.h>
#endif
#include <wincrypt.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	CHAR password[] = "apple-camshaft";
	HCRYPTPROV prov = 0;
	HCRYPTHASH hash = 0;
	HCRYPTKEY key = 0;
	BYTE blob[64];
	DWORD i, length = sizeof blob;
	int status = 1;

	if (!CryptAcquireContextA(&prov, NULL, NULL, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT)) {
		printf("Error %x during CryptAcquireContext!\n", (unsigned)GetLastError());
		goto done;
	}
	if (!CryptCreateHash(prov, CALG_MD5, 0, 0, &hash)) {
		printf("Error %x during CryptCreateHash!\n", (unsigned)GetLastError());
		goto done;
	}
	if (!CryptHashData(hash, (BYTE *)password, (DWORD)strlen(password), 0)) {
		printf("Error %x during CryptHashData!\n", (unsigned)GetLastError());
		goto done;
	}
	if (!CryptDeriveKey(prov, CALG_RC2, hash, CRYPT_EXPORTABLE, &key)) {
		printf("Error %x during CryptDeriveKey!\n", (unsigned)GetLastError());
		goto done;
	}
	if (!CryptExportKey(key, 0, PLAINTEXTKEYBLOB, 0, blob, &length)) {
		printf("Error %x during CryptExportKey!\n", (unsigned)GetLastError());
		goto done;
	}
	for (i = 0; i < length; i++)
		printf("%02x", blob[i]);
	printf("\n");
	status = 0;
done:
	if (hash != 0)
		CryptDestroyHash(hash);
	if (key != 0)
		CryptDestroyKey(key);
	if (prov != 0)
		CryptReleaseContext(prov, 0);
	return status;
}
