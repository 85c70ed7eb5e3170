package conformance

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCryptBoundary has a host call CryptoAPI wrongly by chance, in one thread and in four. Every function has to succeed at times.
func TestCryptBoundary(t *testing.T) {
	t.Parallel()
	only(t)
	d := fuzzing(t) / 2
	program := buildWincrypt(t, "fuzz/crypt.c")
	for _, threads := range []string{"1", "4"} {
		t.Run(threads, func(t *testing.T) {
			seed := strconv.FormatInt(time.Now().UnixNano()%1e9, 10)
			if s := os.Getenv("SOFTCSP_FUZZ_SEED"); s != "" {
				seed = s
			}
			t.Logf("seed %s", seed)
			out := runWincrypt(t, []string{"SOFTCSP_STORE=memory", "SOFTCSP_PIN=user-1234"}, program,
				"--seconds", strconv.Itoa(int(d.Seconds())), "--threads", threads, "--seed", seed)
			if functions := strings.Count(out, "\n"); functions != 31 || strings.Contains(out, ": 0 of") {
				t.Errorf("%d functions:\n%s", functions, out)
			}
		})
	}
}
