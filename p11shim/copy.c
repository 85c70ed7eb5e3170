/* The loader knows a library by its inode and its name, so a copy of the library's file is another library to it, with a Go
 * runtime of its own.
 *
 * What is loaded is known to be this library. The copy is written by the process that loads it, into a file that nobody else
 * has: a memfd, which is sealed before it is read again, or where that is refused an unlinked temporary file. Then all of
 * it that the loader maps read-only is compared with this image, as it lies in memory: a file that was replaced since,
 * by an upgrade, is not taken for the library.
 *
 * The image keeps a descriptor of its own file. The host may have closed it, and its number been given to something else,
 * so it is used only while it is the same inode as when it was opened. Then the file is found by its path.
 */
#define _GNU_SOURCE
#include "copy.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

/* Descriptors start here, clear of the low numbers that hosts close, reopen and count on. */
#define FIRST_DESCRIPTOR 200

/* A descriptor and what it was opened on. */
struct file {
	int fd; /* -1 for none */
	dev_t dev;
	ino_t ino;
	off_t size;
};

static const struct file none = { -1, 0, 0, 0 };

static struct file own = { -1, 0, 0, 0 }; /* this image's file */
static char own_path[PATH_MAX];           /* where this image was loaded from, absolute */
static unsigned slashes = 1;              /* see path_of */

static char reason[512];

static void *fails(const char *what, const char *why)
{
	snprintf(reason, sizeof reason, "%s: %s", what, why);
	return NULL;
}

/* Says whether a descriptor is still what it was. */
static int genuine(const struct file *f)
{
	struct stat st;

	return f->fd >= 0 && fstat(f->fd, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino;
}

/* Makes a struct file of a descriptor, which it moves out of the way. */
static struct file adopt_descriptor(int fd)
{
	struct file f = none;
	struct stat st;
	int high;

	if (fd < 0)
		return f;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
	if (high < 0)
		high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (high < 0)
		fails("fcntl", strerror(errno));
	close(fd);
	if (high >= 0 && fstat(high, &st) == 0) {
		f.fd = high;
		f.dev = st.st_dev;
		f.ino = st.st_ino;
		f.size = st.st_size;
	} else if (high >= 0) {
		close(high);
	}
	return f;
}

/* Closes a descriptor if it is ours. */
static void discard(struct file *f)
{
	if (genuine(f))
		close(f->fd);
	f->fd = -1;
}

void softcsp_find_file(void)
{
	Dl_info info;

	if (dladdr(&own, &info) == 0 || info.dli_fname == NULL)
		return;
	own = adopt_descriptor(open(info.dli_fname, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
	if (strncmp(info.dli_fname, "/proc/self/fd/", 14) == 0)
		slashes = strspn(info.dli_fname + 13, "/");
	else if (realpath(info.dli_fname, own_path) == NULL)
		own_path[0] = '\0';
}

int softcsp_is_copy(void)
{
	return slashes > 1;
}

const char *softcsp_path(void)
{
	return own_path;
}

void softcsp_set_path(const char *path)
{
	if (strlen(path) < sizeof own_path)
		strcpy(own_path, path);
}

void softcsp_forget_file(void)
{
	discard(&own);
}

/* Opens this image's file, by its descriptor or else by its path. The caller discards it. */
static struct file source(void)
{
	if (genuine(&own))
		return adopt_descriptor(fcntl(own.fd, F_DUPFD_CLOEXEC, 0));
	if (own_path[0] == '\0')
		return none;
	return adopt_descriptor(open(own_path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
}

/* Writes the image's file into an empty one. */
static int fill(int to)
{
	struct file from = source();
	struct rlimit most;
	struct stat st;
	off_t off = 0;
	int ok;

	if (from.fd < 0) {
		fails("open", strerror(errno));
		return 0;
	}
	ok = fstat(from.fd, &st) == 0 && S_ISREG(st.st_mode) && (own.size == 0 || st.st_size == own.size);
	if (!ok)
		fails("copy", "the file is not the one that was loaded");
	if (ok && getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur != RLIM_INFINITY && (rlim_t)st.st_size > most.rlim_cur) {
		ok = 0; /* to try would be a signal, which ends the host */
		fails("copy", strerror(EFBIG));
	}
	while (ok && off < st.st_size) {
		ssize_t n = sendfile(to, from.fd, &off, st.st_size - off);

		ok = n > 0 || (n < 0 && errno == EINTR);
		if (!ok)
			fails("copy", strerror(errno));
	}
	discard(&from);
	return ok;
}

extern const ElfW(Ehdr) __ehdr_start HIDDEN;

#if defined __x86_64__
typedef unsigned char instruction;
#define BREAKPOINT(i) ((i) == 0xcc)
#elif defined __aarch64__
typedef uint32_t instruction;
#define BREAKPOINT(i) (((i) & 0xffe0001f) == 0xd4200000)
#else
typedef unsigned char instruction;
#define BREAKPOINT(i) 0
#endif

/* Compares a segment of the image with the file's, in which no debugger has set breakpoints. */
static int same_segment(const void *image, const void *file, size_t size)
{
	const instruction *a = image, *b = file;

	if (memcmp(image, file, size) == 0)
		return 1;
	for (size_t i = 0; i < size / sizeof *a; i++)
		if (a[i] != b[i] && !BREAKPOINT(a[i]))
			return 0;
	return 1;
}

/* Says whether a file is this image: every byte that the loader maps and never changes. */
static int same(int fd)
{
	const char *image = (const char *)&__ehdr_start;
	const ElfW(Phdr) *segment = (const ElfW(Phdr) *)(image + __ehdr_start.e_phoff);
	struct stat st;
	char *file;
	int ok = 1;

	if (fstat(fd, &st) != 0)
		return 0;
	file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return 0;
	for (int i = 0; ok && i < __ehdr_start.e_phnum; i++)
		if (segment[i].p_type == PT_LOAD && !(segment[i].p_flags & PF_W))
			ok = (off_t)(segment[i].p_offset + segment[i].p_filesz) <= st.st_size &&
				same_segment(image + segment[i].p_vaddr, file + segment[i].p_offset, segment[i].p_filesz);
	munmap(file, st.st_size);
	return ok;
}

/* The path by which the loader reaches a descriptor. The loader takes a name that it knows for the library that it knows,
 * and numbers of descriptors come again, so each generation of copies spells the path with one slash more: two for the
 * first, as nobody else would. */
static void path_of(int fd, char *path, size_t size)
{
	static const char fds[] = "/proc/self/fd";
	size_t n = sizeof fds - 1, most = size - 16;

	memcpy(path, fds, n);
	for (unsigned i = 0; i <= slashes && n < most; i++)
		path[n++] = '/';
	snprintf(path + n, size - n, "%d", fd);
}

static void *load(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	return handle != NULL ? handle : fails("load", dlerror());
}

/* Loads a file that is filled, if it is what it should be. */
static void *load_descriptor(int fd)
{
	char path[1024];

	if (!same(fd))
		return fails("compare", "the file is not the one that was loaded");
	path_of(fd, path, sizeof path);
	return load(path);
}

static void *load_memfd(void)
{
	void *handle = NULL;
	struct file f;
	int fd;

	fd = memfd_create("libsoftcsp", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("libsoftcsp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return fails("memfd_create", strerror(errno));
	f = adopt_descriptor(fd);
	if (f.fd >= 0 && fill(f.fd)) {
		fcntl(f.fd, F_ADD_SEALS, F_SEAL_EXEC); /* from Linux 6.3 on */
		if (fcntl(f.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0 && fcntl(f.fd, F_ADD_SEALS, F_SEAL_SEAL) == 0)
			handle = load_descriptor(f.fd);
		else
			fails("seal", strerror(errno));
	}
	discard(&f);
	return handle;
}

/* Says whether nobody else can put another file into the place of ours in a directory. */
static int keeps(const char *dir)
{
	struct stat st;

	return stat(dir, &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) && ((st.st_mode & 022) == 0 || (st.st_mode & S_ISVTX));
}

/* Loads a copy in a temporary file, which is unlinked before it is filled. Where there is no /proc to reach it by, it is
 * loaded by its name, from a directory where it stays what it is, and unlinked then. */
static void *load_temporary(const char *dir)
{
	int proc = access("/proc/self/fd", X_OK) == 0;
	char path[PATH_MAX];
	void *handle = NULL;
	struct file f;
	int fd;

	if (dir == NULL || snprintf(path, sizeof path, "%s/libsoftcsp.XXXXXX", dir) >= (int)sizeof path || (!proc && !keeps(dir)))
		return NULL;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return fails(dir, strerror(errno));
	if (proc)
		unlink(path);
	f = adopt_descriptor(fd);
	if (f.fd >= 0 && fill(f.fd)) {
		if (proc)
			handle = load_descriptor(f.fd);
		else
			handle = same(f.fd) ? load(path) : fails("compare", "the file is not the one that was loaded");
	}
	if (!proc)
		unlink(path);
	discard(&f);
	return handle;
}

void *softcsp_load_copy(const char **why)
{
	const char *dirs[] = { secure_getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", "/run" };
	void *handle = load_memfd();

	for (size_t i = 0; handle == NULL && i < sizeof dirs / sizeof *dirs; i++)
		handle = load_temporary(dirs[i]);
	*why = reason;
	return handle;
}
