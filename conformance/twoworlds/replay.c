/* Replays recorded calls of CryptDeriveKey. Each line of the standard input is a request: its name, the scenario, the
 * provider's name with its spaces as underscores, its type, the hash (ALG_ID), base data, the length of the parts in which
 * that is given, the cipher (ALG_ID), dwFlags, a value to set as HP_HASHVAL, the key of a MAC, its cipher, and the hash of an
 * HMAC. Each line of the output is what came of it. */
#include "world.h"

#define PLAIN 37 /* bytes 0 to 36 are what is encrypted */

typedef struct {
	char id[64], scenario[64], provider[128];
	DWORD type, hash, chunk, cipher, flags, mac_cipher, inner;
	BYTE *base, *value, *mac_key;
	DWORD base_len, value_len, mac_key_len;
} request;

static HCRYPTPROV provs[2];

static int is(const request *r, const char *scenario) { return strcmp(r->scenario, scenario) == 0; }

/* A blob of a key in the clear: BLOBHEADER, length, key. */
static DWORD plaintext_blob(BYTE *b, ALG_ID alg, const BYTE *key, DWORD n)
{
	BLOBHEADER head;
	memset(&head, 0, sizeof head);
	head.bType = PLAINTEXTKEYBLOB;
	head.bVersion = CUR_BLOB_VERSION;
	head.aiKeyAlg = alg;
	memcpy(b, &head, sizeof head);
	memcpy(b + sizeof head, &n, sizeof n);
	memcpy(b + sizeof head + sizeof n, key, n);
	return sizeof head + sizeof n + n;
}

/* Makes the hash object of a request and feeds it. 0 where CryptCreateHash refuses. */
static HCRYPTHASH make_hash(const request *r, HCRYPTPROV prov, HCRYPTKEY *mac)
{
	HCRYPTHASH h = 0;
	DWORD at, n;
	if (r->mac_key_len) {
		BYTE blob[512];
		n = plaintext_blob(blob, r->mac_cipher, r->mac_key, r->mac_key_len);
		if (!CryptImportKey(prov, blob, n, 0, r->mac_cipher == CALG_RC2 ? CRYPT_IPSEC_HMAC_KEY : 0, mac))
			printf(" import=%s", said(FALSE));
	}
	if (!CryptCreateHash(prov, r->hash, *mac, 0, &h))
		return 0;
	if (r->inner) {
		HMAC_INFO info;
		memset(&info, 0, sizeof info);
		info.HashAlgid = r->inner;
		if (!CryptSetHashParam(h, HP_HMAC_INFO, (BYTE *)&info, 0))
			printf(" info=%s", said(FALSE));
	}
	if (r->value_len) {
		if (!CryptSetHashParam(h, HP_HASHVAL, r->value, 0))
			printf(" value=%s", said(FALSE));
		return h;
	}
	if (is(r, "hash_not_fed"))
		return h;
	if (r->base_len == 0 && !CryptHashData(h, r->base, 0, 0))
		printf(" feed=%s", said(FALSE));
	for (at = 0; at < r->base_len; at += n) {
		n = r->chunk && r->chunk < r->base_len - at ? r->chunk : r->base_len - at;
		if (!CryptHashData(h, r->base + at, n, 0))
			printf(" feed=%s", said(FALSE));
	}
	return h;
}

static void key_param(HCRYPTKEY k, const char *name, DWORD param)
{
	BYTE b[64];
	DWORD v = 0, n = sizeof b;
	BOOL ok = CryptGetKeyParam(k, param, b, &n, 0);
	printf(" %s=", name);
	if (!ok) {
		printf("!%s", said(FALSE));
	} else if (param == KP_IV || param == KP_SALT) {
		print_hex(b, n);
	} else {
		memcpy(&v, b, n < sizeof v ? n : sizeof v);
		printf("%lx", (unsigned long)v);
	}
}

/* Encrypts the text with a key that is derived anew, in a mode, 0 for the one that it has. */
static void encrypt(const request *r, HCRYPTPROV prov, HCRYPTHASH h, const char *name, DWORD mode)
{
	BYTE b[PLAIN + 32];
	HCRYPTKEY k = 0;
	DWORD i, n = PLAIN;
	for (i = 0; i < PLAIN; i++)
		b[i] = (BYTE)i;
	printf(" %s=", name);
	if (!CryptDeriveKey(prov, r->cipher, h, r->flags, &k)) {
		printf("!derive:%s", said(FALSE));
		return;
	}
	if (mode && !CryptSetKeyParam(k, KP_MODE, (BYTE *)&mode, 0))
		printf("!mode:%s", said(FALSE));
	else if (!CryptEncrypt(k, 0, TRUE, 0, b, &n, sizeof b))
		printf("!%s", said(FALSE));
	else
		print_hex(b, n);
	CryptDestroyKey(k);
}

/* Whether what a key encrypts comes back. */
static void round_trip(HCRYPTKEY k)
{
	BYTE b[PLAIN + 32];
	DWORD i, n = PLAIN;
	int same = 1;
	for (i = 0; i < PLAIN; i++)
		b[i] = (BYTE)i;
	if (!CryptEncrypt(k, 0, TRUE, 0, b, &n, sizeof b) || !CryptDecrypt(k, 0, TRUE, 0, b, &n)) {
		printf(" decrypt=!%s", said(FALSE));
		return;
	}
	for (i = 0; i < PLAIN; i++)
		same &= b[i] == i;
	printf(" decrypt=%s", n == PLAIN && same ? "ok" : "other");
}

static void export_key(HCRYPTKEY k, HCRYPTKEY with, const char *name, DWORD type, int length_alone)
{
	BYTE b[1024];
	DWORD n = sizeof b;
	BOOL ok = CryptExportKey(k, with, type, 0, b, &n);
	printf(" %s=", name);
	if (!ok)
		printf("!%s", said(FALSE));
	else if (length_alone)
		printf("%lu", (unsigned long)n);
	else
		print_hex(b, n);
}

/* What a key that was derived is and does. */
static void look(const request *r, HCRYPTPROV prov, HCRYPTHASH h, HCRYPTKEY k)
{
	BYTE value[64];
	DWORD n = sizeof value;
	HCRYPTKEY again = 0, exchange = 0;
	if (CryptGetHashParam(h, HP_HASHVAL, value, &n, 0)) {
		printf(" hash=");
		print_hex(value, n);
	} else {
		printf(" hash=!%s", said(FALSE));
	}
	key_param(k, "algid", KP_ALGID);
	key_param(k, "keylen", KP_KEYLEN);
	key_param(k, "effective", KP_EFFECTIVE_KEYLEN);
	key_param(k, "blocklen", KP_BLOCKLEN);
	key_param(k, "mode", KP_MODE);
	key_param(k, "modebits", KP_MODE_BITS);
	key_param(k, "padding", KP_PADDING);
	key_param(k, "permissions", KP_PERMISSIONS);
	key_param(k, "iv", KP_IV);
	key_param(k, "salt", KP_SALT);
	export_key(k, 0, "plain", PLAINTEXTKEYBLOB, 0);
	export_key(k, 0, "opaque", OPAQUEKEYBLOB, 1);
	if (CryptGetUserKey(provs[1], AT_KEYEXCHANGE, &exchange)) {
		export_key(k, exchange, "simple", SIMPLEBLOB, 1);
		CryptDestroyKey(exchange);
	}
	encrypt(r, prov, h, "default", 0);
	encrypt(r, prov, h, "ecb", CRYPT_MODE_ECB);
	encrypt(r, prov, h, "cbc", CRYPT_MODE_CBC);
	encrypt(r, prov, h, "cfb", CRYPT_MODE_CFB);
	encrypt(r, prov, h, "ofb", CRYPT_MODE_OFB);
	round_trip(k);
	printf(" again=%s", said(CryptDeriveKey(prov, r->cipher, h, r->flags, &again)));
	if (again)
		CryptDestroyKey(again);
}

static HCRYPTPROV acquire(const request *r, DWORD flags)
{
	HCRYPTPROV p = 0;
	if (!CryptAcquireContextA(&p, NULL, r->provider, r->type, CRYPT_VERIFYCONTEXT | flags))
		printf(" acquire=%s", said(FALSE));
	return p;
}

/* The handles that a scenario gives to CryptDeriveKey in place of the right ones. */
static void bend(const request *r, HCRYPTPROV own, HCRYPTPROV *prov, HCRYPTHASH *hash, HCRYPTKEY key)
{
	if (is(r, "null_hprov"))
		*prov = 0;
	if (is(r, "garbage_hprov"))
		*prov = (HCRYPTPROV)0xdeadbeef;
	if (is(r, "minus1_hprov"))
		*prov = (HCRYPTPROV)-1;
	if (is(r, "hash_as_hprov"))
		*prov = (HCRYPTPROV)*hash;
	if (is(r, "null_hash"))
		*hash = 0;
	if (is(r, "garbage_hash"))
		*hash = (HCRYPTHASH)0xdeadbeef;
	if (is(r, "minus1_hash"))
		*hash = (HCRYPTHASH)-1;
	if (is(r, "hprov_as_hash"))
		*hash = (HCRYPTHASH)own;
	if (is(r, "key_as_hash"))
		*hash = (HCRYPTHASH)key;
}

static void run(const request *r)
{
	HCRYPTPROV own = acquire(r, is(r, "silent_context") ? CRYPT_SILENT : 0), prov = own, other = 0;
	HCRYPTKEY mac = 0, key = 0x1234, some = 0;
	HCRYPTHASH h, given;
	BOOL ok;
	if (is(r, "other_prov_hash"))
		other = acquire(r, 0);
	h = make_hash(r, other ? other : own, &mac);
	printf(" create=%s", said(h != 0));
	if (!h)
		goto done;
	if (is(r, "duplicate_hash")) {
		HCRYPTHASH copy = 0;
		if (!CryptDuplicateHash(h, NULL, 0, &copy))
			printf(" duplicate=%s", said(FALSE));
		CryptDestroyHash(h);
		h = copy;
	}
	if (is(r, "finished_hash")) {
		BYTE value[64];
		DWORD n = sizeof value;
		CryptGetHashParam(h, HP_HASHVAL, value, &n, 0);
	}
	if (is(r, "key_as_hash") && !CryptGenKey(own, CALG_RC4, 0, &some))
		printf(" generate=%s", said(FALSE));
	given = h;
	bend(r, own, &prov, &given, some);
	if (is(r, "released_prov"))
		CryptReleaseContext(own, 0);
	if (is(r, "destroyed_hash"))
		CryptDestroyHash(h);
	ok = CryptDeriveKey(prov, r->cipher, given, r->flags, is(r, "null_phkey") ? NULL : &key);
	printf(" derive=%s", said(ok));
	if (!ok)
		printf(" key=%s", key == 0 ? "zero" : key == 0x1234 ? "untouched" : "other");
	if (!is(r, "released_prov") && !is(r, "destroyed_hash")) {
		printf(" hashdata=%s", said(CryptHashData(h, (const BYTE *)"x", 1, 0)));
		if (ok)
			printf(" hashsessionkey=%s", said(CryptHashSessionKey(h, key, 0)));
	}
	if (ok) {
		look(r, prov, h, key);
		CryptDestroyKey(key);
	}
	if (!is(r, "released_prov") && !is(r, "destroyed_hash"))
		CryptDestroyHash(h);
done:
	if (some)
		CryptDestroyKey(some);
	if (mac)
		CryptDestroyKey(mac);
	if (other)
		CryptReleaseContext(other, 0);
	if (own && !is(r, "released_prov"))
		CryptReleaseContext(own, 0);
}

int main(void)
{
	static char line[1 << 16], base[1 << 15], value[512], mac_key[512];
	while (fgets(line, sizeof line, stdin)) {
		request r;
		char *p;
		unsigned long n[7];
		if (sscanf(line, "%63s %63s %127s %lu %lx %32767s %lu %lx %lx %511s %511s %lx %lx", r.id, r.scenario, r.provider, &n[0], &n[1], base,
			   &n[2], &n[3], &n[4], value, mac_key, &n[5], &n[6]) != 13) {
			fprintf(stderr, "not a request: %s", line);
			return 1;
		}
		for (p = r.provider; *p; p++)
			if (*p == '_')
				*p = ' ';
		r.type = n[0], r.hash = n[1], r.chunk = n[2], r.cipher = n[3], r.flags = n[4], r.mac_cipher = n[5], r.inner = n[6];
		r.base = from_hex(base, &r.base_len);
		r.value = from_hex(value, &r.value_len);
		r.mac_key = from_hex(mac_key, &r.mac_key_len);
		printf("%s", r.id);
		run(&r);
		printf("\n");
		free(r.base), free(r.value), free(r.mac_key);
	}
	return 0;
}
