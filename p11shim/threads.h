/* The threads of the Go runtime: see threads.c. */
#ifndef SOFTCSP_THREADS_H
#define SOFTCSP_THREADS_H

#include "fork.h"

typedef int softcsp_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg);

/* Find what is libc's, while the library is loaded. */
void softcsp_find_threads(void) HIDDEN;
void softcsp_find_heap(void) HIDDEN;

/* This thread is one of the runtime's. */
extern __thread char softcsp_runtime_thread HIDDEN __attribute__((tls_model("initial-exec")));

/* Libc's pthread_create and pthread_key_create, or NULL. */
typedef int softcsp_key(pthread_key_t *key, void (*destructor)(void *));

extern softcsp_create *softcsp_libc_create HIDDEN;
extern softcsp_key *softcsp_libc_key HIDDEN;

/* Creates a thread that is detached, takes no signals and has a stack as libc gives it. Zero, or the error of pthread_create. */
int softcsp_create_thread(void *(*start)(void *)) HIDDEN;

/* Creates up to a number of threads that wait for what softcsp_give gives them. The number that there are then; in *why what
 * the next one met. */
int softcsp_reserve_threads(int want, int *why) HIDDEN;

/* Lets those go that wait. */
void softcsp_release_threads(void) HIDDEN;

/* Runs a function in a thread that waits. Zero where there is none. */
int softcsp_give(void *(*start)(void *), void *arg) HIDDEN;

#endif
