package conformance

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// boundary builds fuzz/boundary.c, a host that calls wrongly.
func boundary(t *testing.T) string {
	t.Helper()
	return program(t, "fuzz/boundary.c", "fuzz/disturb.c", "fuzz/flows.c", "fuzz/keyflows.c", "-Wno-unused-const-variable")
}

// fuzzing is how long each fuzzer runs: some seconds, or SOFTCSP_FUZZ, a duration.
func fuzzing(t *testing.T) time.Duration {
	t.Helper()
	slow(t)
	d, err := time.ParseDuration(os.Getenv("SOFTCSP_FUZZ"))
	if err != nil {
		return 5 * time.Second
	}
	return d
}

// runBoundary runs a host that calls wrongly, with tokens in memory or in files.
func runBoundary(t *testing.T, prog, store string, d time.Duration, args ...string) {
	t.Helper()
	env, err := module.place(t.TempDir(), "max_tries = 100000000", "store = '"+store+"'")
	if err != nil {
		t.Fatal(err)
	}
	out, err := output(d+5*time.Minute, env, prog, append([]string{module.path}, args...)...)
	if err != nil {
		t.Errorf("%v: %v\n%s", args, err, out)
	}
}

// TestBoundary disturbs the arguments of calls by chance, in one thread and in four.
func TestBoundary(t *testing.T) {
	t.Parallel()
	only(t)
	d := fuzzing(t)
	prog := boundary(t)
	for _, threads := range []string{"1", "4"} {
		t.Run(threads, func(t *testing.T) {
			seed := strconv.FormatInt(time.Now().UnixNano()%1e9, 10)
			if s := os.Getenv("SOFTCSP_FUZZ_SEED"); s != "" {
				seed = s
			}
			runBoundary(t, prog, "memory", d, "--seconds", strconv.Itoa(int(d.Seconds())), "--threads", threads, "--seed", seed)
		})
	}
}

// TestFaults has each address of each call of each flow lead to memory that is not there, in all the ways in which it can, after
// which the session, C_Logout and C_Finalize must answer.
func TestFaults(t *testing.T) {
	t.Parallel()
	only(t)
	slow(t)
	runBoundary(t, boundary(t), "memory", 0, "--faults")
}
