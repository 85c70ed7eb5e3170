/* ops.c: the operations, each as an application would call it, and the table of them. */
#include "bench.h"
#include <stdio.h>
#include <string.h>

static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
static CK_OBJECT_CLASS secret_key = CKO_SECRET_KEY;

/* The keys that the operations use; of aes and hmac the second is a token object. */
static CK_OBJECT_HANDLE aes[2], hmac[2], wrapping, wrapped, password;
static CK_BYTE blob[64];
static CK_ULONG blob_len;

static const CK_BYTE value[32] = "what the stopwatch keeps secret";
static const char known[] = "bench-known"; /* the label of the AES key that is a token object */
static const CK_BYTE base[] = "apple-camshaft";

/* A key that is open may be read and wrapped; any other is sensitive. Both are private and may do what their kind can. */
CK_RV make_key(CK_SESSION_HANDLE s, CK_KEY_TYPE type, int token, int open, const char *label, const CK_BYTE *bytes, CK_ULONG n, CK_OBJECT_HANDLE *key)
{
	int cipher = type == CKK_AES;
	CK_ATTRIBUTE a[] = {
		ATTR(CKA_CLASS, &secret_key), ATTR(CKA_KEY_TYPE, &type), ATTR(CKA_TOKEN, token ? &yes : &no), ATTR(CKA_PRIVATE, &yes),
		ATTR(CKA_SENSITIVE, open ? &no : &yes), ATTR(CKA_EXTRACTABLE, open ? &yes : &no), ATTR(CKA_DERIVE, &yes),
		ATTR(cipher ? CKA_ENCRYPT : CKA_SIGN, &yes), ATTR(cipher ? CKA_DECRYPT : CKA_VERIFY, &yes),
		{ CKA_VALUE, (void *)bytes, n }, { CKA_LABEL, (void *)label, strlen(label) }, { CKA_ID, (void *)label, strlen(label) },
		ATTR(CKA_WRAP, &yes), ATTR(CKA_UNWRAP, &yes),
	};
	CK_ULONG count = sizeof a / sizeof a[0];
	return p11->C_CreateObject(s, a, cipher ? count : count - 2, key);
}

void ops_setup(void)
{
	for (int token = 0; token < 2; token++) {
		must("AES key", make_key(home, CKK_AES, token, 0, token ? known : "bench-aes", value, 32, &aes[token]));
		must("HMAC key", make_key(home, CKK_GENERIC_SECRET, token, 0, "bench-hmac", value, 32, &hmac[token]));
	}
	must("base key", make_key(home, CKK_GENERIC_SECRET, 0, 1, "bench-password", base, sizeof base - 1, &password));
	must("wrapping key", make_key(home, CKK_AES, 0, 0, "bench-wrapping", value, 32, &wrapping));
	must("wrapped key", make_key(home, CKK_AES, 0, 1, "bench-wrapped", value, 16, &wrapped));
	CK_MECHANISM m = { CKM_AES_KEY_WRAP, NULL, 0 };
	blob_len = sizeof blob;
	must("C_WrapKey", p11->C_WrapKey(home, &m, wrapping, wrapped, blob, &blob_len));
}

void ops_teardown(void)
{
	must("C_DestroyObject", p11->C_DestroyObject(home, aes[1]));
	must("C_DestroyObject", p11->C_DestroyObject(home, hmac[1]));
}

/* Destroys a key that an operation made. For a check its value is read before. NSS keeps token keys sensitive whatever was asked of it: it
 * has no result then. */
CK_RV discard(struct worker *w, CK_OBJECT_HANDLE key)
{
	if (w->check) {
		CK_ATTRIBUTE a = { CKA_VALUE, w->out, BIG };
		CK_RV rv = p11->C_GetAttributeValue(w->session, key, &a, 1);
		if (rv != CKR_OK && rv != CKR_ATTRIBUTE_SENSITIVE)
			return rv;
		w->out_len = rv == CKR_OK ? a.ulValueLen : 0;
	}
	return p11->C_DestroyObject(w->session, key);
}

/* Derives as the sample on Microsoft's page does, but 128 bits: the key is the MD5 value itself. */
static CK_RV crypt_derive(struct worker *w, CK_ULONG hash, CK_OBJECT_HANDLE from)
{
	CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS p = { .ulProvider = 3, .ulHashAlgId = hash, .ulAlgId = 0x6602, .ulFlags = 128 << 16 | 1 };
	CK_MECHANISM m = { CKM_SOFTCSP_CRYPT_DERIVE_KEY, &p, sizeof p };
	CK_ATTRIBUTE a[] = { ATTR(CKA_TOKEN, &no), ATTR(CKA_ENCRYPT, &yes), ATTR(CKA_DECRYPT, &yes) };
	CK_OBJECT_HANDLE key;
	CK_RV rv = p11->C_DeriveKey(w->session, &m, from, a, sizeof a / sizeof a[0], &key);
	return rv == CKR_OK ? discard(w, key) : rv;
}

static CK_RV derive_base(struct worker *w, const struct op *o)
{
	(void)o;
	return crypt_derive(w, 0x8003, password);
}

static CK_RV derive_digest(struct worker *w, const struct op *o)
{
	(void)o;
	CK_MECHANISM m = { CKM_MD5, NULL, 0 };
	CK_BYTE hash[16];
	CK_ULONG n = sizeof hash;
	CK_RV rv = p11->C_DigestInit(w->session, &m);
	if (rv == CKR_OK)
		rv = p11->C_DigestUpdate(w->session, (CK_BYTE *)base, sizeof base - 1);
	if (rv == CKR_OK)
		rv = crypt_derive(w, 0, 0);
	return rv == CKR_OK ? p11->C_DigestFinal(w->session, hash, &n) : rv;
}

static CK_RV derive_data(struct worker *w, const struct op *o)
{
	CK_KEY_DERIVATION_STRING_DATA d = { w->in, o->length };
	CK_MECHANISM m = { CKM_AES_ECB_ENCRYPT_DATA, &d, sizeof d };
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_ULONG n = o->length;
	CK_ATTRIBUTE a[] = {
		ATTR(CKA_CLASS, &secret_key), ATTR(CKA_KEY_TYPE, &type), ATTR(CKA_TOKEN, &no), ATTR(CKA_PRIVATE, &yes),
		ATTR(CKA_SENSITIVE, &no), ATTR(CKA_EXTRACTABLE, &yes), ATTR(CKA_VALUE_LEN, &n),
	};
	CK_OBJECT_HANDLE key;
	CK_RV rv = p11->C_DeriveKey(w->session, &m, wrapped, a, sizeof a / sizeof a[0], &key);
	return rv == CKR_OK ? discard(w, key) : rv;
}

static CK_RV encrypt(struct worker *w, CK_MECHANISM *m, const struct op *o)
{
	CK_RV rv = p11->C_EncryptInit(w->session, m, aes[o->token]);
	w->out_len = BIG + ROOM;
	return rv == CKR_OK ? p11->C_Encrypt(w->session, w->in, o->length, w->out, &w->out_len) : rv;
}

static void nonce(struct worker *w, CK_BYTE *iv)
{
	memcpy(iv, &w->turn, sizeof w->turn);
	iv[8] = w->id;
	w->turn++;
}

static CK_RV gcm(struct worker *w, const struct op *o)
{
	CK_BYTE iv[12] = { 0 };
	nonce(w, iv);
	CK_GCM_PARAMS p = { .pIv = iv, .ulIvLen = sizeof iv, .ulIvBits = 96, .pAAD = (CK_BYTE *)value, .ulAADLen = 16, .ulTagBits = 128 };
	CK_MECHANISM m = { CKM_AES_GCM, &p, sizeof p };
	return encrypt(w, &m, o);
}

static CK_RV cbc_pad(struct worker *w, const struct op *o)
{
	CK_BYTE iv[16] = { 0 };
	nonce(w, iv);
	CK_MECHANISM m = { CKM_AES_CBC_PAD, iv, sizeof iv };
	return encrypt(w, &m, o);
}

static CK_RV mac(struct worker *w, const struct op *o)
{
	CK_MECHANISM m = { CKM_SHA256_HMAC, NULL, 0 };
	CK_RV rv = p11->C_SignInit(w->session, &m, hmac[o->token]);
	w->out_len = BIG;
	return rv == CKR_OK ? p11->C_Sign(w->session, w->in, o->length, w->out, &w->out_len) : rv;
}

static CK_RV digest(struct worker *w, const struct op *o)
{
	CK_MECHANISM m = { o->mechanism, NULL, 0 };
	CK_RV rv = p11->C_DigestInit(w->session, &m);
	w->out_len = BIG;
	return rv == CKR_OK ? p11->C_Digest(w->session, w->in, o->length, w->out, &w->out_len) : rv;
}

/* A name for each key of each thread: NSS takes two token keys with one name for the same. */
static void passing(struct worker *w, char name[13])
{
	name[0] = (char)('A' + w->id);
	for (int i = 1; i < 12; i++)
		name[i] = (char)('a' + (w->turn >> 4 * (i - 1) & 15));
	name[12] = 0;
	w->turn++;
}

static CK_RV object(struct worker *w, const struct op *o)
{
	char name[13];
	CK_OBJECT_HANDLE key;
	passing(w, name);
	CK_RV rv = make_key(w->session, CKK_AES, o->token, w->check, name, value, 32, &key);
	return rv == CKR_OK ? discard(w, key) : rv;
}

/* Token keys one after the other, which are destroyed when the time is up. */
static CK_RV create(struct worker *w, const struct op *o)
{
	char name[13];
	passing(w, name);
	if (w->made_count == MADE)
		fail("%s: too many keys for the time", o->name);
	return make_key(w->session, CKK_AES, 1, 0, name, value, 32, &w->made[w->made_count++]);
}

static CK_RV generate(struct worker *w, const struct op *o)
{
	CK_MECHANISM m = { o->mechanism, NULL, 0 };
	CK_ULONG n = o->length;
	CK_ATTRIBUTE a[] = {
		ATTR(CKA_TOKEN, &no), ATTR(CKA_PRIVATE, &yes), ATTR(CKA_SENSITIVE, &yes), ATTR(CKA_ENCRYPT, &yes), ATTR(CKA_VALUE_LEN, &n),
	};
	CK_OBJECT_HANDLE key;
	CK_RV rv = p11->C_GenerateKey(w->session, &m, a, sizeof a / sizeof a[0], &key);
	return rv == CKR_OK ? p11->C_DestroyObject(w->session, key) : rv;
}

/* The one object with an attribute. */
CK_RV find_one(CK_SESSION_HANDLE s, CK_ATTRIBUTE_TYPE by, const char *value, CK_ULONG length, CK_OBJECT_HANDLE *object)
{
	CK_ATTRIBUTE a = { by, (void *)value, length };
	CK_OBJECT_HANDLE found[2];
	CK_ULONG n = 0;
	CK_RV rv = p11->C_FindObjectsInit(s, &a, 1);
	if (rv != CKR_OK)
		return rv;
	rv = p11->C_FindObjects(s, found, 2, &n);
	CK_RV end = p11->C_FindObjectsFinal(s);
	if (rv == CKR_OK && n != 1)
		fail("%s: %lu objects instead of one", value, (unsigned long)n);
	if (rv == CKR_OK)
		*object = found[0];
	return rv == CKR_OK ? end : rv;
}

/* The one key with a label, which the process has found before. */
static CK_RV find(struct worker *w, const struct op *o)
{
	CK_OBJECT_HANDLE found;
	CK_RV rv = find_one(w->session, CKA_LABEL, known, sizeof known - 1, &found);
	if (rv == CKR_OK && found != aes[1])
		fail("%s: another object", o->name);
	return rv;
}

static CK_RV wrap(struct worker *w, const struct op *o)
{
	CK_MECHANISM m = { o->mechanism, NULL, 0 };
	w->out_len = BIG;
	return p11->C_WrapKey(w->session, &m, wrapping, wrapped, w->out, &w->out_len);
}

static CK_RV unwrap(struct worker *w, const struct op *o)
{
	CK_MECHANISM m = { o->mechanism, NULL, 0 };
	CK_KEY_TYPE type = CKK_AES;
	CK_ATTRIBUTE a[] = {
		ATTR(CKA_CLASS, &secret_key), ATTR(CKA_KEY_TYPE, &type), ATTR(CKA_TOKEN, &no), ATTR(CKA_PRIVATE, &yes),
		ATTR(CKA_SENSITIVE, &no), ATTR(CKA_EXTRACTABLE, &yes), ATTR(CKA_ENCRYPT, &yes),
	};
	CK_OBJECT_HANDLE key;
	CK_RV rv = p11->C_UnwrapKey(w->session, &m, wrapping, blob, blob_len, a, sizeof a / sizeof a[0], &key);
	return rv == CKR_OK ? discard(w, key) : rv;
}

static CK_RV session(struct worker *w, const struct op *o)
{
	(void)w, (void)o;
	CK_SESSION_HANDLE s;
	CK_RV rv = p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s);
	return rv == CKR_OK ? p11->C_CloseSession(s) : rv;
}

static CK_RV token_info(struct worker *w, const struct op *o)
{
	(void)w, (void)o;
	CK_TOKEN_INFO t;
	return p11->C_GetTokenInfo(slot, &t);
}

/* The state is compared: a session of a user who is logged in. */
static CK_RV session_info(struct worker *w, const struct op *o)
{
	(void)o;
	CK_SESSION_INFO s;
	CK_RV rv = p11->C_GetSessionInfo(w->session, &s);
	w->out[0] = (CK_BYTE)s.state;
	w->out_len = 1;
	return rv;
}

static CK_RV random_bytes(struct worker *w, const struct op *o)
{
	return p11->C_GenerateRandom(w->session, w->out, o->length);
}

/* Columns: length, token, random, together, pair. */
const struct op ops[] = {
	{ "derive-base", derive_base, CKM_SOFTCSP_CRYPT_DERIVE_KEY, 0, 0, 0, 0, 0 },
	{ "derive-digest", derive_digest, CKM_SOFTCSP_CRYPT_DERIVE_KEY, 0, 0, 0, 0, 0 },
	{ "gcm-16-session", gcm, CKM_AES_GCM, 16, 0, 0, 0, 0 },
	{ "gcm-1k-session", gcm, CKM_AES_GCM, 1024, 0, 0, 0, 0 },
	{ "gcm-16-token", gcm, CKM_AES_GCM, 16, 1, 0, 1, 0 },
	{ "gcm-1k-token", gcm, CKM_AES_GCM, 1024, 1, 0, 1, 0 },
	{ "hmac-32-session", mac, CKM_SHA256_HMAC, 32, 0, 0, 0, 0 },
	{ "hmac-32-token", mac, CKM_SHA256_HMAC, 32, 1, 0, 1, 0 },
	{ "object-session", object, NO_MECHANISM, 0, 0, 0, 0, 0 },
	{ "object-token", object, NO_MECHANISM, 0, 1, 0, 1, 0 },
	{ "create-token", create, NO_MECHANISM, 0, 1, 1, 2, 0 },
	{ "find-known", find, NO_MECHANISM, 0, 1, 1, 2, 0 },
	{ "derive-data", derive_data, CKM_AES_ECB_ENCRYPT_DATA, 32, 0, 0, 0, 0 },
	{ "wrap", wrap, CKM_AES_KEY_WRAP, 0, 0, 0, 0, 0 },
	{ "unwrap", unwrap, CKM_AES_KEY_WRAP, 0, 0, 0, 0, 0 },
	{ "sha256-32", digest, CKM_SHA256, 32, 0, 0, 1, 0 },
	{ "sha256-1k", digest, CKM_SHA256, 1024, 0, 0, 0, 0 },
	{ "sha256-1m", digest, CKM_SHA256, BIG, 0, 0, 0, 0 },
	{ "cbc-16", cbc_pad, CKM_AES_CBC_PAD, 16, 0, 0, 0, 0 },
	{ "cbc-16-token", cbc_pad, CKM_AES_CBC_PAD, 16, 1, 0, 2, 0 },
	{ "cbc-1k", cbc_pad, CKM_AES_CBC_PAD, 1024, 0, 0, 0, 0 },
	{ "cbc-64k", cbc_pad, CKM_AES_CBC_PAD, 64 * 1024, 0, 0, 0, 0 },
	{ "cbc-1m", cbc_pad, CKM_AES_CBC_PAD, BIG, 0, 0, 0, 0 },
	{ "rsa-2048-sign", pair_sign, CKM_SHA256_RSA_PKCS, 0, 0, 0, 0, RSA2048 },
	{ "rsa-2048-sign-token", pair_sign, CKM_SHA256_RSA_PKCS, 0, 1, 0, 1, RSA2048 },
	{ "rsa-2048-verify", pair_verify, CKM_SHA256_RSA_PKCS, 0, 0, 1, 0, RSA2048 },
	{ "rsa-2048-verify-token", pair_verify, CKM_SHA256_RSA_PKCS, 0, 1, 1, 2, RSA2048 },
	{ "rsa-3072-sign", pair_sign, CKM_SHA256_RSA_PKCS, 0, 0, 0, 0, RSA3072 },
	{ "rsa-3072-verify", pair_verify, CKM_SHA256_RSA_PKCS, 0, 0, 1, 0, RSA3072 },
	{ "rsa-4096-sign", pair_sign, CKM_SHA256_RSA_PKCS, 0, 0, 0, 0, RSA4096 },
	{ "rsa-4096-verify", pair_verify, CKM_SHA256_RSA_PKCS, 0, 0, 1, 0, RSA4096 },
	{ "p256-sign", pair_sign, CKM_ECDSA, 0, 0, 1, 0, P256 },
	{ "p256-sign-token", pair_sign, CKM_ECDSA, 0, 1, 1, 1, P256 },
	{ "p256-verify", pair_verify, CKM_ECDSA, 0, 0, 1, 0, P256 },
	{ "ed25519-sign", pair_sign, CKM_EDDSA, 0, 0, 0, 0, ED25519 },
	{ "ed25519-verify", pair_verify, CKM_EDDSA, 0, 0, 1, 0, ED25519 },
	{ "ecdh-p256", pair_agree, CKM_ECDH1_DERIVE, 0, 0, 0, 0, P256 },
	{ "generate-rsa-2048", pair_generate, CKM_RSA_PKCS_KEY_PAIR_GEN, 2048, 0, 1, 0, 0 },
	{ "generate-p256", pair_generate, CKM_EC_KEY_PAIR_GEN, 0, 0, 1, 0, 0 },
	{ "generate-aes-256", generate, CKM_AES_KEY_GEN, 32, 0, 1, 0, 0 },
	{ "random-32", random_bytes, NO_MECHANISM, 32, 0, 1, 1, 0 },
	{ "session", session, NO_MECHANISM, 0, 0, 1, 1, 0 },
	{ "token-info", token_info, NO_MECHANISM, 0, 0, 1, 0, 0 },
	{ "session-info", session_info, NO_MECHANISM, 0, 0, 0, 0, 0 },
};

const size_t ops_count = sizeof ops / sizeof ops[0];
