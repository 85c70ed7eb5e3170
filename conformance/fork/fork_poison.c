/* What a child inherits of the library's files it cannot change for its siblings. And what took the place of the library's
 * file is not loaded.
 * fork_poison MODULE */
#include "common.h"

#include <limits.h>
#include <sys/mman.h>

static char library[PATH_MAX];

/* Writes to a descriptor in every way. */
static void poison(int fd, const char *name)
{
	char junk[4096];
	void *map;

	memset(junk, 'x', sizeof junk);
	if (pwrite(fd, junk, sizeof junk, 0) > 0 || ftruncate(fd, 0) == 0 || fallocate(fd, 0x03, 0, 4096) == 0)
		fault("%s could be written", name);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		fault("%s could be mapped for writing", name);
}

/* Reads what a descriptor is open on. */
static const char *target(int fd)
{
	static char name[PATH_MAX];
	char path[64];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof name - 1);
	name[n < 0 ? 0 : n] = 0;
	return name;
}

/* Tries what the process has open, and what it can open again. */
static void poison_all(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		char path[64];
		int again;

		if (strstr(target(fd), "softcsp") == NULL || strcmp(target(fd), library) == 0)
			continue;
		poison(fd, target(fd));
		snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
		again = open(path, O_RDWR);
		if (again >= 0)
			poison(again, target(fd));
	}
}

static void worker(void)
{
	if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		fault("setuid: %s", strerror(errno));
	poison_all();
}

static void siblings(void)
{
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			alarm(PATIENCE);
			if (i % 2 == 0)
				worker();
			else
				live(1);
			_exit(0);
		}
		reap(pid);
	}
}

static void copy_library(const char *from)
{
	char buffer[1 << 16];
	int in = open(from, O_RDONLY), out;
	ssize_t n;

	temporary(library, sizeof library, "poison");
	out = mkstemp(library);
	while ((n = read(in, buffer, sizeof buffer)) > 0)
		if (write(out, buffer, n) != n)
			fault("write: %s", strerror(errno));
	if (n < 0 || close(out) != 0 || close(in) != 0)
		fault("copying: %s", strerror(errno));
}

static void many(const char *path)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	pid_t pid;

	copy_library(path);
	session = begin(library, &key);
	pid = fork();
	if (pid == 0) {
		siblings();
		initialize();
		siblings();
		_exit(0);
	}
	reap(pid);
	siblings();
	sign(session, key, 0);
	unlink(library);
	done();
}

/* Another file in the library's place, of the same length; the library's own descriptors are closed. */
static void replaced(const char *path)
{
	char name[PATH_MAX + 8];
	struct stat st;
	pid_t pid;
	int fd;

	copy_library(path);
	load(library);
	initialize();
	if (stat(library, &st) != 0)
		fault("stat: %s", strerror(errno));
	snprintf(name, sizeof name, "%s.new", library);
	fd = open(name, O_CREAT | O_RDWR, 0700);
	if (fd < 0 || ftruncate(fd, st.st_size) != 0 || rename(name, library) != 0)
		fault("replacing: %s", strerror(errno));
	for (int i = 3; i < 1024; i++)
		if (strstr(target(i), "softcsp-poison") != NULL)
			close(i);
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE);
		if (freopen("/dev/null", "w", stderr) == NULL)
			fault("freopen");
		EXPECT(CKR_LIBRARY_LOAD_FAILED, C_Initialize(NULL));
		EXPECT(CKR_CRYPTOKI_NOT_INITIALIZED, C_Finalize(NULL));
		_exit(0);
	}
	reap(pid);
	MUST(C_Finalize(NULL));
	unlink(library);
	done();
}

int main(int argc, char **argv)
{
	void (*hosts[])(const char *) = { many, replaced };

	if (argc < 2)
		return 2;
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			hosts[i](argv[1]);
			_exit(0);
		}
		reap(pid);
	}
	return 0;
}
