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
	const struct softcsp_image *(*load)(CK_RV *why); /* the image to use in this process, which it may have to load */
	void (*prepare)(void);                        /* before a fork */
	void (*child)(void);                          /* in a forked child, once or more */
	const struct softcsp_crypt *crypt;            /* the functions of wincrypt.h: see cryptstubs.c */
};

extern const struct softcsp_crypt softcsp_crypt HIDDEN;

extern const struct softcsp_image softcsp_image HIDDEN;

struct softcsp_job {
	void *(*start)(void *);
	void *arg;
};

/* The threads that wait for the runtime: see threads.c. */
struct softcsp_reserve {
	pthread_mutex_t mutex;
	pthread_cond_t given;
	struct softcsp_job jobs[128];
	int waiting, pending, leaving;
};

/* What belongs to one process: all zero in a forked child. It fills its page, so that the kernel can wipe it. */
struct softcsp_process {
	int here;                          /* this process started this image's runtime */
	pid_t pid;                         /* where the kernel does not wipe: the process that this is of */
	pthread_mutex_t lock;              /* over what follows */
	const struct softcsp_image *fresh; /* the copy to which a forked child forwards */
	int loading;                       /* what the thread does that loads a copy */
	pthread_cond_t loaded;             /* it does something else */
	struct softcsp_reserve reserve;
} __attribute__((aligned(4096)));

extern struct softcsp_process softcsp_process HIDDEN;

/* True where this image's runtime does not run: before it is started, and in a forked child, where it is dead. Nothing of
 * this image but C may run then. */
static inline int softcsp_absent(void)
{
	return __builtin_expect(!__atomic_load_n(&softcsp_process.here, __ATOMIC_ACQUIRE), 0);
}

/* The image to call where this one is absent; NULL before softcsp_load. */
static inline const struct softcsp_image *softcsp_fresh(void)
{
	return __atomic_load_n(&softcsp_process.fresh, __ATOMIC_ACQUIRE);
}

/* The image to call, which is started, and in a forked child loaded before that, unless it runs. NULL when that fails,
 * and in *why what C_Initialize answers then. */
const struct softcsp_image *softcsp_load(CK_RV *why) HIDDEN;

/* What is done while the library is loaded. */
void softcsp_watch_forks(void) HIDDEN;

void softcsp_adopt(const char *path) HIDDEN;
void softcsp_prepare(void) HIDDEN;
void softcsp_child(void) HIDDEN;

#endif
