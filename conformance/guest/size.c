/* A host that may not write files any more (RLIMIT_FSIZE), and would end by SIGXFSZ: from before the start, or "after" a login. What
 * needs the file is an error. */
#include "../fork/common.h"

#include <sys/resource.h>

int main(int argc, char **argv)
{
	struct rlimit none = { 0, 0 };
	CK_SESSION_HANDLE session, writer;
	CK_OBJECT_HANDLE key;
	CK_SESSION_INFO info;
	CK_SLOT_ID slots[8];
	CK_ULONG n = 8;
	char args[4200];
	CK_C_INITIALIZE_ARGS init = { .flags = CKF_OS_LOCKING_OK, .pReserved = args };

	if (argc < 3)
		return 2;
	snprintf(args, sizeof args, "log=debug log_file='%s/log'", getenv("TMPDIR"));
	if (strcmp(argv[2], "before") == 0) {
		load(argv[1]);
		setrlimit(RLIMIT_FSIZE, &none);
		if (p11->C_Initialize(&init) == CKR_OK && p11->C_GetSlotList(CK_FALSE, slots, &n) == CKR_OK && n > 0 &&
			p11->C_InitToken(slots[n - 1], so_pin, sizeof so_pin - 1, label) == CKR_OK)
			fault("a token is made where no file can be written");
		return done();
	}
	session = begin(argv[1], &key);
	MUST(C_GetSessionInfo(session, &info));
	setrlimit(RLIMIT_FSIZE, &none);
	sign(session, key, 0);
	MUST(C_OpenSession(info.slotID, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &writer));
	if (p11->C_SetPIN(writer, user_pin, sizeof user_pin - 1, user_pin, sizeof user_pin - 1) == CKR_OK)
		fault("a PIN is set where no file can be written");
	sign(session, key, 0);
	MUST(C_Finalize(NULL));
	return done();
}
