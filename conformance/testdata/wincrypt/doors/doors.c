/* One process, one token, two doors: PKCS#11 makes the token, CryptoAPI a container with a key pair in it, and both sign with
 * that. */
#include "../check.h"

#include <cryptoki.h>

#define SO_PIN "so-12345678"
#define PIN "user-1234"
#define NAME "both doors"

static CK_SESSION_HANDLE session;
static CK_SLOT_ID slot;

static void make_token(void)
{
	CK_UTF8CHAR label[32];
	CK_ULONG n = 1;

	memset(label, ' ', sizeof label);
	CHECK(C_Initialize(NULL) == CKR_OK && C_GetSlotList(CK_TRUE, &slot, &n) == CKR_OK && n == 1);
	CHECK(C_InitToken(slot, (CK_UTF8CHAR *)SO_PIN, sizeof SO_PIN - 1, label) == CKR_OK);
	CHECK(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) == CKR_OK);
	CHECK(C_Login(session, CKU_SO, (CK_UTF8CHAR *)SO_PIN, sizeof SO_PIN - 1) == CKR_OK);
	CHECK(C_InitPIN(session, (CK_UTF8CHAR *)PIN, sizeof PIN - 1) == CKR_OK && C_Logout(session) == CKR_OK);
}

static DWORD crypto_sign(BYTE *signature, DWORD room)
{
	HCRYPTPROV provider = 0;
	HCRYPTKEY key = 0;
	HCRYPTHASH hash = 0;

	CHECK(CryptAcquireContext(&provider, NAME, NULL, PROV_RSA_FULL, CRYPT_NEWKEYSET));
	FAILS(NTE_SILENT_CONTEXT, CryptGenKey(provider, AT_SIGNATURE, 0, &key));
	FAILS(SCARD_W_WRONG_CHV, CryptSetProvParam(provider, PP_SIGNATURE_PIN, (const BYTE *)"wrong-1234", 0));
	CHECK(CryptSetProvParam(provider, PP_SIGNATURE_PIN, (const BYTE *)PIN, 0));
	CHECK(CryptGenKey(provider, AT_SIGNATURE, 1024 << 16, &key));
	CHECK(CryptCreateHash(provider, CALG_SHA1, 0, 0, &hash) && CryptHashData(hash, (const BYTE *)"signed", 6, 0));
	CHECK(CryptSignHash(hash, AT_SIGNATURE, NULL, 0, signature, &room));
	CHECK(CryptReleaseContext(provider, 0));
	return room;
}

static CK_ULONG token_sign(CK_BYTE *signature, CK_ULONG room)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_LABEL, (void *)NAME, sizeof NAME - 1 } };
	CK_MECHANISM mechanism = { CKM_SHA1_RSA_PKCS, NULL, 0 };
	CK_OBJECT_HANDLE key = 0;
	CK_ULONG n = 0;

	CHECK(C_FindObjectsInit(session, template, 2) == CKR_OK && C_FindObjects(session, &key, 1, &n) == CKR_OK && n == 0);
	CHECK(C_FindObjectsFinal(session) == CKR_OK); /* the login of CryptoAPI is not that of C_Login */
	CHECK(C_Login(session, CKU_USER, (CK_UTF8CHAR *)PIN, sizeof PIN - 1) == CKR_OK);
	CHECK(C_FindObjectsInit(session, template, 2) == CKR_OK && C_FindObjects(session, &key, 1, &n) == CKR_OK && n == 1);
	CHECK(C_FindObjectsFinal(session) == CKR_OK);
	CHECK(C_SignInit(session, &mechanism, key) == CKR_OK);
	CHECK(C_Sign(session, (CK_BYTE *)"signed", 6, signature, &room) == CKR_OK);
	return room;
}

int main(void)
{
	BYTE little[256], big[256];
	DWORD n;
	CK_ULONG m;
	HCRYPTPROV provider = 0;

	make_token();
	n = crypto_sign(little, sizeof little);
	m = token_sign(big, sizeof big);
	CHECK(n == 128 && m == 128);
	for (DWORD i = 0; i < n; i++)
		CHECK(little[i] == big[n - 1 - i]);
	CHECK(CryptAcquireContext(&provider, NAME, NULL, PROV_RSA_FULL, 0));
	CHECK(C_Finalize(NULL) == CKR_OK);
	CHECK(CryptGenRandom(provider, n, little)); /* C_Finalize ends no context */
	CHECK(CryptReleaseContext(provider, 0));
	return checked();
}
