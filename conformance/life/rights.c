/* A program with rights of its file, which makes its real user that of its file, as many do. Whatever its ids say by then, its
 * environment is that of whoever started it.
 * rights MODULE */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include <softcsp/cryptoki.h>

static void begin(CK_FUNCTION_LIST *p11)
{
	CK_ULONG slots = 0;
	CK_RV rv = p11->C_Initialize(NULL);

	printf("C_Initialize 0x%lx\n", rv);
	if (rv != CKR_OK)
		return;
	p11->C_GetSlotList(CK_FALSE, NULL, &slots);
	p11->C_Finalize(NULL);
}

int main(int argc, char **argv)
{
	CK_C_GetFunctionList get;
	CK_FUNCTION_LIST *p11;
	void *handle;
	pid_t pid;

	if (argc < 2 || setregid(getegid(), getegid()) != 0 || setreuid(geteuid(), geteuid()) != 0)
		return 2;
	setvbuf(stdout, NULL, _IONBF, 0);
	handle = dlopen(argv[1], RTLD_NOW);
	if (handle == NULL || (get = (CK_C_GetFunctionList)dlsym(handle, "C_GetFunctionList")) == NULL || get(&p11) != CKR_OK)
		return printf("%s\n", dlerror()), 1;
	printf("secure %lu\n", getauxval(AT_SECURE));
	begin(p11);
	pid = fork();
	if (pid == 0) {
		begin(p11);
		_exit(0);
	}
	return waitpid(pid, NULL, 0) != pid;
}
