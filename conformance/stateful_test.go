package conformance

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStateful makes histories by chance of sessions, logins, operations and objects, and holds each answer against a model of
// them (history_test.go). A history is a list of seeds, one for each step, so that it can be made shorter by leaving steps out.
func TestStateful(t *testing.T) {
	t.Parallel()
	only(t)
	until := time.Now().Add(fuzzing(t))
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("SOFTCSP_FUZZ_SEED"), 10, 64); err == nil {
		seed = s
	}
	source := rand.New(rand.NewPCG(seed, 0))
	steps := 0
	for time.Now().Before(until) {
		history := make([]uint64, 400)
		for i := range history {
			history[i] = source.Uint64()
		}
		n, err := replayed(t, history, nil)
		steps += n
		if err != nil {
			history = shrunk(t, history[:n])
			var told strings.Builder
			_, err = replayed(t, history, &told)
			t.Fatalf("seed %d: %v, after\n%s", seed, err, &told)
		}
	}
	t.Logf("%d steps", steps)
}

// replayed makes the steps of a history on an empty token. It returns how many were made, and what was wrong with the last.
func replayed(t *testing.T, history []uint64, told *strings.Builder) (int, error) {
	t.Helper()
	dir := t.TempDir()
	defer os.RemoveAll(dir)
	env, err := module.place(dir, "max_tries = 1000000", "store = 'memory'")
	if err != nil {
		t.Fatal(err)
	}
	h, err := StartHost(driver, module.path, env...)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Kill() //nolint:errcheck // it has done its part
	m := &model{host: h, vars: Vars{}, userPIN: "user-0000", soPIN: "so-00000", told: told}
	if err := m.begin(); err != nil {
		t.Fatal(err)
	}
	for i, seed := range history {
		m.chance = rand.New(rand.NewPCG(seed, 1))
		if err := m.step(); err != nil {
			return i + 1, err
		}
	}
	return len(history), nil
}

// shrunk leaves out what a failure can do without.
func shrunk(t *testing.T, history []uint64) []uint64 {
	t.Helper()
	tries := 0
	for size := len(history) / 2; size > 0 && tries < 150; size /= 2 {
		for at := 0; at+size <= len(history) && tries < 150; tries++ {
			less := slices.Concat(history[:at], history[at+size:])
			if n, err := replayed(t, less, nil); err != nil {
				history = less[:n]
			} else {
				at += size
			}
		}
	}
	return history
}

// TestHistoryIsShrunk has the model expect the wrong thing, and finds the steps that lead there.
func TestHistoryIsShrunk(t *testing.T) {
	t.Parallel()
	only(t)
	slow(t)
	history := make([]uint64, 1000)
	for i := range history {
		history[i] = uint64(i)
	}
	wrongModel = true
	defer func() { wrongModel = false }()
	n, err := replayed(t, history, nil)
	if err == nil {
		t.Fatal("a model that is wrong agrees with the module")
	}
	var told strings.Builder
	short := shrunk(t, history[:n])
	if _, err = replayed(t, short, &told); err == nil || len(short) >= n {
		t.Errorf("%d steps of %d: %v", len(short), n, err)
	}
	if lines := strings.Count(told.String(), "\n"); lines > 60 {
		t.Errorf("%d lines for a login that is expected to fail:\n%s", lines, &told)
	}
}
