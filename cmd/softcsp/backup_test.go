package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
	"github.com/softcsp/softcsp/token"
)

// writerEnv has the test binary make objects in the token there is, so many, and say after each hundred how many there are.
const writerEnv = "SOFTCSP_TEST_WRITER"

// writeObjects is the process that writerEnv asks for.
func writeObjects(count int) error {
	m := token.New()
	if err := m.Initialize(ck.InitArgs{}); err != nil {
		return err
	}
	defer m.Finalize()
	slots, err := m.GetSlotList(true)
	if err != nil {
		return err
	}
	s, err := m.OpenSession(slots[0], ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		return err
	}
	if err := m.Login(s, ck.CKU_USER, []byte("1234")); err != nil {
		return err
	}
	for n := range count {
		_, err := m.CreateObject(s, []ck.Attribute{
			classIs(ck.CKO_DATA), {Type: ck.CKA_TOKEN, Value: []byte{1}}, {Type: ck.CKA_PRIVATE, Value: []byte{byte(n % 2)}},
			{Type: ck.CKA_LABEL, Value: fmt.Append(nil, "object ", n)}, {Type: ck.CKA_VALUE, Value: bytes.Repeat([]byte{byte(n)}, 200)},
		})
		if err != nil {
			return err
		}
		if n%100 == 99 {
			fmt.Println(n + 1)
		}
	}
	return nil
}

// A shell runs softcsp as a program of its own, in a directory of its own.
type shell struct {
	t   *testing.T
	dir string
	env []string
}

func newShell(t *testing.T) *shell {
	t.Helper()
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir := t.TempDir()
	return &shell{t, dir, append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME=", "XDG_DATA_HOME=", "XDG_STATE_HOME="+dir+"/state", "SOFTCSP_CONF=",
		"SOFTCSP_TOKENDIR="+dir+"/tokens", "SOFTCSP_KDF=test", "SOFTCSP_DURABILITY=relaxed", "SOFTCSP_PIN=1234", "SOFTCSP_SO_PIN=87654321")}
}

// command is a run of softcsp that has yet to start.
func (s *shell) command(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Args = append([]string{"softcsp"}, args...)
	c.Dir, c.Env = s.dir, s.env
	return c
}

// must runs softcsp, and returns what it answers.
func (s *shell) must(args ...string) string {
	s.t.Helper()
	var said bytes.Buffer
	c := s.command(args...)
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		s.t.Fatalf("softcsp %s: %v\n%s%s", strings.Join(args, " "), err, out, said.String())
	}
	return string(out)
}

// TestBackupWhileOthersWrite makes backups while another process makes thousands of objects. Each backup opens with the PIN, is sound, and has every
// object that was there when it was begun. The last one, restored after the token was deleted, has them all.
func TestBackupWhileOthersWrite(t *testing.T) {
	t.Parallel()
	const count = 3000
	s := newShell(t)
	s.must("token", "init", "--label", "busy", "--quiet")
	writer := exec.Command(os.Args[0])
	writer.Dir, writer.Env, writer.Stderr = s.dir, append(s.env, writerEnv+"="+strconv.Itoa(count)), os.Stderr
	out, err := writer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	backups := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		least, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		if least%300 == 0 || least == count {
			backups++
			s.wantBackup(fmt.Sprintf("backup.%d", least), least, count)
		}
	}
	if err := writer.Wait(); err != nil || backups < 10 {
		t.Fatalf("%d backups, %v", backups, err)
	}
	s.must("token", "delete", "busy", "--yes")
	if list := s.must("token", "list", "--json"); strings.TrimSpace(list) != "[]" {
		t.Fatal(list)
	}
	s.must("token", "restore", "backup."+strconv.Itoa(count))
	s.must("token", "check", "busy")
	var objects []objectRow
	if err := json.Unmarshal([]byte(s.must("object", "list", "--json")), &objects); err != nil || len(objects) != count {
		t.Errorf("%d objects of %d were restored, %v", len(objects), count, err)
	}
}

// wantBackup makes a backup, which has at least and at most so many objects.
func (s *shell) wantBackup(name string, least, most int) {
	s.t.Helper()
	s.must("token", "backup", "busy", "--out", name)
	s.must("token", "check", "--file", name)
	f, err := store.OpenFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	if i, err := f.Info(); err != nil || i.Objects < uint64(least) || i.Objects > uint64(most) {
		s.t.Errorf("%s has %d objects, and was begun with %d: %v", name, i.Objects, least, err)
	}
}

// TestRestoreSIGKILL kills softcsp in the middle of restoring a token, over another state of it and where there is none: there is the one state or the
// other, whole, or no token.
func TestRestoreSIGKILL(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.must("token", "init", "--label", "early", "--quiet")
	writer := exec.Command(os.Args[0])
	writer.Dir, writer.Env = s.dir, append(s.env, writerEnv+"=1000")
	if said, err := writer.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	s.must("token", "backup", "--out", "early")
	s.must("token", "rename", "early", "late")
	s.must("token", "backup", "--out", "late")
	began := time.Now()
	s.must("token", "restore", "late", "--replace")
	took := time.Since(began)
	killed, states := 0, map[string]int{}
	const rounds = 24
	enough := func() bool {
		return killed >= rounds/3 && states["late"] > 0 && states["none"] > 0 && states["early"] > 0
	}
	for n := 0; n < rounds || !enough() && n < 10*rounds; n++ {
		c := s.command("token", "restore", "early", "--replace")
		if n%2 == 1 {
			c.Args = append(c.Args, "--tokendir", "new"+strconv.Itoa(n))
		}
		began := time.Now()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(took*time.Duration(n%rounds)/(rounds-4), func() { _ = c.Process.Kill() })
		if err := c.Wait(); err != nil {
			killed++
		} else {
			took = time.Since(began) // how busy the machine is changes
		}
		where := []string{"--tokendir", "tokens"}
		if n%2 == 1 {
			where[1] = "new" + strconv.Itoa(n)
			if err := os.MkdirAll(filepath.Join(c.Dir, where[1]), 0o700); err != nil { // which is not there where it was killed at once
				t.Fatal(err)
			}
		}
		var list []tokenRow
		if err := json.Unmarshal([]byte(s.must(append([]string{"token", "list", "--json"}, where...)...)), &list); err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 && n%2 == 1 {
			states["none"]++
			continue
		}
		if len(list) != 1 || list[0].Objects != 1000 {
			t.Fatalf("%+v", list)
		}
		states[list[0].Label]++
		s.must(append([]string{"token", "check"}, where...)...)
		if n%2 == 0 && list[0].Label == "early" {
			s.must("token", "restore", "late", "--replace")
		}
	}
	t.Logf("%d were killed; found then: %v", killed, states)
	if !enough() {
		t.Error("these moments are no test")
	}
}
