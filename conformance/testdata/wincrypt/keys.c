/* Hash objects and keys as Windows has them: what tests that pass on Windows show. Hash values and ciphertexts that are known
 * come from those tests; the rest is what must be equal to something else. */
#include "check.h"

static HCRYPTPROV provider;

static HCRYPTHASH hash_of(ALG_ID algid, const void *data, DWORD n)
{
	HCRYPTHASH hash = 0;

	CHECK(CryptCreateHash(provider, algid, 0, 0, &hash) && CryptHashData(hash, data, n, 0));
	return hash;
}

/* A key that is derived from the MD2 of the bytes 0, 1, 2 and so on, 2000 of them, as the tests of Wine do. */
static HCRYPTKEY derived(ALG_ID algid, DWORD bits)
{
	BYTE data[2000];
	HCRYPTKEY key = 0;
	HCRYPTHASH hash;

	for (int i = 0; i < 2000; i++)
		data[i] = (BYTE)i;
	hash = hash_of(CALG_MD2, data, sizeof data);
	CHECK(CryptDeriveKey(provider, algid, hash, bits << 16 | CRYPT_EXPORTABLE, &key));
	CHECK(CryptDestroyHash(hash));
	return key;
}

static DWORD number(HCRYPTKEY key, DWORD param)
{
	DWORD value = 0xdeadbeef, n = sizeof value;

	CHECK(CryptGetKeyParam(key, param, (BYTE *)&value, &n, 0) && n == 4);
	return value;
}

static BOOL set_number(HCRYPTKEY key, DWORD param, DWORD value)
{
	return CryptSetKeyParam(key, param, (BYTE *)&value, 0);
}

static void hashes(void)
{
	static const BYTE empty_md5[16] = { 0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e };
	HCRYPTHASH hash, copy;
	BYTE value[64], other[64];
	DWORD n, size, algid;

	CHECK(CryptCreateHash(provider, CALG_MD5, 0, 0, &hash));
	FAILS(NTE_BAD_FLAGS, CryptHashData(hash, value, 1, ~0u));
	n = sizeof size;
	CHECK(CryptGetHashParam(hash, HP_HASHSIZE, (BYTE *)&size, &n, 0) && size == 16);
	n = sizeof algid;
	CHECK(CryptGetHashParam(hash, HP_ALGID, (BYTE *)&algid, &n, 0) && algid == CALG_MD5);
	CHECK(CryptGetHashParam(hash, HP_HASHVAL, NULL, &n, 0) && n == 16);
	CHECK(CryptHashData(hash, NULL, 0, CRYPT_USERDATA)); /* asking for the length does not finish it */
	n = 15;
	FAILS(ERROR_MORE_DATA, CryptGetHashParam(hash, HP_HASHVAL, value, &n, 0));
	CHECK(n == 16);
	CHECK(CryptDuplicateHash(hash, NULL, 0, &copy));
	for (int i = 0; i < 2; i++)
		CHECK(CryptGetHashParam(hash, HP_HASHVAL, value, &n, 0) && memcmp(value, empty_md5, 16) == 0);
	FAILS(NTE_BAD_HASH_STATE, CryptHashData(hash, value, 1, 0));
	FAILS(NTE_BAD_TYPE, CryptGetHashParam(hash, 99, value, &n, 0));
	CHECK(CryptHashData(copy, (const BYTE *)"a", 1, 0)); /* what became of one is not the other's */
	n = sizeof other;
	CHECK(CryptGetHashParam(copy, HP_HASHVAL, other, &n, 0) && memcmp(value, other, 16) != 0);
	CHECK(CryptDestroyHash(hash) && CryptDestroyHash(copy));

	FAILS(NTE_BAD_ALGID, CryptCreateHash(provider, CALG_SHA_256, 0, 0, &hash));
	FAILS(NTE_BAD_ALGID, CryptCreateHash(provider, CALG_RC4, 0, 0, &hash));
	FAILS(NTE_BAD_FLAGS, CryptCreateHash(provider, CALG_MD5, 0, 1, &hash));
	FAILS(NTE_BAD_KEY, CryptCreateHash(provider, CALG_HMAC, 0, 0, &hash));
	CHECK(CryptCreateHash(provider, CALG_SSL3_SHAMD5, 0, 0, &hash));
	FAILS(NTE_BAD_ALGID, CryptHashData(hash, value, 1, 0));
	CHECK(CryptSetHashParam(hash, HP_HASHVAL, value, 0));
	CHECK(CryptDestroyHash(hash));
}

static void session_key_hash(void)
{
	HCRYPTKEY key = derived(CALG_RC4, 128);
	BYTE blob[64], big[20], little[20], turned[16], value[20];
	DWORD n = sizeof blob, flags[] = { 0, CRYPT_LITTLE_ENDIAN };
	BYTE *out[] = { big, little };
	HCRYPTHASH hash;

	CHECK(CryptExportKey(key, 0, PLAINTEXTKEYBLOB, 0, blob, &n) && n == 28);
	for (int i = 0; i < 2; i++) {
		CHECK(CryptCreateHash(provider, CALG_SHA, 0, 0, &hash) && CryptHashSessionKey(hash, key, flags[i]));
		n = 20;
		CHECK(CryptGetHashParam(hash, HP_HASHVAL, out[i], &n, 0) && CryptDestroyHash(hash));
	}
	for (int i = 0; i < 16; i++)
		turned[i] = blob[12 + 15 - i];
	hash = hash_of(CALG_SHA, turned, 16);
	n = 20;
	CHECK(CryptGetHashParam(hash, HP_HASHVAL, value, &n, 0) && memcmp(value, big, 20) == 0 && CryptDestroyHash(hash));
	hash = hash_of(CALG_SHA, blob + 12, 16);
	n = 20;
	CHECK(CryptGetHashParam(hash, HP_HASHVAL, value, &n, 0) && memcmp(value, little, 20) == 0 && CryptDestroyHash(hash));
	CHECK(CryptDestroyKey(key));
}

static void modes(void)
{
	static const BYTE ecb[24] = { 0xc0, 0x9a, 0xe4, 0x2f, 0x0a, 0x47, 0x67, 0x11, 0xf2, 0xb2, 0x5d, 0x5f, 0x08, 0xff, 0x49, 0xa4, 0x45, 0x3a, 0x68, 0x14, 0xca, 0x18, 0xe5, 0xf4 };
	static const BYTE cbc[24] = { 0xc0, 0x9a, 0xe4, 0x2f, 0x0a, 0x47, 0x67, 0x11, 0x10, 0xf5, 0xda, 0x61, 0x4e, 0x3d, 0xab, 0xc0, 0x97, 0x85, 0x01, 0x12, 0x97, 0xa4, 0xf7, 0xd3 };
	static const BYTE cfb[24] = { 0x29, 0xb5, 0x67, 0x85, 0x0b, 0x1b, 0xec, 0x07, 0x67, 0x2d, 0xa1, 0xa4, 0x1a, 0x47, 0x24, 0x6a, 0x54, 0xe1, 0xe0, 0x92, 0xf9, 0x0e, 0xf6, 0xeb };
	static const struct { DWORD mode; const BYTE *want; } known[] = { { CRYPT_MODE_ECB, ecb }, { CRYPT_MODE_CBC, cbc }, { CRYPT_MODE_CFB, cfb } };
	HCRYPTKEY key = derived(CALG_RC2, 40);
	BYTE data[32];
	DWORD n;

	CHECK(number(key, KP_MODE) == CRYPT_MODE_CBC && number(key, KP_BLOCKLEN) == 64 && number(key, KP_PADDING) == PKCS5_PADDING);
	for (int i = 0; i < 3; i++) {
		CHECK(set_number(key, KP_MODE, known[i].mode) && number(key, KP_MODE) == known[i].mode);
		for (BYTE b = 0; b < 23; b++)
			data[b] = b;
		n = 23;
		CHECK(CryptEncrypt(key, 0, TRUE, 0, NULL, &n, 0) && n == 24);
		n = 23;
		FAILS(ERROR_MORE_DATA, CryptEncrypt(key, 0, TRUE, 0, data, &n, 23));
		CHECK(n == 24 && data[22] == 22);
		n = 16; /* in two pieces */
		CHECK(CryptEncrypt(key, 0, FALSE, 0, data, &n, sizeof data) && n == 16);
		n = 7;
		CHECK(CryptEncrypt(key, 0, TRUE, 0, data + 16, &n, 8) && n == 8 && memcmp(data, known[i].want, 24) == 0);
		n = 8;
		CHECK(CryptDecrypt(key, 0, FALSE, 0, data, &n) && n == 8);
		n = 16;
		CHECK(CryptDecrypt(key, 0, TRUE, 0, data + 8, &n) && n == 15);
		for (BYTE b = 0; b < 23; b++)
			CHECK(data[b] == b);
	}
	n = 7;
	FAILS(NTE_BAD_DATA, CryptEncrypt(key, 0, FALSE, 0, data, &n, sizeof data));
	memcpy(data, cbc, 24); /* a wrong last block is an error, and puts the key back to its IV */
	CHECK(set_number(key, KP_MODE, CRYPT_MODE_CBC));
	data[23] ^= 1;
	n = 24;
	FAILS(NTE_BAD_DATA, CryptDecrypt(key, 0, TRUE, 0, data, &n));
	CHECK(n == 24);
	memcpy(data, cbc, 24);
	CHECK(CryptDecrypt(key, 0, TRUE, 0, data, &n) && n == 23 && data[0] == 0 && data[22] == 22);
	CHECK(set_number(key, KP_MODE, CRYPT_MODE_OFB));
	n = 23;
	FAILS(NTE_BAD_ALGID, CryptEncrypt(key, 0, TRUE, 0, data, &n, sizeof data));
	FAILS(NTE_BAD_FLAGS, CryptEncrypt(key, 0, TRUE, 1, data, &n, sizeof data));
	CHECK(CryptDestroyKey(key));
}

static void parameters(void)
{
	HCRYPTKEY key = derived(CALG_RC2, 56);
	BYTE salt[32] = { 1, 2, 3 }, data[64];
	CRYPT_INTEGER_BLOB blob = { 0, salt };
	DWORD n;

	CHECK(number(key, KP_ALGID) == CALG_RC2 && number(key, KP_KEYLEN) == 56 && number(key, KP_EFFECTIVE_KEYLEN) == 56);
	CHECK(number(key, KP_PERMISSIONS) == 0x3f);
	FAILS(ERROR_INVALID_PARAMETER, CryptSetKeyParam(key, KP_EFFECTIVE_KEYLEN, NULL, 0));
	FAILS(NTE_BAD_DATA, set_number(key, KP_EFFECTIVE_KEYLEN, 0));
	FAILS(NTE_BAD_DATA, set_number(key, KP_EFFECTIVE_KEYLEN, 1025));
	CHECK(number(key, KP_EFFECTIVE_KEYLEN) == 56);
	CHECK(set_number(key, KP_EFFECTIVE_KEYLEN, 128) && number(key, KP_EFFECTIVE_KEYLEN) == 128 && number(key, KP_KEYLEN) == 56);
	FAILS(NTE_BAD_DATA, set_number(key, KP_PADDING, RANDOM_PADDING));
	FAILS(NTE_BAD_TYPE, set_number(key, 999, 1));
	FAILS(NTE_BAD_FLAGS, CryptSetKeyParam(key, KP_IV, data, 4));
	for (DWORD i = 0; i < 24; i++) {
		blob.cbData = i;
		CHECK(CryptSetKeyParam(key, KP_SALT_EX, (BYTE *)&blob, 0));
		CHECK(CryptGetKeyParam(key, KP_SALT, NULL, &n, 0) && n == i);
	}
	blob.cbData = 25;
	FAILS(NTE_BAD_DATA, CryptSetKeyParam(key, KP_SALT_EX, (BYTE *)&blob, 0));
	CHECK(CryptSetKeyParam(key, KP_SALT, salt, 0));
	CHECK(CryptGetKeyParam(key, KP_SALT, NULL, &n, 0) && n == 0); /* of the Enhanced provider */
	CHECK(set_number(key, KP_PERMISSIONS, 0x3b) && number(key, KP_PERMISSIONS) == 0x3f);
	CHECK(CryptDestroyKey(key));
	key = 0;
	CHECK(CryptGenKey(provider, CALG_3DES, 0, &key) && number(key, KP_PERMISSIONS) == 0x3b);
	FAILS(NTE_BAD_DATA, set_number(key, KP_PERMISSIONS, 0x3f));
	FAILS(NTE_BAD_KEY, CryptGetKeyParam(key, KP_SALT, NULL, &n, 0));
	n = sizeof data;
	FAILS(NTE_BAD_KEY_STATE, CryptExportKey(key, 0, PLAINTEXTKEYBLOB, 0, data, &n));
	FAILS(NTE_BAD_KEY_STATE, CryptExportKey(key, 0, OPAQUEKEYBLOB, 0, data, &n));
	FAILS(NTE_BAD_TYPE, CryptExportKey(key, 0, 99, 0, data, &n));
	CHECK(CryptDestroyKey(key));
	FAILS(NTE_BAD_ALGID, CryptGenKey(provider, CALG_AES_128, 0, &key));
	FAILS(NTE_BAD_ALGID, CryptGenKey(provider, CALG_RC5, 0, &key));
	FAILS(NTE_BAD_DATA, CryptGenKey(provider, CALG_RC2, (128 + 8) << 16, &key));
}

/* RC4 goes on from call to call, until Final; a copy goes on from where it was made. */
static void stream(void)
{
	HCRYPTKEY key = derived(CALG_RC4, 56), copy;
	BYTE whole[40], pieces[40], rest[40];
	DWORD n = 40;

	memset(whole, 'x', 40);
	memset(pieces, 'x', 40);
	memset(rest, 'x', 40);
	CHECK(CryptEncrypt(key, 0, TRUE, 0, whole, &n, 40) && n == 40);
	n = 13;
	CHECK(CryptEncrypt(key, 0, FALSE, 0, pieces, &n, 13));
	CHECK(CryptDuplicateKey(key, NULL, 0, &copy));
	n = 27;
	CHECK(CryptEncrypt(key, 0, TRUE, 0, pieces + 13, &n, 27) && memcmp(whole, pieces, 40) == 0);
	CHECK(CryptDestroyKey(key));
	CHECK(CryptEncrypt(copy, 0, TRUE, 0, rest, &n, 27) && memcmp(whole + 13, rest, 27) == 0);
	n = 40;
	CHECK(CryptDecrypt(copy, 0, TRUE, 0, whole, &n) && whole[0] == 'x' && whole[39] == 'x');
	CHECK(CryptDestroyKey(copy));
}

/* The plaintext is hashed on the way, by whoever encrypts and by whoever decrypts. */
static void with_hash(void)
{
	HCRYPTKEY key = derived(CALG_3DES, 0);
	HCRYPTHASH hash[3];
	BYTE data[32] = "hashed on the way", value[3][20];
	DWORD n = 17;

	hash[0] = hash_of(CALG_SHA, data, n);
	CHECK(CryptCreateHash(provider, CALG_SHA, 0, 0, &hash[1]) && CryptCreateHash(provider, CALG_SHA, 0, 0, &hash[2]));
	CHECK(CryptEncrypt(key, hash[1], TRUE, 0, data, &n, sizeof data) && n == 24);
	CHECK(CryptDecrypt(key, hash[2], TRUE, 0, data, &n) && n == 17);
	for (int i = 0; i < 3; i++) {
		n = 20;
		CHECK(CryptGetHashParam(hash[i], HP_HASHVAL, value[i], &n, 0) && memcmp(value[i], value[0], 20) == 0);
		CHECK(CryptDestroyHash(hash[i]));
	}
	CHECK(CryptDestroyKey(key));
}

static void pairs(void)
{
	HCRYPTKEY exchange, signing, key;
	HCRYPTHASH hash;
	BYTE data[256] = "Some secret", sig[256], bare[256];
	DWORD n, m;

	CHECK(CryptGenKey(provider, AT_KEYEXCHANGE, 0, &exchange) && number(exchange, KP_KEYLEN) == 1024);
	CHECK(CryptGenKey(provider, AT_SIGNATURE, 0, &signing) && number(signing, KP_ALGID) == CALG_RSA_SIGN);
	n = 12;
	CHECK(CryptEncrypt(exchange, 0, TRUE, 0, NULL, &n, 0) && n == 128);
	n = 12;
	FAILS(ERROR_MORE_DATA, CryptEncrypt(exchange, 0, TRUE, CRYPT_OAEP, data, &n, 42));
	n = 118;
	FAILS(NTE_BAD_LEN, CryptEncrypt(exchange, 0, TRUE, 0, data, &n, sizeof data));
	n = 12;
	FAILS(NTE_BAD_KEY, CryptEncrypt(signing, 0, TRUE, 0, data, &n, sizeof data));
	CHECK(CryptEncrypt(exchange, 0, TRUE, CRYPT_OAEP, data, &n, sizeof data) && n == 128);
	m = 11;
	FAILS(NTE_BAD_DATA, CryptDecrypt(exchange, 0, TRUE, CRYPT_OAEP, data, &m));
	CHECK(m == 11 && CryptDecrypt(exchange, 0, TRUE, CRYPT_OAEP, data, &n) && n == 12 && memcmp(data, "Some secret", 12) == 0);

	hash = hash_of(CALG_SHA, "signed", 6);
	CHECK(CryptSignHash(hash, AT_SIGNATURE, NULL, 0, NULL, &n) && n == 128);
	n = 127;
	FAILS(ERROR_MORE_DATA, CryptSignHash(hash, AT_SIGNATURE, NULL, 0, sig, &n));
	CHECK(n == 128 && CryptSignHash(hash, AT_SIGNATURE, NULL, 0, sig, &n));
	m = sizeof bare;
	CHECK(CryptSignHash(hash, AT_SIGNATURE, NULL, CRYPT_NOHASHOID, bare, &m) && m == 128 && memcmp(sig, bare, 128) != 0);
	for (DWORD flags = 0; flags <= CRYPT_NOHASHOID; flags++) {
		CHECK(CryptVerifySignature(hash, sig, 128, signing, NULL, flags));
		CHECK(CryptVerifySignature(hash, bare, 128, signing, NULL, flags));
	}
	FAILS(NTE_BAD_SIGNATURE, CryptVerifySignature(hash, sig, 64, signing, NULL, 0));
	FAILS(ERROR_INVALID_PARAMETER, CryptVerifySignature(hash, NULL, 128, signing, NULL, 0));
	FAILS(NTE_BAD_SIGNATURE, CryptVerifySignature(hash, sig, 128, exchange, NULL, 0));
	sig[5] ^= 1;
	FAILS(NTE_BAD_SIGNATURE, CryptVerifySignature(hash, sig, 128, signing, NULL, 0));
	FAILS(NTE_NO_KEY, CryptSignHash(hash, 3, NULL, 0, sig, &n));
	CHECK(CryptDestroyHash(hash));

	/* A description is hashed too, as UTF-16. */
	hash = hash_of(CALG_SHA, "signed", 6);
	CHECK(CryptSignHash(hash, AT_SIGNATURE, "by me", 0, sig, &n) && CryptDestroyHash(hash));
	hash = hash_of(CALG_SHA, "signed", 6);
	CHECK(CryptVerifySignatureW(hash, sig, 128, signing, (LPCWSTR)u"by me", 0) && CryptDestroyHash(hash));
	hash = hash_of(CALG_SHA, "signed", 6);
	FAILS(NTE_BAD_SIGNATURE, CryptVerifySignature(hash, sig, 128, signing, NULL, 0));
	CHECK(CryptDestroyHash(hash));

	FAILS(NTE_BAD_KEY, CryptGetKeyParam(exchange, KP_SALT, NULL, &n, 0));
	FAILS(NTE_BAD_KEY_STATE, CryptExportKey(exchange, 0, PRIVATEKEYBLOB, 0, NULL, &n));
	FAILS(NTE_BAD_DATA, set_number(exchange, KP_PERMISSIONS, 0x3f));
	CHECK(CryptGetUserKey(provider, AT_KEYEXCHANGE, &key) && CryptDestroyKey(key));
	CHECK(CryptDestroyKey(exchange) && CryptDestroyKey(signing));
}

static void imports(void)
{
	static BYTE public_blob[84] = { 6, 2, 0, 0, 0, 0xa4, 0, 0, 'R', 'S', 'A', '1', 0, 2, 0, 0, 1, 0, 1, 0 };
	struct { BLOBHEADER head; DWORD n; BYTE key[2048]; } plain = { { PLAINTEXTKEYBLOB, CUR_BLOB_VERSION, 0, CALG_RC2 }, 16, { 1 } };
	HCRYPTKEY key;
	BYTE out[128];
	DWORD n = sizeof out;

	memset(public_blob + 20, 0x11, 64);
	CHECK(CryptImportKey(provider, public_blob, 84, 0, 0, &key) && number(key, KP_ALGID) == CALG_RSA_KEYX && number(key, KP_PERMISSIONS) == 0x3b);
	CHECK(CryptExportKey(key, 0, PUBLICKEYBLOB, 0, out, &n) && n == 84 && memcmp(out, public_blob, 84) == 0);
	CHECK(CryptDestroyKey(key));
	FAILS(NTE_BAD_DATA, CryptImportKey(provider, public_blob, 83, 0, 0, &key));
	public_blob[1] = 9;
	FAILS(NTE_BAD_VER, CryptImportKey(provider, public_blob, 84, 0, 0, &key));

	CHECK(CryptImportKey(provider, (BYTE *)&plain, 12 + 16, 0, 0, &key) && number(key, KP_KEYLEN) == 128 && CryptDestroyKey(key));
	FAILS(NTE_BAD_DATA, CryptImportKey(provider, (BYTE *)&plain, 12 + 15, 0, 0, &key));
	plain.n = 17;
	FAILS(NTE_BAD_DATA, CryptImportKey(provider, (BYTE *)&plain, 12 + 17, 0, 0, &key));
	plain.n = 2048;
	CHECK(CryptImportKey(provider, (BYTE *)&plain, sizeof plain, 0, CRYPT_IPSEC_HMAC_KEY, &key));
	n = 8;
	FAILS(NTE_BAD_KEY, CryptEncrypt(key, 0, TRUE, 0, out, &n, sizeof out));
	CHECK(CryptDestroyKey(key));
	plain.head.bType = 99;
	FAILS(NTE_BAD_TYPE, CryptImportKey(provider, (BYTE *)&plain, sizeof plain, 0, 0, &key));
}

int main(void)
{
	CHECK(CryptAcquireContext(&provider, NULL, MS_ENHANCED_PROV, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT));
	hashes();
	session_key_hash();
	modes();
	parameters();
	stream();
	with_hash();
	pairs();
	imports();
	CHECK(CryptReleaseContext(provider, 0));
	return checked();
}
