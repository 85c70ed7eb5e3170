/* template.c: objects from a file, the same for every module.
 *
 * bench/compare writes it: a line "object NAME", a line "ATTRIBUTE VALUE" for each attribute, both in hexadecimal, and a line "end". */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The most hexadecimal digits of a value. */
#define DIGITS 8192

static void set(struct template *t, CK_ATTRIBUTE_TYPE type, const char *digits)
{
	CK_ULONG n = strlen(digits) / 2;
	CK_BYTE *value = malloc(n + 1);
	if (!value)
		fail("no memory");
	for (CK_ULONG i = 0; i < n; i++) {
		unsigned byte;
		if (sscanf(digits + 2 * i, "%2x", &byte) != 1)
			fail("%s: a value is not hexadecimal", t->name);
		value[i] = (CK_BYTE)byte;
	}
	if (t->count == TEMPLATE)
		fail("%s has too many attributes", t->name);
	t->attributes[t->count++] = (CK_ATTRIBUTE){ type, value, n };
}

int templates_read(const char *path, struct template *t, int room)
{
	static char word[DIGITS + 1], digits[DIGITS + 1];
	int n = 0;
	FILE *f = fopen(path, "r");
	if (!f)
		fail("%s cannot be read", path);
	while (fscanf(f, "object %31s\n", word) == 1) {
		if (n == room)
			fail("%s has too many objects", path);
		t[n] = (struct template){ 0 };
		memcpy(t[n].name, word, sizeof t[n].name);
		while (fscanf(f, "%8192s", word) == 1 && strcmp(word, "end")) {
			if (fscanf(f, "%8192s", digits) != 1)
				fail("%s: %s has no value", path, word);
			set(&t[n], strtoul(word, NULL, 16), digits);
		}
		n++;
		if (fscanf(f, " ") != 0)
			break;
	}
	fclose(f);
	if (n == 0)
		fail("%s has no objects", path);
	return n;
}

CK_ATTRIBUTE *template_attribute(struct template *t, CK_ATTRIBUTE_TYPE type)
{
	for (CK_ULONG i = 0; i < t->count; i++)
		if (t->attributes[i].type == type)
			return &t->attributes[i];
	fail("%s has no attribute 0x%lx", t->name, (unsigned long)type);
}

/* Label and id are the name. */
CK_RV template_create(CK_SESSION_HANDLE s, const struct template *t, int token, const char *name, CK_OBJECT_HANDLE *object)
{
	CK_BBOOL kept = token ? CK_TRUE : CK_FALSE;
	CK_ATTRIBUTE a[TEMPLATE + 3];
	CK_ULONG n = t->count;
	memcpy(a, t->attributes, n * sizeof *a);
	a[n++] = (CK_ATTRIBUTE){ CKA_TOKEN, &kept, sizeof kept };
	a[n++] = (CK_ATTRIBUTE){ CKA_LABEL, (void *)name, strlen(name) };
	a[n++] = (CK_ATTRIBUTE){ CKA_ID, (void *)name, strlen(name) };
	return p11->C_CreateObject(s, a, n, object);
}
