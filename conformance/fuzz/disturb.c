/* The memory of boundary.c, and how it disturbs a call. */
#define _GNU_SOURCE
#include "boundary.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

uint64_t draw(struct worker *w, uint64_t below)
{
	uint64_t z = w->chance += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return below ? z % below : z;
}

static void *map(size_t n, int protection)
{
	void *p = mmap(NULL, n, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		exit(70);
	return p;
}

void memory(struct worker *w)
{
	unsigned char *p = map(ARENA + 2 * PAGE, PROT_NONE);

	if (mprotect(p + PAGE, ARENA, PROT_READ | PROT_WRITE))
		exit(70);
	w->arena = p + PAGE;
	w->none = p;
	w->hole = (unsigned char *)0x180000000000; /* where the kernel maps nothing of its own accord */
	w->fixed = map(16 * PAGE, PROT_READ);
	w->edge = map(17 * PAGE, PROT_READ | PROT_WRITE);
	mprotect(w->edge + 16 * PAGE, PAGE, PROT_NONE);
	w->odd = map(17 * PAGE, PROT_READ | PROT_WRITE);
	w->sparse = map(256UL << 20, PROT_READ | PROT_WRITE);
}

void *block(struct worker *w, size_t n, int fields)
{
	unsigned char *p = w->arena + w->used;
	size_t room = (n + 15) & ~(size_t)15;

	if (w->used + room > ARENA || w->blocks_used == BLOCKS) {
		fprintf(stderr, "boundary: a flow needs more memory\n");
		exit(70);
	}
	w->used += room;
	memset(p, 0, room);
	w->blocks[w->blocks_used++] = (struct block){ p, n, fields };
	return p;
}

void *bytes(struct worker *w, const void *from, size_t n) { return memcpy(block(w, n, 0), from, n); }

static const struct block *find(const struct worker *w, word address)
{
	int i;

	for (i = 0; i < w->blocks_used; i++)
		if (address >= W(w->blocks[i].at) && address < W(w->blocks[i].at) + w->blocks[i].n)
			return &w->blocks[i];
	return NULL;
}

static void add(struct spots *s, word *at, int address)
{
	if (s->n == 256)
		return;
	s->all[s->n++] = (struct spot){ at, address };
	s->addresses += address;
}

/* look finds the words of a call, the fields of what it points to among them. */
void look(struct worker *w, word *args, int n, struct spots *s)
{
	const struct block *seen[64];
	int i, j, k, blocks = 0;

	for (i = 0; i < n; i++) {
		const struct block *b = find(w, args[i]);

		add(s, &args[i], b != NULL);
		if (b && b->fields && blocks < 64)
			seen[blocks++] = b;
	}
	for (i = 0; i < blocks; i++)
		for (j = 0; j + 8 <= (int)seen[i]->n; j += 8) {
			word *field = (word *)(seen[i]->at + j);
			const struct block *b = find(w, *field);

			add(s, field, b != NULL);
			for (k = 0; b && k < blocks; k++)
				if (seen[k] == b)
					b = NULL;
			if (b && b->fields && blocks < 64)
				seen[blocks++] = b;
		}
}

/* elsewhere is an address for what lies at another. */
static word elsewhere(struct worker *w, word old, int kind)
{
	const struct block *b = find(w, old);
	size_t n = b ? W(b->at) + b->n - old : 0;

	if (n > 8 * PAGE)
		n = 8 * PAGE;
	switch (kind) {
	case GONE:
		return W(w->hole) + draw(w, 2 * PAGE);
	case CUT:
		memcpy(w->edge + 16 * PAGE - n / 2, (void *)old, n / 2);
		return W(w->edge + 16 * PAGE - n / 2);
	case READ_ONLY:
		mprotect(w->fixed, 16 * PAGE, PROT_READ | PROT_WRITE);
		memcpy(w->fixed, (void *)old, n);
		mprotect(w->fixed, 16 * PAGE, PROT_READ);
		return W(w->fixed);
	case MISALIGNED:
		memcpy(w->odd + 1, (void *)old, n);
		return W(w->odd + 1);
	case AT_END:
		memcpy(w->edge + 16 * PAGE - n, (void *)old, n);
		return W(w->edge + 16 * PAGE - n);
	case NOT_READABLE:
		return W(w->none) + draw(w, PAGE);
	case LOW:
		return draw(w, 8192);
	case HEAP:
		return 0xc000000000 + 8 * draw(w, 1 << 24) + (1UL << 33); /* of the Go runtime, if of anybody */
	case OTHER:
		return W(w->blocks[draw(w, w->blocks_used)].at) + draw(w, 3);
	case SPARSE:
		return W(w->sparse) + draw(w, 1UL << 27);
	}
	return 0;
}

static word odd_number(struct worker *w, word old)
{
	static const word some[] = { 0, 1, 7, 8, 15, 16, 17, 255, 256, 4095, 4096, 65535, 65536, 1 << 20, 1 << 21, 1UL << 31, (1UL << 32) - 1,
				     1UL << 32, 1UL << 33, 1UL << 40, 1UL << 45, 1UL << 47, 1UL << 62, 1UL << 63, ~0UL, ~0UL - 7 };

	switch (draw(w, 4)) {
	case 0:
		return old + 1;
	case 1:
		return old - 1;
	case 2:
		return draw(w, 64);
	}
	return some[draw(w, sizeof some / sizeof *some)];
}

int is(const char *name, const char *other) { return strcmp(name, other) == 0; }

/* A PIN that is another one would lock the token for all that follows. */
static int sets_pin(const char *name) { return is(name, "C_SetPIN") || is(name, "C_InitPIN") || is(name, "C_InitToken"); }

/* disturb changes words of a call, and notes what the fields among them were. */
int disturb(struct worker *w, const char *name, struct spots *s, struct spot *was, word *olds)
{
	int times = w->mode == BY_CHANCE && !sets_pin(name) ? 1 + (draw(w, 4) == 0) : 1, n = 0, i, left = w->pointer;

	while (times-- > 0 && s->n > 0) {
		struct spot *x = &s->all[draw(w, s->n)];
		int kind = w->kind;

		if (w->mode == PLANNED) {
			for (i = 0; i < s->n && (!s->all[i].address || left-- > 0); i++)
				;
			x = &s->all[i];
		} else {
			kind = draw(w, sets_pin(name) ? PIN_KINDS : KINDS);
		}
		if (!x->address && (sets_pin(name) || is(name, "C_Initialize")))
			continue;
		was[n] = *x;
		olds[n] = *x->at;
		*x->at = x->address ? elsewhere(w, *x->at, kind) : odd_number(w, *x->at);
		n++;
	}
	return n;
}
