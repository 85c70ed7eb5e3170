/* bench.h: what the parts of the stopwatch share. See bench.c. */
#ifndef BENCH_H
#define BENCH_H

#include "cryptoki.h"
#include "softcsp.h"
#include <stddef.h>
#include <stdint.h>

enum { BIG = 1 << 20, ROOM = 64, TEMPLATE = 24, MADE = 1 << 14 };

#define ATTR(t, p) { (t), (void *)(p), sizeof *(p) }

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
	CK_OBJECT_HANDLE *made; /* token objects to be destroyed when the time is up */
	size_t made_count;
};

/* An op is one row of the table: a call, and what it is called with. */
struct op {
	const char *name;
	CK_RV (*call)(struct worker *w, const struct op *o);
	CK_MECHANISM_TYPE mechanism; /* a module without it has no such row */
	size_t length;
	int token;        /* with a key that is a token object */
	int random;       /* each call gives something else: there is no result to compare */
	int together;     /* also the throughput of several threads; 2 is that alone */
	int pair;         /* with this key pair */
};

/* A template is an object without label and id. */
struct template {
	char name[32];
	CK_ATTRIBUTE attributes[TEMPLATE];
	CK_ULONG count;
};

/* The key pairs. */
enum { RSA2048, RSA3072, RSA4096, P256, ED25519 };

#define NO_MECHANISM ((CK_MECHANISM_TYPE)-1)

/* clock.c */
uint64_t now(void);
uint64_t median(uint64_t *v, size_t n); /* sorts v */
void clock_calibrate(void);
void time_op(const struct op *o, double seconds);
void time_together(const struct op *o, double seconds);
void time_call(const char *name, CK_RV (*call)(struct worker *, const struct op *), struct worker *w, const struct op *o, double seconds);

/* bench.c */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void must(const char *what, CK_RV rv);
void module_load(const char *path);
void module_open(const char *label);
void module_start(const char *label, const char *pin);
void work_input(CK_BYTE *in, size_t n); /* what operations are given */
void worker_start(struct worker *w, CK_BYTE id);
void worker_stop(struct worker *w);
void print_result(const char *name, const CK_BYTE *bytes, CK_ULONG n);

/* ops.c */
extern const struct op ops[];
extern const size_t ops_count;
void ops_setup(void);
void ops_teardown(void);
CK_RV discard(struct worker *w, CK_OBJECT_HANDLE key);
CK_RV find_one(CK_SESSION_HANDLE s, CK_ATTRIBUTE_TYPE by, const char *value, CK_ULONG length, CK_OBJECT_HANDLE *object);
CK_RV make_key(CK_SESSION_HANDLE s, CK_KEY_TYPE type, int token, int open, const char *label, const CK_BYTE *value, CK_ULONG n, CK_OBJECT_HANDLE *key);

/* pairs.c */
void pairs_setup(const char *path);
void pairs_teardown(void);
CK_RV pair_sign(struct worker *w, const struct op *o);
CK_RV pair_verify(struct worker *w, const struct op *o);
CK_RV pair_agree(struct worker *w, const struct op *o);
CK_RV pair_generate(struct worker *w, const struct op *o);

/* template.c */
int templates_read(const char *path, struct template *t, int room);
CK_ATTRIBUTE *template_attribute(struct template *t, CK_ATTRIBUTE_TYPE type);
CK_RV template_create(CK_SESSION_HANDLE s, const struct template *t, int token, const char *name, CK_OBJECT_HANDLE *object);

/* scale.c */
void fill(const char *label, const char *pin, long count, double seconds);
void cold(const char *path, const char *label, const char *pin, const char *by, long count, double seconds);

/* many.c */
void stock(const char *label, const char *pin, const char *file, long from, long count, double seconds);
void survey(const char *label, const char *pin, const char *file, long count, double seconds);
void clear(const char *label, const char *pin);

#endif
