/* How the Go runtime of this image starts, and what it gets in place of libc's functions: see runtime.c. */
#ifndef SOFTCSP_RUNTIME_H
#define SOFTCSP_RUNTIME_H

#include "fork.h"

/* Starts the Go runtime of this image, once. Zero, or the error of pthread_create. */
int softcsp_start_runtime(void) HIDDEN;

/* Creates a thread that is detached and takes no signals. Zero, or the error of pthread_create. */
int softcsp_create_thread(void *(*start)(void *)) HIDDEN;

#endif
