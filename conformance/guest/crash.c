/* A host that crashes while the library is in use: by its own code, or by a stack that runs over. */
#include "../fork/common.h"

static int deeper(volatile char *p)
{
	volatile char room[4096];

	room[0] = *p;
	return room[0] == 1 ? 0 : deeper(room) + room[0];
}

int main(int argc, char **argv)
{
	volatile int *volatile nowhere = NULL;
	CK_OBJECT_HANDLE key;
	volatile char c = 0;

	if (argc < 3)
		return 2;
	begin(argv[1], &key);
	if (strcmp(argv[2], "stack") == 0)
		return deeper(&c);
	return *nowhere;
}
