/* What a forked child does: see fork.c. */
#ifndef SOFTCSP_FORK_H
#define SOFTCSP_FORK_H

#include <pthread.h>

#include "../include/softcsp/cryptoki.h"

#define HIDDEN __attribute__((visibility("hidden")))

/* What belongs to one process: all zero in a forked child. It fills its page, so that the kernel can wipe it. */
struct softcsp_process {
	int here;                          /* this process loaded this image */
	pthread_mutex_t lock;              /* over what follows, and over the descriptors of fork.c */
	const CK_FUNCTION_LIST_3_2 *fresh; /* the functions of the copy that a forked child loaded */
	void *handle;                      /* and its handle */
} __attribute__((aligned(4096)));

extern struct softcsp_process softcsp_process HIDDEN;

/* True in a forked child, whose Go runtime is dead: nothing of this image but C may run. */
static inline int softcsp_forked(void)
{
	return __builtin_expect(!__atomic_load_n(&softcsp_process.here, __ATOMIC_RELAXED), 0);
}

/* The functions to call in a forked child; NULL before softcsp_load. */
static inline const CK_FUNCTION_LIST_3_2 *softcsp_fresh(void)
{
	return __atomic_load_n(&softcsp_process.fresh, __ATOMIC_ACQUIRE);
}

/* Loads a fresh copy of the library in a forked child, unless there is one. NULL when that fails. */
const CK_FUNCTION_LIST_3_2 *softcsp_load(void) HIDDEN;

/* Finds an exported function of the fresh copy by its name; NULL when there is none. */
void *softcsp_fresh_symbol(const char *name) HIDDEN;

/* Says that the library is in use, so that a fork should prepare for children. */
void softcsp_used(void) HIDDEN;

/* An interface of C_GetInterface between two copies of the library. It is in no list. */
#define SOFTCSP_IMAGE "softcsp image"

struct softcsp_image {
	CK_VERSION version;
	const CK_FUNCTION_LIST_3_2 *functions;
	void (*adopt)(const char *path); /* tells a copy the path of the library that it is a copy of */
};

void softcsp_adopt(const char *path) HIDDEN;

#endif
