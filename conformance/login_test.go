package conformance

import (
	"testing"
	"time"
)

// TestLoginsAtOnce runs login/logins.c: many processes that log in to one token at the same moment, or are killed while they do.
func TestLoginsAtOnce(t *testing.T) {
	slow(t)
	only(t)
	prog := program(t, "login/logins.c")
	for mode, tries := range map[string]string{"apart": "1", "children": "1", "wrong": "7", "killed": "2"} {
		t.Run(mode, func(t *testing.T) {
			env := []string{"SOFTCSP_TOKENDIR=" + t.TempDir(), "SOFTCSP_CONF=", "SOFTCSP_KDF=test", "SOFTCSP_MAX_TRIES=" + tries}
			if out := mustRun(t, 90*time.Second, env, prog, module.path, mode); out != "ok\n" {
				t.Errorf("said %q, not ok", out)
			}
		})
	}
}
