/* Contexts, containers and providers as Windows has them: the errors of CryptAcquireContext, the length of what is asked for,
 * handles that stand for nothing. */
#include "check.h"

#define NAME "softcsp test container"

static void acquire_errors(void)
{
	HCRYPTPROV provider = 1;

	FAILS(NTE_BAD_PROV_TYPE, CryptAcquireContext(&provider, NULL, NULL, 0, 0));
	FAILS(NTE_BAD_PROV_TYPE, CryptAcquireContext(&provider, NULL, NULL, 1000, 0));
	FAILS(NTE_PROV_TYPE_NOT_DEF, CryptAcquireContext(&provider, NULL, NULL, 999, 0));
	FAILS(NTE_KEYSET_NOT_DEF, CryptAcquireContext(&provider, NULL, "Some other provider", PROV_RSA_FULL, 0));
	FAILS(NTE_PROV_TYPE_NO_MATCH, CryptAcquireContext(&provider, NULL, MS_DEF_PROV, 999, 0));
	FAILS(NTE_PROV_TYPE_NO_MATCH, CryptAcquireContext(&provider, NULL, MS_DEF_PROV, PROV_RSA_AES, 0));
	FAILS(NTE_BAD_FLAGS, CryptAcquireContext(&provider, NAME, NULL, PROV_RSA_FULL, CRYPT_VERIFYCONTEXT));
	FAILS(NTE_BAD_FLAGS, CryptAcquireContext(&provider, NULL, NULL, PROV_RSA_FULL, 0x100));
	FAILS(NTE_BAD_KEYSET, CryptAcquireContext(&provider, NAME, NULL, PROV_RSA_FULL, 0));
	FAILS(NTE_BAD_KEYSET, CryptAcquireContext(&provider, NAME, NULL, PROV_RSA_FULL, CRYPT_DELETEKEYSET));
	FAILS(NTE_BAD_PROV_TYPE, CryptAcquireContext(NULL, NAME, NULL, 0, 0));
	FAILS(ERROR_INVALID_PARAMETER, CryptAcquireContext(NULL, NAME, NULL, PROV_RSA_FULL, 0));
	CHECK(provider == 0);
	SetLastError(0xdeadbeef);
	CHECK(CryptAcquireContext(&provider, NULL, "", PROV_RSA_FULL, CRYPT_VERIFYCONTEXT | CRYPT_NEWKEYSET));
	CHECK(GetLastError() == ERROR_SUCCESS);
	CHECK(*(void **)provider != NULL);
	CHECK(CryptContextAddRef(provider, NULL, 0));
	CHECK(CryptReleaseContext(provider, 0));
	FAILS(NTE_BAD_FLAGS, CryptReleaseContext(provider, 1)); /* and it is released */
	FAILS(ERROR_INVALID_PARAMETER, CryptReleaseContext(provider, 0));
	FAILS(ERROR_INVALID_PARAMETER, CryptContextAddRef(provider, NULL, 0));
}

static void container(void)
{
	HCRYPTPROV provider, second;
	HCRYPTKEY key;
	BYTE text[512];
	DWORD n, number;
	BOOL found = FALSE;

	CHECK(CryptAcquireContext(&provider, NAME, MS_STRONG_PROV, PROV_RSA_FULL, CRYPT_NEWKEYSET));
	FAILS(NTE_EXISTS, CryptAcquireContext(&second, NAME, MS_STRONG_PROV, PROV_RSA_FULL, CRYPT_NEWKEYSET));
	FAILS(NTE_NO_KEY, CryptGetUserKey(provider, AT_KEYEXCHANGE, &key));
	CHECK(CryptGenKey(provider, CALG_RSA_SIGN, 512 << 16, &key) && CryptDestroyKey(key));
	FAILS(NTE_NO_KEY, CryptGetUserKey(provider, AT_KEYEXCHANGE, &key));
	CHECK(CryptAcquireContext(&second, NAME, MS_DEF_PROV, PROV_RSA_FULL, CRYPT_MACHINE_KEYSET));
	CHECK(CryptGetUserKey(second, AT_SIGNATURE, &key));
	n = sizeof number;
	CHECK(CryptGetKeyParam(key, KP_KEYLEN, (BYTE *)&number, &n, 0) && number == 512);
	FAILS(NTE_BAD_KEY_STATE, CryptExportKey(key, 0, PRIVATEKEYBLOB, 0, NULL, &n));
	CHECK(CryptExportKey(key, 0, PUBLICKEYBLOB, 0, NULL, &n) && n == 84);
	CHECK(CryptReleaseContext(second, 0));
	FAILS(ERROR_INVALID_PARAMETER, CryptDestroyKey(key)); /* it went with its context */

	n = sizeof text;
	CHECK(CryptGetProvParam(provider, PP_CONTAINER, text, &n, 0) && n == sizeof NAME && strcmp((char *)text, NAME) == 0);
	n = sizeof text;
	CHECK(CryptGetProvParam(provider, PP_NAME, text, &n, 0) && strcmp((char *)text, MS_STRONG_PROV) == 0);
	n = 3;
	FAILS(ERROR_MORE_DATA, CryptGetProvParam(provider, PP_NAME, text, &n, 0));
	CHECK(n == sizeof MS_STRONG_PROV);
	n = sizeof text;
	CHECK(CryptGetProvParam(provider, PP_UNIQUE_CONTAINER, text, &n, 0) && n == 70);
	CHECK(CryptGetProvParam(provider, PP_ENUMCONTAINERS, NULL, &n, CRYPT_FIRST) && n == MAX_PATH + 1);
	for (DWORD flag = CRYPT_FIRST; n = sizeof text, CryptGetProvParam(provider, PP_ENUMCONTAINERS, text, &n, flag); flag = CRYPT_NEXT) {
		CHECK(n == sizeof text);
		found = found || strcmp((char *)text, NAME) == 0;
	}
	CHECK(found && GetLastError() == ERROR_NO_MORE_ITEMS);
	CHECK(CryptReleaseContext(provider, 0));
	second = 1;
	CHECK(CryptAcquireContext(&second, NAME, NULL, PROV_RSA_FULL, CRYPT_DELETEKEYSET) && second == 0);
	FAILS(NTE_BAD_KEYSET, CryptAcquireContext(&second, NAME, NULL, PROV_RSA_FULL, 0));
}

static void parameters(void)
{
	static const struct { DWORD param, value; } numbers[] = {
		{ PP_PROVTYPE, PROV_RSA_AES }, { PP_IMPTYPE, CRYPT_IMPL_SOFTWARE }, { PP_VERSION, 0x200 }, { PP_KEYSPEC, AT_KEYEXCHANGE | AT_SIGNATURE },
		{ PP_KEYSET_TYPE, 0 }, { PP_KEYSTORAGE, CRYPT_SEC_DESCR }, { PP_SIG_KEYSIZE_INC, 8 }, { PP_KEYX_KEYSIZE_INC, 8 },
	};
	HCRYPTPROV provider;
	PROV_ENUMALGS_EX ex;
	PROV_ENUMALGS alg;
	DWORD n, number, count = 0, count_ex = 0;
	BOOL rc2 = FALSE;

	CHECK(CryptAcquireContext(&provider, NULL, NULL, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		n = sizeof number;
		CHECK(CryptGetProvParam(provider, numbers[i].param, (BYTE *)&number, &n, 0) && n == 4 && number == numbers[i].value);
	}
	FAILS(NTE_BAD_TYPE, CryptGetProvParam(provider, 999, (BYTE *)&number, &n, 0));
	FAILS(NTE_BAD_FLAGS, CryptGetProvParam(provider, PP_NAME, (BYTE *)&number, &n, 5));
	FAILS(ERROR_INVALID_PARAMETER, CryptGetProvParam(provider, PP_NAME, (BYTE *)&number, NULL, 0));
	CHECK(CryptGetProvParam(provider, PP_ENUMALGS, NULL, &n, CRYPT_FIRST) && n == sizeof alg);
	for (DWORD flag = CRYPT_FIRST; n = sizeof alg, CryptGetProvParam(provider, PP_ENUMALGS, (BYTE *)&alg, &n, flag); flag = 0, count++)
		CHECK(n == sizeof alg && alg.dwNameLen == strlen(alg.szName) + 1);
	CHECK(GetLastError() == ERROR_NO_MORE_ITEMS);
	n = sizeof ex - 1;
	FAILS(ERROR_MORE_DATA, CryptGetProvParam(provider, PP_ENUMALGS_EX, (BYTE *)&ex, &n, CRYPT_FIRST));
	CHECK(n == sizeof ex && n == 88);
	for (DWORD flag = CRYPT_FIRST; n = sizeof ex, CryptGetProvParam(provider, PP_ENUMALGS_EX, (BYTE *)&ex, &n, flag); flag = CRYPT_NEXT, count_ex++) {
		CHECK(ex.dwMinLen <= ex.dwDefaultLen && ex.dwDefaultLen <= ex.dwMaxLen && ex.dwLongNameLen == strlen(ex.szLongName) + 1);
		if (ex.aiAlgid == CALG_RC2)
			rc2 = ex.dwMinLen == 40 && ex.dwDefaultLen == 128 && ex.dwMaxLen == 128 && strcmp(ex.szName, "RC2") == 0;
	}
	CHECK(rc2 && count == count_ex && count == 20);
	CHECK(CryptReleaseContext(provider, 0));
}

static void provider_lists(void)
{
	DWORD n, type, index = 0;
	CHAR name[256], first[256];
	WCHAR wide[256];
	BOOL aes = FALSE;

	FAILS(ERROR_INVALID_PARAMETER, CryptEnumProviders(0, &n, 0, &type, NULL, &n));
	FAILS(NTE_BAD_FLAGS, CryptEnumProviders(0, NULL, 5, &type, NULL, &n));
	for (; n = sizeof name, CryptEnumProviders(index, NULL, 0, &type, name, &n); index++) {
		CHECK(n == strlen(name) + 1);
		aes = aes || (type == PROV_RSA_AES && strcmp(name, MS_ENH_RSA_AES_PROV) == 0);
		n = sizeof wide;
		CHECK(CryptEnumProvidersW(index, NULL, 0, &type, wide, &n) && n == 2 * (strlen(name) + 1) && wide[0] == (WCHAR)name[0]);
		n = 4;
		FAILS(ERROR_MORE_DATA, CryptEnumProviders(index, NULL, 0, &type, name, &n));
	}
	CHECK(aes && index == 6);
	FAILS(ERROR_NO_MORE_ITEMS, CryptEnumProviders(index, NULL, 0, &type, NULL, &n));
	n = sizeof name;
	CHECK(CryptEnumProviderTypes(0, NULL, 0, &type, name, &n) && type == PROV_RSA_FULL);
	FAILS(ERROR_NO_MORE_ITEMS, CryptEnumProviderTypes(2, NULL, 0, &type, name, &n));

	n = sizeof first;
	CHECK(CryptGetDefaultProvider(PROV_RSA_FULL, NULL, CRYPT_MACHINE_DEFAULT, first, &n) && strcmp(first, MS_STRONG_PROV) == 0);
	FAILS(NTE_BAD_FLAGS, CryptGetDefaultProvider(PROV_RSA_FULL, NULL, 0xdeadbeef, first, &n));
	FAILS(NTE_BAD_PROV_TYPE, CryptGetDefaultProvider(0xdeadbeef, NULL, CRYPT_MACHINE_DEFAULT, first, &n));
	FAILS(ERROR_INVALID_PARAMETER, CryptSetProviderEx(MS_DEF_PROV, PROV_RSA_FULL, &n, CRYPT_MACHINE_DEFAULT));
	CHECK(CryptSetProvider(MS_DEF_PROV, PROV_RSA_FULL));
	n = sizeof name;
	CHECK(CryptGetDefaultProvider(PROV_RSA_FULL, NULL, CRYPT_MACHINE_DEFAULT, name, &n) && strcmp(name, MS_DEF_PROV) == 0);
	CHECK(CryptSetProviderExW(MS_DEF_PROV_W, PROV_RSA_FULL, NULL, CRYPT_USER_DEFAULT | CRYPT_DELETE_DEFAULT));
	n = sizeof name;
	CHECK(CryptGetDefaultProvider(PROV_RSA_FULL, NULL, CRYPT_USER_DEFAULT, name, &n) && strcmp(name, first) == 0);
}

/* Every function with a handle that is 0, that is none, and that is of another kind. */
static void handles(void)
{
	HCRYPTPROV provider = 0, bad[5] = { 0, 0xdeadbeef, (HCRYPTPROV)-1, 0, 0 };
	HCRYPTHASH hash = 0, made;
	HCRYPTKEY key = 0, other;
	BYTE data[64] = { 0 };
	DWORD n = sizeof data;

	CHECK(CryptAcquireContextW(&provider, NULL, MS_ENH_RSA_AES_PROV_W, PROV_RSA_AES, CRYPT_VERIFYCONTEXT));
	CHECK(CryptCreateHash(provider, CALG_SHA_256, 0, 0, &hash));
	CHECK(CryptGenKey(provider, CALG_AES_128, CRYPT_EXPORTABLE, &key));
	for (int i = 0; i < 5; i++) {
		HCRYPTPROV p = i == 3 ? hash : i == 4 ? key : bad[i];
		HCRYPTHASH h = i == 3 ? provider : i == 4 ? key : bad[i];
		HCRYPTKEY k = i == 3 ? provider : i == 4 ? hash : bad[i];

		FAILS(ERROR_INVALID_PARAMETER, CryptReleaseContext(p, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptGenRandom(p, 1, data));
		FAILS(ERROR_INVALID_PARAMETER, CryptGetProvParam(p, PP_NAME, data, &n, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptCreateHash(p, CALG_MD5, 0, 0, &made));
		FAILS(ERROR_INVALID_PARAMETER, CryptGenKey(p, CALG_RC4, 0, &other));
		FAILS(ERROR_INVALID_PARAMETER, CryptGetUserKey(p, AT_SIGNATURE, &other));
		FAILS(ERROR_INVALID_PARAMETER, CryptImportKey(p, data, sizeof data, 0, 0, &other));
		FAILS(ERROR_INVALID_PARAMETER, CryptDeriveKey(p, CALG_RC4, hash, 0, &other));
		FAILS(ERROR_INVALID_PARAMETER, CryptDeriveKey(provider, CALG_RC4, h, 0, &other));
		FAILS(ERROR_INVALID_PARAMETER, CryptHashData(h, data, 1, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptHashSessionKey(h, key, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptHashSessionKey(hash, k, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptGetHashParam(h, HP_HASHVAL, data, &n, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptSetHashParam(h, HP_HASHVAL, data, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptDuplicateHash(h, NULL, 0, &made));
		FAILS(ERROR_INVALID_PARAMETER, CryptSignHash(h, AT_SIGNATURE, NULL, 0, data, &n));
		FAILS(ERROR_INVALID_PARAMETER, CryptVerifySignature(h, data, 1, key, NULL, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptVerifySignature(hash, data, 1, k, NULL, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptDestroyHash(h));
		FAILS(ERROR_INVALID_PARAMETER, CryptEncrypt(k, 0, TRUE, 0, data, &n, sizeof data));
		FAILS(ERROR_INVALID_PARAMETER, CryptDecrypt(k, 0, TRUE, 0, data, &n));
		FAILS(ERROR_INVALID_PARAMETER, CryptGetKeyParam(k, KP_MODE, data, &n, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptSetKeyParam(k, KP_MODE, data, 0));
		FAILS(ERROR_INVALID_PARAMETER, CryptDuplicateKey(k, NULL, 0, &other));
		FAILS(ERROR_INVALID_PARAMETER, CryptExportKey(k, 0, PLAINTEXTKEYBLOB, 0, data, &n));
		FAILS(ERROR_INVALID_PARAMETER, CryptDestroyKey(k));
		if (i > 0) { /* 0 is none, and allowed */
			FAILS(ERROR_INVALID_PARAMETER, CryptEncrypt(key, h, TRUE, 0, data, &n, sizeof data));
			FAILS(ERROR_INVALID_PARAMETER, CryptExportKey(key, k, SIMPLEBLOB, 0, data, &n));
			FAILS(ERROR_INVALID_PARAMETER, CryptCreateHash(provider, CALG_MAC, k, 0, &made));
		}
	}
	FAILS(ERROR_INVALID_PARAMETER, CryptDeriveKey(provider, CALG_RC4, hash, 0, NULL));
	FAILS(ERROR_INVALID_PARAMETER, CryptCreateHash(provider, CALG_MD5, 0, 0, NULL));
	FAILS(ERROR_INVALID_PARAMETER, CryptHashData(hash, NULL, 5, 0));
	FAILS(ERROR_INVALID_PARAMETER, CryptHashData(hash, (BYTE *)8, 5, 0));
	FAILS(ERROR_INVALID_PARAMETER, CryptEncrypt(key, 0, TRUE, 0, data, NULL, sizeof data));
	CHECK(CryptReleaseContext(provider, 0));
	FAILS(ERROR_INVALID_PARAMETER, CryptHashData(hash, data, 1, 0));
	FAILS(ERROR_INVALID_PARAMETER, CryptDestroyHash(hash));
	FAILS(ERROR_INVALID_PARAMETER, CryptDestroyKey(key));
}

int main(void)
{
	acquire_errors();
	container();
	parameters();
	provider_lists();
	handles();
	return checked();
}
