/* Hosts that close every descriptor, give the numbers to something else, change the directory, and whose library file is
 * replaced or removed meanwhile.
 * fork_daemon MODULE */
#include "common.h"

/* Closes every descriptor but the standard ones, and puts other files in their places. */
static void close_all(int reuse)
{
	for (int fd = 3; fd < 4096; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			continue;
		close(fd);
		if (reuse && dup2(STDIN_FILENO, fd) != fd)
			fault("dup2: %s", strerror(errno));
	}
}

static void child_of(CK_SESSION_HANDLE session, int before, int after, int reuse)
{
	pid_t pid;

	if (before)
		close_all(reuse);
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE);
		if (after)
			close_all(reuse);
		expect_uninitialized(session);
		live(3);
		pid = fork(); /* daemons fork twice */
		if (pid == 0) {
			if (after)
				close_all(reuse);
			live(3);
			_exit(0);
		}
		reap(pid);
		for (int fd = 3; reuse && fd < 4096; fd++) /* nobody closed what was not his */
			if (fcntl(fd, F_GETFD) >= 0 && fd >= 200 && lseek(fd, 0, SEEK_CUR) < 0 && errno == EBADF)
				fault("descriptor %d went away", fd);
		_exit(0);
	}
	reap(pid);
}

/* Copies the module to a place from which it can be removed. */
static void copy_module(const char *from, const char *to)
{
	char buffer[1 << 16];
	ssize_t n;
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	while ((n = read(in, buffer, sizeof buffer)) > 0)
		if (write(out, buffer, n) != n)
			fault("write: %s", strerror(errno));
	if (in < 0 || out < 0 || n < 0 || close(in) != 0 || close(out) != 0)
		fault("copying %s: %s", from, strerror(errno));
}

int main(int argc, char **argv)
{
	char dir[4096], path[sizeof dir + 16];
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;

	if (argc < 2)
		return 2;
	temporary(dir, sizeof dir, "daemon");
	if (mkdtemp(dir) == NULL)
		fault("mkdtemp: %s", strerror(errno));
	snprintf(path, sizeof path, "%s/module.so", dir);
	copy_module(argv[1], path);
	if (chdir(dir) != 0)
		fault("chdir: %s", strerror(errno));
	session = begin("./module.so", &key); /* a relative path, and then the directory changes */
	if (chdir("/") != 0)
		fault("chdir: %s", strerror(errno));
	child_of(session, 0, 1, 0);
	child_of(session, 0, 1, 1);
	child_of(session, 1, 0, 0);
	child_of(session, 1, 1, 1);
	sign(session, key, 0);

	/* A second parent, whose file is removed while its descriptors are open. */
	if (unlink(path) != 0)
		fault("unlink: %s", strerror(errno));
	copy_module("/dev/null", path);
	if (truncate(path, 0) != 0)
		fault("truncate: %s", strerror(errno));
	copy_module(argv[1], path);
	child_of(session, 0, 1, 0); /* by path: the file that replaced it */
	unlink(path);
	rmdir(dir);
	return done();
}
