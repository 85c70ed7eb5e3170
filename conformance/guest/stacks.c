/* A host with small stacks: threads of the least size that there is, and coroutines, in the same thread as calls on its own stack. */
#include "../fork/common.h"

#include <limits.h>
#include <sys/mman.h>
#include <ucontext.h>

#define STACK 16384

static CK_SLOT_ID slot;
static ucontext_t back;

static void use(void)
{
	CK_BYTE p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
	CK_ATTRIBUTE template[] = { { CKA_EC_PARAMS, p256, sizeof p256 } };
	CK_MECHANISM mechanism = { CKM_EC_KEY_PAIR_GEN, NULL, 0 };
	CK_OBJECT_HANDLE key, a, b;
	CK_SESSION_HANDLE session = open_session(slot, &key);

	for (int i = 0; i < 100; i++) {
		MUST(C_GenerateKeyPair(session, &mechanism, template, 1, NULL, 0, &a, &b));
		sign(session, key, 0);
	}
	EXPECT(CKR_ARGUMENTS_BAD, C_GenerateRandom(session, (CK_BYTE_PTR)4096, 8192));
	MUST(C_CloseSession(session));
}

/* A stack above a page that faults. */
static char *stack(void)
{
	char *p = mmap(NULL, STACK + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED || mprotect(p, 4096, PROT_NONE) != 0)
		fault("mmap");
	return p + 4096;
}

static void coroutine(void)
{
	ucontext_t context;

	getcontext(&context);
	context.uc_stack.ss_sp = stack();
	context.uc_stack.ss_size = STACK;
	context.uc_link = &back;
	makecontext(&context, use, 0);
	swapcontext(&back, &context);
}

static void *both(void *unused)
{
	coroutine();
	use();
	coroutine();
	return unused;
}

static void *small(void *unused)
{
	use();
	return unused;
}

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	pthread_attr_t attr;
	pthread_t thread;

	if (argc < 2)
		return 2;
	session = begin(argv[1], &key);
	MUST(C_GetSessionInfo(session, &info));
	slot = info.slotID;
	pthread_attr_init(&attr);
	if (pthread_attr_setstack(&attr, stack(), STACK) != 0 || pthread_create(&thread, &attr, small, NULL) != 0)
		fault("a thread with a stack of %d", STACK);
	pthread_join(thread, NULL);
	start(&thread, both, NULL);
	pthread_join(thread, NULL);
	both(NULL);
	return done();
}
