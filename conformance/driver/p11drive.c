/*
 * p11drive: a plain C host of a PKCS#11 module, told what to do by lines on its standard input.
 *
 * It adds nothing of its own: arguments are passed as the numbers that the line gives, and memory is an arena whose
 * bytes the line writes. So everything that a C program can say, it can say: a NULL with a length, a short buffer, an
 * odd address, a list of a later version. Names, offsets and sizes come from the C header by way of p11tables.h, which
 * the tests generate from it. Answers go to what was the standard output at the beginning.
 *
 *   tables                 what the C compiler knows: constants, structures, fields, functions
 *   load PATH              dlopen, and C_GetFunctionList
 *   list ADDRESS           use this function list; 0 is the one of C_GetFunctionList, 1 the exported symbols alone
 *   w OFFSET HEX           write into the arena (no answer)
 *   r OFFSET LENGTH        read from the arena
 *   peek ADDRESS LENGTH    read from anywhere
 *   c NAME NUMBER...       call a function: "rv NUMBER"
 *   q THREAD NAME NUMBER.. queue a call for a thread (no answer)
 *   run TIMES              run every thread's queue that many times at once: "thread T calls first_bad index" each
 *   symbol NAME            address of an exported symbol of the module
 *   counters               calls of the mutex callbacks
 *   wipe                   overwrite the arena and the line buffer
 *   fork                   a child that does nothing: its process number
 *   unload                 dlclose
 *   exit CODE              exit, without C_Finalize
 */
#define _GNU_SOURCE
#include "p11tables.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { ARENA = 8 << 20, PAGE = 4096, MAX_ARGS = 16, MAX_THREADS = 32, MAX_QUEUE = 64, IN = 1 << 16 };

typedef unsigned long word;
typedef CK_RV (*function)(word, word, word, word, word, word, word, word, word, word, word, word, word, word, word, word);

struct call {
	function f;
	int n;
	word a[MAX_ARGS];
};

struct thread {
	struct call queue[MAX_QUEUE];
	int n;
	long calls, bad_at;
	CK_RV bad;
	pthread_t id;
};

static FILE *reply; /* where answers go: the standard output is the module's */
static unsigned char *arena;
static void *module;
static unsigned char *default_list, *list;
static int symbols_only;
static struct thread threads[MAX_THREADS];
static long run_times;
static pthread_barrier_t start_line;

/* ---- input: lines of any length, in one buffer that can be wiped ---- */

static char *line;
static size_t line_cap, line_len;
static char in[IN];
static size_t in_at, in_len;

static int next_line(void)
{
	line_len = 0;
	for (;;) {
		if (in_at == in_len) {
			ssize_t n = read(0, in, sizeof in);
			if (n <= 0)
				return 0;
			in_at = 0;
			in_len = (size_t)n;
		}
		if (line_len + 1 >= line_cap) {
			size_t cap = line_cap ? 2 * line_cap : 1 << 16;
			char *p = malloc(cap);
			if (!p)
				exit(70);
			memcpy(p, line, line_len);
			if (line)
				explicit_bzero(line, line_cap);
			free(line);
			line = p;
			line_cap = cap;
		}
		char c = in[in_at++];
		if (c == '\n')
			break;
		line[line_len++] = c;
	}
	line[line_len] = 0;
	return 1;
}

static char *next_word(char **at)
{
	char *w = strsep(at, " ");
	return w ? w : "";
}

static word number(char **at) { return strtoul(next_word(at), NULL, 0); }

/* ---- mutex callbacks for C_Initialize ---- */

static atomic_long created, destroyed, locked, unlocked, notified;

static CK_RV create_mutex(void **m)
{
	pthread_mutex_t *p = malloc(sizeof *p);
	if (!p)
		return CKR_HOST_MEMORY;
	pthread_mutex_init(p, NULL);
	*m = p;
	created++;
	return CKR_OK;
}

static CK_RV destroy_mutex(void *m)
{
	pthread_mutex_destroy(m);
	free(m);
	destroyed++;
	return CKR_OK;
}

static CK_RV lock_mutex(void *m)
{
	pthread_mutex_lock(m);
	locked++;
	return CKR_OK;
}

static CK_RV unlock_mutex(void *m)
{
	pthread_mutex_unlock(m);
	unlocked++;
	return CKR_OK;
}

static CK_RV notify(CK_SESSION_HANDLE s, CK_NOTIFICATION e, void *app)
{
	(void)s, (void)e, (void)app;
	notified++;
	return CKR_OK;
}

/* ---- commands ---- */

static void tables(void)
{
	for (size_t i = 0; i < sizeof consts / sizeof consts[0]; i++)
		fprintf(reply, "const %s %lu\n", consts[i].name, consts[i].value);
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		fprintf(reply, "field %s %s %s %zu %zu %zu\n", fields[i].of, fields[i].name, fields[i].type, fields[i].offset, fields[i].size,
		       fields[i].whole);
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
		fprintf(reply, "function %s %d %s\n", functions[i].name, functions[i].since, functions[i].params);
	fprintf(reply, "const driver.create_mutex %lu\n", (word)create_mutex);
	fprintf(reply, "const driver.destroy_mutex %lu\n", (word)destroy_mutex);
	fprintf(reply, "const driver.lock_mutex %lu\n", (word)lock_mutex);
	fprintf(reply, "const driver.unlock_mutex %lu\n", (word)unlock_mutex);
	fprintf(reply, "const driver.notify %lu\n", (word)notify);
	fprintf(reply, "const driver.arena %lu\n", (word)arena);
	fprintf(reply, "const driver.arena_size %lu\n", (word)ARENA);
	fprintf(reply, "end\n");
}

static void load(const char *path)
{
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!module) {
		fprintf(reply, "error %s\n", dlerror());
		return;
	}
	CK_RV (*get)(unsigned char **) = (CK_RV(*)(unsigned char **))dlsym(module, "C_GetFunctionList");
	CK_RV rv = get ? get(&default_list) : CKR_FUNCTION_FAILED;
	list = default_list;
	if (rv != CKR_OK || !list)
		fprintf(reply, "error C_GetFunctionList: %#lx\n", rv);
	else
		fprintf(reply, "ok %d.%d\n", list[0], list[1]);
}

/* find returns a function of the list in use, or the exported symbol where the list is too old to have it. */
static function find(const char *name)
{
	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		if (strcmp(functions[i].name, name))
			continue;
		int fits = list && functions[i].offset >= 0 && functions[i].since <= list[0] * 10 + list[1] / (list[0] == 2 ? 10 : 1);
		if (!symbols_only && fits) {
			function f;
			memcpy(&f, list + functions[i].offset, sizeof f);
			return f;
		}
	}
	return module ? (function)dlsym(module, name) : NULL;
}

static int parse_call(char **at, struct call *c)
{
	const char *name = next_word(at);
	memset(c, 0, sizeof *c);
	c->f = find(name);
	while (*at && c->n < MAX_ARGS)
		c->a[c->n++] = number(at);
	return c->f != NULL;
}

static CK_RV perform(const struct call *c)
{
	const word *a = c->a;
	return c->f(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15]);
}

static void *run_thread(void *p)
{
	struct thread *t = p;
	pthread_barrier_wait(&start_line);
	for (long r = 0; r < run_times; r++)
		for (int i = 0; i < t->n; i++) {
			CK_RV rv = perform(&t->queue[i]);
			t->calls++;
			if (rv != CKR_OK && t->bad == CKR_OK) {
				t->bad = rv;
				t->bad_at = i;
			}
		}
	return NULL;
}

static void run(long times)
{
	int n = 0;
	run_times = times;
	for (int i = 0; i < MAX_THREADS; i++)
		n += threads[i].n > 0;
	pthread_barrier_init(&start_line, NULL, (unsigned)n);
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i].n && pthread_create(&threads[i].id, NULL, run_thread, &threads[i]))
			exit(71);
	for (int i = 0; i < MAX_THREADS; i++)
		if (threads[i].n) {
			pthread_join(threads[i].id, NULL);
			fprintf(reply, "thread %d %ld %lu %ld\n", i, threads[i].calls, threads[i].bad, threads[i].bad_at);
		}
	pthread_barrier_destroy(&start_line);
	memset(threads, 0, sizeof threads);
	fprintf(reply, "end\n");
}

static void queue(char *at)
{
	struct thread *t = &threads[number(&at) % MAX_THREADS];
	if (t->n == MAX_QUEUE || !parse_call(&at, &t->queue[t->n])) {
		fprintf(stderr, "p11drive: cannot queue\n");
		exit(72);
	}
	t->n++;
}

static int nibble(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static void write_arena(char *at)
{
	word off = number(&at);
	for (; off < ARENA && at && at[0] && at[1]; at += 2)
		arena[off++] = (unsigned char)(nibble(at[0]) << 4 | nibble(at[1]));
}

static void print_memory(const unsigned char *p, word n)
{
	static const char digits[] = "0123456789abcdef";
	for (word i = 0; i < n; i++) {
		putc_unlocked(digits[p[i] >> 4], reply);
		putc_unlocked(digits[p[i] & 15], reply);
	}
	putc('\n', reply);
}

static void use_list(word address)
{
	symbols_only = address == 1;
	list = address > 1 ? (unsigned char *)address : default_list;
	fprintf(reply, "ok\n");
}

/* Forks a child that waits for its parent's end. */
static int idle_child(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fileno(reply));
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		for (;;)
			pause();
	}
	return pid;
}

static void command(const char *verb, char *at)
{
	struct call c;
	if (!strcmp(verb, "c")) {
		if (parse_call(&at, &c))
			fprintf(reply, "rv %lu\n", perform(&c));
		else
			fprintf(reply, "error no such function\n");
	} else if (!strcmp(verb, "w")) {
		write_arena(at);
	} else if (!strcmp(verb, "r")) {
		word off = number(&at);
		print_memory(arena + off, number(&at));
	} else if (!strcmp(verb, "peek")) {
		const unsigned char *p = (const unsigned char *)number(&at);
		print_memory(p, number(&at));
	} else if (!strcmp(verb, "q")) {
		queue(at);
	} else if (!strcmp(verb, "run")) {
		run((long)number(&at));
	} else if (!strcmp(verb, "tables")) {
		tables();
	} else if (!strcmp(verb, "load")) {
		load(at);
	} else if (!strcmp(verb, "list")) {
		use_list(number(&at));
	} else if (!strcmp(verb, "symbol")) {
		fprintf(reply, "%lu\n", (word)dlsym(module, at));
	} else if (!strcmp(verb, "counters")) {
		fprintf(reply, "%ld %ld %ld %ld %ld\n", created, destroyed, locked, unlocked, notified);
	} else if (!strcmp(verb, "fork")) {
		fprintf(reply, "%d\n", idle_child());
	} else if (!strcmp(verb, "unload")) {
		fprintf(reply, "%d\n", dlclose(module));
	} else if (!strcmp(verb, "exit")) {
		exit((int)number(&at));
	} else {
		fprintf(reply, "error unknown command\n");
	}
}

int main(void)
{
	static char out[1 << 16];
	arena = mmap(NULL, ARENA + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED || mprotect(arena + ARENA, PAGE, PROT_NONE))
		return 73;
	/* What a module prints goes where errors go, and is not taken for an answer. */
	int answers = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	reply = answers < 0 ? NULL : fdopen(answers, "w");
	if (!reply || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return 74;
	setvbuf(reply, out, _IOFBF, sizeof out);
	while (next_line()) {
		char *at = line;
		char *verb = next_word(&at);
		if (!strcmp(verb, "wipe")) {
			explicit_bzero(arena, ARENA);
			explicit_bzero(line, line_cap);
			explicit_bzero(out, sizeof out);
			explicit_bzero(in, in_at);
			explicit_bzero(in + in_len, sizeof in - in_len);
			fprintf(reply, "ok\n");
		} else {
			command(verb, at);
		}
		if (in_at == in_len)
			fflush(reply);
	}
	return 0;
}
