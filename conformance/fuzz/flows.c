/* What boundary.c disturbs: calls as the standard says. Each function succeeds in one of them. */
#include "boundary.h"
#include "flows.h"

#include <string.h>

/* ---- what calls are made of ---- */

struct template template(struct worker *w) { return (struct template){ w, block(w, 10 * sizeof(CK_ATTRIBUTE), 1), 0 }; }

static void row(struct template *t, CK_ATTRIBUTE_TYPE type, const void *value, size_t n)
{
	if (t->n < 10)
		t->rows[t->n++] = (CK_ATTRIBUTE){ type, bytes(t->w, value, n), n };
}

void number(struct template *t, CK_ATTRIBUTE_TYPE type, CK_ULONG value) { row(t, type, &value, sizeof value); }

void yes(struct template *t, CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL value = CK_TRUE;

	row(t, type, &value, sizeof value);
}

void no(struct template *t, CK_ATTRIBUTE_TYPE type)
{
	CK_BBOOL value = CK_FALSE;

	row(t, type, &value, sizeof value);
}

void text(struct template *t, CK_ATTRIBUTE_TYPE type, const char *value) { row(t, type, value, strlen(value)); }

void within(struct template *t, CK_ATTRIBUTE_TYPE type, const struct template *inner)
{
	if (t->n < 10)
		t->rows[t->n++] = (CK_ATTRIBUTE){ type, inner->rows, inner->n * sizeof *inner->rows };
}

word mechanism(struct worker *w, CK_MECHANISM_TYPE type, void *parameter, size_t n)
{
	CK_MECHANISM *m = block(w, sizeof *m, 1);

	*m = (CK_MECHANISM){ type, parameter, n };
	return W(m);
}

void *zeros(struct worker *w, size_t n) { return block(w, n, 0); }

CK_ULONG *length(struct worker *w, CK_ULONG n) { return bytes(w, &n, sizeof n); }

CK_OBJECT_HANDLE *handle(struct worker *w) { return block(w, sizeof(CK_OBJECT_HANDLE), 0); }

CK_OBJECT_HANDLE secret(struct worker *w, CK_KEY_TYPE type, size_t size)
{
	static const CK_ATTRIBUTE_TYPE uses[] = { CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY, CKA_DERIVE, CKA_EXTRACTABLE };
	struct template t = template(w);
	CK_OBJECT_HANDLE *h = handle(w);
	unsigned char value[64];
	size_t i;

	for (i = 0; i < size; i++)
		value[i] = (unsigned char)draw(w, 256);
	number(&t, CKA_CLASS, CKO_SECRET_KEY);
	number(&t, CKA_KEY_TYPE, type);
	row(&t, CKA_VALUE, value, size);
	no(&t, CKA_PRIVATE);
	for (i = 0; i < sizeof uses / sizeof *uses; i++)
		yes(&t, uses[i]);
	CALL(C_CreateObject, w->session, W(t.rows), t.n, W(h));
	return *h;
}

/* wrapper is a key that wraps: in a token that keeps roles apart it does nothing else. */
static CK_OBJECT_HANDLE wrapper(struct worker *w)
{
	struct template t = template(w);
	CK_OBJECT_HANDLE *h = handle(w);

	number(&t, CKA_VALUE_LEN, 32);
	no(&t, CKA_PRIVATE);
	yes(&t, CKA_WRAP);
	yes(&t, CKA_UNWRAP);
	CALL(C_GenerateKey, w->session, mechanism(w, CKM_AES_KEY_GEN, NULL, 0), W(t.rows), t.n, W(h));
	return *h;
}

void pair(struct worker *w, CK_MECHANISM_TYPE generate, const struct template *public, CK_ATTRIBUTE_TYPE use, CK_ATTRIBUTE_TYPE verify,
	  CK_OBJECT_HANDLE *pub, CK_OBJECT_HANDLE *priv)
{
	struct template private = template(w), t = *public;
	CK_OBJECT_HANDLE *a = handle(w), *b = handle(w);

	no(&private, CKA_PRIVATE);
	yes(&private, use);
	yes(&t, verify);
	CALL(C_GenerateKeyPair, w->session, mechanism(w, generate, NULL, 0), W(t.rows), t.n, W(private.rows), private.n, W(a), W(b));
	*pub = *a;
	*priv = *b;
}

/* rsa makes a key pair where there is none: it takes long. */
void rsa(struct worker *w)
{
	CK_ULONG size;
	struct template public = template(w), private = template(w);
	CK_MECHANISM m = { CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0 };
	static const CK_ATTRIBUTE_TYPE publics[] = { CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_ENCRYPT };
	static const CK_ATTRIBUTE_TYPE privates[] = { CKA_SIGN, CKA_SIGN_RECOVER, CKA_DECRYPT };
	size_t i;

	if (w->f->C_GetObjectSize(w->session, w->rsa_private, &size) == CKR_OK)
		return;
	number(&public, CKA_MODULUS_BITS, 1024);
	no(&private, CKA_PRIVATE);
	for (i = 0; i < 3; i++) {
		yes(&public, publics[i]);
		yes(&private, privates[i]);
	}
	w->f->C_GenerateKeyPair(w->session, &m, public.rows, public.n, private.rows, private.n, &w->rsa_public, &w->rsa_private);
}

/* ---- a login ---- */

/* slot finds the token with a label, or makes it. */
static int slot(struct worker *w, const char *label, CK_SLOT_ID *found)
{
	CK_SLOT_ID slots[256];
	CK_ULONG n = 256, i;
	CK_TOKEN_INFO info;
	CK_UTF8CHAR padded[32];

	memset(padded, ' ', sizeof padded);
	memcpy(padded, label, strlen(label));
	if (w->f->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		return 0;
	for (i = 0; i < n; i++)
		if (w->f->C_GetTokenInfo(slots[i], &info) == CKR_OK && memcmp(info.label, padded, 32) == 0) {
			*found = slots[i];
			return 1;
		}
	for (i = n; i-- > 0;)
		if (w->f->C_GetTokenInfo(slots[i], &info) == CKR_OK && !(info.flags & CKF_TOKEN_INITIALIZED)) {
			*found = slots[i];
			return w->f->C_InitToken(slots[i], (CK_UTF8CHAR_PTR)so_pin, sizeof so_pin, padded) == CKR_OK;
		}
	return 0;
}

static int login(struct worker *w)
{
	CK_RV rv = w->f->C_Login(w->session, CKU_USER, (CK_UTF8CHAR_PTR)user_pin, sizeof user_pin);

	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return 1;
	if (rv == CKR_USER_ANOTHER_ALREADY_LOGGED_IN)
		w->f->C_Logout(w->session);
	if (w->f->C_Login(w->session, CKU_SO, (CK_UTF8CHAR_PTR)so_pin, sizeof so_pin) == CKR_OK)
		w->f->C_InitPIN(w->session, (CK_UTF8CHAR_PTR)user_pin, sizeof user_pin);
	w->f->C_Logout(w->session);
	return w->f->C_Login(w->session, CKU_USER, (CK_UTF8CHAR_PTR)user_pin, sizeof user_pin) == CKR_OK;
}

int ready(struct worker *w)
{
	CK_SESSION_INFO info;
	CK_RV rv = w->f->C_GetSessionInfo(w->session, &info);

	if (rv == CKR_CRYPTOKI_NOT_INITIALIZED)
		w->f->C_Initialize(NULL);
	if (rv != CKR_OK || info.slotID != w->slot || !(info.flags & CKF_RW_SESSION)) {
		if (!slot(w, "boundary", &w->slot) || !slot(w, "spare", &w->spare))
			return 0;
		if (w->f->C_OpenSession(w->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &w->session) != CKR_OK)
			return 0;
		info.state = CKS_RW_PUBLIC_SESSION;
	}
	if (info.state != CKS_RW_USER_FUNCTIONS && !login(w))
		return 0;
	return 1;
}

/* ---- flows ---- */

static void about(struct worker *w)
{
	CK_FUNCTION_LIST_PTR *list = block(w, sizeof *list, 0);
	CK_INTERFACE **one = block(w, sizeof *one, 0);
	CK_VERSION *version = zeros(w, sizeof *version);

	version->major = 3;
	CALL(C_GetInfo, W(zeros(w, sizeof(CK_INFO))));
	CALL(C_GetFunctionList, W(list));
	CALL(C_GetInterfaceList, W(zeros(w, 3 * sizeof(CK_INTERFACE))), W(length(w, 3)));
	CALL(C_GetInterface, W(bytes(w, "PKCS 11", 8)), W(version), W(one), 0);
	CALL(C_Initialize, 0);
	CALL(C_GetSlotList, CK_TRUE, W(zeros(w, 64 * sizeof(CK_SLOT_ID))), W(length(w, 64)));
	CALL(C_GetSlotInfo, w->slot, W(zeros(w, sizeof(CK_SLOT_INFO))));
	CALL(C_GetTokenInfo, w->slot, W(zeros(w, sizeof(CK_TOKEN_INFO))));
	CALL(C_GetMechanismList, w->slot, W(zeros(w, 1024 * sizeof(CK_MECHANISM_TYPE))), W(length(w, 1024)));
	CALL(C_GetMechanismInfo, w->slot, CKM_AES_GCM, W(zeros(w, sizeof(CK_MECHANISM_INFO))));
	CALL(C_WaitForSlotEvent, CKF_DONT_BLOCK, W(length(w, 0)), 0);
	CALL(C_GetFunctionStatus, w->session);
	CALL(C_CancelFunction, w->session);
}

/* begin is C_Initialize with arguments, after C_Finalize. */
static void begin(struct worker *w)
{
	CK_C_INITIALIZE_ARGS *args = block(w, sizeof *args, 1);

	if (w->number != 0)
		return;
	args->flags = CKF_OS_LOCKING_OK;
	CALL(C_Finalize, 0);
	CALL(C_Initialize, W(args));
}

static void sessions(struct worker *w)
{
	CK_SESSION_HANDLE *s = handle(w);

	CALL(C_OpenSession, w->slot, CKF_SERIAL_SESSION, 0, 0, W(s));
	CALL(C_GetSessionInfo, *s, W(zeros(w, sizeof(CK_SESSION_INFO))));
	CALL(C_GetSessionValidationFlags, *s, CKS_LAST_VALIDATION_OK, W(length(w, 0)));
	CALL(C_SessionCancel, *s, CKF_DIGEST);
	CALL(C_SeedRandom, *s, W(bytes(w, "seed", 4)), 4);
	CALL(C_GenerateRandom, *s, W(zeros(w, 3000)), 3000);
	CALL(C_CloseSession, *s);
}

static void spare(struct worker *w)
{
	CK_SESSION_HANDLE *s = handle(w);
	CK_UTF8CHAR *label = zeros(w, 32);
	word so = W(bytes(w, so_pin, sizeof so_pin)), user = W(bytes(w, user_pin, sizeof user_pin));

	if (w->number != 0)
		return;
	memset(label, ' ', 32);
	memcpy(label, "spare", 5);
	CALL(C_InitToken, w->spare, so, sizeof so_pin, W(label));
	CALL(C_OpenSession, w->spare, CKF_SERIAL_SESSION | CKF_RW_SESSION, 0, 0, W(s));
	CALL(C_Login, *s, CKU_SO, so, sizeof so_pin);
	CALL(C_InitPIN, *s, user, sizeof user_pin);
	CALL(C_SetPIN, *s, so, sizeof so_pin, so, sizeof so_pin);
	CALL(C_Logout, *s);
	CALL(C_LoginUser, *s, CKU_USER, user, sizeof user_pin, W(zeros(w, 4)), 0);
	CALL(C_SetPIN, *s, user, sizeof user_pin, user, sizeof user_pin);
	CALL(C_CloseAllSessions, w->spare);
}

static void logins(struct worker *w)
{
	CALL(C_Logout, w->session);
	CALL(C_Login, w->session, CKU_USER, W(bytes(w, user_pin, sizeof user_pin)), sizeof user_pin);
}

static void objects(struct worker *w)
{
	struct template t = template(w), change = template(w), ask = template(w), inner = template(w), key = template(w), what = template(w);
	CK_OBJECT_HANDLE *o = handle(w), *copy = handle(w), *k = handle(w);

	number(&t, CKA_CLASS, CKO_DATA);
	yes(&t, CKA_TOKEN);
	text(&t, CKA_LABEL, "label");
	text(&t, CKA_VALUE, "value");
	text(&change, CKA_LABEL, "another");
	text(&ask, CKA_LABEL, "room for a label");
	text(&ask, CKA_VALUE, "room for a value");
	CALL(C_CreateObject, w->session, W(t.rows), t.n, W(o));
	CALL(C_CopyObject, w->session, *o, W(change.rows), change.n, W(copy));
	CALL(C_SetAttributeValue, w->session, *o, W(change.rows), change.n);
	CALL(C_GetAttributeValue, w->session, *o, W(ask.rows), ask.n);
	CALL(C_GetObjectSize, w->session, *o, W(length(w, 0)));
	CALL(C_FindObjectsInit, w->session, W(change.rows), change.n);
	CALL(C_FindObjects, w->session, W(zeros(w, 8 * sizeof(CK_OBJECT_HANDLE))), 8, W(length(w, 0)));
	CALL(C_FindObjectsFinal, w->session);
	CALL(C_DestroyObject, w->session, *copy);
	CALL(C_DestroyObject, w->session, *o);
	number(&inner, CKA_CLASS, CKO_SECRET_KEY);
	yes(&inner, CKA_ENCRYPT);
	number(&key, CKA_VALUE_LEN, 16);
	no(&key, CKA_PRIVATE);
	yes(&key, CKA_UNWRAP);
	within(&key, CKA_UNWRAP_TEMPLATE, &inner);
	CALL(C_GenerateKey, w->session, mechanism(w, CKM_AES_KEY_GEN, NULL, 0), W(key.rows), key.n, W(k));
	within(&what, CKA_UNWRAP_TEMPLATE, &inner);
	CALL(C_GetAttributeValue, w->session, *k, W(what.rows), what.n);
}

static void digests(struct worker *w)
{
	static const CK_MECHANISM_TYPE some[] = { CKM_SHA256, CKM_SHA_1, CKM_MD5, CKM_SHA512, CKM_SHA3_256, CKM_SHA384, CKM_RIPEMD160, CKM_BLAKE2B_256, CKM_SHAKE_256_KEY_DERIVATION };
	CK_MECHANISM_TYPE m = some[w->mode == BY_CHANCE ? draw(w, 9) : 0];
	size_t n = w->mode == BY_CHANCE ? draw(w, 20000) : 1000;
	word s = w->session, data = W(zeros(w, 20000)), out = W(zeros(w, 64));
	CK_OBJECT_HANDLE k = secret(w, CKK_AES, 16);

	CALL(C_DigestInit, s, mechanism(w, m, NULL, 0));
	CALL(C_Digest, s, data, n, out, W(length(w, 64)));
	CALL(C_DigestInit, s, mechanism(w, m, NULL, 0));
	CALL(C_DigestUpdate, s, data, n);
	CALL(C_DigestKey, s, k);
	CALL(C_DigestFinal, s, out, W(length(w, 64)));
}

static void states(struct worker *w)
{
	word s = w->session, data = W(zeros(w, 40)), state = W(zeros(w, 2000));
	CK_ULONG *n = length(w, 2000);
	CK_OBJECT_HANDLE k = secret(w, CKK_AES, 16);

	CALL(C_DigestInit, s, mechanism(w, CKM_SHA256, NULL, 0));
	CALL(C_DigestUpdate, s, data, 40);
	CALL(C_EncryptInit, s, mechanism(w, CKM_AES_CBC, zeros(w, 16), 16), k);
	CALL(C_GetOperationState, s, state, W(n));
	CALL(C_SetOperationState, s, state, *n, k, 0);
}

const struct flow flows[] = {
	{ "about", about },	    { "begin", begin },	      { "sessions", sessions },	  { "spare", spare },	    { "logins", logins },
	{ "objects", objects },	    { "digests", digests },   { "states", states },	  { "ciphers", ciphers },   { "aead", aead },
	{ "dual", dual },	    { "macs", macs },	      { "signatures", signatures }, { "recovery", recovery }, { "wraps", wraps },
	{ "sealed", sealed },	    { "derivations", derivations }, { "passwords", passwords }, { "tls", tls }, { "kem", kem },
	{ "messages", messages },   { "parts", parts },	      { "signed", signed_messages }, { "given", given },  { "later", later },
	{ "anything", anything },
};

const int flows_count = sizeof flows / sizeof *flows;

CK_OBJECT_HANDLE wrapping(struct worker *w) { return wrapper(w); }
