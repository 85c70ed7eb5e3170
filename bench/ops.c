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
static const CK_BYTE base[] = "apple-camshaft";

#define ATTR(t, p) { (t), (void *)(p), sizeof *(p) }

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
		must("AES key", make_key(home, CKK_AES, token, 0, "bench-aes", value, 32, &aes[token]));
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

/* Destroys a key that an operation made. For a check its value is read before. */
static CK_RV discard(struct worker *w, CK_OBJECT_HANDLE key)
{
	if (w->check) {
		CK_ATTRIBUTE a = { CKA_VALUE, w->out, BIG };
		CK_RV rv = p11->C_GetAttributeValue(w->session, key, &a, 1);
		if (rv != CKR_OK)
			return rv;
		w->out_len = a.ulValueLen;
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

static CK_RV object(struct worker *w, const struct op *o)
{
	CK_OBJECT_HANDLE key;
	CK_RV rv = make_key(w->session, CKK_AES, o->token, w->check, "bench-passing", value, 32, &key);
	return rv == CKR_OK ? discard(w, key) : rv;
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

const struct op ops[] = {
	{ "derive-base", derive_base, CKM_SOFTCSP_CRYPT_DERIVE_KEY, 0, 0, 0, 0 },
	{ "derive-digest", derive_digest, CKM_SOFTCSP_CRYPT_DERIVE_KEY, 0, 0, 0, 0 },
	{ "gcm-16-session", gcm, CKM_AES_GCM, 16, 0, 0, 0 },
	{ "gcm-1k-session", gcm, CKM_AES_GCM, 1024, 0, 0, 0 },
	{ "gcm-16-token", gcm, CKM_AES_GCM, 16, 1, 0, 0 },
	{ "gcm-1k-token", gcm, CKM_AES_GCM, 1024, 1, 0, 0 },
	{ "hmac-32-session", mac, CKM_SHA256_HMAC, 32, 0, 0, 0 },
	{ "hmac-32-token", mac, CKM_SHA256_HMAC, 32, 1, 0, 0 },
	{ "object-session", object, NO_MECHANISM, 0, 0, 0, 0 },
	{ "object-token", object, NO_MECHANISM, 0, 1, 0, 0 },
	{ "derive-data", derive_data, CKM_AES_ECB_ENCRYPT_DATA, 32, 0, 0, 0 },
	{ "wrap", wrap, CKM_AES_KEY_WRAP, 0, 0, 0, 0 },
	{ "unwrap", unwrap, CKM_AES_KEY_WRAP, 0, 0, 0, 0 },
	{ "sha256-32", digest, CKM_SHA256, 32, 0, 0, 0 },
	{ "cbc-16", cbc_pad, CKM_AES_CBC_PAD, 16, 0, 0, 0 },
	{ "cbc-1m", cbc_pad, CKM_AES_CBC_PAD, BIG, 0, 0, 0 },
	{ "random-32", random_bytes, NO_MECHANISM, 32, 0, 1, 0 },
	{ "session", session, NO_MECHANISM, 0, 0, 1, 0 },
	{ "token-info", token_info, NO_MECHANISM, 0, 0, 1, 0 },
	{ "session-info", session_info, NO_MECHANISM, 0, 0, 0, 0 },
	{ "gcm-1k-threads", gcm, CKM_AES_GCM, 1024, 0, 0, 2 },
};

const size_t ops_count = sizeof ops / sizeof ops[0];
