/* The library's file is removed after it was loaded, as an upgrade does; children work all the same.
 * fork_removed MODULE */
#include "common.h"

int main(int argc, char **argv)
{
	char path[4096], buffer[1 << 16];
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	int in, out;
	ssize_t n;

	if (argc < 2)
		return 2;
	in = open(argv[1], O_RDONLY);
	temporary(path, sizeof path, "removed");
	out = mkstemp(path);
	while ((n = read(in, buffer, sizeof buffer)) > 0)
		if (write(out, buffer, n) != n)
			fault("write: %s", strerror(errno));
	if (n < 0 || close(out) != 0)
		fault("copying: %s", strerror(errno));
	session = begin(path, &key);
	unlink(path);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (pid == 0) {
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
	return done();
}
