/* What the Go runtime needs of a process. Where something is not to be had it ends the process, so all is tried before it
 * starts, and what is wrong is an error of C_Initialize. And what it is told of the process: the variables that are for Go
 * programs are the host's or its user's, and not for a library in it.
 */
#define _GNU_SOURCE
#include "guest.h"

#include "handlers.h"
#include "say.h"
#include "threads.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Measured, and rounded up: the runtime reserves SPACE when it starts, for tables of its whole address space, and makes
 * DATA of it writable. KEPT is for later: one more of the regions that its heap grows by. */
#define MB ((size_t)1 << 20)
#define SPACE (1300 * MB)
#define DATA (96 * MB)
#define KEPT (72 * MB)

/* The processors that it uses at most, and its threads beside one for each: its own, and those that wait in system calls or are on
 * their way from one use to the next. */
#define PROCESSORS 64
#define SPARE 10
#define FEWEST (SPARE + 1)

static int processors;
static void *kept;

static CK_RV say(CK_RV rv, const char *what)
{
	softcsp_say("cannot start: %s", what);
	return rv;
}

/* Plain system calls: the library's own mmap would see to it that there is memory. */
static void *map(size_t size, int prot)
{
	return (void *)syscall(SYS_mmap, NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static int can_map(size_t size, int prot)
{
	void *p = map(size, prot);

	if (p == MAP_FAILED)
		return 0;
	munmap(p, size);
	return 1;
}

static CK_RV try_memory(void)
{
	if (!can_map(SPACE + KEPT, PROT_NONE))
		return say(CKR_HOST_MEMORY, "not enough address space (ulimit -v, or ulimit -l where memory is locked)");
	if (!can_map(DATA, PROT_READ | PROT_WRITE))
		return say(CKR_HOST_MEMORY, "not enough memory for data (ulimit -d, ulimit -l, or overcommitment)");
	return CKR_OK;
}

static int has_random(void)
{
	char byte;
	int fd;

	if (syscall(SYS_getrandom, &byte, 1, 1 /* GRND_NONBLOCK */) == 1 || errno == EAGAIN)
		return 1;
	fd = errno == ENOSYS || errno == EPERM ? open("/dev/urandom", O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A stack for signals can be asked for and set. The one that is in use cannot be changed, and need not. */
static int has_signal_stacks(void)
{
	static char room[64 * 1024];
	stack_t before, ours = { .ss_sp = room, .ss_size = sizeof room };

	if (sigaltstack(NULL, &before) != 0)
		return 0;
	if (before.ss_flags & SS_ONSTACK)
		return 1;
	return sigaltstack(&ours, NULL) == 0 && sigaltstack(&before, NULL) == 0;
}

/* Handlers and masks can be set, as they are. */
static int has_signals(void)
{
	struct sigaction now;
	sigset_t mask;

	return pthread_sigmask(SIG_BLOCK, NULL, &mask) == 0 && pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0 &&
		softcsp_libc_sigaction(SIGFPE, NULL, &now) == 0 && softcsp_libc_sigaction(SIGFPE, &now, NULL) == 0;
}

static CK_RV try_calls(void)
{
	if (!has_signals())
		return say(CKR_FUNCTION_FAILED, "rt_sigaction or rt_sigprocmask is refused");
	if (!has_random())
		return say(CKR_FUNCTION_FAILED, "there is no getrandom, and no /dev/urandom");
	if (!has_signal_stacks())
		return say(CKR_FUNCTION_FAILED, "sigaltstack is refused");
	return CKR_OK;
}

static int read_line(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");
	char *got;

	if (f == NULL)
		return 0;
	got = fgets(line, size, f);
	fclose(f);
	return got != NULL;
}

/* The processors that the control group allows, as the runtime would count them; it would keep the file open. */
static int allowed(void)
{
	char line[4096], path[4200];
	long long quota = 0, period = 0;

	if (read_line("/proc/self/cgroup", line, sizeof line) && strncmp(line, "0::", 3) == 0) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", line + 3);
		if (read_line(path, line, sizeof line) || read_line("/sys/fs/cgroup/cpu.max", line, sizeof line))
			sscanf(line, "%lld %lld", &quota, &period);
	} else if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", line, sizeof line)) {
		quota = atoll(line);
		if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", line, sizeof line))
			period = atoll(line);
	}
	if (quota <= 0 || period <= 0 || quota / period >= PROCESSORS)
		return PROCESSORS;
	quota = (quota + period - 1) / period;
	return quota < 2 ? 2 : (int)quota;
}

static int count_processors(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
	int most = allowed();

	if (n < 1)
		n = 1;
	return n < most ? n : most;
}

/* Where there are fewer threads than it could use it is told of fewer processors. */
static CK_RV hold_threads(void)
{
	int why, n;

	processors = count_processors();
	n = softcsp_reserve_threads(processors + SPARE, &why);
	if (n >= processors + SPARE)
		return CKR_OK;
	if (n < FEWEST) {
		softcsp_release_threads();
		if (why == EAGAIN || why == ENOMEM)
			return say(CKR_HOST_MEMORY, "not enough threads (ulimit -u, or a limit of processes)");
		return say(CKR_FUNCTION_FAILED, "no thread can be created");
	}
	processors = n - SPARE;
	return CKR_OK;
}

CK_RV softcsp_welcome(void)
{
	CK_RV rv = try_calls();

	if (rv == CKR_OK)
		rv = hold_threads();
	if (rv != CKR_OK)
		return rv;
	rv = try_memory();
	if (rv != CKR_OK)
		softcsp_release_threads();
	else
		kept = map(KEPT, PROT_NONE);
	if (kept != NULL && kept != MAP_FAILED)
		madvise(kept, KEPT, MADV_DONTFORK); /* a child has a runtime of its own */
	return rv;
}

int softcsp_spend(void)
{
	void *p = __atomic_exchange_n(&kept, NULL, __ATOMIC_ACQ_REL);

	return p != NULL && p != MAP_FAILED && munmap(p, KEPT) == 0;
}

/* GODEBUG, GOMAXPROCS, GOGC and GOMEMLIMIT are for the Go program that a user starts; some of them change what is computed,
 * others end the process. */
static int for_go(const char *variable)
{
	return strncmp(variable, "GO", 2) == 0;
}

static const unsigned long passed_on[] = { AT_PAGESZ, AT_SECURE, AT_SYSINFO_EHDR };

char **softcsp_arguments(void)
{
	static char name[] = "softcsp", quiet[] = "GOTRACEBACK=none", limit[32];
	static unsigned char random[16]; /* the runtime erases what it was given */
	size_t n = 8 + 2 * (sizeof passed_on / sizeof *passed_on + 2), size = 0, i = 0;
	char **list, *text;
	unsigned long *aux;

	for (char **e = environ; e != NULL && *e != NULL; e++)
		if (!for_go(*e))
			n++, size += strlen(*e) + 1;
	list = calloc(1, n * sizeof *list + size);
	if (list == NULL)
		return NULL;
	text = (char *)(list + n);
	list[i++] = name;
	i++;
	list[i++] = quiet;
	snprintf(limit, sizeof limit, "GOMAXPROCS=%d", processors);
	list[i++] = limit;
	for (char **e = environ; e != NULL && *e != NULL; e++) {
		size_t length = strlen(*e) + 1;

		if (for_go(*e) || length > size || i + 12 > n)
			continue; /* or another thread has changed it meanwhile */
		list[i++] = memcpy(text, *e, length);
		text += length;
		size -= length;
	}
	aux = (unsigned long *)(list + i + 1);
	for (i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
		*aux++ = passed_on[i];
		*aux++ = getauxval(passed_on[i]);
	}
	if (syscall(SYS_getrandom, random, sizeof random, 1) == (long)sizeof random) {
		*aux++ = AT_RANDOM;
		*aux++ = (unsigned long)random;
	}
	return list;
}
