/* A host in a narrow place: KIND NUMBER says in which. It initialises, works, and prints "ok", after "refused" and what
 * C_Initialize said where it did. It never dies. */
#include "../fork/common.h"
#include "refuse.h"

#include <dirent.h>
#include <linux/audit.h>
#include <sys/mman.h>
#include <sys/resource.h>

static void limit(int what, long most)
{
	struct rlimit r = { most, most };

	if (setrlimit(what, &r) != 0)
		fault("setrlimit: %s", strerror(errno));
}

static void narrow(const char *kind, long n)
{
	if (strcmp(kind, "space") == 0)
		limit(RLIMIT_AS, n << 20);
	else if (strcmp(kind, "data") == 0)
		limit(RLIMIT_DATA, n << 20);
	else if (strcmp(kind, "descriptors") == 0)
		limit(RLIMIT_NOFILE, n);
	else if (strcmp(kind, "threads") == 0)
		limit(RLIMIT_NPROC, n); /* counts all of the user's, and none of root's */
	else if (strcmp(kind, "EPERM") == 0)
		refuse((int)n, EPERM);
	else if (strcmp(kind, "ENOSYS") == 0)
		refuse((int)n, ENOSYS);
}

/* Closes all that is open, as daemons do, also what belongs to others. */
static void *closing(void *unused)
{
	while (!stop) {
		for (int fd = 3; fd < 300; fd++)
			close(fd);
		usleep(1000);
	}
	return unused;
}

static int pollers(void)
{
	DIR *all = opendir("/proc/self/fd");
	char to[100] = "";
	struct dirent *e;
	int n = 0;

	while (all != NULL && (e = readdir(all)) != NULL)
		if (readlinkat(dirfd(all), e->d_name, to, sizeof to - 1) > 0 && (strstr(to, "[event") != NULL || strstr(to, "cgroup") != NULL))
			n++;
	if (all != NULL)
		closedir(all);
	return n;
}

/* A child has a runtime of its own, beside what is left of its parent's. It may be refused, and goes on. */
static void try_child(void)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (pid == 0) {
		alarm(PATIENCE);
		if (p11->C_Initialize(&args) == CKR_OK) {
			session = open_session(find_slot(), &key);
			sign(session, key, 0);
		} else {
			printf("child refused\n");
			fflush(stdout);
		}
		_exit(0);
	}
	reap(pid);
}

/* Calls without a descriptor left. They may fail. So may a child with one, for which there is no copy. */
static void fill(CK_SLOT_ID slot)
{
	CK_SESSION_HANDLE session;
	CK_TOKEN_INFO info;
	int last = -1;

	limit(RLIMIT_NOFILE, 64);
	for (int fd; (fd = dup(0)) >= 0;)
		last = fd;
	for (int i = 0; i < 100; i++) {
		p11->C_GetTokenInfo(slot, &info);
		if (p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session) == CKR_OK) {
			p11->C_Login(session, CKU_USER, user_pin, sizeof user_pin - 1);
			p11->C_SetPIN(session, user_pin, sizeof user_pin - 1, user_pin, sizeof user_pin - 1);
			p11->C_CloseSession(session);
		}
	}
	close(last);
	try_child();
	for (int fd = last - 1; fd > last - 20; fd--)
		close(fd);
}

int main(int argc, char **argv)
{
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_SESSION_HANDLE session;
	CK_SESSION_INFO info;
	CK_OBJECT_HANDLE key;
	pthread_t threads[4];
	int closes;
	CK_RV rv;

	if (argc < 4)
		return 2;
	load(argv[1]);
	if (getuid() == 0 && strcmp(argv[2], "threads") == 0) {
		chmod(directory, 0777);
		if (setuid(54321) != 0)
			fault("setuid: %s", strerror(errno));
	}
	narrow(argv[2], atol(argv[3]));
	rv = p11->C_Initialize(&args);
	if (rv != CKR_OK) {
		printf("refused 0x%lx\n", rv);
		return done();
	}
	session = open_session(find_slot(), &key);
	sign(session, key, 1);
	MUST(C_GetSessionInfo(session, &info));
	if (strcmp(argv[2], "full") == 0)
		fill(info.slotID);
	closes = strcmp(argv[2], "closing") == 0;
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, closes && i == 0 ? closing : signer, (void *)info.slotID) != 0)
			threads[i] = 0;
	usleep(atoi(argv[3]) == 0 ? 1500000 : 100000);
	stop = 1;
	for (int i = 0; i < 4; i++)
		if (threads[i] != 0)
			pthread_join(threads[i], NULL);
	try_child();
	if (pollers() != 0)
		fault("%d descriptors of the runtime's own", pollers());
	return done();
}
