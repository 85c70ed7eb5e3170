/* Two copies of the library in one process, and one in another, write to one token at once.
 * twice MODULE COPY [COMMITS] */
#include "../fork/common.h"

static int commits = 60;
static CK_FUNCTION_LIST *second;

static void write_objects(CK_FUNCTION_LIST *list, CK_SLOT_ID slot)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_BYTE name[] = "twice";
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, sizeof yes }, { CKA_PRIVATE, &yes, sizeof yes },
		{ CKA_LABEL, name, sizeof name - 1 },
	};
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;

	must(list->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session), "C_OpenSession");
	must(list->C_Login(session, CKU_USER, user_pin, sizeof user_pin - 1), "C_Login");
	for (int i = 0; i < commits; i++)
		must(list->C_CreateObject(session, template, 4, &object), "C_CreateObject");
}

static void *first_writer(void *slot)
{
	write_objects(p11, (CK_SLOT_ID)slot);
	return NULL;
}

static void *second_writer(void *slot)
{
	write_objects(second, (CK_SLOT_ID)slot);
	return NULL;
}

static CK_ULONG count(CK_FUNCTION_LIST *list, CK_SLOT_ID slot)
{
	CK_BYTE name[] = "twice";
	CK_ATTRIBUTE template = { CKA_LABEL, name, sizeof name - 1 };
	CK_OBJECT_HANDLE found[4096];
	CK_SESSION_HANDLE session;
	CK_ULONG n;

	must(list->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &session), "C_OpenSession");
	must(list->C_FindObjectsInit(session, &template, 1), "C_FindObjectsInit");
	must(list->C_FindObjects(session, found, 4096, &n), "C_FindObjects");
	return n;
}

int main(int argc, char **argv)
{
	pthread_t one, two;
	CK_SLOT_ID slot;
	pid_t pid;

	if (argc > 3)
		commits = atoi(argv[3]);
	load(argv[1]);
	initialize();
	slot = find_slot();
	pid = fork();
	if (pid == 0) {
		initialize();
		write_objects(p11, slot);
		MUST(C_Finalize(NULL));
		_exit(0);
	}
	{
		CK_FUNCTION_LIST *list = p11;

		load(argv[2]);
		second = p11;
		p11 = list;
	}
	must(second->C_Initialize(NULL), "C_Initialize");
	start(&one, first_writer, (void *)slot);
	start(&two, second_writer, (void *)slot);
	pthread_join(one, NULL);
	pthread_join(two, NULL);
	reap(pid);
	if (count(p11, slot) != (CK_ULONG)(3 * commits) || count(second, slot) != (CK_ULONG)(3 * commits))
		fault("%lu and %lu objects, want %d", count(p11, slot), count(second, slot), 3 * commits);
	MUST(C_Finalize(NULL));
	must(second->C_Finalize(NULL), "C_Finalize");
	return done();
}
