/* scale.c: what depends on the number of keys in the token: finding one, and the first result of a process. */
#define _GNU_SOURCE
#include "bench.h"
#include <stdio.h>
#include <string.h>

enum { NAME = 16 };

/* Label and id of key i are the same text; its value is the text twice, so that the wrong key shows. */
static void name_of(long i, char name[NAME + 1])
{
	snprintf(name, NAME + 1, "key-%012ld", i);
}

static CK_ULONG count_keys(void)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_ATTRIBUTE a = { CKA_CLASS, &class, sizeof class };
	CK_OBJECT_HANDLE found[256];
	CK_ULONG n, total = 0;
	must("C_FindObjectsInit", p11->C_FindObjectsInit(home, &a, 1));
	do {
		must("C_FindObjects", p11->C_FindObjects(home, found, sizeof found / sizeof found[0], &n));
		total += n;
	} while (n);
	must("C_FindObjectsFinal", p11->C_FindObjectsFinal(home));
	return total;
}

void fill(const char *label, const char *pin, long count, double seconds)
{
	module_start(label, pin);
	uint64_t end = now() + (uint64_t)(seconds * 1e9);
	long i = (long)count_keys(), start = i;
	uint64_t begin = now();
	for (; i < count && now() < end; i++) {
		char name[NAME + 1], value[2 * NAME + 1];
		CK_OBJECT_HANDLE key;
		name_of(i, name);
		snprintf(value, sizeof value, "%s%s", name, name);
		must("C_CreateObject", make_key(home, CKK_AES, 1, 0, name, (CK_BYTE *)value, 2 * NAME, &key));
	}
	if (i > start)
		printf("span fill %.0f\n", (double)(now() - begin) / (double)(i - start));
	if (count_keys() != (CK_ULONG)i)
		fail("the token has %lu keys, not %ld", (unsigned long)count_keys(), i);
	printf("count %ld\n", i);
	must("C_Finalize", p11->C_Finalize(NULL));
}

/* A search is for one key of many, another each time, until all that shall be known are. */
struct search {
	CK_ATTRIBUTE_TYPE by;
	long count;
	CK_OBJECT_HANDLE key;
};

enum { KNOWN = 50 };

static struct search search;

static CK_RV find(struct worker *w, const struct op *o)
{
	(void)o;
	char name[NAME + 1];
	name_of((long)((w->turn % KNOWN * 7919 + 37) % (uint64_t)search.count), name);
	w->turn++;
	return find_one(w->session, search.by, name, NAME, &search.key);
}

/* One block with the key found, alone: the padding makes it two. */
static CK_RV use(struct worker *w)
{
	CK_BYTE iv[16] = { 0 };
	CK_MECHANISM m = { CKM_AES_CBC_PAD, iv, sizeof iv };
	CK_RV rv = p11->C_EncryptInit(w->session, &m, search.key);
	w->out_len = 64;
	return rv == CKR_OK ? p11->C_Encrypt(w->session, w->in, 16, w->out, &w->out_len) : rv;
}

/* Prints the median of the first search for each of the keys that are not known yet. */
static void find_new(struct worker *w)
{
	uint64_t t[KNOWN - 1];
	for (int i = 0; i < KNOWN - 1; i++) {
		uint64_t before = now();
		CK_RV rv = find(w, NULL);
		t[i] = now() - before;
		must("find", rv);
	}
	printf("span find-new %llu\n", (unsigned long long)median(t, KNOWN - 1));
}

/* The steps of a process that has one thing to do. Then searches for other keys, searches for all of these again, and
 * what the last one's key gives. */
void cold(const char *path, const char *label, const char *pin, const char *by, long count, double seconds)
{
	CK_BYTE in[16] = "sixteen letters", out[64];
	struct worker w = { .in = in, .out = out };
	search = (struct search){ .by = strcmp(by, "id") ? CKA_LABEL : CKA_ID, .count = count };
	uint64_t t[6];
	t[0] = now();
	module_load(path);
	t[1] = now();
	module_start(label, pin);
	w.session = home;
	t[2] = now();
	must("find", find(&w, NULL));
	t[3] = now();
	must("use", use(&w));
	t[4] = now();
	const char *steps[] = { "load", "start", "find-first", "use-first" };
	for (int i = 0; i < 4; i++)
		printf("span %s %llu\n", steps[i], (unsigned long long)(t[i + 1] - t[i]));
	printf("span cold %llu\n", (unsigned long long)(t[4] - t[0]));
	print_result("use-first", out, w.out_len);
	find_new(&w);
	time_call("find", find, &w, NULL, seconds);
	w.turn = 1;
	must("find", find(&w, NULL));
	must("use", use(&w));
	char result[32];
	snprintf(result, sizeof result, "use-of-%ld", count);
	print_result(result, out, w.out_len);
	must("C_Finalize", p11->C_Finalize(NULL));
}
