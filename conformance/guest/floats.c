/* A host that takes exceptions of floating point numbers, as Fortran and Ada programs can, and has rounding of its own: WHICH are "some"
 * or "all", from before the start or "after" it. The library neither causes them nor changes what is set, in any thread. */
#include "../fork/common.h"

#if defined __x86_64__
#include <xmmintrin.h>

static CK_SLOT_ID slot;
static unsigned wanted;

static void check(void)
{
	if ((_mm_getcsr() & ~0x3fu) != wanted)
		fault("the settings are %x, and were %x", _mm_getcsr(), wanted);
}

static void use(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key)
{
	CK_BYTE p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 }, room[64];
	CK_ATTRIBUTE public[] = { { CKA_EC_PARAMS, p256, sizeof p256 } };
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_OBJECT_HANDLE a, b;

	for (int i = 0; i < 300; i++) {
		MUST(C_GenerateKeyPair(session, &mechanism, public, 1, NULL, 0, &a, &b));
		MUST(C_GenerateRandom(session, room, sizeof room));
		EXPECT(CKR_ARGUMENTS_BAD, C_GenerateRandom(session, (CK_BYTE_PTR)4096, 8192));
		sign(session, key, 0);
		check();
	}
}

static void *user(void *unused)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;

	_mm_setcsr(wanted);
	session = open_session(slot, &key);
	use(session, key);
	return unused;
}

int main(int argc, char **argv)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	CK_SESSION_INFO info;
	pthread_t threads[3];

	if (argc < 4)
		return 2;
	wanted = strcmp(argv[2], "some") == 0 ? 0x1800 | 0x6000 : 0; /* with "some", rounding towards zero, of inexact and tiny numbers no word */
	if (strcmp(argv[3], "before") == 0)
		_mm_setcsr(wanted);
	session = begin(argv[1], &key);
	_mm_setcsr(wanted);
	MUST(C_GetSessionInfo(session, &info));
	slot = info.slotID;
	for (int i = 0; i < 3; i++)
		start(&threads[i], user, NULL);
	use(session, key);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	MUST(C_Finalize(NULL));
	check();
	return done();
}
#else
int main(void)
{
	return done();
}
#endif
