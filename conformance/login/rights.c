/* A process logs in, finds its keys, and loses sight of the token: ./rights MODULE MODE. It goes on using the keys that it has, as
 * with a token of hardware; what needs the file answers an error.
 *
 * setuid  it becomes nobody, who may not read the file
 * chroot  it goes into an empty directory
 * moved   the directory gets another name */
#include "../fork/common.h"

static const char *tokens;
static int ask[2], told[2];

/* Another process, which sees the token still, makes an object each time it is asked to. */
static void other(const char *module)
{
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE s;
	CK_OBJECT_HANDLE o;
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE data[] = { { CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, 1 } };
	char c;

	close(ask[1]);
	if (read(ask[0], &c, 1) != 1)
		_exit(0);
	load(module);
	initialize();
	slot = find_slot();
	MUST(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s));
	MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
	MUST(C_CreateObject(s, data, 2, &o));
	if (write(told[1], &c, 1) != 1)
		fault("write: %s", strerror(errno));
	MUST(C_Finalize(NULL));
	_exit(0);
}

static CK_OBJECT_HANDLE make(CK_SESSION_HANDLE s, const char *name, CK_BBOOL token)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_AES;
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE key;
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof class }, { CKA_KEY_TYPE, &type, sizeof type }, { CKA_TOKEN, &token, 1 },
		{ CKA_LABEL, (void *)name, strlen(name) }, { CKA_VALUE, "0123456789abcdef", 16 }, { CKA_ENCRYPT, &yes, 1 },
		{ CKA_SIGN, &yes, 1 },
	};

	MUST(C_CreateObject(s, template, 7, &key));
	return key;
}

static CK_OBJECT_HANDLE find(CK_SESSION_HANDLE s, const char *name)
{
	CK_ATTRIBUTE template = { CKA_LABEL, (void *)name, strlen(name) };
	CK_OBJECT_HANDLE key;
	CK_ULONG n;

	MUST(C_FindObjectsInit(s, &template, 1));
	MUST(C_FindObjects(s, &key, 1, &n));
	MUST(C_FindObjectsFinal(s));
	if (n != 1)
		fault("%s is not found", name);
	return key;
}

static void use(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE key)
{
	CK_MECHANISM ecb = { .mechanism = CKM_AES_ECB }, cmac = { .mechanism = CKM_AES_CMAC };
	CK_BYTE out[16];
	CK_ULONG n = sizeof out;

	MUST(C_EncryptInit(s, &ecb, key));
	MUST(C_Encrypt(s, (CK_BYTE *)"0123456789abcdef", 16, out, &n));
	n = sizeof out;
	MUST(C_SignInit(s, &cmac, key));
	MUST(C_Sign(s, (CK_BYTE *)"abc", 3, out, &n));
}

static void lose(const char *mode)
{
	char aside[4200];

	if (strcmp(mode, "setuid") == 0) {
		if (setgid(65534) != 0 || setuid(65534) != 0)
			fault("setuid: %s", strerror(errno));
	} else if (strcmp(mode, "chroot") == 0) {
		snprintf(aside, sizeof aside, "%s.empty", tokens);
		if (mkdir(aside, 0755) != 0 || chroot(aside) != 0 || chdir("/") != 0)
			fault("chroot: %s", strerror(errno));
	} else {
		snprintf(aside, sizeof aside, "%s.moved", tokens);
		if (rename(tokens, aside) != 0)
			fault("rename: %s", strerror(errno));
	}
}

int main(int argc, char **argv)
{
	CK_SLOT_ID slot, slots[8];
	CK_SESSION_HANDLE s, more;
	CK_OBJECT_HANDLE used, found, o;
	CK_ULONG n = 8;
	CK_TOKEN_INFO info;
	CK_SESSION_INFO state;
	CK_ATTRIBUTE label_of = { CKA_LABEL, (CK_BYTE[16]){ 0 }, 16 };
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE data[] = { { CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, 1 } };
	char c = 0;

	if (argc != 3 || pipe(ask) != 0 || pipe(told) != 0)
		fault("usage: rights MODULE MODE");
	tokens = getenv("SOFTCSP_TOKENDIR");
	if (fork() == 0)
		other(argv[1]);
	load(argv[1]);
	initialize();
	slot = find_slot();
	MUST(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s));
	MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
	make(s, "used", CK_TRUE);
	make(s, "found", CK_TRUE);
	MUST(C_Logout(s));
	MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
	used = find(s, "used");
	found = find(s, "found");
	use(s, used);

	lose(argv[2]);
	for (int round = 0; round < 2; round++) {
		use(s, used);
		use(s, found);
		MUST(C_GetAttributeValue(s, found, &label_of, 1));
		label_of.ulValueLen = 16;
		MUST(C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &more));
		use(more, found);
		o = make(s, "session", CK_FALSE);
		use(more, o);
		MUST(C_DestroyObject(s, o));
		MUST(C_CloseSession(more));
		MUST(C_GetSlotList(CK_TRUE, slots, &n));
		if (n < 1 || slots[0] != slot)
			fault("%lu slots", n);
		n = 8;
		MUST(C_GetTokenInfo(slot, &info));
		MUST(C_GetSessionInfo(s, &state));
		if (state.state != CKS_RW_USER_FUNCTIONS)
			fault("state %lu", state.state);
		if (p11->C_CreateObject(s, data, 2, &o) == CKR_OK)
			fault("a token object was made");
		if (p11->C_DestroyObject(s, used) == CKR_OK)
			fault("a token object was destroyed");
		if (round == 0 && strcmp(argv[2], "moved") != 0 && (write(ask[1], &c, 1) != 1 || read(told[0], &c, 1) != 1))
			fault("the other process: %s", strerror(errno));
	}
	MUST(C_Logout(s));
	if (p11->C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1) == CKR_OK)
		fault("a login without the file");
	MUST(C_Finalize(NULL));
	printf("ok\n");
	return 0;
}
