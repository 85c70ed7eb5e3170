/* Key pairs and blobs: a pair whose numbers are given signs, and carries session keys. */
#include "world.h"
#include "pair.h"

static void sign(HCRYPTPROV prov, HCRYPTKEY pair, ALG_ID alg, DWORD flags)
{
	HCRYPTHASH h = hash_of(prov, alg, "what is signed");
	BYTE sig[512];
	DWORD n = 0;
	if (!h)
		return;
	printf("  sign %04x flags %lu: length %s", alg, (unsigned long)flags, said(CryptSignHashA(h, AT_SIGNATURE, NULL, flags, NULL, &n)));
	printf(" %lu ", (unsigned long)n);
	n = sizeof sig;
	if (CryptSignHashA(h, AT_SIGNATURE, NULL, flags, sig, &n)) {
		print_hex(sig, n);
		printf(" verify %s", said(CryptVerifySignatureA(h, sig, n, pair, NULL, flags)));
		printf(" other flags %s", said(CryptVerifySignatureA(h, sig, n, pair, NULL, flags ^ CRYPT_NOHASHOID)));
		printf(" short %s", said(CryptVerifySignatureA(h, sig, n - 1, pair, NULL, flags)));
		sig[3] ^= 1;
		printf(" changed %s", said(CryptVerifySignatureA(h, sig, n, pair, NULL, flags)));
	} else {
		printf("%s", said(FALSE));
	}
	printf("\n");
	CryptDestroyHash(h);
}

static void blob(HCRYPTKEY k, HCRYPTKEY with, const char *name, DWORD type, DWORD flags, int secret)
{
	BYTE b[2048];
	DWORD n = 0;
	printf("  %s: length %s", name, said(CryptExportKey(k, with, type, flags, NULL, &n)));
	printf(" %lu ", (unsigned long)n);
	n = sizeof b;
	if (!CryptExportKey(k, with, type, flags, b, &n))
		printf("%s", said(FALSE));
	else if (secret)
		print_hex(b, 12); /* the rest is random */
	else
		print_hex(b, n);
	printf("\n");
}

/* A session key travels under the pair and comes back. */
static void travel(HCRYPTPROV prov, HCRYPTKEY pair, ALG_ID alg)
{
	HCRYPTKEY k = key_of(prov, alg, "travels", CRYPT_EXPORTABLE), back = 0;
	BYTE b[512], one[32] = "the same text", two[32] = "the same text";
	DWORD n = sizeof b, m = 13, l = 13;
	if (!k)
		return;
	printf("  SIMPLEBLOB of %04x: %s", alg, said(CryptExportKey(k, pair, SIMPLEBLOB, 0, b, &n)));
	printf(" %lu ", (unsigned long)n);
	print_hex(b, 12);
	printf(" import %s", said(CryptImportKey(prov, b, n, pair, 0, &back)));
	printf(" encrypt %s", said(CryptEncrypt(k, 0, TRUE, 0, one, &m, sizeof one)));
	printf(" %s", said(CryptEncrypt(back, 0, TRUE, 0, two, &l, sizeof two)));
	printf(" %s\n", m == l && memcmp(one, two, m) == 0 ? "same" : "other");
	blob(back, 0, "export of what came back", PLAINTEXTKEYBLOB, 0, 0);
	CryptDestroyKey(back);
	CryptDestroyKey(k);
}

static void errors(HCRYPTPROV prov)
{
	BYTE b[sizeof signature_pair];
	HCRYPTKEY k = 0;
	pair_for(CALG_RSA_KEYX, b);
	printf("  import cut short %s", said(CryptImportKey(prov, b, 7, 0, 0, &k)));
	b[0] = 0x77;
	printf(", of another type %s", said(CryptImportKey(prov, b, sizeof b, 0, 0, &k)));
	pair_for(CALG_RSA_KEYX, b);
	b[1] = 0x77;
	printf(", of another version %s", said(CryptImportKey(prov, b, sizeof b, 0, 0, &k)));
	printf(", NULL %s\n", said(CryptImportKey(prov, NULL, 0, 0, 0, &k)));
	k = key_of(prov, CALG_RC4, "kept", 0);
	blob(k, 0, "PUBLICKEYBLOB of a session key", PUBLICKEYBLOB, 0, 0);
	blob(k, 0, "no such blob", 0x77, 0, 0);
	CryptDestroyKey(k);
}

int main(void)
{
	static const ALG_ID hashes[] = {CALG_MD2, CALG_MD4, CALG_MD5, CALG_SHA1, CALG_SHA_256, CALG_SHA_512};
	BYTE blob_of_pair[sizeof signature_pair];
	size_t i, j;
	for (i = 0; i < PROVIDERS; i++) {
		HCRYPTPROV prov = context(&providers[i]);
		HCRYPTKEY pair = 0, exchange = 0, user = 0;
		printf("%s\n", providers[i].name);
		printf("  import %s\n", said(CryptImportKey(prov, signature_pair, sizeof signature_pair, 0, CRYPT_EXPORTABLE, &pair)));
		printf("  user key %s", said(CryptGetUserKey(prov, AT_SIGNATURE, &user)));
		printf(" none %s\n", said(CryptGetUserKey(prov, AT_KEYEXCHANGE, &exchange)));
		for (j = 0; j < sizeof hashes / sizeof hashes[0]; j++) {
			sign(prov, pair, hashes[j], 0);
			sign(prov, pair, hashes[j], CRYPT_NOHASHOID);
		}
		blob(pair, 0, "PUBLICKEYBLOB", PUBLICKEYBLOB, 0, 0);
		blob(pair, 0, "PRIVATEKEYBLOB", PRIVATEKEYBLOB, 0, 0);
		pair_for(CALG_RSA_KEYX, blob_of_pair);
		printf("  import exchange %s\n", said(CryptImportKey(prov, blob_of_pair, sizeof blob_of_pair, 0, CRYPT_EXPORTABLE, &exchange)));
		travel(prov, exchange, CALG_RC2);
		travel(prov, exchange, CALG_RC4);
		travel(prov, exchange, CALG_DES);
		if (i)
			travel(prov, exchange, CALG_3DES);
		if (i == 3)
			travel(prov, exchange, CALG_AES_256);
		errors(prov);
		CryptDestroyKey(exchange);
		CryptDestroyKey(user);
		CryptDestroyKey(pair);
		CryptReleaseContext(prov, 0);
	}
	return 0;
}
