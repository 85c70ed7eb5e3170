/* Whether memory of a caller is there: see reach.c. */
#ifndef SOFTCSP_REACH_H
#define SOFTCSP_REACH_H

#include <stddef.h>

int softcsp_readable(const void *p, size_t n) __attribute__((visibility("hidden")));
int softcsp_writable(void *p, size_t n) __attribute__((visibility("hidden")));

#endif
