/* Loads the module into a program that knows nothing of it, and uses it once: MODULE names it. Where the program forks its
 * children are left alone. */
#include "../fork/common.h"

__attribute__((constructor)) static void preloaded(void)
{
	CK_OBJECT_HANDLE key;

	unsetenv("LD_PRELOAD");
	begin(getenv("MODULE"), &key);
	alarm(0);
}
