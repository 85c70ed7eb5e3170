package conformance

import (
	"fmt"
	"strconv"
	"testing"
	"time"
)

// residentLimit is far above what a process has in memory that loaded the library and logged in, KiB: the goal is 14 MB. A login needs 19 MB
// for the PIN, which are given back.
const residentLimit = 20 << 10

// TestRest has a host do nothing after a login at the real cost of a PIN: no thread runs, and what the login needed is given back.
func TestRest(t *testing.T) {
	t.Parallel()
	slow(t)
	if emulator() != "" {
		t.Skip("the threads and the memory would be the emulator's")
	}
	prog, env := guest(t, "rest")
	env = append(env, "SOFTCSP_TOKENDIR="+t.TempDir(), "SOFTCSP_KDF=interactive")
	mustRun(t, time.Minute, env, prog, module.path, "make")
	seconds := 4
	if takesLong() {
		seconds = 30
	}
	out := mustRun(t, time.Minute, env, prog, module.path, "rest", strconv.Itoa(seconds))
	var switches, threads, resident int
	if _, err := fmt.Sscanf(out, "switches %d threads %d resident %d\nok\n", &switches, &threads, &resident); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	t.Logf("%d s at rest: %d threads ran %d times; %d KiB resident", seconds, threads, switches, resident)
	if switches > 0 {
		t.Errorf("threads ran %d times in %d s without a call", switches, seconds)
	}
	if resident > residentLimit {
		t.Errorf("%d KiB are resident, more than %d", resident, residentLimit)
	}
}
