package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// A killedDisk is a disk of a process that is killed before its n-th step.
type killedDisk struct {
	disk
	left *int
}

type killedFile struct {
	file
	m killedDisk
}

var errKilled = errors.New("killed")

// step reports whether the process lives.
func (m killedDisk) step() error {
	if *m.left--; *m.left < 0 {
		return errKilled
	}
	return nil
}

func (m killedDisk) open(name string, write bool) (file, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	f, err := m.disk.open(name, write)
	return killedFile{f, m}, err
}

func (m killedDisk) create(name string) (file, error) {
	if err := m.step(); err != nil {
		return nil, err
	}
	f, err := m.disk.create(name)
	return killedFile{f, m}, err
}

func (m killedDisk) rename(from, to string, over bool) error {
	return errors.Join(m.step(), m.onlyAlive(func() error { return m.disk.rename(from, to, over) }))
}

func (m killedDisk) remove(name string) error {
	return errors.Join(m.step(), m.onlyAlive(func() error { return m.disk.remove(name) }))
}

func (m killedDisk) sync() error {
	return errors.Join(m.step(), m.onlyAlive(m.disk.sync))
}

func (m killedDisk) onlyAlive(f func() error) error {
	if *m.left < 0 {
		return nil
	}
	return f()
}

func (f killedFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.m.step(); err != nil {
		n, _ := f.file.WriteAt(p[:len(p)/2], off) // it was killed in the middle
		return n, err
	}
	return f.file.WriteAt(p, off)
}

func (f killedFile) truncate(size int64) error {
	return errors.Join(f.m.step(), f.m.onlyAlive(func() error { return f.file.truncate(size) }))
}

func (f killedFile) sync() error {
	return errors.Join(f.m.step(), f.m.onlyAlive(f.file.sync))
}

func (f killedFile) takeOwner(old *unix.Stat_t) { f.file.takeOwner(old) }

// TestFormatKilled makes tokens in processes that are killed at every step: there is a token with both PINs or none, and the
// next one clears away what was left.
func TestFormatKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func() *Place {
		p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: dir})
		wants(t, err, ck.CKR_OK)
		return p
	}
	f := Format{Label: "label", SOPIN: soPIN, UserPIN: userPIN, KDF: "test"}
	for n := 0; ; n++ {
		p, left := open(), n
		p.backend.(*dirPlace).wrapDisk = func(d disk) disk { return killedDisk{d, &left} }
		_, err := p.Format("", f)
		wantWhole(t, open(), n)
		if err == nil {
			if n < 5 {
				t.Errorf("a token was made in %d steps", n)
			}
			break
		}
	}
	wantNoLeftovers(t, dir)
}

// TestFormatSIGKILL kills processes that make tokens at random moments.
func TestFormatSIGKILL(t *testing.T) {
	t.Parallel()
	p := newPlace(t, "bolt")
	for n := range 12 {
		run(t, "format::"+p.dir(), time.Duration(n*n)*100*time.Microsecond, func([]string) {})
		wantWhole(t, p, n)
	}
	_, err := p.Format("", Format{SOPIN: soPIN, UserPIN: userPIN, KDF: "test"})
	wants(t, err, ck.CKR_OK)
	wantNoLeftovers(t, p.dir())
}

// wantWhole fails the test unless every token that is listed has both PINs.
func wantWhole(t *testing.T, p *Place, n int) {
	t.Helper()
	uuids, _, err := p.List()
	wants(t, err, ck.CKR_OK)
	for _, uuid := range uuids {
		tok, err := p.Token(uuid)
		wants(t, err, ck.CKR_OK)
		for w, pin := range [userTypes][]byte{User: userPIN, SO: soPIN} {
			k, err := tok.Unlock(UserType(w), pin)
			if err != nil {
				t.Fatalf("killed at step %d: %v", n, err)
			}
			k.Wipe()
		}
		wantSound(t, tok)
	}
}

// wantNoLeftovers fails the test where there is what only a killed process leaves.
func wantNoLeftovers(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	wants(t, err, ck.CKR_OK)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".new") || strings.HasPrefix(e.Name(), ".next") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

// formatForever makes tokens until it is killed.
func formatForever(p *Place) error {
	for {
		fmt.Println("making")
		if _, err := p.Format("", Format{SOPIN: soPIN, UserPIN: userPIN, KDF: "test"}); err != nil {
			return err
		}
	}
}
