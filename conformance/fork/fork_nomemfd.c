/* A system that refuses memfd_create: copies go through temporary files, of which none is left.
 * fork_nomemfd MODULE */
#include "common.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <dirent.h>
#include <sys/prctl.h>

/* From here on memfd_create is EPERM, here and in all children. */
static void refuse_memfd(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		fault("seccomp: %s", strerror(errno));
	if (syscall(SYS_memfd_create, "x", 0) >= 0)
		fault("memfd_create was not refused");
}

static int left_over(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
		n += strncmp(e->d_name, "libsoftcsp.", 11) == 0;
	if (d != NULL)
		closedir(d);
	return n;
}

int main(int argc, char **argv)
{
	char dir[4096];
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	pid_t pid;

	if (argc < 2)
		return 2;
	temporary(dir, sizeof dir, "nomemfd");
	if (mkdtemp(dir) == NULL)
		fault("mkdtemp: %s", strerror(errno));
	refuse_memfd();
	setenv("TMPDIR", dir, 1);
	session = begin(argv[1], &key);
	for (int i = 0; i < 6; i++) {
		if (i == 3)
			setenv("TMPDIR", "/nonexistent", 1); /* the next directory is tried */
		pid = fork();
		if (pid == 0) {
			alarm(PATIENCE);
			expect_uninitialized(session);
			live(3);
			pid = fork();
			if (pid == 0) {
				live(3);
				_exit(0);
			}
			reap(pid);
			_exit(0);
		}
		reap(pid);
	}
	if (left_over(dir) != 0)
		fault("%d temporary files are left", left_over(dir));
	rmdir(dir);
	sign(session, key, 0);
	return done();
}
