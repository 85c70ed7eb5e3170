/* many.c: what depends on how many objects a token has, where they are of several kinds. */
#define _GNU_SOURCE
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 16, KINDS = 64, SAMPLE = 20, KNOWN = 50, BATCH = 256 };

/* Label and id of object i. */
static void name_of(long i, char name[NAME + 1])
{
	snprintf(name, NAME + 1, "object-%09ld", i);
}

static struct template kinds[KINDS];
static int kinds_count;

/* Creates object i. Its kind goes round; a secret key has a value of its own. */
static CK_RV create(long i, CK_OBJECT_HANDLE *object, uint64_t *contents)
{
	struct template *t = &kinds[i % kinds_count];
	char name[NAME + 1];
	CK_OBJECT_CLASS class;
	memcpy(&class, template_attribute(t, CKA_CLASS)->pValue, sizeof class);
	if (class == CKO_SECRET_KEY)
		memcpy(template_attribute(t, CKA_VALUE)->pValue, &i, sizeof i);
	name_of(i, name);
	*contents += 2 * NAME + 1;
	for (CK_ULONG a = 0; a < t->count; a++)
		*contents += t->attributes[a].ulValueLen;
	return template_create(home, t, 1, name, object);
}

/* Calls f with every object of the token, and returns how many there are. */
static long each(void (*f)(CK_OBJECT_HANDLE))
{
	CK_OBJECT_HANDLE found[BATCH];
	CK_ULONG n;
	long total = 0;
	must("C_FindObjectsInit", p11->C_FindObjectsInit(home, NULL, 0));
	do {
		must("C_FindObjects", p11->C_FindObjects(home, found, BATCH, &n));
		total += (long)n;
		for (CK_ULONG i = 0; f && i < n; i++)
			f(found[i]);
	} while (n);
	must("C_FindObjectsFinal", p11->C_FindObjectsFinal(home));
	return total;
}

/* Prints "count NUMBER" and "contents BYTES", the values of the attributes of what was created. */
void stock(const char *label, const char *pin, const char *file, long from, long count, double seconds)
{
	kinds_count = templates_read(file, kinds, KINDS);
	module_start(label, pin);
	uint64_t end = now() + (uint64_t)(seconds * 1e9), contents = 0;
	long i = from;
	for (CK_OBJECT_HANDLE o; i < count && now() < end; i++)
		must("C_CreateObject", create(i, &o, &contents));
	if (each(NULL) != i)
		fail("the token has %ld objects, not %ld", each(NULL), i);
	printf("count %ld\ncontents stock %llu\n", i, (unsigned long long)contents);
	must("C_Finalize", p11->C_Finalize(NULL));
}

static void print_resident(const char *name)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && kib < 0 && fgets(line, sizeof line, f))
		if (sscanf(line, "VmRSS: %ld", &kib) != 1)
			kib = -1;
	if (f)
		fclose(f);
	if (kib < 0)
		fail("/proc/self/status has no VmRSS");
	printf("memory %s %ld\n", name, kib);
}

static long sought;

/* One object of many, another each time, until all that shall be known are. */
static CK_RV find(struct worker *w, const struct op *o)
{
	(void)o;
	char name[NAME + 1];
	name_of((long)((w->turn++ % KNOWN * 7919 + 37) % (uint64_t)sought), name);
	CK_OBJECT_HANDLE found;
	return find_one(w->session, CKA_LABEL, name, NAME, &found);
}

static void span(const char *name, uint64_t ns)
{
	printf("span %s %llu\n", name, (unsigned long long)ns);
}

/* New objects, which are destroyed at once. */
static void time_creation(void)
{
	uint64_t create_ns[SAMPLE], destroy_ns[SAMPLE], contents = 0;
	CK_OBJECT_HANDLE o[SAMPLE];
	for (int i = 0; i < SAMPLE; i++) {
		uint64_t before = now();
		must("C_CreateObject", create(sought + i, &o[i], &contents));
		create_ns[i] = now() - before;
	}
	for (int i = 0; i < SAMPLE; i++) {
		uint64_t before = now();
		must("C_DestroyObject", p11->C_DestroyObject(home, o[i]));
		destroy_ns[i] = now() - before;
	}
	span("create", median(create_ns, SAMPLE));
	span("destroy", median(destroy_ns, SAMPLE));
}

/* What a process does with a token of so many objects, each step for the first time. The module is loaded already. */
void survey(const char *label, const char *pin, const char *file, long count, double seconds)
{
	struct worker w = { 0 };
	uint64_t t[KNOWN];
	kinds_count = templates_read(file, kinds, KINDS);
	sought = count;
	uint64_t before = now();
	module_open(label);
	uint64_t opened = now();
	must("C_Login", p11->C_Login(home, CKU_USER, (CK_BYTE *)pin, strlen(pin)));
	uint64_t in = now();
	span("open", opened - before);
	span("login", in - opened);
	print_resident("resident");
	w.session = home;
	for (int i = 0; count && i < KNOWN; i++) {
		before = now();
		must("find", find(&w, NULL));
		t[i] = now() - before;
	}
	if (count) {
		span("find-new", median(t, KNOWN));
		time_call("find-known", find, &w, NULL, seconds);
	}
	before = now();
	long n = each(NULL);
	span("enumerate", now() - before);
	if (n != count)
		fail("the token has %ld objects, not %ld", n, count);
	print_resident("resident-all");
	time_creation();
	must("C_Finalize", p11->C_Finalize(NULL));
}

static void destroy(CK_OBJECT_HANDLE o)
{
	must("C_DestroyObject", p11->C_DestroyObject(home, o));
}

/* Destroys all objects. */
void clear(const char *label, const char *pin)
{
	module_start(label, pin);
	/* A search may not mind that what it found is destroyed, or it may: it begins again until nothing is left. */
	while (each(destroy))
		;
	must("C_Finalize", p11->C_Finalize(NULL));
}
