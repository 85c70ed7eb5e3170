package conformance

import (
	"strings"
	"testing"
	"time"
)

// TestLife runs life/life.c, in which the module's host behaves as hosts do: it exits and finalizes while threads are inside,
// begins again, unloads. The busy ones depend on the moment, and are done several times.
func TestLife(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	prog := program(t, "life/life.c")
	for _, mode := range []struct {
		name  string
		times int
	}{
		{"load-exit", 1}, {"no-finalize", 1}, {"dlclose", 1}, {"dlclose-initialized", 1}, {"reinit", 1},
		{"exit-busy", 10}, {"finalize-in-exit-handler", 5}, {"finalize-busy", 10}, {"stress", 1},
	} {
		t.Run(mode.name, func(t *testing.T) {
			env, err := module.place(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			env = append(env, "SOFTCSP_TOKENDIR="+t.TempDir(), "SOFTCSP_CONF=", "SOFTCSP_KDF=test")
			for range mode.times {
				if out := mustRun(t, 60*time.Second, env, prog, module.path, mode.name); !strings.HasSuffix(out, "ok\n") {
					t.Fatalf("said %q, not ok", out)
				}
			}
		})
	}
}

// TestCryptThreads has threads use CryptoAPI side by side for some seconds, each with contexts of its own and all with one hash
// object.
func TestCryptThreads(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	prog := buildWincrypt(t, "testdata/wincrypt/threads.c")
	if out := runWincrypt(t, nil, prog, "4"); !strings.HasSuffix(out, " checks, all good\n") {
		t.Errorf("said %q", out)
	}
}

// TestStop ends calls that would compute for minutes or years: with C_Finalize, C_CloseSession and C_SessionCancel.
func TestStop(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	prog := program(t, "life/stop.c")
	for _, what := range []string{"pbkdf2", "pbe", "rsa", "domain", "digest", "hmac"} {
		for _, how := range []string{"finalize", "close", "cancel"} {
			if how == "cancel" && (what == "digest" || what == "hmac") {
				continue // what holds the session's lock is not cancelled by a call that waits for it
			}
			t.Run(what+"/"+how, func(t *testing.T) {
				t.Parallel()
				env := []string{"SOFTCSP_STORE=memory", "SOFTCSP_CONF=", "SOFTCSP_KDF=test"}
				if out := mustRun(t, 60*time.Second, env, prog, module.path, what, how); out != "ok\n" {
					t.Fatalf("said %q, not ok", out)
				}
			})
		}
	}
}
