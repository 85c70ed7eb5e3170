/* Runs a program and lets one system call fail by which it uses the files of a directory:
 *
 *   inject DIRECTORY NUMBER WHAT PROGRAM ARGUMENT...
 *
 * The NUMBER-th call answers an error (WHAT is its number), writes half of what it was given (short), or is the last (kill). With
 * NUMBER 0 nothing fails. What was counted is written to $INJECT_COUNT. Calls are those that open, write, size, lock, map, rename,
 * remove, and wait for the disk: whoever makes them, as they are seen by the kernel. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *directory;
static long number, counted;
static const char *what;
static struct { pid_t tid; int error; } failing; /* the call that is to fail, between its beginning and its end */

static int below(const char *path)
{
	size_t n = strlen(directory);

	return strncmp(path, directory, n) == 0 && (path[n] == '/' || path[n] == 0);
}

/* Whether a descriptor is of a file of the directory, or of the directory. */
static int ours(pid_t tid, unsigned long fd)
{
	char link[64], path[4096];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)tid, (int)fd);
	n = readlink(link, path, sizeof path - 1);
	if (n < 0)
		return 0;
	path[n] = 0;
	return below(path);
}

static int named(pid_t tid, unsigned long fd, unsigned long name)
{
	char path[4096] = { 0 };
	struct iovec here = { path, sizeof path - 1 }, there = { (void *)name, sizeof path - 1 };

	if ((int)fd != AT_FDCWD && ours(tid, fd))
		return 1;
	there.iov_len = 4096 - name % 4096; /* no further than there is memory for certain */
	return process_vm_readv(tid, &here, 1, &there, 1, 0) > 0 && below(path);
}

static int counts(pid_t tid, const struct __ptrace_syscall_info *call)
{
	const __uint64_t *a = call->entry.args;

	switch (call->entry.nr) {
	case SYS_pwrite64: case SYS_fdatasync: case SYS_fsync: case SYS_ftruncate: case SYS_fallocate: case SYS_fcntl: case SYS_fstat:
		return ours(tid, a[0]);
	case SYS_mmap:
		return (int)a[4] >= 0 && ours(tid, a[4]);
	case SYS_openat: case SYS_unlinkat: case SYS_renameat: case SYS_renameat2: case SYS_newfstatat:
		return named(tid, a[0], a[1]);
	}
	return 0;
}

static void begin(pid_t tid, const struct __ptrace_syscall_info *call)
{
	struct user_regs_struct regs;

	if (!counts(tid, call) || ++counted != number)
		return;
	if (strcmp(what, "kill") == 0) {
		char path[64];
		int tgid = tid;
		FILE *f;

		snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
		if ((f = fopen(path, "r")) != NULL) {
			char line[256];

			while (fgets(line, sizeof line, f) != NULL)
				if (sscanf(line, "Tgid: %d", &tgid) == 1)
					break;
			fclose(f);
		}
		kill(tgid, SIGKILL);
		return;
	}
	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) != 0)
		return;
	if (strcmp(what, "short") == 0) {
		if (call->entry.nr == SYS_pwrite64)
			regs.rdx /= 2;
	} else {
		regs.orig_rax = -1;
		failing.tid = tid;
		failing.error = atoi(what);
	}
	ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}

static void end(pid_t tid)
{
	struct user_regs_struct regs;

	if (failing.tid != tid)
		return;
	failing.tid = 0;
	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) == 0) {
		regs.rax = -failing.error;
		ptrace(PTRACE_SETREGS, tid, NULL, &regs);
	}
}

static void tell(void)
{
	FILE *f = getenv("INJECT_COUNT") != NULL ? fopen(getenv("INJECT_COUNT"), "w") : NULL;

	if (f != NULL) {
		fprintf(f, "%ld\n", counted);
		fclose(f);
	}
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
			     PTRACE_O_EXITKILL;
	pid_t host, tid;
	int status;

	if (argc < 5)
		return 2;
	directory = argv[1];
	number = atol(argv[2]);
	what = argv[3];
	host = fork();
	if (host == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[4], argv + 4);
		_exit(127);
	}
	if (waitpid(host, &status, 0) != host || !WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, host, NULL, options) != 0) {
		perror("inject: ptrace");
		return 3;
	}
	ptrace(PTRACE_SYSCALL, host, NULL, NULL);
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		struct __ptrace_syscall_info call;
		int pass = 0;

		if (!WIFSTOPPED(status)) {
			if (tid == host) {
				tell();
				return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
			}
			continue;
		}
		if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
			if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof call, &call) > 0) {
				if (call.op == PTRACE_SYSCALL_INFO_ENTRY)
					begin(tid, &call);
				else if (call.op == PTRACE_SYSCALL_INFO_EXIT)
					end(tid);
			}
		} else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
			pass = WSTOPSIG(status);
		}
		ptrace(PTRACE_SYSCALL, tid, NULL, (long)pass);
	}
	return 4;
}
