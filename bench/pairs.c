/* pairs.c: what is done with key pairs. Their keys come from a file, so that every module has the same. */
#include "bench.h"
#include <stdio.h>
#include <string.h>

enum { SIGNATURE = 512 };

/* Each once as session objects and once as token objects. */
struct pair {
	const char *name;
	CK_MECHANISM_TYPE mechanism; /* a module without it does not get the keys */
	CK_OBJECT_HANDLE public[2], private[2];
	CK_BYTE signature[SIGNATURE];
	CK_ULONG signature_len;
};

static struct pair pairs[] = {
	[RSA2048] = { .name = "rsa-2048", .mechanism = CKM_SHA256_RSA_PKCS },
	[RSA3072] = { .name = "rsa-3072", .mechanism = CKM_SHA256_RSA_PKCS },
	[RSA4096] = { .name = "rsa-4096", .mechanism = CKM_SHA256_RSA_PKCS },
	[P256] = { .name = "p256", .mechanism = CKM_ECDSA },
	[ED25519] = { .name = "ed25519", .mechanism = CKM_EDDSA },
};

enum { PAIRS = sizeof pairs / sizeof pairs[0], SIGNED = 32 };

static CK_BYTE point[133]; /* the public point of P256, as ECDH takes it */
static CK_ULONG point_len;

static const CK_BYTE p256_params[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };

static CK_RV sign_with(CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG n, CK_BYTE *signature, CK_ULONG *signature_len)
{
	CK_MECHANISM m = { type, NULL, 0 };
	CK_RV rv = p11->C_SignInit(s, &m, key);
	return rv == CKR_OK ? p11->C_Sign(s, data, n, signature, signature_len) : rv;
}

static CK_RV verify_with(CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG n, CK_BYTE *signature, CK_ULONG signature_len)
{
	CK_MECHANISM m = { type, NULL, 0 };
	CK_RV rv = p11->C_VerifyInit(s, &m, key);
	return rv == CKR_OK ? p11->C_Verify(s, data, n, signature, signature_len) : rv;
}

/* A signature must be good, and with another bit it must not. */
static void check(const char *name, CK_SESSION_HANDLE s, CK_MECHANISM_TYPE type, CK_OBJECT_HANDLE key, CK_BYTE *data, CK_ULONG n, CK_BYTE *signature, CK_ULONG signature_len)
{
	must(name, verify_with(s, type, key, data, n, signature, signature_len));
	signature[signature_len / 2] ^= 1;
	CK_RV rv = verify_with(s, type, key, data, n, signature, signature_len);
	signature[signature_len / 2] ^= 1;
	if (rv != CKR_SIGNATURE_INVALID)
		fail("%s: a wrong signature gives 0x%lx", name, (unsigned long)rv);
}

static void pair_create(struct pair *p, struct template *t, int token)
{
	char name[64];
	snprintf(name, sizeof name, "%.31s-%s", t->name, token ? "token" : "session");
	CK_OBJECT_CLASS class;
	memcpy(&class, template_attribute(t, CKA_CLASS)->pValue, sizeof class);
	must(name, template_create(home, t, token, name, class == CKO_PRIVATE_KEY ? &p->private[token] : &p->public[token]));
}

void pairs_setup(const char *path)
{
	static struct template t[2 * PAIRS];
	int n = templates_read(path, t, 2 * PAIRS);
	CK_BYTE data[SIGNED];
	work_input(data, SIGNED);
	for (struct pair *p = pairs; p < pairs + PAIRS; p++) {
		CK_MECHANISM_INFO info;
		if (p11->C_GetMechanismInfo(slot, p->mechanism, &info) == CKR_MECHANISM_INVALID)
			continue;
		for (int i = 0; i < n; i++)
			for (int token = 0; token < 2 && !strcmp(t[i].name, p->name); token++)
				pair_create(p, &t[i], token);
		if (!p->private[1] || !p->public[1])
			fail("%s does not have %s", path, p->name);
		p->signature_len = SIGNATURE;
		must(p->name, sign_with(home, p->mechanism, p->private[0], data, SIGNED, p->signature, &p->signature_len));
	}
	for (int i = 0; i < n; i++) {
		CK_OBJECT_CLASS class;
		memcpy(&class, template_attribute(&t[i], CKA_CLASS)->pValue, sizeof class);
		if (strcmp(t[i].name, pairs[P256].name) || class != CKO_PUBLIC_KEY)
			continue;
		/* Without the two bytes that make the point an OCTET STRING. */
		CK_ATTRIBUTE *a = template_attribute(&t[i], CKA_EC_POINT);
		point_len = a->ulValueLen - 2;
		memcpy(point, (CK_BYTE *)a->pValue + 2, point_len);
	}
}

void pairs_teardown(void)
{
	for (struct pair *p = pairs; p < pairs + PAIRS; p++) {
		if (!p->private[1])
			continue;
		must("C_DestroyObject", p11->C_DestroyObject(home, p->private[1]));
		must("C_DestroyObject", p11->C_DestroyObject(home, p->public[1]));
	}
}

CK_RV pair_sign(struct worker *w, const struct op *o)
{
	struct pair *p = &pairs[o->pair];
	w->out_len = SIGNATURE;
	CK_RV rv = sign_with(w->session, p->mechanism, p->private[o->token], w->in, SIGNED, w->out, &w->out_len);
	if (rv == CKR_OK && w->check)
		check(o->name, w->session, p->mechanism, p->public[o->token], w->in, SIGNED, w->out, w->out_len);
	return rv;
}

CK_RV pair_verify(struct worker *w, const struct op *o)
{
	struct pair *p = &pairs[o->pair];
	if (w->check)
		check(o->name, w->session, p->mechanism, p->public[o->token], w->in, SIGNED, p->signature, p->signature_len);
	return verify_with(w->session, p->mechanism, p->public[o->token], w->in, SIGNED, p->signature, p->signature_len);
}

CK_RV pair_agree(struct worker *w, const struct op *o)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	static CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	static CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	static CK_ULONG length = 32;
	CK_ECDH1_DERIVE_PARAMS e = { .kdf = CKD_NULL, .pPublicData = point, .ulPublicDataLen = point_len };
	CK_MECHANISM m = { CKM_ECDH1_DERIVE, &e, sizeof e };
	CK_ATTRIBUTE a[] = {
		ATTR(CKA_CLASS, &class), ATTR(CKA_KEY_TYPE, &type), ATTR(CKA_VALUE_LEN, &length), ATTR(CKA_TOKEN, &no),
		ATTR(CKA_PRIVATE, &yes), ATTR(CKA_SENSITIVE, &no), ATTR(CKA_EXTRACTABLE, &yes),
	};
	CK_OBJECT_HANDLE key;
	CK_RV rv = p11->C_DeriveKey(w->session, &m, pairs[o->pair].private[o->token], a, sizeof a / sizeof a[0], &key);
	return rv == CKR_OK ? discard(w, key) : rv;
}

/* Makes a pair in the session and destroys it. For a check it signs with it before. */
CK_RV pair_generate(struct worker *w, const struct op *o)
{
	static CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	int rsa = o->mechanism == CKM_RSA_PKCS_KEY_PAIR_GEN;
	CK_ULONG bits = o->length;
	CK_MECHANISM m = { o->mechanism, NULL, 0 };
	CK_ATTRIBUTE public[] = {
		ATTR(CKA_TOKEN, &no), ATTR(CKA_VERIFY, &yes),
		rsa ? (CK_ATTRIBUTE)ATTR(CKA_MODULUS_BITS, &bits) : (CK_ATTRIBUTE){ CKA_EC_PARAMS, (void *)p256_params, sizeof p256_params },
		{ CKA_PUBLIC_EXPONENT, (CK_BYTE[]){ 1, 0, 1 }, 3 },
	};
	CK_ATTRIBUTE private[] = { ATTR(CKA_TOKEN, &no), ATTR(CKA_PRIVATE, &yes), ATTR(CKA_SENSITIVE, &yes), ATTR(CKA_SIGN, &yes) };
	CK_OBJECT_HANDLE verifies, signs;
	CK_RV rv = p11->C_GenerateKeyPair(w->session, &m, public, rsa ? 4 : 3, private, 4, &verifies, &signs);
	if (rv == CKR_OK && w->check) {
		CK_MECHANISM_TYPE how = rsa ? CKM_SHA256_RSA_PKCS : CKM_ECDSA;
		w->out_len = SIGNATURE;
		must(o->name, sign_with(w->session, how, signs, w->in, SIGNED, w->out, &w->out_len));
		check(o->name, w->session, how, verifies, w->in, SIGNED, w->out, w->out_len);
	}
	if (rv == CKR_OK)
		rv = p11->C_DestroyObject(w->session, verifies);
	return rv == CKR_OK ? p11->C_DestroyObject(w->session, signs) : rv;
}
