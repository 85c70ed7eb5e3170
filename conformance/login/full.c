/* Fills the disk of a token directory with keys, and makes room again: ./full MODULE. */
#include "../fork/common.h"

static CK_OBJECT_HANDLE keys[100000];

static CK_RV make(CK_SESSION_HANDLE s, CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE; /* handles of private objects end with the login */
	static CK_BYTE value[1000];
	CK_ATTRIBUTE data[] = {
		{ CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, 1 }, { CKA_PRIVATE, &no, 1 }, { CKA_VALUE, value, sizeof value },
		{ CKA_LABEL, "some data", 9 },
	};

	return p11->C_CreateObject(s, data, 5, key);
}

int main(int argc, char **argv)
{
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE s;
	CK_RV rv;
	int n = 0;

	if (argc != 2)
		fault("usage: full MODULE");
	load(argv[1]);
	initialize();
	slot = find_slot();
	MUST(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s));
	MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
	for (int round = 0; round < 2; round++) {
		while ((rv = make(s, &keys[n])) == CKR_OK)
			n++;
		if (rv != CKR_DEVICE_MEMORY || n < 100)
			fault("%d objects, then 0x%lx", n, rv);
		MUST(C_Logout(s));
		MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
		MUST(C_SetPIN(s, user_pin, sizeof user_pin - 1, user_pin, sizeof user_pin - 1));
		while (n > (round == 0 ? 50 : 0))
			MUST(C_DestroyObject(s, keys[--n]));
	}
	MUST(C_Finalize(NULL));
	printf("ok\n");
	return 0;
}
