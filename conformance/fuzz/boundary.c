/*
 * boundary MODULE [--seed N] [--calls N] [--seconds N] [--threads N] [--faults] [--flow NAME]: a host that calls wrongly.
 *
 * Flows (flows.c) call as the standard says, and every function succeeds in one of them. Their arguments lie in blocks of an
 * arena, so that it is known which words of a call are addresses, also those within structures. A call is disturbed in one or
 * two of its words: an address becomes NULL, or leads to memory that is not mapped, not readable, read-only, cut off by the end
 * of a page, misaligned, somebody else's or far too large; a number becomes one near a bound. The same seed makes the same calls.
 *
 * By chance (the default), in one thread or several, logins and C_Finalize among the calls; at the end it is told how often each
 * function has succeeded. With --faults once for each address of each call of each flow and each kind of memory, and after each
 * the session, C_Logout and C_Finalize must still answer.
 *
 * The calls are made by a child, so that how it ended can be told. A call that does not return in time is a finding.
 */
#define _GNU_SOURCE
#include "boundary.h"
#include "p11tables.h"
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_WORKERS = 8, PATIENCE = 40000, CANCEL = 1500, RECENT = 16 };

const CK_UTF8CHAR so_pin[8] = "so-12345", user_pin[8] = "user-123";

/* What the child tells, also when it is dead. */
static struct shared {
	atomic_long success[FUNCTIONS], failure[FUNCTIONS];
	struct {
		char name[MOST_WORKERS][RECENT][32];
		word args[MOST_WORKERS][RECENT][MOST_ARGS];
		long at[MOST_WORKERS];
	} recent;
	atomic_long total, hits;
	char stuck[64];
} *shared;

static struct worker workers[MOST_WORKERS];
static int workers_count = 1;
static atomic_int stop;

static long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- calls ---- */

static int index_of(size_t offset) { return (int)(offset / sizeof(word)) - 1; }

static void note(struct worker *w, const char *name, const word *args)
{
	long at = shared->recent.at[w->number]++ % RECENT;

	snprintf(shared->recent.name[w->number][at], 32, "%s", name);
	memcpy(shared->recent.args[w->number][at], args, MOST_ARGS * sizeof(word));
}

CK_RV call(struct worker *w, size_t offset, const char *name, const word *args, int n)
{
	typedef CK_RV (*function)(word, word, word, word, word, word, word, word, word, word);
	word a[MOST_ARGS] = { 0 }, olds[2], news[2];
	struct spot was[2];
	struct spots s = { .n = 0 };
	int disturbed = 0, i;
	function f;
	CK_RV rv;

	memcpy(a, args, (size_t)n * sizeof *a);
	memcpy(&f, (char *)w->f + offset, sizeof f);
	look(w, a, n, &s);
	if (w->mode == BY_CHANCE ? draw(w, 3) == 0 : w->mode == PLANNED && w->calls == w->at) {
		w->pointers = s.addresses;
		if (w->mode == BY_CHANCE || w->pointer < s.addresses) {
			disturbed = disturb(w, name, &s, was, olds);
			w->hit = 1;
			shared->hits++;
		}
	}
	for (i = 0; i < disturbed; i++)
		news[i] = *was[i].at;
	if (is(name, "C_WaitForSlotEvent"))
		a[0] |= CKF_DONT_BLOCK;
	note(w, name, a);
	w->name = name;
	memcpy((void *)w->args, a, sizeof a);
	w->started = now();
	rv = f(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
	w->started = 0;
	for (i = disturbed - 1; i >= 0; i--)
		if (*was[i].at == news[i])
			*was[i].at = olds[i];
	w->calls++;
	w->total++;
	shared->total++;
	if (rv == CKR_OK || rv == CKR_FUNCTION_NOT_PARALLEL || rv == CKR_PENDING)
		shared->success[index_of(offset)]++;
	else
		shared->failure[index_of(offset)]++;
	if (rv == CKR_GENERAL_ERROR) { /* a panic of ours */
		snprintf(shared->stuck, sizeof shared->stuck, "%s: CKR_GENERAL_ERROR", name);
		abort();
	}
	if (w->mode == UNDISTURBED && rv != CKR_OK && rv != CKR_PENDING && rv != CKR_FUNCTION_NOT_PARALLEL && getenv("BOUNDARY_VERBOSE"))
		fprintf(stderr, "%s: %#lx\n", name, rv);
	return rv;
}

/* watch ends the process when a call does not return. What computes is cancelled first, which must help. */
static void *watch(void *p)
{
	int i;

	for (;;) {
		usleep(100000);
		for (i = 0; i < workers_count; i++) {
			struct worker *w = &workers[i];
			long started = w->started, since = started ? now() - started : 0;

			if (since > CANCEL && strncmp(w->name, "C_GenerateKey", 13) == 0)
				w->f->C_SessionCancel(w->args[0], CKF_GENERATE | CKF_GENERATE_KEY_PAIR);
			if (since > PATIENCE) {
				snprintf(shared->stuck, sizeof shared->stuck, "%s does not return", w->name);
				abort();
			}
		}
	}
	return p;
}

/* ---- by chance ---- */

static void by_chance(struct worker *w, long calls, long until)
{
	while (!stop && (calls == 0 || w->total < calls) && (until == 0 || now() < until)) {
		const struct flow *flow = &flows[draw(w, flows_count)];

		w->used = w->blocks_used = 0;
		w->mode = UNDISTURBED;
		if (w->number == 0 && draw(w, 300) == 0) {
			CALL(C_Finalize, 0);
			CALL(C_Initialize, 0);
		}
		if (draw(w, 100) == 0)
			CALL(C_Logout, w->session);
		if (!ready(w))
			continue;
		w->mode = draw(w, 4) ? BY_CHANCE : UNDISTURBED;
		flow->run(w);
		w->f->C_SessionCancel(w->session, ~0UL);
	}
}

static struct {
	long calls, until;
} limits;

static void *work(void *p)
{
	by_chance(p, limits.calls, limits.until);
	return NULL;
}

/* ---- each address of each call ---- */

static void answers(struct worker *w, int all)
{
	CK_SESSION_INFO info;

	w->mode = UNDISTURBED;
	w->used = w->blocks_used = 0;
	CALL(C_GetSessionInfo, w->session, W(&info));
	CALL(C_SessionCancel, w->session, ~0UL);
	if (all) {
		CALL(C_Logout, w->session);
		CALL(C_CloseSession, w->session);
		CALL(C_Finalize, 0);
		CALL(C_Initialize, 0);
	}
}

/* planned runs a flow with one address of one of its calls in one way elsewhere. It reports whether there is such an address. */
static int planned(struct worker *w, const struct flow *flow, long at, int pointer, int kind)
{
	w->mode = UNDISTURBED;
	w->used = w->blocks_used = 0;
	if (!ready(w)) {
		snprintf(shared->stuck, sizeof shared->stuck, "no login before %s", flow->name);
		abort();
	}
	w->mode = PLANNED;
	w->at = at, w->pointer = pointer, w->kind = kind, w->calls = 0, w->hit = 0, w->pointers = 0;
	flow->run(w);
	return w->hit;
}

static void faults(struct worker *w, const char *only)
{
	int i, pointer, kind;
	long at, calls;

	for (i = 0; i < flows_count; i++) {
		if (only && !is(only, flows[i].name))
			continue;
		planned(w, &flows[i], -1, 0, 0);
		calls = w->calls;
		answers(w, 0);
		for (at = 0; at < calls; at++) {
			for (pointer = 0; planned(w, &flows[i], at, pointer, NULLED); pointer++)
				for (kind = 0; kind < PLANNED_KINDS; kind++) {
					answers(w, 0);
					planned(w, &flows[i], at, pointer, kind);
				}
			answers(w, 1);
		}
	}
}

/* ---- the child, and who waits for it ---- */

static int load(const char *path)
{
	void *module = dlopen(path, RTLD_NOW);
	CK_C_GetInterface get = module ? (CK_C_GetInterface)dlsym(module, "C_GetInterface") : NULL;
	CK_INTERFACE *interface;
	int i;

	if (!get || get((CK_UTF8CHAR_PTR) "PKCS 11", &(CK_VERSION){ 3, 2 }, &interface, 0) != CKR_OK) {
		fprintf(stderr, "boundary: %s\n", module ? "it has no list of version 3.2" : dlerror());
		return 0;
	}
	for (i = 0; i < workers_count; i++) {
		workers[i].f = interface->pFunctionList;
		memory(&workers[i]);
	}
	return 1;
}

static int child(const char *path, uint64_t seed, int planned_ones, const char *only)
{
	pthread_t watcher, threads[MOST_WORKERS];
	struct rlimit no_core = { 0, 0 };
	long began;
	int i;

	setrlimit(RLIMIT_CORE, &no_core);
	for (i = 0; i < workers_count; i++) {
		workers[i].number = i;
		workers[i].chance = seed * 0x100000001b3 + (uint64_t)i;
	}
	if (!load(path))
		return 71;
	workers[0].f->C_Initialize(NULL);
	pthread_create(&watcher, NULL, watch, NULL);
	if (planned_ones) {
		faults(&workers[0], only);
	} else {
		for (i = 0; i < flows_count; i++)
			planned(&workers[0], &flows[i], -1, 0, 0);
		for (i = 1; i < workers_count; i++)
			pthread_create(&threads[i], NULL, work, &workers[i]);
		work(&workers[0]);
		for (i = 1; i < workers_count; i++)
			pthread_join(threads[i], NULL);
	}
	began = now();
	if (workers[0].f->C_Finalize(NULL) != CKR_OK || now() - began > 5000) {
		snprintf(shared->stuck, sizeof shared->stuck, "C_Finalize took %ld ms", now() - began);
		return 72;
	}
	return 0;
}

static int told(int status, uint64_t seed)
{
	int j, silent = 0, bad = !WIFEXITED(status) || WEXITSTATUS(status);
	size_t i;

	for (i = 0; i < sizeof functions / sizeof *functions; i++) {
		int at = functions[i].offset < 0 ? -1 : index_of((size_t)functions[i].offset);

		if (at >= 0 && shared->success[at] == 0) {
			printf("never succeeded: %s (%ld failures)\n", functions[i].name, shared->failure[at]);
			silent++;
		}
	}
	printf("%ld calls, %ld of them disturbed, %d functions of %d succeeded, seed %lu\n", shared->total, shared->hits, FUNCTIONS - silent,
	       FUNCTIONS, seed);
	if (!bad)
		return silent != 0;
	printf("FOUND: %s (status %#x)\n", shared->stuck[0] ? shared->stuck : "the host died", status);
	for (i = 0; i < (size_t)workers_count; i++)
		for (j = 0; j < RECENT; j++) {
			long at = shared->recent.at[i] - RECENT + j;
			const word *a = shared->recent.args[i][at >= 0 ? at % RECENT : 0];

			if (at >= 0)
				printf("thread %zu: %s %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx\n", i, shared->recent.name[i][at % RECENT], a[0], a[1],
				       a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
		}
	return 2;
}

int main(int argc, char **argv)
{
	uint64_t seed = 1;
	int i, planned_ones = 0, status = 0;
	const char *only = NULL;
	pid_t pid;

	for (i = 2; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "0";

		if (is(argv[i], "--faults")) {
			planned_ones = 1;
			continue;
		}
		if (is(argv[i], "--seed"))
			seed = strtoul(value, NULL, 0);
		else if (is(argv[i], "--calls"))
			limits.calls = strtol(value, NULL, 0);
		else if (is(argv[i], "--seconds"))
			limits.until = now() + 1000 * strtol(value, NULL, 0);
		else if (is(argv[i], "--threads"))
			workers_count = (int)strtol(value, NULL, 0);
		else if (is(argv[i], "--flow"))
			only = value;
		i++;
	}
	if (argc < 2 || workers_count < 1 || workers_count > MOST_WORKERS)
		return 64;
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 70;
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		exit(child(argv[1], seed, planned_ones, only));
	if (waitpid(pid, &status, 0) < 0)
		return 70;
	return told(status, seed);
}
