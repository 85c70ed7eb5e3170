/* What C says on standard error: see say.c. */
#ifndef SOFTCSP_SAY_H
#define SOFTCSP_SAY_H

/* Says a line, which begins with "softcsp: ". */
void softcsp_say(const char *format, ...) __attribute__((visibility("hidden"), format(printf, 1, 2)));

#endif
