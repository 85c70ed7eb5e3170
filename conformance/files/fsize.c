/* A host that may write small files only: what does not fit is an error, and no signal ends it: ./fsize MODULE. */
#include "../fork/common.h"

#include <sys/resource.h>

static void limit(rlim_t size)
{
	struct rlimit most = { size, RLIM_INFINITY };

	if (setrlimit(RLIMIT_FSIZE, &most) != 0)
		fault("setrlimit: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	static CK_BYTE value[1 << 20];
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_ATTRIBUTE data[] = { { CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, 1 }, { CKA_VALUE, value, sizeof value } };
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE s;
	CK_OBJECT_HANDLE object;
	CK_RV rv;
	pid_t child;
	int status;

	if (argc != 2)
		fault("usage: fsize MODULE");
	load(argv[1]);
	initialize();
	slot = find_slot();
	MUST(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s));
	limit(512 << 10);
	MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
	if ((rv = p11->C_CreateObject(s, data, 3, &object)) != CKR_DEVICE_MEMORY)
		fault("a large object: 0x%lx", rv);
	data[2].ulValueLen = 1000;
	MUST(C_CreateObject(s, data, 3, &object));
	child = fork();
	if (child == 0) /* what it would load is larger */
		_exit(p11->C_Initialize(NULL) == CKR_LIBRARY_LOAD_FAILED ? 0 : 1);
	if (child < 0 || waitpid(child, &status, 0) != child || status != 0)
		fault("a child: %d", status);
	for (rlim_t size = 1; size < 200 << 10; size *= 3) {
		limit(size);
		(void)p11->C_CreateObject(s, data, 3, &object);
		(void)p11->C_Logout(s);
		(void)p11->C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1);
		(void)p11->C_InitToken(slot, user_pin, sizeof user_pin - 1, (CK_UTF8CHAR *)"label                           ");
	}
	limit(RLIM_INFINITY);
	(void)p11->C_Logout(s);
	MUST(C_Login(s, CKU_USER, user_pin, sizeof user_pin - 1));
	data[2].ulValueLen = sizeof value;
	MUST(C_CreateObject(s, data, 3, &object));
	MUST(C_Finalize(NULL));
	printf("ok\n");
	return 0;
}
