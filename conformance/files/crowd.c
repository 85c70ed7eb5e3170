/* Processes with threads that make, find and destroy objects of one token, and are killed now and then. What a thread has been told
 * is there is found by every other from then on; what was destroyed is not; nobody waits for long.
 * crowd MODULE PROCESSES THREADS SECONDS [KILLS A SECOND] */
#include "../fork/common.h"

#include <stdatomic.h>
#include <sys/mman.h>

#define MOST 64
#define KEPT 3

/* What a thread has done, in memory that all processes share. Numbers count up; a killed thread's successor goes on. */
struct thread {
	atomic_long made;    /* the last that C_CreateObject has answered for */
	atomic_long oldest;  /* the first that nobody has begun to destroy */
	atomic_long trying;  /* the last that was tried */
	atomic_long skipped; /* the last that is in doubt: its maker was killed meanwhile */
	atomic_long ops;
	atomic_long slowest; /* ms */
	atomic_long gone[16]; /* some of those that C_DestroyObject has answered for */
};

static struct thread (*all_threads)[MOST];
static int processes, threads, me;
static CK_SLOT_ID slot;
static double end;

static CK_ULONG name(char *to, int p, int t, long n)
{
	return (CK_ULONG)sprintf(to, "p%d-t%d-%ld", p, t, n);
}

static CK_ULONG find(CK_SESSION_HANDLE session, int p, int t, long n, CK_OBJECT_HANDLE *object)
{
	char text[64];
	CK_ATTRIBUTE template = { CKA_LABEL, text, name(text, p, t, n) };
	CK_ULONG count;
	CK_OBJECT_HANDLE found[2];

	MUST(C_FindObjectsInit(session, &template, 1));
	MUST(C_FindObjects(session, found, 2, &count));
	MUST(C_FindObjectsFinal(session));
	*object = count > 0 ? found[0] : 0;
	return count;
}

static void create(CK_SESSION_HANDLE session, int t, long n)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	char text[64];
	CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof class }, { CKA_TOKEN, &yes, sizeof yes }, { CKA_PRIVATE, &yes, sizeof yes },
		{ CKA_LABEL, text, name(text, me, t, n) }, { CKA_VALUE, text, strlen(text) },
	};
	CK_OBJECT_HANDLE object;

	MUST(C_CreateObject(session, template, sizeof template / sizeof *template, &object));
}

/* Looks for what another thread has made last. */
static void look(CK_SESSION_HANDLE session, unsigned *seed)
{
	int p = rand_r(seed) % processes, t = rand_r(seed) % threads;
	struct thread *other = &all_threads[p][t];
	long n = atomic_load(&other->made);
	CK_OBJECT_HANDLE object;

	if (n == 0 || n <= atomic_load(&other->skipped))
		return;
	if (find(session, p, t, n, &object) != 1 && atomic_load(&other->oldest) <= n)
		fault("process %d does not find object %ld of thread %d of process %d", me, n, t, p);
}

static void note(struct thread *own, double began)
{
	long ms = (long)((now() - began) * 1000);

	if (ms > atomic_load(&own->slowest))
		atomic_store(&own->slowest, ms);
	atomic_fetch_add(&own->ops, 1);
}

static void *work(void *arg)
{
	int t = (int)(long)arg;
	struct thread *own = &all_threads[me][t];
	unsigned seed = me * 100 + t;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;
	CK_RV rv;
	long n = atomic_load(&own->trying);

	if (n > atomic_load(&own->made))
		atomic_store(&own->skipped, n);
	MUST(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
	rv = p11->C_Login(session, CKU_USER, user_pin, sizeof user_pin - 1);
	if (rv != CKR_USER_ALREADY_LOGGED_IN)
		must(rv, "C_Login");
	while (now() < end) {
		double began = now();

		atomic_store(&own->trying, ++n);
		create(session, t, n);
		atomic_store(&own->made, n);
		note(own, began);
		look(session, &seed);
		if (n - atomic_load(&own->oldest) >= KEPT) {
			long old = atomic_load(&own->oldest);

			atomic_store(&own->oldest, old + 1);
			if (find(session, me, t, old, &object) == 1) {
				began = now();
				MUST(C_DestroyObject(session, object));
				note(own, began);
				atomic_store(&own->gone[old % 16], old);
				if (find(session, me, t, old, &object) != 0)
					fault("object %ld is there after it was destroyed", old);
			}
		}
	}
	return NULL;
}

static pid_t process(const char *path, int p)
{
	pthread_t thread[MOST];
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	me = p;
	load(path);
	alarm(PATIENCE + (unsigned)(end - now()));
	initialize();
	slot = find_slot();
	for (long t = 0; t < threads; t++)
		start(&thread[t], work, (void *)t);
	for (int t = 0; t < threads; t++)
		pthread_join(thread[t], NULL);
	MUST(C_Finalize(NULL));
	_exit(0);
}

/* Finds in the end what must be there, and nothing that was destroyed. */
static void verify(const char *path)
{
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE object;
	long ops = 0, slowest = 0, least = -1;

	load(path);
	initialize();
	slot = find_slot();
	MUST(C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &session));
	MUST(C_Login(session, CKU_USER, user_pin, sizeof user_pin - 1));
	for (int p = 0; p < processes; p++)
		for (int t = 0; t < threads; t++) {
			struct thread *own = &all_threads[p][t];

			for (long n = own->oldest; n <= own->made; n++)
				if (find(session, p, t, n, &object) != 1 && n > own->skipped)
					fault("object %ld of thread %d of process %d is lost", n, t, p);
			for (int i = 0; i < 16; i++)
				if (own->gone[i] != 0 && find(session, p, t, own->gone[i], &object) != 0)
					fault("object %ld of thread %d of process %d came back", own->gone[i], t, p);
			ops += own->ops;
			slowest = own->slowest > slowest ? own->slowest : slowest;
			least = least < 0 || own->ops < least ? own->ops : least;
		}
	fprintf(stderr, "%ld commits, the thread with the fewest %ld, the longest %ld ms\n", ops, least, slowest);
	if (least == 0)
		fault("a thread got nothing done");
	if (slowest > 10000)
		fault("a thread waited %ld ms", slowest);
}

int main(int argc, char **argv)
{
	pid_t pids[MOST];
	int kills = argc > 5 ? atoi(argv[5]) : 0;
	pid_t pid;

	processes = atoi(argv[2]);
	threads = atoi(argv[3]);
	all_threads = mmap(NULL, sizeof *all_threads * MOST, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int p = 0; p < processes; p++)
		for (int t = 0; t < threads; t++)
			all_threads[p][t].oldest = 1;
	pid = fork();
	if (pid == 0) { /* makes the token */
		load(argv[1]);
		initialize();
		find_slot();
		MUST(C_Finalize(NULL));
		_exit(0);
	}
	reap(pid);
	end = now() + atoi(argv[4]);
	for (int p = 0; p < processes; p++)
		pids[p] = process(argv[1], p);
	while (kills > 0 && now() < end - 0.5) {
		int p = rand() % processes;

		usleep(1000000 / kills);
		kill(pids[p], SIGKILL);
		waitpid(pids[p], NULL, 0);
		pids[p] = process(argv[1], p);
	}
	for (int p = 0; p < processes; p++)
		reap(pids[p]);
	verify(argv[1]);
	return done();
}
