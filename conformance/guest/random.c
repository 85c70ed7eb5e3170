/* A host without getrandom (WHAT is the error that it gets), which closes all descriptors and opens files of its own in their place. What
 * is random comes from the system all the same, and not from the host's files. */
#include "../fork/common.h"
#include "refuse.h"

static void look(CK_SESSION_HANDLE session)
{
	CK_BYTE room[300];
	int set = 0;

	for (int i = 0; i < 50; i++) {
		memset(room, 0, sizeof room);
		MUST(C_GenerateRandom(session, room, sizeof room));
		for (size_t j = 0; j < sizeof room; j++)
			set += room[j] != 0;
	}
	if (set < 14000)
		fault("%d of %d bytes are not zero", set, (int)sizeof room * 50);
}

int main(int argc, char **argv)
{
	int error = argc > 2 && strcmp(argv[2], "ENOSYS") == 0 ? ENOSYS : EPERM;
	char name[4200];
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	FILE *zeros;

	if (argc < 4)
		return 2;
	snprintf(name, sizeof name, "%s/zeros", getenv("TMPDIR"));
	load(argv[1]);
	if (strcmp(argv[3], "before") == 0)
		refuse(SYS_getrandom, error);
	initialize();
	session = open_session(find_slot(), &key);
	if (strcmp(argv[3], "before") != 0)
		refuse(SYS_getrandom, error);
	look(session);
	for (int fd = 3; fd < 300; fd++)
		close(fd);
	zeros = fopen(name, "w+");
	if (zeros == NULL || ftruncate(fileno(zeros), 1 << 20) != 0)
		fault("%s: %s", name, strerror(errno));
	for (int fd = 4; fd < 300; fd++)
		dup2(fileno(zeros), fd);
	look(session);
	return done();
}
