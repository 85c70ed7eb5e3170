package conformance

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A ledger is what one process did to a token, as far as it was told.
type ledger struct {
	present map[string]bool // acknowledged to be there, or acknowledged to be gone
	doubt   map[string]bool // the process was killed before it had an answer
	done    int
}

// keyOf is the value of the key with a label.
func keyOf(label string) string { return fmt.Sprintf("%-16s", label) }

const makeKey = "{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_TOKEN=true,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true,CKA_ENCRYPT=true"

// create and destroy are one transaction each.
func (l *ledger) create(s *Script, label string) error {
	l.doubt[label] = true
	s.Vars.SetBytes("value", []byte(keyOf(label)))
	if err := s.Line("C_CreateObject s " + makeKey + ",CKA_LABEL=str:" + label + ",CKA_VALUE=value} &o." + label); err != nil {
		return err
	}
	delete(l.doubt, label)
	l.present[label] = true
	l.done++
	return nil
}

func (l *ledger) destroy(s *Script, label string) error {
	l.doubt[label] = true
	if err := s.Line("C_DestroyObject s o." + label); err != nil {
		return err
	}
	delete(l.doubt, label)
	l.present[label] = false
	l.done++
	return nil
}

// work makes and destroys keys until the host dies.
func (l *ledger) work(s *Script, prefix string) error {
	var mine []string
	for {
		label := fmt.Sprintf("%s%d", prefix, len(l.present)+len(l.doubt))
		if err := l.create(s, label); err != nil {
			return err
		}
		mine = append(mine, label)
		if rand.IntN(2) == 0 {
			i := rand.IntN(len(mine))
			if err := l.destroy(s, mine[i]); err != nil {
				return err
			}
			mine = slices.Delete(mine, i, i+1)
		}
	}
}

// TestKill kills two processes again and again while they make and destroy keys in one token: nothing that was acknowledged is
// lost, nothing that was destroyed comes back, nothing half-written is there.
func TestKill(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	dir := t.TempDir()
	env, err := module.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	start := func(string) (*Host, error) { return StartHost(driver, module.path, env...) }
	first := NewScript(start)
	do(t, first, "login", "close")
	ledgers := make(chan *ledger)
	for _, prefix := range []string{"a", "b"} {
		go func() {
			l := &ledger{present: map[string]bool{}, doubt: map[string]bool{}}
			defer func() { ledgers <- l }()
			for round := 0; l.done < 200; round++ {
				if err := l.round(NewScript(start), fmt.Sprintf("%s%d-", prefix, round)); !errors.Is(err, errHost) {
					t.Errorf("process %s: %v", prefix, err)
					return
				}
			}
		}()
	}
	all := <-ledgers
	other := <-ledgers
	maps.Copy(all.present, other.present)
	maps.Copy(all.doubt, other.doubt)
	t.Logf("%d transactions acknowledged, %d in doubt", all.done+other.done, len(all.doubt))
	verifyLedger(t, NewScript(start), all)
	checkSound(t, dir, env)
}

// round is one life of a process, which ends by kill -9 at a random moment.
func (l *ledger) round(s *Script, prefix string) error {
	if err := s.Line("login"); err != nil {
		return err
	}
	pid := s.host.PID()
	timer := time.AfterFunc(time.Duration(rand.IntN(60_000))*time.Microsecond, func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	defer timer.Stop()
	return l.work(s, prefix)
}

// verifyLedger compares what is in the token with what was acknowledged.
func verifyLedger(t *testing.T, s *Script, l *ledger) {
	t.Helper()
	do(t, s, "login")
	found := map[string]uint64{}
	do(t, s, "C_FindObjectsInit s {CKA_CLASS=CKO_SECRET_KEY}", "C_FindObjects s &f[4000] 4000 &n", "C_FindObjectsFinal s")
	for i := range s.Vars.Number("n") {
		s.Vars.setNumber("k", s.Vars.Number(fmt.Sprintf("f[%d]", i)))
		do(t, s, "get s k CKA_LABEL")
		label := string(s.Vars.Bytes("a.CKA_LABEL"))
		found[label] = s.Vars.Number("k")
		s.Vars.SetBytes("value", []byte(keyOf(label)))
		do(t, s, "get s k CKA_VALUE = value")
		if there, known := l.present[label]; !known && !l.doubt[label] {
			t.Errorf("a key %q that nobody made", label)
		} else if known && !there && !l.doubt[label] {
			t.Errorf("key %s was destroyed, and is there", label)
		}
	}
	for label, there := range l.present {
		if _, ok := found[label]; there && !ok && !l.doubt[label] {
			t.Errorf("key %s was made, and is gone", label)
		}
	}
	do(t, s, "close")
}

// checkSound lets the softcsp command check the token files below dir with the user's PIN.
func checkSound(t *testing.T, dir string, env []string) {
	t.Helper()
	if out, err := checkToken(t, dir, env); err != nil || !strings.Contains(out, "sound") {
		t.Errorf("softcsp token check: %v\n%s", err, out)
	}
}

func checkToken(t *testing.T, dir string, env []string) (string, error) {
	t.Helper()
	if _, err := os.Stat(tool); err != nil {
		t.Fatalf("this test needs the softcsp command: run make build: %v", err)
	}
	pin := filepath.Join(dir, "pin")
	if err := os.WriteFile(pin, []byte(userPIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return output(30*time.Second, env, tool, "token", "check", "--pin-file", pin)
}
