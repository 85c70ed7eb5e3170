/* The signal handlers that the Go runtime installs. They enter Go, and pass on what is not for it. In a forked child the
 * runtime is dead, and nothing is for it: what it took the place of comes back, before the child does anything.
 */
#define _GNU_SOURCE
#include "handlers.h"

#include <dlfcn.h>
#include <errno.h>
#include <elf.h>
#include <link.h>
#include <signal.h>

softcsp_action *softcsp_libc_sigaction;

/* What there was before the runtime's handler. */
static struct {
	int taken;
	struct sigaction before;
} signals[_NSIG];

extern const ElfW(Ehdr) __ehdr_start HIDDEN;
extern const char _end[] HIDDEN;

void softcsp_find_sigaction(void)
{
	softcsp_libc_sigaction = (softcsp_action *)dlsym(RTLD_NEXT, "sigaction");
}

/* Says whether a handler is the runtime's: nothing else in this image is one. */
static int ours(const struct sigaction *act)
{
	const char *at = (const char *)act->sa_sigaction;

	return at >= (const char *)&__ehdr_start && at < _end;
}

/* The runtime's sigaction: a symbol of the library itself comes before libc's. The runtime handles what faults in its code, and
 * would handle two more signals, which stay the host's: SIGPIPE, for programs that write to sockets, and SIGURG, by which it
 * interrupts its threads where it is allowed to. */
HIDDEN int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct sigaction before;

	if (softcsp_libc_sigaction == NULL) {
		errno = EINVAL;
		return -1;
	}
	if (sig == SIGPIPE || sig == SIGURG)
		act = NULL;
	if (act != NULL && ours(act) && sig > 0 && sig < _NSIG && softcsp_libc_sigaction(sig, NULL, &before) == 0 && !ours(&before)) {
		signals[sig].before = before;
		signals[sig].taken = 1;
	}
	return softcsp_libc_sigaction(sig, act, old);
}

void softcsp_restore_handlers(void)
{
	struct sigaction now;

	for (int sig = 1; sig < _NSIG; sig++)
		if (signals[sig].taken && softcsp_libc_sigaction(sig, NULL, &now) == 0 && ours(&now))
			softcsp_libc_sigaction(sig, &signals[sig].before, NULL);
}
