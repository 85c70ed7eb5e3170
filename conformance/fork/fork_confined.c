/* Children that have less than their parent: no rights, few descriptors, no /proc; and children of a parent that loaded
 * the library and did no more. What needs root is left out without it, and said so.
 * fork_confined MODULE */
#include "common.h"

#include <grp.h>
#include <sys/resource.h>

/* Lives in memory: what confines the child may confine its token directory too. */
static void confined(const char *what, int (*confine)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		CK_OBJECT_HANDLE key;
		CK_SESSION_HANDLE session;

		alarm(PATIENCE);
		if (confine() != 0)
			fault("%s: %s", what, strerror(errno));
		setenv("SOFTCSP_STORE", "memory", 1);
		unsetenv("SOFTCSP_TOKENDIR");
		initialize();
		session = open_session(find_slot(), &key);
		sign(session, key, 1);
		MUST(C_Finalize(NULL));
		_exit(0);
	}
	reap(pid);
}

static int nothing(void)
{
	return 0;
}

static int few_descriptors(void)
{
	struct rlimit limit = { 64, 64 };

	return setrlimit(RLIMIT_NOFILE, &limit);
}

static int no_rights(void)
{
	return setenv("HOME", "/", 1) || setgroups(0, NULL) || setgid(65534) || setuid(65534);
}

static char root[64], root_tmp[80];

static int no_proc(void)
{
	return chroot(root) || chdir("/");
}

static void each(void)
{
	confined("fork", nothing);
	confined("setrlimit", few_descriptors);
	if (geteuid() != 0) {
		printf("not root: rights and /proc are left out\n");
		return;
	}
	confined("setuid", no_rights);
	strcpy(root, "/tmp/softcsp-root.XXXXXX");
	if (mkdtemp(root) == NULL)
		fault("mkdtemp: %s", strerror(errno));
	snprintf(root_tmp, sizeof root_tmp, "%s/tmp", root);
	if (mkdir(root_tmp, 0777) != 0)
		fault("mkdir: %s", strerror(errno));
	confined("chroot", no_proc);
	if (rmdir(root_tmp) != 0 || rmdir(root) != 0)
		fault("the child left something in %s: %s", root, strerror(errno));
}

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;

	if (argc < 2)
		return 2;
	load(argv[1]);
	each(); /* the parent only loaded the library */
	initialize();
	session = open_session(find_slot(), &key);
	sign(session, key, 1);
	each();
	sign(session, key, 0);
	return done();
}
