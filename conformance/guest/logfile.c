/* A host that closes every descriptor, the log's too, as daemons do, and opens files of its own in their place. Nothing is written to
 * those, none of them is closed, and the log goes on. */
#include "../fork/common.h"

#define FILES 300

static char path[4200];

static long size_of(const char *name)
{
	struct stat st;

	snprintf(path, sizeof path, "%s/%s", getenv("TMPDIR"), name);
	return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

int main(int argc, char **argv)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	long before;
	char args[4200];
	CK_C_INITIALIZE_ARGS init = { .flags = CKF_OS_LOCKING_OK, .pReserved = args };

	if (argc < 2)
		return 2;
	snprintf(args, sizeof args, "log=debug log_file='%s/log'", getenv("TMPDIR"));
	load(argv[1]);
	MUST(C_Initialize(&init));
	session = open_session(find_slot(), &key);
	sign(session, key, 1);
	before = size_of("log");
	if (before <= 0)
		fault("no log");
	for (int fd = 3; fd < FILES; fd++)
		close(fd);
	size_of("own");
	for (int fd = 3; fd < FILES; fd++)
		if (open(path, O_RDWR | O_CREAT | O_APPEND, 0600) != fd)
			fault("open: %s", strerror(errno));
	sign(session, key, 0);
	if (size_of("own") != 0)
		fault("the log is in a file of the host's");
	if (size_of("log") <= before)
		fault("the log has ended");
	MUST(C_Finalize(NULL));
	for (int fd = 3; fd < FILES; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			fault("descriptor %d of the host's is closed", fd);
	return done();
}
