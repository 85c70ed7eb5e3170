/* Makes the calls of the recorded requests through the functions of wincrypt.h, one request for each line of its input, and
 * prints what came of each, one line for each. A field is a number in hexadecimal, bytes in hexadecimal after an x, or - for
 * none:
 *
 *   scenario provider type(name in the next field, with _ for blanks) hash cipher flags chunk base value mackey macalg inner text
 *
 * An answer is a field for each of: CryptCreateHash, CryptDeriveKey (their errors, 0 for none), more data, more keys, the hash
 * value, the parameters, salt, IV, blob, and the ciphertexts by default, in ECB, CBC, CFB and OFB: bytes after an x, or an error
 * after an e.
 */
#include <wincrypt.h>

enum { FIELDS = 13, ROOM = 1 << 16 };

struct request {
	char *scenario, *provider;
	DWORD type, hash, cipher, flags, chunk, mac_algid, inner;
	BYTE *base, *value, *mac_key, *text;
	DWORD base_len, value_len, mac_len, text_len;
};

static BYTE *bytes(const char *field, DWORD *n)
{
	BYTE *data;

	*n = 0;
	if (field[0] != 'x')
		return NULL;
	*n = (DWORD)strlen(field + 1) / 2;
	data = malloc(*n + 64);
	for (DWORD i = 0; i < *n; i++)
		sscanf(field + 1 + 2 * i, "%2hhx", &data[i]);
	return data;
}

static void show(BOOL good, const BYTE *data, DWORD n)
{
	if (!good) {
		printf(" e%x", GetLastError());
		return;
	}
	printf(" x");
	for (DWORD i = 0; i < n; i++)
		printf("%02x", data[i]);
}

/* Shows what a call gave that tells a length in n. */
#define SHOW(call, data, n) do { \
	BOOL good_ = (call); \
	show(good_, data, n); \
} while (0)

static HCRYPTPROV acquire(const struct request *r, DWORD flags)
{
	HCRYPTPROV provider = 0;

	if (!CryptAcquireContext(&provider, NULL, r->provider, r->type, CRYPT_VERIFYCONTEXT | flags))
		exit(3);
	return provider;
}

static HCRYPTKEY import(HCRYPTPROV provider, const struct request *r)
{
	BYTE blob[ROOM];
	BLOBHEADER head = { PLAINTEXTKEYBLOB, CUR_BLOB_VERSION, 0, r->mac_algid };
	HCRYPTKEY key = 0;

	memcpy(blob, &head, sizeof head);
	memcpy(blob + sizeof head, &r->mac_len, 4);
	memcpy(blob + sizeof head + 4, r->mac_key, r->mac_len);
	if (!CryptImportKey(provider, blob, sizeof head + 4 + r->mac_len, 0, r->mac_algid == CALG_RC2 ? CRYPT_IPSEC_HMAC_KEY : 0, &key))
		exit(4);
	return key;
}

/* Makes and feeds the hash object. */
static DWORD make_hash(HCRYPTPROV provider, const struct request *r, HCRYPTHASH *hash)
{
	HCRYPTKEY mac = r->mac_key != NULL ? import(provider, r) : 0;
	BOOL good = CryptCreateHash(provider, r->hash, mac, 0, hash);
	DWORD error = good ? 0 : GetLastError();

	if (good && r->hash == CALG_HMAC) {
		HMAC_INFO info = { r->inner, NULL, 0, NULL, 0 };

		good = CryptSetHashParam(*hash, HP_HMAC_INFO, (BYTE *)&info, 0);
	}
	if (mac != 0)
		CryptDestroyKey(mac);
	if (good && r->value != NULL) {
		good = CryptSetHashParam(*hash, HP_HASHVAL, r->value, 0);
	} else if (good) {
		DWORD step = r->chunk != 0 ? r->chunk : r->base_len;

		for (DWORD at = 0; good && at < r->base_len; at += step)
			good = CryptHashData(*hash, r->base + at, r->base_len - at < step ? r->base_len - at : step, 0);
	}
	if (!good && error == 0)
		exit(5);
	return error;
}

static int is(const struct request *r, const char *scenario)
{
	return strcmp(r->scenario, scenario) == 0;
}

/* Puts the handles of a scenario in the place of good ones. */
static void spoil(const struct request *r, HCRYPTPROV *provider, HCRYPTHASH *hash)
{
	BYTE value[64];
	DWORD n = sizeof value;

	if (is(r, "null_hprov") || is(r, "csp_null_hprov"))
		*provider = 0;
	else if (is(r, "garbage_hprov") || is(r, "csp_bad_hprov"))
		*provider = 0xdeadbeef;
	else if (is(r, "minus1_hprov"))
		*provider = (HCRYPTPROV)-1;
	else if (is(r, "own_context"))
		*provider = acquire(r, 0);
	else if (is(r, "silent_context"))
		*provider = acquire(r, CRYPT_SILENT);
	else if (is(r, "released_prov"))
		CryptReleaseContext(*provider = acquire(r, 0), 0);
	else if (is(r, "hash_as_hprov"))
		*provider = *hash;
	else if (is(r, "null_hash") || is(r, "csp_null_hash"))
		*hash = 0;
	else if (is(r, "garbage_hash") || is(r, "csp_bad_hash"))
		*hash = 0xdeadbeef;
	else if (is(r, "minus1_hash"))
		*hash = (HCRYPTHASH)-1;
	else if (is(r, "destroyed_hash"))
		CryptDestroyHash(*hash);
	else if (is(r, "hprov_as_hash") || is(r, "csp_hprov_as_hash"))
		*hash = *provider;
	else if (is(r, "key_as_hash"))
		CryptGenKey(*provider, CALG_RC4, 0, hash);
	else if (is(r, "finished_hash"))
		CryptGetHashParam(*hash, HP_HASHVAL, value, &n, 0);
	else if (is(r, "duplicate_hash"))
		CryptDuplicateHash(*hash, NULL, 0, hash);
}

static void show_ciphertext(HCRYPTKEY key, const struct request *r, DWORD mode)
{
	BYTE *data = malloc(r->text_len + 64);
	DWORD n = r->text_len;
	BOOL good = mode == 0 || CryptSetKeyParam(key, KP_MODE, (BYTE *)&mode, 0);

	memcpy(data, r->text, n);
	good = good && CryptEncrypt(key, 0, TRUE, 0, data, &n, n + 64);
	show(good, data, n);
	free(data);
}

static void show_key(HCRYPTKEY key, const struct request *r)
{
	static const DWORD numbers[] = { KP_ALGID, KP_KEYLEN, KP_EFFECTIVE_KEYLEN, KP_BLOCKLEN, KP_MODE, KP_MODE_BITS, KP_PADDING, KP_PERMISSIONS };
	BYTE data[ROOM];
	DWORD n;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		n = 4;
		SHOW(CryptGetKeyParam(key, numbers[i], data, &n, 0), data, n);
	}
	n = sizeof data;
	SHOW(CryptGetKeyParam(key, KP_SALT, data, &n, 0), data, n);
	n = sizeof data;
	SHOW(CryptGetKeyParam(key, KP_IV, data, &n, 0), data, n);
	n = sizeof data;
	SHOW(CryptExportKey(key, 0, PLAINTEXTKEYBLOB, 0, data, &n), data, n);
	show_ciphertext(key, r, 0);
	show_ciphertext(key, r, CRYPT_MODE_ECB);
	show_ciphertext(key, r, CRYPT_MODE_CBC);
	show_ciphertext(key, r, CRYPT_MODE_CFB);
	show_ciphertext(key, r, CRYPT_MODE_OFB);
}

static void answer(const struct request *r)
{
	HCRYPTPROV provider = acquire(r, 0), other = is(r, "other_prov_hash") || is(r, "csp_other_context") ? acquire(r, 0) : provider;
	HCRYPTPROV kept = provider;
	HCRYPTHASH hash = 0, made;
	HCRYPTKEY key = 0x1234, des = 0;
	DWORD error = make_hash(other, r, &hash), n;
	BYTE value[64];
	BOOL good;

	printf("%x", error);
	if (error == 0) {
		made = hash;
		spoil(r, &provider, &hash);
		good = CryptDeriveKey(provider, r->cipher, hash, r->flags, is(r, "null_phkey") || is(r, "csp_null_phkey") ? NULL : &key);
		printf(" %x %lx", good ? 0 : GetLastError(), good ? 1UL : (unsigned long)key);
		if (good) {
			show(CryptHashData(hash, (const BYTE *)"more", 4, 0), NULL, 0);
			CryptGenKey(kept, CALG_DES, 0, &des);
			show(CryptHashSessionKey(hash, des, 0), NULL, 0);
			n = sizeof value;
			SHOW(CryptGetHashParam(hash, HP_HASHVAL, value, &n, 0), value, n);
			show_key(key, r);
			CryptDestroyKey(key);
		}
		CryptDestroyHash(made);
	}
	printf("\n");
	if (other != kept)
		CryptReleaseContext(other, 0);
	if (provider != kept)
		CryptReleaseContext(provider, 0);
	CryptReleaseContext(kept, 0);
}

int main(void)
{
	static char line[ROOM * 4];

	while (fgets(line, sizeof line, stdin) != NULL) {
		struct request r;
		char *field[FIELDS];

		memset(&r, 0, sizeof r);
		for (int i = 0; i < FIELDS; i++)
			if ((field[i] = strtok(i == 0 ? line : NULL, " \n")) == NULL)
				return 2;
		r.scenario = field[0];
		r.provider = field[1];
		for (char *c = r.provider; *c != '\0'; c++)
			if (*c == '_')
				*c = ' ';
		r.type = (DWORD)strtoul(field[2], NULL, 16);
		r.hash = (DWORD)strtoul(field[3], NULL, 16);
		r.cipher = (DWORD)strtoul(field[4], NULL, 16);
		r.flags = (DWORD)strtoul(field[5], NULL, 16);
		r.chunk = (DWORD)strtoul(field[6], NULL, 16);
		r.base = bytes(field[7], &r.base_len);
		r.value = bytes(field[8], &r.value_len);
		r.mac_key = bytes(field[9], &r.mac_len);
		r.mac_algid = (DWORD)strtoul(field[10], NULL, 16);
		r.inner = (DWORD)strtoul(field[11], NULL, 16);
		r.text = bytes(field[12], &r.text_len);
		answer(&r);
		free(r.base);
		free(r.value);
		free(r.mac_key);
		free(r.text);
	}
	return 0;
}
