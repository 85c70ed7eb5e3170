/* clock.c: times calls one by one, and throughput of threads. */
#define _GNU_SOURCE
#include "bench.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SAMPLES = 1 << 17, MAX_THREADS = 16 };

static uint64_t clock_cost;

uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

uint64_t median(uint64_t *v, size_t n)
{
	qsort(v, n, sizeof *v, ascending);
	return v[n / 2];
}

/* What two readings of the clock in a row show is the clock's own cost. It is taken off each measurement. */
void clock_calibrate(void)
{
	static uint64_t d[4001];
	size_t n = sizeof d / sizeof d[0];
	for (size_t i = 0; i < n; i++) {
		uint64_t t = now();
		d[i] = now() - t;
	}
	clock_cost = median(d, n);
}

/* Prints "time NAME LEAST MEDIAN COUNT", in nanoseconds. A tenth of the time, and at least one call, is spent first on
 * warming up. A call is always made three times, however slow it is. */
void time_call(const char *name, CK_RV (*call)(struct worker *, const struct op *), struct worker *w, const struct op *o, double seconds)
{
	static uint64_t samples[SAMPLES];
	size_t n = 0;
	uint64_t end = now() + (uint64_t)(seconds * 1e8);
	do
		must(name, call(w, o));
	while (now() < end);
	end = now() + (uint64_t)(seconds * 1e9);
	for (uint64_t before, after = 0; n < SAMPLES && (n < 3 || after < end); n++) {
		before = now();
		CK_RV rv = call(w, o);
		after = now();
		must(name, rv);
		samples[n] = after - before > clock_cost ? after - before - clock_cost : 0;
	}
	uint64_t middle = median(samples, n);
	printf("time %s %llu %llu %zu\n", name, (unsigned long long)samples[0], (unsigned long long)middle, n);
}

struct runner {
	struct worker w;
	const struct op *op;
	pthread_barrier_t *start;
	double seconds, rate;
};

static void *run(void *p)
{
	struct runner *r = p;
	must(r->op->name, r->op->call(&r->w, r->op));
	pthread_barrier_wait(r->start);
	uint64_t begin = now(), end = begin + (uint64_t)(r->seconds * 1e9), t = begin;
	long n = 0;
	for (; t < end; n++) {
		must(r->op->name, r->op->call(&r->w, r->op));
		t = now();
	}
	r->rate = (double)n * 1e9 / (double)(t - begin);
	return NULL;
}

/* Prints "rate NAME@THREADS CALLS", calls a second of all threads together. Each has a session of its own. */
static void throughput(const struct op *o, unsigned threads, double seconds)
{
	struct runner r[MAX_THREADS] = { 0 };
	pthread_t id[MAX_THREADS];
	pthread_barrier_t start;
	pthread_barrier_init(&start, NULL, threads);
	for (unsigned i = 0; i < threads; i++) {
		worker_start(&r[i].w, (CK_BYTE)i);
		r[i].op = o, r[i].start = &start, r[i].seconds = seconds;
	}
	for (unsigned i = 0; i < threads; i++)
		if (pthread_create(&id[i], NULL, run, &r[i]))
			fail("no thread");
	double rate = 0;
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(id[i], NULL);
		rate += r[i].rate;
	}
	for (unsigned i = 0; i < threads; i++)
		worker_stop(&r[i].w);
	pthread_barrier_destroy(&start);
	printf("rate %s@%u %.0f\n", o->name, threads, rate);
}

/* NSS does digests in a slot that does not list them: it counts what it does. */
static int missing(const struct op *o)
{
	CK_MECHANISM_INFO info;
	if (o->mechanism == NO_MECHANISM || p11->C_GetMechanismInfo(slot, o->mechanism, &info) != CKR_MECHANISM_INVALID)
		return 0;
	struct worker w;
	worker_start(&w, 0);
	CK_RV rv = o->call(&w, o);
	worker_stop(&w);
	return rv != CKR_OK;
}

void time_together(const struct op *o, double seconds)
{
	if (!o->together)
		return;
	for (unsigned threads = 1; threads <= MAX_THREADS; threads *= 2)
		if (missing(o))
			printf("none %s@%u\n", o->name, threads);
		else
			throughput(o, threads, seconds);
}

/* Calls an operation once with inputs that are the same for every module, prints what it gave, and then times it. */
void time_op(const struct op *o, double seconds)
{
	if (o->together == 2)
		return;
	if (missing(o)) {
		printf("none %s\n", o->name);
		return;
	}
	struct worker w;
	worker_start(&w, 0);
	w.check = 1;
	must(o->name, o->call(&w, o));
	if (!o->random && w.out_len)
		print_result(o->name, w.out, w.out_len);
	w.check = 0;
	time_call(o->name, o->call, &w, o, seconds);
	worker_stop(&w);
}
