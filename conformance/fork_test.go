package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFork runs the C programs of fork/: hosts that fork in every way, while their threads are inside the library. Each prints
// "ok". A Go runtime does not survive fork() by itself, so a child that hangs is what there is to find.
func TestFork(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	sources, err := filepath.Glob("fork/*.c")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no programs in fork: %v", err)
	}
	for _, src := range sources {
		t.Run(strings.TrimSuffix(filepath.Base(src), ".c"), func(t *testing.T) {
			prog := program(t, src)
			env, err := module.place(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			tmp := t.TempDir()
			tokens := filepath.Join(tmp, "tokens")
			env = append(env, "TMPDIR="+tmp, "SOFTCSP_TOKENDIR="+tokens, "SOFTCSP_CONF=")
			out := mustRun(t, 90*time.Second, env, prog, module.path)
			if !strings.HasSuffix(out, "ok\n") {
				t.Errorf("said %q, not ok", out)
			}
			left, err := os.ReadDir(tmp)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range left {
				if f.Name() != "tokens" {
					t.Errorf("left %s behind", f.Name())
				}
			}
		})
	}
}
