/* What boundary.c and flows.c share: see boundary.c. */
#ifndef BOUNDARY_H
#define BOUNDARY_H

#include "cryptoki.h"
#include "softcsp.h"
#include <stddef.h>
#include <stdint.h>

typedef unsigned long word;

enum { ARENA = 1 << 20, BLOCKS = 1024, PAGE = 4096, FUNCTIONS = 104, MOST_ARGS = 16 };

/* A block is memory of a flow: bytes, or a structure whose words may be addresses. */
struct block {
	unsigned char *at;
	size_t n;
	int fields;
};

/* A worker is a thread that calls. */
struct worker {
	int number;
	uint64_t chance; /* state of the generator */
	CK_FUNCTION_LIST_3_2 *f;

	unsigned char *arena;
	size_t used;
	struct block blocks[BLOCKS];
	int blocks_used;

	/* memory of odd kinds */
	unsigned char *hole, *none, *fixed, *edge, *odd, *sparse;

	/* how calls are disturbed: by chance, or pointer `pointer` of call `at` in way `kind` */
	int mode;
	long at, calls;
	int pointer, kind;
	int pointers, hit; /* of the call `at`; whether it was disturbed */

	CK_SESSION_HANDLE session;
	CK_SLOT_ID slot, spare;
	CK_OBJECT_HANDLE rsa_public, rsa_private;

	/* for the watch */
	const char *volatile name;
	volatile word args[MOST_ARGS];
	volatile long started; /* in ms, 0 outside a call */
	long total;
};

enum { UNDISTURBED, BY_CHANCE, PLANNED };

extern const CK_UTF8CHAR so_pin[8], user_pin[8];

/* A spot is a word of a call, an argument or a field. */
struct spot {
	word *at;
	int address;
};

struct spots {
	struct spot all[256];
	int n, addresses;
};

/* What memory an address leads to: those that are planned come first. */
enum { GONE, CUT, READ_ONLY, NULLED, MISALIGNED, AT_END, NOT_READABLE, LOW, HEAP, OTHER, SPARSE, KINDS };
enum { PLANNED_KINDS = AT_END + 1, PIN_KINDS = AT_END + 1 };

int is(const char *name, const char *other);
void memory(struct worker *w);
void look(struct worker *w, word *args, int n, struct spots *s);
int disturb(struct worker *w, const char *name, struct spots *s, struct spot *was, word *olds);
uint64_t draw(struct worker *w, uint64_t below);
void *block(struct worker *w, size_t n, int fields);
void *bytes(struct worker *w, const void *from, size_t n);
CK_RV call(struct worker *w, size_t offset, const char *name, const word *args, int n);
void succeeded(const char *name, CK_RV rv);

/* A call in a flow. Its arguments are words: W makes one of a pointer. */
#define W(p) ((word)(p))
#define CALL(name, ...)                                                                                                              \
	call(w, offsetof(CK_FUNCTION_LIST_3_2, name), #name, (const word[]){ __VA_ARGS__ }, sizeof((const word[]){ __VA_ARGS__ }) / sizeof(word))

/* A flow is calls that belong together, each of which succeeds where nothing is disturbed. */
struct flow {
	const char *name;
	void (*run)(struct worker *w);
};

extern const struct flow flows[];
extern const int flows_count;

/* ready makes what a flow needs: a session, logged in. */
int ready(struct worker *w);

#endif
