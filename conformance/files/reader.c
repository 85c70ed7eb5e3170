/* Uses whatever tokens there are, once for each line that it reads, and says so. Return values may be anything; the process must
 * live, within a bound of memory. "new" initialises the module anew before.
 * reader MODULE */
#include "../fork/common.h"

#include <sys/resource.h>

static void use(CK_SLOT_ID slot)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE template[] = { { CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, sizeof yes } };
	CK_OBJECT_HANDLE found[100];
	CK_SESSION_HANDLE session;
	CK_TOKEN_INFO info;
	CK_ULONG n = 0;

	p11->C_GetTokenInfo(slot, &info);
	if (p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) != CKR_OK)
		return;
	p11->C_FindObjectsInit(session, template, 1);
	p11->C_FindObjects(session, found, 100, &n);
	p11->C_FindObjectsFinal(session);
	p11->C_Login(session, CKU_USER, so_pin, sizeof so_pin - 1);
	p11->C_Login(session, CKU_USER, user_pin, sizeof user_pin - 1);
	p11->C_FindObjectsInit(session, template, 1);
	p11->C_FindObjects(session, found, 100, &n);
	p11->C_FindObjectsFinal(session);
	for (CK_ULONG i = 0; i < n; i++) {
		CK_BYTE value[4096];
		CK_ATTRIBUTE get = { CKA_VALUE, value, sizeof value };

		p11->C_GetAttributeValue(session, found[i], &get, 1);
	}
	if (n > 0)
		p11->C_DestroyObject(session, found[0]);
	p11->C_CreateObject(session, template, 2, found);
	p11->C_CloseSession(session);
}

int main(int argc, char **argv)
{
	struct rlimit limit = { 6UL << 30, 6UL << 30 };
	char line[64];

	(void)argc;
	load(argv[1]);
	alarm(0);
	setrlimit(RLIMIT_AS, &limit);
	initialize();
	find_slot();
	printf("ready\n");
	while (fgets(line, sizeof line, stdin) != NULL) {
		CK_SLOT_ID slots[64];
		CK_ULONG n = 64;

		if (strcmp(line, "new\n") == 0) {
			MUST(C_Finalize(NULL));
			initialize();
		}
		p11->C_GetSlotList(CK_TRUE, slots, &n);
		for (CK_ULONG i = 0; i < n; i++)
			use(slots[i]);
		printf("done\n");
	}
	return done();
}
