/* The flows that use keys. */
#include "boundary.h"
#include "flows.h"

#include <string.h>

/* some is how much data a flow has: by chance where calls are disturbed by chance. */
static size_t some(struct worker *w, size_t most) { return w->mode == BY_CHANCE ? draw(w, most + 1) : most; }

/* ---- encryption ---- */

typedef word (*maker)(struct worker *w);

static word ecb(struct worker *w) { return mechanism(w, CKM_AES_ECB, NULL, 0); }
static word cbc(struct worker *w) { return mechanism(w, CKM_AES_CBC, zeros(w, 16), 16); }
static word padded(struct worker *w) { return mechanism(w, CKM_AES_CBC_PAD, zeros(w, 16), 16); }
static word ofb(struct worker *w) { return mechanism(w, CKM_AES_OFB, zeros(w, 16), 16); }
static word cts(struct worker *w) { return mechanism(w, CKM_AES_CTS, zeros(w, 16), 16); }
static word kwp(struct worker *w) { return mechanism(w, CKM_AES_KEY_WRAP_PAD, NULL, 0); }

static word ctr(struct worker *w)
{
	CK_AES_CTR_PARAMS *p = block(w, sizeof *p, 0);

	p->ulCounterBits = 128;
	return mechanism(w, CKM_AES_CTR, p, sizeof *p);
}

static word gcm(struct worker *w)
{
	CK_GCM_PARAMS *p = block(w, sizeof *p, 1);

	*p = (CK_GCM_PARAMS){ zeros(w, 12), 12, 96, zeros(w, 20), 20, 128 };
	return mechanism(w, CKM_AES_GCM, p, sizeof *p);
}

static word ccm(struct worker *w)
{
	CK_CCM_PARAMS *p = block(w, sizeof *p, 1);

	*p = (CK_CCM_PARAMS){ 64, zeros(w, 12), 12, zeros(w, 20), 20, 16 };
	return mechanism(w, CKM_AES_CCM, p, sizeof *p);
}

static word poly(struct worker *w)
{
	CK_SALSA20_CHACHA20_POLY1305_PARAMS *p = block(w, sizeof *p, 1);

	*p = (CK_SALSA20_CHACHA20_POLY1305_PARAMS){ zeros(w, 12), 12, zeros(w, 20), 20 };
	return mechanism(w, CKM_CHACHA20_POLY1305, p, sizeof *p);
}

static void crypt(struct worker *w, maker make, CK_OBJECT_HANDLE k, size_t n)
{
	word s = w->session, data = W(zeros(w, n + 1)), out = W(zeros(w, 2 * n + 128)), back = W(zeros(w, n + 64));
	CK_ULONG *m = length(w, n + 64), *rest;

	CALL(C_EncryptInit, s, make(w), k);
	CALL(C_Encrypt, s, data, n, out, W(m));
	CALL(C_DecryptInit, s, make(w), k);
	CALL(C_Decrypt, s, out, *m, back, W(length(w, n + 64)));
	CALL(C_EncryptInit, s, make(w), k);
	*(m = length(w, 0)) = n + 64;
	CALL(C_EncryptUpdate, s, data, n, out, W(m));
	rest = length(w, n + 64);
	CALL(C_EncryptFinal, s, *m <= n ? out + *m : out, W(rest));
	CALL(C_DecryptInit, s, make(w), k);
	CALL(C_DecryptUpdate, s, out, *m + *rest, back, W(length(w, n + 64)));
	CALL(C_DecryptFinal, s, W(zeros(w, n + 64)), W(length(w, n + 64)));
}

void ciphers(struct worker *w)
{
	static const maker all[] = { padded, cbc, ecb, ctr, ofb, cts };
	maker make = all[w->mode == BY_CHANCE ? draw(w, 6) : 0];

	crypt(w, make, secret(w, CKK_AES, 16), some(w, 64));
	if (draw(w, 8) == 0)
		crypt(w, make, secret(w, CKK_AES, 32), some(w, 60000));
}

void aead(struct worker *w)
{
	static const maker all[] = { gcm, ccm, poly, kwp };
	int i = w->mode == BY_CHANCE ? (int)draw(w, 4) : 0;

	crypt(w, all[i], secret(w, i == 2 ? CKK_CHACHA20 : CKK_AES, 32), i == 1 ? 64 : some(w, 3000));
}

void dual(struct worker *w)
{
	word s = w->session, data = W(zeros(w, 64)), out = W(zeros(w, 64));
	CK_OBJECT_HANDLE k = secret(w, CKK_AES, 16);

	CALL(C_EncryptInit, s, cbc(w), k);
	CALL(C_DigestInit, s, mechanism(w, CKM_SHA256, NULL, 0));
	CALL(C_DigestEncryptUpdate, s, data, 64, out, W(length(w, 64)));
	CALL(C_SignInit, s, mechanism(w, CKM_AES_CMAC, NULL, 0), k);
	CALL(C_SignEncryptUpdate, s, data, 64, out, W(length(w, 64)));
	CALL(C_DecryptInit, s, cbc(w), k);
	CALL(C_DecryptDigestUpdate, s, out, 64, data, W(length(w, 64)));
	CALL(C_VerifyInit, s, mechanism(w, CKM_AES_CMAC, NULL, 0), k);
	CALL(C_DecryptVerifyUpdate, s, out, 64, data, W(length(w, 64)));
}

/* ---- signatures ---- */

static void sign(struct worker *w, word mech, CK_OBJECT_HANDLE with, CK_OBJECT_HANDLE against, size_t n)
{
	word s = w->session, data = W(zeros(w, n + 1)), sig = W(zeros(w, 5000));
	CK_ULONG *m = length(w, 5000);

	CALL(C_SignInit, s, mech, with);
	CALL(C_Sign, s, data, n, sig, W(m));
	CALL(C_VerifyInit, s, mech, against);
	CALL(C_Verify, s, data, n, sig, *m);
	CALL(C_SignInit, s, mech, with);
	CALL(C_SignUpdate, s, data, n);
	CALL(C_SignFinal, s, sig, W(length(w, 5000)));
	CALL(C_VerifyInit, s, mech, against);
	CALL(C_VerifyUpdate, s, data, n);
	CALL(C_VerifyFinal, s, sig, *m);
}

void macs(struct worker *w)
{
	static const CK_MECHANISM_TYPE all[] = { CKM_AES_CMAC, CKM_SHA256_HMAC, CKM_SHA512_HMAC, CKM_MD5_HMAC, CKM_SHA3_256_HMAC, CKM_AES_XCBC_MAC };
	int i = w->mode == BY_CHANCE ? (int)draw(w, 6) : 0;
	CK_OBJECT_HANDLE k = secret(w, i == 0 || i == 5 ? CKK_AES : CKK_GENERIC_SECRET, 16);

	sign(w, mechanism(w, all[i], NULL, 0), k, k, some(w, 100));
}

void signatures(struct worker *w)
{
	static const unsigned char p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	CK_RSA_PKCS_PSS_PARAMS pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 };
	CK_SIGN_ADDITIONAL_CONTEXT context = { CKH_HEDGE_PREFERRED, zeros(w, 10), 10 };
	CK_OBJECT_HANDLE pub, priv;
	struct template t = template(w);
	int i = w->mode == BY_CHANCE ? (int)draw(w, 4) : 2;

	if (i < 2)
		rsa(w);
	switch (i) {
	case 0:
		sign(w, mechanism(w, CKM_SHA256_RSA_PKCS, NULL, 0), w->rsa_private, w->rsa_public, some(w, 100));
		break;
	case 1:
		sign(w, mechanism(w, CKM_SHA256_RSA_PKCS_PSS, bytes(w, &pss, sizeof pss), sizeof pss), w->rsa_private, w->rsa_public, some(w, 100));
		break;
	case 2:
		t.rows[t.n++] = (CK_ATTRIBUTE){ CKA_EC_PARAMS, bytes(w, p256, sizeof p256), sizeof p256 };
		pair(w, CKM_EC_KEY_PAIR_GEN, &t, CKA_SIGN, CKA_VERIFY, &pub, &priv);
		sign(w, mechanism(w, CKM_ECDSA_SHA256, NULL, 0), priv, pub, some(w, 100));
		break;
	case 3:
		number(&t, CKA_PARAMETER_SET, CKP_ML_DSA_44);
		pair(w, CKM_ML_DSA_KEY_PAIR_GEN, &t, CKA_SIGN, CKA_VERIFY, &pub, &priv);
		sign(w, mechanism(w, CKM_ML_DSA, memcpy(block(w, sizeof context, 1), &context, sizeof context), sizeof context), priv, pub, some(w, 100));
	}
}

void recovery(struct worker *w)
{
	word s = w->session, sig = W(zeros(w, 128)), m = mechanism(w, CKM_RSA_PKCS, NULL, 0);
	CK_ULONG *n = length(w, 128);

	rsa(w);
	CALL(C_SignRecoverInit, s, m, w->rsa_private);
	CALL(C_SignRecover, s, W(zeros(w, 20)), 20, sig, W(n));
	CALL(C_VerifyRecoverInit, s, m, w->rsa_public);
	CALL(C_VerifyRecover, s, sig, *n, W(zeros(w, 128)), W(length(w, 128)));
}

void given(struct worker *w)
{
	word s = w->session, data = W(zeros(w, 40)), sig = W(zeros(w, 32)), m = mechanism(w, CKM_SHA256_HMAC, NULL, 0);
	CK_OBJECT_HANDLE k = secret(w, CKK_GENERIC_SECRET, 32);
	CK_ULONG *n = length(w, 32);

	CALL(C_SignInit, s, m, k);
	CALL(C_Sign, s, data, 40, sig, W(n));
	CALL(C_VerifySignatureInit, s, m, k, sig, *n);
	CALL(C_VerifySignature, s, data, 40);
	CALL(C_VerifySignatureInit, s, m, k, sig, *n);
	CALL(C_VerifySignatureUpdate, s, data, 40);
	CALL(C_VerifySignatureFinal, s);
}

/* ---- keys ---- */

static struct template wanted(struct worker *w, CK_KEY_TYPE type, CK_ULONG size)
{
	struct template t = template(w);

	number(&t, CKA_CLASS, CKO_SECRET_KEY);
	number(&t, CKA_KEY_TYPE, type);
	no(&t, CKA_PRIVATE);
	if (size)
		number(&t, CKA_VALUE_LEN, size);
	return t;
}

void wraps(struct worker *w)
{
	static const maker all[] = { kwp, padded, cbc };
	maker make = all[w->mode == BY_CHANCE ? draw(w, 3) : 0];
	word s = w->session, out = W(zeros(w, 100));
	CK_OBJECT_HANDLE with = wrapping(w), k = secret(w, CKK_AES, 16);
	struct template t = wanted(w, CKK_AES, 0);
	CK_ULONG *n = length(w, 100);

	CALL(C_WrapKey, s, make(w), with, k, out, W(n));
	CALL(C_UnwrapKey, s, make(w), with, out, *n, W(t.rows), t.n, W(handle(w)));
}

static CK_GCM_MESSAGE_PARAMS *message(struct worker *w, CK_GENERATOR_FUNCTION generator)
{
	CK_GCM_MESSAGE_PARAMS *p = block(w, sizeof *p, 1);

	*p = (CK_GCM_MESSAGE_PARAMS){ zeros(w, 12), 12, 0, generator, zeros(w, 16), 128 };
	return p;
}

void sealed(struct worker *w)
{
	word s = w->session, out = W(zeros(w, 100)), aad = W(zeros(w, 30));
	CK_OBJECT_HANDLE with = wrapping(w), k = secret(w, CKK_AES, 16);
	struct template t = wanted(w, CKK_AES, 0);
	CK_GCM_MESSAGE_PARAMS *p = message(w, CKG_GENERATE_RANDOM);
	CK_ULONG *n = length(w, 100);

	CALL(C_WrapKeyAuthenticated, s, mechanism(w, CKM_AES_GCM, p, sizeof *p), with, k, aad, 30, out, W(n));
	CALL(C_UnwrapKeyAuthenticated, s, mechanism(w, CKM_AES_GCM, p, sizeof *p), with, out, *n, W(t.rows), t.n, aad, 30, W(handle(w)));
}

static word kdf108(struct worker *w)
{
	CK_SP800_108_KDF_PARAMS *p = block(w, sizeof *p, 1);
	CK_PRF_DATA_PARAM *data = block(w, 2 * sizeof *data, 1);
	CK_SP800_108_COUNTER_FORMAT counter = { CK_FALSE, 32 };
	CK_DERIVED_KEY *further = block(w, sizeof *further, 1);
	struct template t = wanted(w, CKK_GENERIC_SECRET, 20);

	data[0] = (CK_PRF_DATA_PARAM){ CK_SP800_108_ITERATION_VARIABLE, bytes(w, &counter, sizeof counter), sizeof counter };
	data[1] = (CK_PRF_DATA_PARAM){ CK_SP800_108_BYTE_ARRAY, zeros(w, 20), 20 };
	*further = (CK_DERIVED_KEY){ t.rows, t.n, handle(w) };
	*p = (CK_SP800_108_KDF_PARAMS){ CKM_SHA256_HMAC, 2, data, 1, further };
	return mechanism(w, CKM_SP800_108_COUNTER_KDF, p, sizeof *p);
}

static word hkdf(struct worker *w)
{
	CK_HKDF_PARAMS *p = block(w, sizeof *p, 1);

	*p = (CK_HKDF_PARAMS){ CK_TRUE, CK_TRUE, CKM_SHA256, CKF_HKDF_SALT_DATA, zeros(w, 20), 20, 0, zeros(w, 10), 10 };
	return mechanism(w, CKM_HKDF_DERIVE, p, sizeof *p);
}

static word strung(struct worker *w, CK_MECHANISM_TYPE type, size_t n)
{
	CK_KEY_DERIVATION_STRING_DATA *p = block(w, sizeof *p, 1);

	*p = (CK_KEY_DERIVATION_STRING_DATA){ zeros(w, n), n };
	return mechanism(w, type, p, sizeof *p);
}

static word chained(struct worker *w)
{
	CK_AES_CBC_ENCRYPT_DATA_PARAMS *p = block(w, sizeof *p, 1);

	*p = (CK_AES_CBC_ENCRYPT_DATA_PARAMS){ { 0 }, zeros(w, 32), 32 };
	return mechanism(w, CKM_AES_CBC_ENCRYPT_DATA, p, sizeof *p);
}

static word microsoft(struct worker *w)
{
	CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS p = { 0, 0x8004, 0x660e, 1 };

	return mechanism(w, CKM_SOFTCSP_CRYPT_DERIVE_KEY, bytes(w, &p, sizeof p), sizeof p);
}

void derivations(struct worker *w)
{
	word s = w->session;
	CK_OBJECT_HANDLE k = secret(w, CKK_AES, 32);
	struct template t = wanted(w, CKK_GENERIC_SECRET, 16), none = template(w);

	CALL(C_DeriveKey, s, kdf108(w), k, W(t.rows), t.n, W(handle(w)));
	CALL(C_DeriveKey, s, hkdf(w), k, W(t.rows), t.n, W(handle(w)));
	CALL(C_DeriveKey, s, chained(w), k, W(t.rows), t.n, W(handle(w)));
	CALL(C_DeriveKey, s, strung(w, CKM_CONCATENATE_BASE_AND_DATA, 20), k, W(t.rows), t.n, W(handle(w)));
	CALL(C_DeriveKey, s, strung(w, CKM_AES_ECB_ENCRYPT_DATA, 32), k, W(t.rows), t.n, W(handle(w)));
	CALL(C_DeriveKey, s, microsoft(w), k, W(none.rows), 0, W(handle(w)));
}

void passwords(struct worker *w)
{
	CK_PKCS5_PBKD2_PARAMS2 *p = block(w, sizeof *p, 1);
	CK_PBE_PARAMS *old = block(w, sizeof *old, 1);
	struct template t = wanted(w, CKK_AES, 16), none = template(w);

	*p = (CK_PKCS5_PBKD2_PARAMS2){ CKZ_SALT_SPECIFIED, zeros(w, 8), 8, 100, CKP_PKCS5_PBKD2_HMAC_SHA256, NULL, 0, bytes(w, "password", 8), 8 };
	*old = (CK_PBE_PARAMS){ zeros(w, 8), bytes(w, "\0p\0w\0", 6), 6, zeros(w, 8), 8, 100 };
	CALL(C_GenerateKey, w->session, mechanism(w, CKM_PKCS5_PBKD2, p, sizeof *p), W(t.rows), t.n, W(handle(w)));
	CALL(C_GenerateKey, w->session, mechanism(w, CKM_PBE_SHA1_DES3_EDE_CBC, old, sizeof *old), W(none.rows), 0, W(handle(w)));
}

void tls(struct worker *w)
{
	CK_TLS12_KEY_MAT_PARAMS *p = block(w, sizeof *p, 1);
	CK_SSL3_KEY_MAT_OUT *out = block(w, sizeof *out, 1);
	CK_OBJECT_HANDLE k = secret(w, CKK_GENERIC_SECRET, 48);
	struct template t = wanted(w, CKK_AES, 0);

	out->pIVClient = zeros(w, 16);
	out->pIVServer = zeros(w, 16);
	*p = (CK_TLS12_KEY_MAT_PARAMS){ 160, 128, 128, CK_FALSE, { zeros(w, 32), 32, zeros(w, 32), 32 }, out, CKM_SHA256 };
	CALL(C_DeriveKey, w->session, mechanism(w, CKM_TLS12_KEY_AND_MAC_DERIVE, p, sizeof *p), k, W(t.rows), t.n, 0);
}

void kem(struct worker *w)
{
	CK_OBJECT_HANDLE pub, priv;
	struct template t = template(w), k = wanted(w, CKK_AES, 0);
	word m = mechanism(w, CKM_ML_KEM, NULL, 0), out = W(zeros(w, 768));
	CK_ULONG *n = length(w, 768);

	number(&t, CKA_PARAMETER_SET, CKP_ML_KEM_512);
	pair(w, CKM_ML_KEM_KEY_PAIR_GEN, &t, CKA_DECAPSULATE, CKA_ENCAPSULATE, &pub, &priv);
	CALL(C_EncapsulateKey, w->session, m, pub, W(k.rows), k.n, out, W(n), W(handle(w)));
	CALL(C_DecapsulateKey, w->session, m, priv, W(k.rows), k.n, out, *n, W(handle(w)));
}

/* ---- messages ---- */

void messages(struct worker *w)
{
	word s = w->session, data = W(zeros(w, 64)), out = W(zeros(w, 64)), aad = W(zeros(w, 20)), m = mechanism(w, CKM_AES_GCM, NULL, 0);
	CK_OBJECT_HANDLE k = secret(w, CKK_AES, 16);
	CK_GCM_MESSAGE_PARAMS *p = message(w, CKG_GENERATE_RANDOM + (w->mode == BY_CHANCE ? draw(w, 2) : 0));

	CALL(C_MessageEncryptInit, s, m, k);
	CALL(C_EncryptMessage, s, W(p), sizeof *p, aad, 20, data, 64, out, W(length(w, 64)));
	CALL(C_MessageEncryptFinal, s);
	CALL(C_MessageDecryptInit, s, m, k);
	CALL(C_DecryptMessage, s, W(p), sizeof *p, aad, 20, out, 64, data, W(length(w, 64)));
	CALL(C_MessageDecryptFinal, s);
}

void parts(struct worker *w)
{
	word s = w->session, data = W(zeros(w, 64)), out = W(zeros(w, 64)), m = mechanism(w, CKM_AES_GCM, NULL, 0);
	CK_OBJECT_HANDLE k = secret(w, CKK_AES, 16);
	CK_GCM_MESSAGE_PARAMS *p = message(w, CKG_GENERATE_COUNTER);

	CALL(C_MessageEncryptInit, s, m, k);
	CALL(C_EncryptMessageBegin, s, W(p), sizeof *p, data, 20);
	CALL(C_EncryptMessageNext, s, W(p), sizeof *p, data, 32, out, W(length(w, 32)), 0);
	CALL(C_EncryptMessageNext, s, W(p), sizeof *p, data, 32, out + 32, W(length(w, 32)), CKF_END_OF_MESSAGE);
	CALL(C_MessageEncryptFinal, s);
	CALL(C_MessageDecryptInit, s, m, k);
	CALL(C_DecryptMessageBegin, s, W(p), sizeof *p, data, 20);
	CALL(C_DecryptMessageNext, s, W(p), sizeof *p, out, 32, data, W(length(w, 64)), 0);
	CALL(C_DecryptMessageNext, s, W(p), sizeof *p, out + 32, 32, data, W(length(w, 64)), CKF_END_OF_MESSAGE);
	CALL(C_MessageDecryptFinal, s);
}

void signed_messages(struct worker *w)
{
	word s = w->session, data = W(zeros(w, 64)), sig = W(zeros(w, 16)), m = mechanism(w, CKM_AES_GMAC, NULL, 0), iv = W(zeros(w, 12));
	CK_OBJECT_HANDLE k = secret(w, CKK_AES, 16);
	CK_ULONG *n = length(w, 16);

	CALL(C_MessageSignInit, s, m, k);
	CALL(C_SignMessage, s, iv, 12, data, 64, sig, W(n));
	CALL(C_SignMessageBegin, s, iv, 12);
	CALL(C_SignMessageNext, s, iv, 12, data, 32, 0, 0);
	CALL(C_SignMessageNext, s, iv, 12, data, 32, sig, W(length(w, 16)));
	CALL(C_MessageSignFinal, s);
	CALL(C_MessageVerifyInit, s, m, k);
	CALL(C_VerifyMessage, s, iv, 12, data, 64, sig, *n);
	CALL(C_VerifyMessageBegin, s, iv, 12);
	CALL(C_VerifyMessageNext, s, iv, 12, data, 32, 0, 0);
	CALL(C_VerifyMessageNext, s, iv, 12, data, 32, sig, *n);
	CALL(C_MessageVerifyFinal, s);
}

/* ---- sessions that do not wait ---- */

void later(struct worker *w)
{
	struct template t = template(w), private = template(w);
	CK_SESSION_HANDLE *s = handle(w), *other = handle(w);
	CK_ULONG *id = length(w, 0);
	CK_ASYNC_DATA *r = block(w, sizeof *r, 0);
	word name = W(bytes(w, "C_GenerateKeyPair", 18));
	int i;

	number(&t, CKA_PARAMETER_SET, CKP_ML_DSA_44);
	no(&private, CKA_PRIVATE);
	CALL(C_OpenSession, w->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION | CKF_ASYNC_SESSION, 0, 0, W(s));
	CALL(C_OpenSession, w->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION | CKF_ASYNC_SESSION, 0, 0, W(other));
	CALL(C_GenerateKeyPair, *s, mechanism(w, CKM_ML_DSA_KEY_PAIR_GEN, NULL, 0), W(t.rows), t.n, W(private.rows), private.n, W(handle(w)),
	     W(handle(w)));
	CALL(C_AsyncGetID, *s, name, W(id));
	CALL(C_AsyncJoin, *other, name, *id, 0, 0);
	for (i = 0; i < 1000 && CALL(C_AsyncComplete, *other, name, W(r)) == CKR_PENDING; i++)
		;
	CALL(C_CloseSession, *s);
	CALL(C_CloseSession, *other);
}

/* ---- any mechanism ---- */

void anything(struct worker *w)
{
	CK_MECHANISM_TYPE *list = zeros(w, 1024 * sizeof *list);
	CK_ULONG n = 1024;
	CK_OBJECT_HANDLE k, keys[3];
	struct template t = wanted(w, CKK_GENERIC_SECRET, 16);
	word s = w->session, data = W(zeros(w, 300)), out = W(zeros(w, 6000)), m;
	size_t size = draw(w, 4) ? 8 * draw(w, 12) : draw(w, 100), i;
	word *parameter = block(w, size + 8, 1);

	if (w->f->C_GetMechanismList(w->slot, list, &n) != CKR_OK || n == 0)
		return;
	for (i = 0; 8 * i + 8 <= size; i++)
		parameter[i] = draw(w, 2) ? W(zeros(w, 64)) : draw(w, 40);
	if (w->mode == BY_CHANCE)
		rsa(w);
	keys[1] = w->rsa_public;
	keys[2] = w->rsa_private;
	keys[0] = secret(w, draw(w, 2) ? CKK_AES : CKK_GENERIC_SECRET, 16 + 16 * draw(w, 2));
	k = keys[draw(w, 3)];
	m = mechanism(w, list[draw(w, n)], size ? parameter : NULL, size);
	CALL(C_EncryptInit, s, m, k);
	CALL(C_Encrypt, s, data, 300, out, W(length(w, 6000)));
	CALL(C_DecryptInit, s, m, k);
	CALL(C_Decrypt, s, data, 256, out, W(length(w, 6000)));
	CALL(C_SignInit, s, m, k);
	CALL(C_Sign, s, data, 20, out, W(length(w, 6000)));
	CALL(C_VerifyInit, s, m, k);
	CALL(C_Verify, s, data, 20, out, 64);
	CALL(C_DigestInit, s, m);
	CALL(C_Digest, s, data, 300, out, W(length(w, 6000)));
	CALL(C_DeriveKey, s, m, k, W(t.rows), t.n, W(handle(w)));
	CALL(C_GenerateKey, s, m, W(t.rows), t.n, W(handle(w)));
	CALL(C_WrapKey, s, m, k, secret(w, CKK_AES, 16), out, W(length(w, 6000)));
	CALL(C_UnwrapKey, s, m, k, data, 256, W(t.rows), t.n, W(handle(w)));
	CALL(C_EncapsulateKey, s, m, k, W(t.rows), t.n, out, W(length(w, 6000)), W(handle(w)));
	CALL(C_MessageEncryptInit, s, m, k);
	CALL(C_EncryptMessage, s, W(parameter), size, data, 20, data, 64, out, W(length(w, 64)));
	CALL(C_GenerateKeyPair, s, m, W(t.rows), t.n, W(t.rows), t.n, W(handle(w)), W(handle(w)));
}
