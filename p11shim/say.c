/* What C says on standard error, where the host may have anything, or nothing: a pipe that nobody reads any more, one that is
 * full, a file that has grown to its limit. So it waits for no more than a moment, and no signal comes of it. Libc's stderr has a
 * lock, which the host may hold. internal/quiet does the same for Go.
 */
#define _GNU_SOURCE
#include "say.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 100 /* milliseconds */

static void write_quietly(const char *text, size_t n)
{
	const struct timespec none = { 0, 0 };
	struct pollfd ready = { STDERR_FILENO, POLLOUT, 0 };
	sigset_t ours, before, pending;

	if (poll(&ready, 1, PATIENCE) != 1 || !(ready.revents & POLLOUT))
		return;
	sigemptyset(&ours);
	sigaddset(&ours, SIGPIPE);
	sigaddset(&ours, SIGXFSZ);
	if (pthread_sigmask(SIG_BLOCK, &ours, &before) != 0)
		return;
	sigpending(&pending);
	if (write(STDERR_FILENO, text, n) < 0 && (errno == EPIPE || errno == EFBIG)) {
		int sig = errno == EPIPE ? SIGPIPE : SIGXFSZ;

		sigemptyset(&ours);
		sigaddset(&ours, sig);
		if (!sigismember(&pending, sig)) /* otherwise it is the host's */
			sigtimedwait(&ours, NULL, &none);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void softcsp_say(const char *format, ...)
{
	char line[1024]; /* what a pipe takes at once */
	int saved = errno, n = snprintf(line, sizeof line, "softcsp: "), more;
	va_list args;

	va_start(args, format);
	more = vsnprintf(line + n, sizeof line - n - 1, format, args);
	va_end(args);
	if (more > 0)
		n += more < (int)sizeof line - n - 1 ? more : (int)sizeof line - n - 2;
	line[n++] = '\n';
	write_quietly(line, n);
	errno = saved;
}
