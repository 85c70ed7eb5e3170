/* Starts the Go runtime. */
#include "start.h"

#include <stddef.h>

__attribute__((constructor)) static void start(int argc, char **argv, char **envp)
{
	if (softcsp_go_entry != NULL)
		softcsp_go_entry[0](argc, argv, envp);
}
