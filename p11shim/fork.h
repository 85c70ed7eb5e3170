/* What a forked child does: see fork.c. */
#ifndef SOFTCSP_FORK_H
#define SOFTCSP_FORK_H

#include <pthread.h>

#include "../include/softcsp/cryptoki.h"

#define HIDDEN __attribute__((visibility("hidden")))

/* What one copy of the library knows of another, through C_GetInterface by the name below. It is in no list. */
#define SOFTCSP_IMAGE "softcsp image"

struct softcsp_image {
	CK_VERSION version;
	const CK_FUNCTION_LIST_3_2 *functions;
	void (*adopt)(const char *path);              /* tells a copy the path of the library that it is a copy of */
	const struct softcsp_image *(*load)(void);    /* the image to use in this process, which it may have to load */
	const struct softcsp_crypt *crypt;            /* the functions of wincrypt.h: see cryptstubs.c */
};

extern const struct softcsp_crypt softcsp_crypt HIDDEN;

extern const struct softcsp_image softcsp_image HIDDEN;

/* What belongs to one process: all zero in a forked child. It fills its page, so that the kernel can wipe it. */
struct softcsp_process {
	int here;                          /* this process loaded this image */
	pthread_mutex_t lock;              /* over what follows, and over the descriptors of fork.c */
	const struct softcsp_image *fresh; /* the copy to which a forked child forwards */
} __attribute__((aligned(4096)));

extern struct softcsp_process softcsp_process HIDDEN;

/* True in a forked child, whose Go runtime is dead: nothing of this image but C may run. */
static inline int softcsp_forked(void)
{
	return __builtin_expect(!__atomic_load_n(&softcsp_process.here, __ATOMIC_RELAXED), 0);
}

/* The image to call in a forked child; NULL before softcsp_load. */
static inline const struct softcsp_image *softcsp_fresh(void)
{
	return __atomic_load_n(&softcsp_process.fresh, __ATOMIC_ACQUIRE);
}

/* Loads a fresh copy of the library in a forked child, unless there is one. NULL when that fails. */
const struct softcsp_image *softcsp_load(void) HIDDEN;

/* Says that the library is in use, so that a fork should prepare for children. */
void softcsp_used(void) HIDDEN;

void softcsp_adopt(const char *path) HIDDEN;

#endif
