/* What the programs here check with. */
#ifndef CHECK_H
#define CHECK_H

#include <wincrypt.h>

static unsigned checks, wrong;

static void check_(int line, int good, const char *what)
{
	__atomic_add_fetch(&checks, 1, __ATOMIC_RELAXED);
	if (!good) {
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
		printf("line %d: %s (last error 0x%08x)\n", line, what, GetLastError());
	}
}

/* Says that something is so. */
#define CHECK(what) check_(__LINE__, (what) != 0, #what)

/* Says that a call fails with a code. */
#define FAILS(code, call) do { \
	SetLastError(0); \
	check_(__LINE__, !(call), #call " succeeds"); \
	check_(__LINE__, GetLastError() == (code), #call " is not " #code); \
} while (0)

/* The resident memory in kilobytes. */
static inline long resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	long size = 0, pages = 0;

	CHECK(f != NULL && fscanf(f, "%ld %ld", &size, &pages) == 2);
	if (f != NULL)
		fclose(f);
	return pages * 4;
}

static int checked(void)
{
	if (wrong != 0)
		printf("%u checks, %u wrong\n", checks, wrong);
	else
		printf("%u checks, all good\n", checks);
	return wrong != 0;
}

#endif
