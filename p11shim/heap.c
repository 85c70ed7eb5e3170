/* Memory of the C heap for the Go runtime's threads. Libc gives each thread that asks it for memory, or gives some back, 64 MB of
 * address space; what these want is a few bytes for each thread that they create. So they have a few blocks here, and
 * what they give back of libc's goes with what another thread gives back. A symbol of the library itself comes before libc's.
 */
#define _GNU_SOURCE
#include "threads.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#define BLOCKS 64

struct block {
	_Alignas(16) char room[64];
};

static struct block blocks[BLOCKS];
static uint64_t taken; /* a bit for each */

typedef void *allocate(size_t size);
typedef void release(void *p);

static allocate *libc_malloc;
static release *libc_free;

/* What waits for another thread. */
struct returned {
	struct returned *next;
};

static struct returned *returned;

void softcsp_find_heap(void)
{
	libc_malloc = (allocate *)dlsym(RTLD_NEXT, "malloc");
	libc_free = (release *)dlsym(RTLD_NEXT, "free");
}

static void *take_block(void)
{
	uint64_t old = __atomic_load_n(&taken, __ATOMIC_RELAXED);

	while (~old != 0) {
		int i = __builtin_ctzll(~old);

		if (__atomic_compare_exchange_n(&taken, &old, old | (uint64_t)1 << i, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return &blocks[i];
	}
	return NULL;
}

HIDDEN void *malloc(size_t size)
{
	void *p = NULL;

	if (softcsp_runtime_thread && size <= sizeof *blocks)
		p = take_block();
	if (p == NULL && libc_malloc != NULL)
		p = libc_malloc(size);
	return p;
}

static void free_returned(void)
{
	struct returned *r = __atomic_exchange_n(&returned, NULL, __ATOMIC_ACQUIRE);

	while (r != NULL) {
		struct returned *next = r->next;

		libc_free(r);
		r = next;
	}
}

HIDDEN void free(void *p)
{
	uintptr_t at = (uintptr_t)p - (uintptr_t)blocks;
	struct returned *r = p;

	if (p == NULL || libc_free == NULL)
		return;
	if (at < sizeof blocks) {
		__atomic_fetch_and(&taken, ~((uint64_t)1 << at / sizeof *blocks), __ATOMIC_RELEASE);
	} else if (softcsp_runtime_thread) {
		r->next = __atomic_load_n(&returned, __ATOMIC_RELAXED);
		while (!__atomic_compare_exchange_n(&returned, &r->next, r, 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			;
	} else {
		libc_free(p);
		if (__atomic_load_n(&returned, __ATOMIC_RELAXED) != NULL)
			free_returned();
	}
}
