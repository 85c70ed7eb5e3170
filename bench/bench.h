/* bench.h: what the parts of the stopwatch share. See bench.c. */
#ifndef BENCH_H
#define BENCH_H

#include "cryptoki.h"
#include "softcsp.h"
#include <stddef.h>
#include <stdint.h>

enum { BIG = 1 << 20, ROOM = 64 };

/* The module, and the session that keeps the keys. */
extern CK_FUNCTION_LIST *p11;
extern CK_SLOT_ID slot;
extern CK_SESSION_HANDLE home;

/* A worker is one thread that calls one operation again and again, in a session of its own. */
struct worker {
	CK_SESSION_HANDLE session;
	uint64_t turn; /* counts the calls: nonces and indices come from it */
	CK_BYTE id;    /* different in each thread */
	int check;     /* leave in out what the call gave, for comparison with another module */
	CK_BYTE *in, *out;
	CK_ULONG out_len;
};

/* An op is one row of the table: a call, and what it is called with. */
struct op {
	const char *name;
	CK_RV (*call)(struct worker *w, const struct op *o);
	CK_MECHANISM_TYPE mechanism; /* a module without it has no such row */
	size_t length;
	int token;        /* with a key that is a token object */
	int random;       /* each call gives something else: there is no result to compare */
	CK_ULONG threads; /* 0 is one thread, timed call by call; else throughput */
};

#define NO_MECHANISM ((CK_MECHANISM_TYPE)-1)

/* clock.c */
uint64_t now(void);
uint64_t median(uint64_t *v, size_t n); /* sorts v */
void clock_calibrate(void);
void time_op(const struct op *o, double seconds);
void time_call(const char *name, CK_RV (*call)(struct worker *, const struct op *), struct worker *w, const struct op *o, double seconds);

/* bench.c */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void must(const char *what, CK_RV rv);
void module_load(const char *path);
void module_start(const char *label, const char *pin);
void worker_start(struct worker *w, CK_BYTE id);
void worker_stop(struct worker *w);
void print_result(const char *name, const CK_BYTE *bytes, CK_ULONG n);

/* ops.c */
extern const struct op ops[];
extern const size_t ops_count;
void ops_setup(void);
void ops_teardown(void);
CK_RV make_key(CK_SESSION_HANDLE s, CK_KEY_TYPE type, int token, int open, const char *label, const CK_BYTE *value, CK_ULONG n, CK_OBJECT_HANDLE *key);

/* scale.c */
void fill(const char *label, const char *pin, long count, double seconds);
void cold(const char *path, const char *label, const char *pin, const char *by, long count, double seconds);

#endif
