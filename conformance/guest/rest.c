/* A host that loaded the library, logged in and signed, and then has nothing for it to do. "make" makes the token and ends; "rest
 * SECONDS" prints how often any thread ran in that time, how many threads there are, and how much memory is resident, in KiB. */
#include "../fork/common.h"
#include <dirent.h>

/* What is left to do after the last call takes seconds, more of them on a machine that does other things. It is done when no thread has run for QUIET
 * seconds, or else after PATIENCE_TO_SETTLE. */
enum { QUIET = 2, PATIENCE_TO_SETTLE = 20 };

/* The number that follows a word in a file of /proc. */
static long number_after(const char *path, const char *word)
{
	char line[256];
	long n = -1;
	FILE *f = fopen(path, "r");

	if (f == NULL)
		fault("%s: %s", path, strerror(errno));
	while (n < 0 && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, word, strlen(word)) == 0)
			n = atol(line + strlen(word));
	fclose(f);
	if (n < 0)
		fault("%s has no %s", path, word);
	return n;
}

/* Times that the kernel took a processor from a thread or the thread gave it up, of all threads but this one. It counts them. */
static long switches(int *threads)
{
	long sum = 0;
	DIR *tasks = opendir("/proc/self/task");

	if (tasks == NULL)
		fault("/proc/self/task: %s", strerror(errno));
	*threads = 0;
	for (struct dirent *e; (e = readdir(tasks)) != NULL;) {
		char path[300];

		if (e->d_name[0] == '.')
			continue;
		++*threads;
		if (atol(e->d_name) == getpid())
			continue;
		snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
		sum += number_after(path, "voluntary_ctxt_switches:") + number_after(path, "nonvoluntary_ctxt_switches:");
	}
	closedir(tasks);
	return sum;
}

int main(int argc, char **argv)
{
	CK_OBJECT_HANDLE key;
	CK_SESSION_HANDLE session;
	int threads;
	long before, after;

	if (argc < 3)
		return 2;
	session = begin(argv[1], &key);
	if (argc > 3 && strcmp(argv[2], "rest") == 0) {
		before = switches(&threads);
		for (int waited = 0; waited < PATIENCE_TO_SETTLE; waited += QUIET) {
			after = before;
			sleep(QUIET);
			before = switches(&threads);
			if (before == after)
				break;
		}
		sleep((unsigned)atoi(argv[3]));
		after = switches(&threads);
		printf("switches %ld threads %d resident %ld\n", after - before, threads, number_after("/proc/self/status", "VmRSS:"));
		sign(session, key, 0);
	}
	MUST(C_Finalize(NULL));
	return done();
}
