/* A host that has C_Initialize called in its child handler, as pkcs11-helper does, registered before the library is loaded and so
 * called before any of the library's own; with a kernel that wipes memory in children, and one that does not.
 * fork_handlers MODULE */
#include "common.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static void in_child(void)
{
	alarm(PATIENCE);
	if (p11 != NULL)
		initialize();
}

/* From here on the kernel wipes nothing in children. */
static void refuse_wiping(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_WIPEONFORK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		fault("seccomp: %s", strerror(errno));
	if (madvise(page, 4096, MADV_WIPEONFORK) == 0)
		fault("MADV_WIPEONFORK was not refused");
}

/* A child whose C_Initialize its own handler has called: it is not forgotten. */
static void initialized(int depth)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	CK_INFO info;
	pid_t pid;

	MUST(C_GetInfo(&info));
	session = open_session(find_slot(), &key);
	sign(session, key, 0);
	if (depth > 0) {
		pid = fork();
		if (pid == 0) {
			initialized(depth - 1);
			_exit(0);
		}
		reap(pid);
	}
	sign(session, key, 0);
	MUST(C_Finalize(NULL));
	live(1);
}

static void host(const char *path)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	pid_t pid;

	load(path);
	pid = fork(); /* before the parent has begun: its child begins by itself */
	if (pid == 0) {
		MUST(C_Finalize(NULL));
		_exit(0);
	}
	reap(pid);
	initialize();
	session = open_session(find_slot(), &key);
	sign(session, key, 1);
	for (int i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			initialized(2);
			_exit(0);
		}
		reap(pid);
	}
	sign(session, key, 0);
	MUST(C_Finalize(NULL));
	done();
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc < 2)
		return 2;
	pthread_atfork(NULL, NULL, in_child);
	for (int i = 0; i < 2; i++) {
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			if (i == 1)
				refuse_wiping();
			host(argv[1]);
			_exit(0);
		}
		reap(pid);
	}
	printf("ok\n");
	return 0;
}
