/* A Go runtime does not survive fork(): in the child only the forking thread exists. PKCS#11 has the child call
 * C_Initialize anew (section 5.4 of version 3.1), and this is the cure: the child loads a fresh copy of the library's own
 * file. The copy is another inode, so it is another library to the loader and starts a Go runtime of its own. The
 * functions of this image, to which the host has pointers, then forward to those of the copy.
 *
 * How a child is known: the words that say "this process loaded this image" lie on a page that the kernel wipes in every
 * child (MADV_WIPEONFORK), even where clone() is called directly. Where there is no such kernel, pthread_atfork does it.
 * With the flag go the lock, which another thread may have held, and the copy that the parent forwarded to. A vforked
 * child shares the page and is its parent.
 *
 * Where the copy comes from: the image keeps a descriptor of its own file. The first fork after C_Initialize makes an
 * empty memfd, and that is all that a fork costs; the first child that needs the copy fills and seals it, and its
 * siblings map the same pages. Any descriptor may have been closed by the host, and its number given to something else,
 * so each is used only while it is the same inode as when it was made. Then the file is found by its path, and the child
 * makes a copy of its own; where memfd_create is refused, or mapping such a file is, an unlinked temporary file.
 */
#define _GNU_SOURCE
#include "fork.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* Descriptors start here, clear of the low numbers that hosts close, reopen and count on. */
#define FIRST_DESCRIPTOR 200

struct softcsp_process softcsp_process;

/* A descriptor and what it was opened on. */
struct file {
	int fd; /* -1 for none */
	dev_t dev;
	ino_t ino;
};

/* What outlives a fork. */
static struct file own = { -1, 0, 0 };  /* this image's file */
static struct file copy = { -1, 0, 0 }; /* the memfd for children: empty, or filled and sealed */
static char own_path[PATH_MAX];         /* where this image was loaded from, absolute */
static int used;
static const struct softcsp_image *successor; /* the copy that a child loaded, for the child's own children */
static unsigned slashes = 1; /* see path_of */

/* Says whether a descriptor is still what it was. */
static int genuine(const struct file *f)
{
	struct stat st;

	return f->fd >= 0 && fstat(f->fd, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino;
}

/* Makes a struct file of a descriptor, which it moves out of the way. */
static struct file adopt_descriptor(int fd)
{
	struct file f = { -1, 0, 0 };
	struct stat st;
	int high;

	if (fd < 0)
		return f;
	high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
	if (high < 0)
		high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	if (high >= 0 && fstat(high, &st) == 0) {
		f.fd = high;
		f.dev = st.st_dev;
		f.ino = st.st_ino;
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

static void lock(void)
{
	pthread_mutex_lock(&softcsp_process.lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&softcsp_process.lock);
}

/* Makes an empty memfd that may be sealed and mapped executable. */
static struct file empty_copy(void)
{
	int fd;

	fd = memfd_create("libsoftcsp", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("libsoftcsp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return adopt_descriptor(fd);
}

void softcsp_used(void)
{
	__atomic_store_n(&used, 1, __ATOMIC_RELAXED);
}

/* The Go runtime has one thread-specific value, whose destructor enters Go when a thread ends that called Go. The
 * forking thread's child inherits the value and must not: its runtime is dead. So the runtime's pthread_key_create is
 * this one; a symbol of the library itself comes before libc's. Libc's is looked up while the library is loaded, because
 * the runtime holds a lock when it calls, and dlsym takes the loader's. */
typedef int create_key(pthread_key_t *key, void (*destructor)(void *));

static create_key *libc_create;
static void (*thread_ended)(void *);

static void guarded(void *value)
{
	if (!softcsp_forked())
		thread_ended(value);
}

HIDDEN int pthread_key_create(pthread_key_t *key, void (*destructor)(void *))
{
	if (libc_create == NULL)
		return EAGAIN;
	if (destructor == NULL || thread_ended != NULL)
		return libc_create(key, destructor);
	thread_ended = destructor;
	return libc_create(key, guarded);
}

static void prepare(void)
{
	if (softcsp_forked() || !__atomic_load_n(&used, __ATOMIC_RELAXED))
		return;
	lock();
	if (!genuine(&copy))
		copy = empty_copy();
	unlock();
}

static void child(void)
{
	memset(&softcsp_process, 0, sizeof softcsp_process);
}

__attribute__((constructor)) static void loaded(void)
{
	Dl_info info;

	if (sysconf(_SC_PAGESIZE) == sizeof softcsp_process)
		madvise(&softcsp_process, sizeof softcsp_process, MADV_WIPEONFORK);
	softcsp_process.here = 1;
	libc_create = (create_key *)dlsym(RTLD_NEXT, "pthread_key_create");
	pthread_atfork(prepare, NULL, child);
	if (dladdr(&softcsp_process, &info) == 0 || info.dli_fname == NULL)
		return;
	own = adopt_descriptor(open(info.dli_fname, O_RDONLY | O_CLOEXEC));
	if (strncmp(info.dli_fname, "/proc/self/fd/", 14) == 0)
		slashes = strspn(info.dli_fname + 13, "/") + 1;
	else if (realpath(info.dli_fname, own_path) == NULL)
		own_path[0] = '\0';
}

void softcsp_adopt(const char *path)
{
	lock();
	if (strlen(path) < sizeof own_path)
		strcpy(own_path, path);
	unlock();
}

/* Opens this image's file, by its descriptor or else by its path. The caller discards it. */
static struct file source(void)
{
	struct file none = { -1, 0, 0 };

	if (genuine(&own))
		return adopt_descriptor(fcntl(own.fd, F_DUPFD_CLOEXEC, 0));
	if (own_path[0] == '\0')
		return none;
	return adopt_descriptor(open(own_path, O_RDONLY | O_CLOEXEC));
}

/* Writes the image's file into an empty or half-written file. */
static int fill(int to)
{
	struct file from = source();
	struct stat st;
	off_t off = 0;
	int ok;

	if (from.fd < 0)
		return 0;
	ok = fstat(from.fd, &st) == 0 && ftruncate(to, 0) == 0 && lseek(to, 0, SEEK_SET) == 0;
	while (ok && off < st.st_size) {
		ssize_t n = sendfile(to, from.fd, &off, st.st_size - off);

		ok = n > 0 || (n < 0 && errno == EINTR);
	}
	discard(&from);
	return ok;
}

/* Fills a memfd that siblings may be filling too. A seal says that it is complete; the lock is the process's, and ends
 * with it, so that a sibling which was killed half way leaves nothing but work. */
static int fill_shared(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int seals, ok;

	while (fcntl(fd, F_SETLKW, &whole) != 0)
		if (errno != EINTR)
			return 0;
	seals = fcntl(fd, F_GET_SEALS);
	ok = seals >= 0 && (seals & F_SEAL_WRITE);
	if (!ok)
		ok = fill(fd) && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0;
	whole.l_type = F_UNLCK;
	fcntl(fd, F_SETLK, &whole);
	return ok;
}

/* The path by which the loader reaches a descriptor. The loader takes a name that it knows for the library that it knows,
 * and numbers of descriptors come again, so each generation of copies spells the path with one slash more. */
static void path_of(int fd, char *path, size_t size)
{
	static const char fds[] = "/proc/self/fd";
	size_t n = sizeof fds - 1, most = size - 16;

	memcpy(path, fds, n);
	for (unsigned i = 0; i < slashes && n < most; i++)
		path[n++] = '/';
	snprintf(path + n, size - n, "%d", fd);
}

static void *load_descriptor(int fd)
{
	char path[1024];

	path_of(fd, path, sizeof path);
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void *load_memfd(void)
{
	void *handle = NULL;

	if (!genuine(&copy))
		copy = empty_copy();
	if (copy.fd >= 0 && fill_shared(copy.fd))
		handle = load_descriptor(copy.fd);
	discard(&copy);
	return handle;
}

/* Loads a copy in a temporary file. It is unlinked before it is loaded where /proc can reach it then, else after. */
static void *load_temporary(const char *dir)
{
	char path[PATH_MAX];
	void *handle = NULL;
	struct file f;
	int fd;

	if (dir == NULL || snprintf(path, sizeof path, "%s/libsoftcsp.XXXXXX", dir) >= (int)sizeof path)
		return NULL;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return NULL;
	f = adopt_descriptor(fd);
	if (f.fd >= 0 && fill(f.fd)) {
		if (access("/proc/self/fd", X_OK) == 0) {
			unlink(path);
			handle = load_descriptor(f.fd);
		} else {
			handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		}
	}
	unlink(path);
	discard(&f);
	return handle;
}

/* Meets a copy and tells it where it comes from. */
static const struct softcsp_image *image_of(void *handle)
{
	CK_C_GetInterface get = (CK_C_GetInterface)dlsym(handle, "C_GetInterface");
	CK_UTF8CHAR name[] = SOFTCSP_IMAGE;
	CK_INTERFACE *interface;
	const struct softcsp_image *image;

	if (get == NULL || get(name, NULL, &interface, 0) != CKR_OK)
		return NULL;
	image = interface->pFunctionList;
	image->adopt(own_path);
	return image;
}

static void *load_copy(void)
{
	const char *dirs[] = { secure_getenv("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm", "/run" };
	void *handle = load_memfd();

	for (size_t i = 0; handle == NULL && i < sizeof dirs / sizeof *dirs; i++)
		handle = load_temporary(dirs[i]);
	return handle;
}

/* Finds the image for this process: in a grandchild that the child's copy loads, which is as dead there as this image. */
static const struct softcsp_image *load_image(void)
{
	const struct softcsp_image *image = NULL;
	void *handle;
	const char *why;

	if (successor != NULL)
		return successor->load();
	handle = load_copy();
	if (handle != NULL)
		image = image_of(handle);
	if (image != NULL) {
		successor = image;
		discard(&own);
		return image;
	}
	why = dlerror();
	fprintf(stderr, "softcsp: cannot load a copy of %s in a forked process: %s\n", own_path, why ? why : strerror(errno));
	return NULL;
}

const struct softcsp_image *softcsp_load(void)
{
	const struct softcsp_image *image;

	if (!softcsp_forked())
		return &softcsp_image;
	lock();
	image = softcsp_process.fresh;
	if (image == NULL) {
		image = load_image();
		__atomic_store_n(&softcsp_process.fresh, image, __ATOMIC_RELEASE);
	}
	unlock();
	return image;
}
