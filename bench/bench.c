/*
 * bench: a stopwatch for a PKCS#11 module, one module in one process.
 *
 *   bench MODULE setup LABEL PIN                 make a token on the first slot that has none
 *   bench MODULE time LABEL PIN KEYS SECONDS [NAME]
 *                                                time each operation of the table in ops.c for so long, or one; KEYS is a file of key pairs
 *   bench MODULE together LABEL PIN KEYS SECONDS [NAME]
 *                                                the same with 1, 2, 4, 8 and 16 threads, for those that are called so
 *   bench MODULE fill LABEL PIN COUNT SECONDS    make keys until there are so many, or until the time is up
 *   bench MODULE cold LABEL PIN BY COUNT SECONDS from dlopen to the first result with a key found by id or label
 *
 *   bench MODULE stock LABEL PIN OBJECTS FROM COUNT SECONDS
 *                                                make objects of the kinds in a file until there are COUNT, beginning with number FROM
 *   bench MODULE survey LABEL PIN OBJECTS COUNT SECONDS
 *                                                time what depends on the number of objects, which is COUNT
 *   bench MODULE clear LABEL PIN                 destroy all objects
 *
 * It prints lines of words, which bench/compare reads:
 *
 *   time NAME LEAST MEDIAN COUNT   nanoseconds of a call
 *   rate NAME@THREADS CALLS        calls a second of all threads together
 *   span NAME NANOSECONDS          a step that happens once in a process
 *   result NAME HEX                what an operation gave; every module must give the same
 *   none NAME                      the module has no such mechanism
 *   count NUMBER                   keys or objects in the token after fill or stock
 *   contents NAME BYTES            what was written into a token
 *   memory NAME KIB                what is resident of the process
 *
 * A module that wants a string at its initialisation, as NSS does, gets what MODULE_PARAMETERS is in the environment. Its token is there
 * already, and setup gives it the PIN.
 *
 * A call that fails ends the process with status 1 and the reason on stderr.
 */
#define _GNU_SOURCE
#include "bench.h"
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARAMETERS "MODULE_PARAMETERS"

CK_FUNCTION_LIST *p11;
CK_SLOT_ID slot;
CK_SESSION_HANDLE home;

void fail(const char *format, ...)
{
	va_list a;
	va_start(a, format);
	vfprintf(stderr, format, a);
	fputc('\n', stderr);
	va_end(a);
	fflush(stdout);
	/* Not exit: other threads may be inside the module. */
	_Exit(1);
}

void must(const char *what, CK_RV rv)
{
	if (rv != CKR_OK)
		fail("%s: 0x%lx", what, (unsigned long)rv);
}

void print_result(const char *name, const CK_BYTE *bytes, CK_ULONG n)
{
	/* Of a long result the beginning and the end. */
	printf("result %s %lu:", name, (unsigned long)n);
	for (CK_ULONG i = 0; i < n; i++)
		if (i < 32 || n - i <= 32)
			printf("%02x", bytes[i]);
	putchar('\n');
}

void module_load(const char *path)
{
	void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h)
		fail("%s", dlerror());
	CK_C_GetFunctionList list;
	*(void **)&list = dlsym(h, "C_GetFunctionList");
	if (!list)
		fail("%s has no C_GetFunctionList", path);
	must("C_GetFunctionList", list(&p11));
}

static void initialize(void)
{
	/* NSS reads its string where others have the reserved pointer, and has one more after it. */
	struct {
		CK_C_INITIALIZE_ARGS standard;
		void *reserved;
	} args = { .standard = { .flags = CKF_OS_LOCKING_OK, .pReserved = getenv(PARAMETERS) } };
	must("C_Initialize", p11->C_Initialize(&args));
}

static int has_label(const CK_TOKEN_INFO *t, const char *label)
{
	char padded[33];
	snprintf(padded, sizeof padded, "%-32s", label);
	return !memcmp(t->label, padded, 32);
}

/* Finds the token with a label, or with NULL the first that is not initialised. */
static void find_slot(const char *label)
{
	CK_SLOT_ID ids[64];
	CK_ULONG n = sizeof ids / sizeof ids[0];
	must("C_GetSlotList", p11->C_GetSlotList(CK_TRUE, ids, &n));
	for (CK_ULONG i = 0; i < n; i++) {
		CK_TOKEN_INFO t;
		must("C_GetTokenInfo", p11->C_GetTokenInfo(ids[i], &t));
		if (label ? has_label(&t, label) : !(t.flags & CKF_TOKEN_INITIALIZED)) {
			slot = ids[i];
			return;
		}
	}
	fail("no token %s", label ? label : "to initialise");
}

static void open_home(void)
{
	must("C_OpenSession", p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &home));
}

/* From C_Initialize to C_OpenSession. */
void module_open(const char *label)
{
	initialize();
	find_slot(label);
	open_home();
}

void module_start(const char *label, const char *pin)
{
	module_open(label);
	must("C_Login", p11->C_Login(home, CKU_USER, (CK_BYTE *)pin, strlen(pin)));
}

static void setup(const char *label, const char *pin)
{
	CK_BYTE padded[33];
	snprintf((char *)padded, sizeof padded, "%-32s", label);
	initialize();
	const char *so_pin = pin;
	if (getenv(PARAMETERS)) {
		find_slot(label);
		so_pin = "";
	} else {
		find_slot(NULL);
		must("C_InitToken", p11->C_InitToken(slot, (CK_BYTE *)pin, strlen(pin), padded));
	}
	open_home();
	must("C_Login", p11->C_Login(home, CKU_SO, (CK_BYTE *)so_pin, strlen(so_pin)));
	must("C_InitPIN", p11->C_InitPIN(home, (CK_BYTE *)pin, strlen(pin)));
	must("C_Finalize", p11->C_Finalize(NULL));
}

void work_input(CK_BYTE *in, size_t n)
{
	for (size_t i = 0; i < n; i++)
		in[i] = (CK_BYTE)(i * 167 >> 3);
}

void worker_start(struct worker *w, CK_BYTE id)
{
	*w = (struct worker){ .id = id, .in = malloc(BIG), .out = malloc(BIG + ROOM), .made = calloc(MADE, sizeof *w->made) };
	if (!w->in || !w->out || !w->made)
		fail("no memory");
	work_input(w->in, BIG);
	memset(w->out, 0, BIG + ROOM);
	must("C_OpenSession", p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &w->session));
}

void worker_stop(struct worker *w)
{
	for (size_t i = 0; i < w->made_count; i++)
		must("C_DestroyObject", p11->C_DestroyObject(w->session, w->made[i]));
	must("C_CloseSession", p11->C_CloseSession(w->session));
	free(w->in);
	free(w->out);
	free(w->made);
}

static void time_ops(char **argument, int together)
{
	const char *label = argument[0], *pin = argument[1], *keys = argument[2], *only = argument[4];
	double seconds = atof(argument[3]);
	module_start(label, pin);
	ops_setup();
	pairs_setup(keys);
	for (size_t i = 0; i < ops_count; i++)
		if (!only || !strcmp(only, ops[i].name))
			(together ? time_together : time_op)(&ops[i], seconds);
	pairs_teardown();
	ops_teardown();
	must("C_Finalize", p11->C_Finalize(NULL));
}

int main(int argc, char **argv)
{
	if (argc < 5)
		fail("usage: bench MODULE setup|time|together|fill|cold|stock|survey|clear LABEL PIN ...");
	const char *path = argv[1], *what = argv[2], *label = argv[3], *pin = argv[4];
	clock_calibrate();
	if (!strcmp(what, "cold") && argc == 8) {
		cold(path, label, pin, argv[5], atol(argv[6]), atof(argv[7]));
		return 0;
	}
	module_load(path);
	if (!strcmp(what, "setup") && argc == 5)
		setup(label, pin);
	else if ((!strcmp(what, "time") || !strcmp(what, "together")) && (argc == 7 || argc == 8))
		time_ops(argv + 3, !strcmp(what, "together"));
	else if (!strcmp(what, "fill") && argc == 7)
		fill(label, pin, atol(argv[5]), atof(argv[6]));
	else if (!strcmp(what, "stock") && argc == 9)
		stock(label, pin, argv[5], atol(argv[6]), atol(argv[7]), atof(argv[8]));
	else if (!strcmp(what, "survey") && argc == 8)
		survey(label, pin, argv[5], atol(argv[6]), atof(argv[7]));
	else if (!strcmp(what, "clear") && argc == 5)
		clear(label, pin);
	else
		fail("%s: no such command, or not its arguments", what);
	return 0;
}
