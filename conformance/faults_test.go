package conformance

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// few makes some keys, destroys one, and sets the PIN, whatever fails.
func (l *ledger) few(s *Script, prefix string) error {
	for _, line := range []string{
		"C_Initialize NULL", "slot conformance", "C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &s",
		"C_Login s CKU_USER str:" + userPIN,
	} {
		if err := s.Line(line); err != nil {
			return err
		}
	}
	var all error
	for n := range 3 {
		label := fmt.Sprintf("%s%d", prefix, n)
		err := l.create(s, label)
		if err == nil && n == 1 {
			err = l.destroy(s, label)
		}
		all = errors.Join(all, err)
	}
	return errors.Join(all, s.Line("C_SetPIN s str:"+userPIN+" str:"+userPIN), l.create(s, prefix+"last"))
}

// TestInjected lets the system calls fail by which the library uses a token directory, one in each life of a process: with an error,
// half a write, or the end of the process. What was acknowledged is there, what was not is there or not, no host dies or hangs, and
// the next process finds a token that is sound.
func TestInjected(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	inject := program(t, "faults/inject.c")
	dir := t.TempDir()
	env, err := module.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	plain := func(string) (*Host, error) { return StartHost(driver, module.path, env...) }
	do(t, NewScript(plain), "login", "close")
	count := filepath.Join(dir, "count")
	start := func(n int, what string) func(string) (*Host, error) {
		return func(string) (*Host, error) {
			cmd := exec.Command(inject, filepath.Join(dir, "tokens"), strconv.Itoa(n), what, driver)
			return startHost(cmd, module.path, append(env, "INJECT_COUNT="+count)...)
		}
	}
	l := &ledger{present: map[string]bool{}, doubt: map[string]bool{}}
	s := NewScript(start(0, "5"))
	if err := errors.Join(l.few(s, "first-"), s.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(count)
	if err != nil {
		t.Fatal(err)
	}
	calls, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || calls < 50 {
		t.Fatalf("%d system calls: %v", calls, err)
	}
	every := calls/6 + 1
	if takesLong() {
		every = 3
	}
	lives, failed := 0, 0
	for kind, what := range []string{"5", "28", "13", "12", "short", "kill"} { // EIO, ENOSPC, EACCES, ENOMEM
		for n := 1 + kind; n <= calls; n += every {
			s := NewScript(start(n, what))
			err := l.few(s, fmt.Sprintf("%s-%d-", what, n))
			if errors.Is(err, errHost) && what != "kill" {
				t.Fatalf("%s at call %d: %v", what, n, err)
			}
			if err != nil {
				failed++
			}
			if err := s.Close(); err != nil && what != "kill" {
				t.Fatalf("%s at call %d: %v", what, n, err)
			}
			if lives++; lives%10 == 0 {
				verifyLedger(t, NewScript(plain), l)
			}
			if t.Failed() {
				t.Fatalf("%s at call %d", what, n)
			}
		}
	}
	t.Logf("%d system calls; %d lives of a process, %d with an error; %d transactions acknowledged, %d in doubt", calls, lives, failed, l.done, len(l.doubt))
	verifyLedger(t, NewScript(plain), l)
	checkSound(t, dir, env)
}
