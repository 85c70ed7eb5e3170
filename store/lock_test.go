package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// hold takes a lock, in a process of its own, and keeps it.
func hold(dir, name string) error {
	d, err := openDir(dir)
	if err != nil {
		return err
	}
	if _, err := takeLock(d, name, true, true); err != nil {
		return err
	}
	fmt.Println("held", os.Getpid())
	time.Sleep(time.Minute) // until it is killed
	return nil
}

// impatient shortens the time that who waits for a lock is patient.
func impatient(t *testing.T) {
	t.Helper()
	old := maxHeld
	t.Cleanup(func() { maxHeld = old })
	maxHeld = 300 * time.Millisecond
}

// testDir opens a directory for a test.
func testDir(t testing.TB) *dir {
	t.Helper()
	d, err := openDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d
}

// TestLockHeld holds that a lock that another process keeps is an error after a while, for every thread, and that it ends with
// that process.
func TestLockHeld(t *testing.T) {
	impatient(t)
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	for _, name := range []string{placeName, tok.backend.(*boltFile).sidecar} {
		run(t, "hold:"+name+":"+p.dir(), 700*time.Millisecond, func(fields []string) {
			began := time.Now()
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					var err error
					if name == placeName {
						_, err = p.Format("", Format{SOPIN: soPIN, KDF: "test"})
					} else {
						_, err = tok.Find(k, []byte("class"))
					}
					wants(t, err, ck.CKR_FUNCTION_FAILED)
					if err == nil || !strings.Contains(err.Error(), p.file(name)) || !strings.Contains(err.Error(), fields[1]) {
						t.Errorf("%v does not name %s and process %s", err, p.file(name), fields[1])
					}
				})
			}
			wg.Wait()
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	create(t, tok, k, private("a"))
	if len(processLocks.all) != 0 {
		t.Errorf("claims are left: %v", processLocks.all)
	}
}

// TestLockFails lets system calls fail in the middle of taking and giving back: the lock is nobody's then, in this process and in
// others.
func TestLockFails(t *testing.T) {
	impatient(t)
	d := testDir(t)
	defer func() { fcntl, fstat = unix.FcntlFlock, unix.Fstat }()
	free := func(when string) {
		t.Helper()
		fcntl, fstat = unix.FcntlFlock, unix.Fstat
		l, err := takeLock(d, "lock", true, true)
		if err != nil {
			t.Errorf("%s: %v", when, err)
		}
		l.release()
		run(t, "hold:lock:"+d.path, 0, func(fields []string) {
			if fields[0] != "held" {
				t.Errorf("%s: another process says %v", when, fields)
			}
		})
	}
	for _, exclusive := range []bool{true, false} {
		fstat = func(int, *unix.Stat_t) error { return unix.EIO }
		if _, err := takeLock(d, "lock", exclusive, true); err == nil {
			t.Error("a lock on a file that cannot be looked at")
		}
		free("fstat fails")
		for n := range 8 {
			var calls atomic.Int32
			fcntl = func(fd uintptr, cmd int, f *unix.Flock_t) error {
				if int(calls.Add(1)) == n+1 {
					return unix.ENOLCK
				}
				return unix.FcntlFlock(fd, cmd, f)
			}
			l, err := takeLock(d, "lock", exclusive, true)
			if err == nil {
				l.release()
			}
			free(fmt.Sprintf("call %d fails", n))
		}
		// No unlock works, for as long as it may take.
		fcntl = func(fd uintptr, cmd int, f *unix.Flock_t) error {
			if f.Type == unix.F_UNLCK {
				return unix.ENOLCK
			}
			return unix.FcntlFlock(fd, cmd, f)
		}
		l, err := takeLock(d, "lock", exclusive, true)
		wants(t, err, ck.CKR_OK)
		l.release()
		free("unlocking fails")
	}
}

// TestLockExcludes holds that there is one writer or any number of readers, of threads and processes.
func TestLockExcludes(t *testing.T) {
	d := testDir(t)
	one, err := takeLock(d, "lock", false, true)
	wants(t, err, ck.CKR_OK)
	two, err := takeLock(d, "lock", false, false)
	wants(t, err, ck.CKR_OK)
	if _, err := takeLock(d, "lock", true, false); !errors.Is(err, errBusy) {
		t.Errorf("a writer beside readers: %v", err)
	}
	one.release()
	if _, err := takeLock(d, "lock", true, false); !errors.Is(err, errBusy) {
		t.Errorf("a writer beside a reader: %v", err)
	}
	two.release()
	w, err := takeLock(d, "lock", true, false)
	wants(t, err, ck.CKR_OK)
	if _, err := takeLock(d, "lock", false, false); !errors.Is(err, errBusy) {
		t.Errorf("a reader beside a writer: %v", err)
	}
	wants(t, w.checkHeld(), ck.CKR_OK)
	wants(t, unix.Close(w.fd()), ck.CKR_OK) // as a host does that closes what is not its own
	wants(t, w.checkHeld(), ck.CKR_FUNCTION_FAILED)
	w.release()
	again, err := takeLock(d, "lock", true, false)
	wants(t, err, ck.CKR_OK)
	again.release()
}

// TestLockDropped has the host open and close the sidecar in the middle of a commit, which drops a lock of the process, and another
// process commit meanwhile: this commit is refused, and nothing is lost.
func TestLockDropped(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	b := tok.backend.(*boltFile)
	drop := func() {
		f, err := os.Open(p.file(b.sidecar))
		wants(t, err, ck.CKR_OK)
		wants(t, f.Close(), ck.CKR_OK)
	}
	wants(t, tok.update(func(x tx) ([]ID, error) { drop(); return nil, x.put(bHeader, headerTries, x.get(bHeader, headerTries)) }, nil), ck.CKR_OK)
	before := tok.Generation()
	other := ""
	wants(t, tok.update(func(x tx) ([]ID, error) {
		drop()
		run(t, "once:"+tok.uuid+":"+p.dir(), 0, func(fields []string) { other = fields[1] })
		return nil, x.put(bHeader, headerTries, x.get(bHeader, headerTries))
	}, nil), ck.CKR_FUNCTION_FAILED)
	if tok.Generation() <= before {
		t.Error("the other process has not committed")
	}
	ids, err := tok.Find(k, []byte("class"))
	if err != nil || len(ids) != 1 || ids[0].String() != other {
		t.Errorf("Find: %v, %v, want %s", ids, err, other)
	}
}

// A lockDroppingDisk is a disk whose files have something happen when they are waited for: before the pages of a commit count.
type lockDroppingDisk struct {
	disk
	f *func()
}

type lockDroppingFile struct {
	file
	f *func()
}

func (d lockDroppingDisk) open(name string, write bool) (file, error) {
	f, err := d.disk.open(name, write)
	return lockDroppingFile{f, d.f}, err
}

func (f lockDroppingFile) sync() error {
	if g := *f.f; g != nil {
		*f.f = nil
		g()
	}
	return f.file.sync()
}

// TestLockDroppedLate is TestLockDropped when the commit has begun to write, and where another process does more than commit: it
// writes the file anew, or puts another in its place.
func TestLockDroppedLate(t *testing.T) {
	for job, want := range map[string]ck.RV{"once": ck.CKR_FUNCTION_FAILED, "compact": ck.CKR_FUNCTION_FAILED} {
		for _, late := range []bool{false, true} {
			p := newPlace(t, "bolt")
			tok, k := makeToken(t, p)
			b := tok.backend.(*boltFile)
			other := func() {
				f, err := os.Open(p.file(b.sidecar))
				wants(t, err, ck.CKR_OK)
				wants(t, f.Close(), ck.CKR_OK)
				run(t, job+":"+tok.uuid+":"+p.dir(), 0, func([]string) {})
			}
			var now func()
			b.wrapDisk = func(d disk) disk { return lockDroppingDisk{d, &now} }
			err := tok.update(func(x tx) ([]ID, error) {
				if late {
					now = other
				} else {
					other()
				}
				return nil, x.put(bHeader, []byte("trace"), []byte(job))
			}, nil)
			if ck.Code(err) != want {
				t.Errorf("%s, late %v: %v", job, late, err)
			}
			b.wrapDisk = nil
			there := false
			wants(t, b.view(func(x tx) error {
				there = x.get(bHeader, []byte("trace")) != nil
				return nil
			}), ck.CKR_OK)
			if there != (err == nil) {
				t.Errorf("%s, late %v: the commit is there: %v; it answered %v", job, late, there, err)
			}
			_ = tok.update(func(x tx) ([]ID, error) { return nil, x.del(bHeader, []byte("trace")) }, nil)
			create(t, tok, k, private("a"))
		}
	}
}

// TestSidecarRemoved has somebody remove the sidecar while two processes have the token: what one commits the other sees, at the latest
// when it asks about the token.
func TestSidecarRemoved(t *testing.T) {
	p := newPlace(t, "bolt")
	tok, k := makeToken(t, p)
	other := sameToken(t, p, tok)
	theirs := unlock(t, other, User, userPIN)
	defer theirs.Wipe()
	for n := range 3 {
		if ids, err := other.Find(theirs, []byte("class")); err != nil || len(ids) != n {
			t.Errorf("%d objects, %v, want %d", len(ids), err, n)
		}
		wants(t, os.Remove(p.file(tok.backend.(*boltFile).sidecar)), ck.CKR_OK)
		create(t, tok, k, private("a"))
		other.backend.(*boltFile).refreshed.Store(0)
		_, err := other.Info()
		wants(t, err, ck.CKR_OK)
	}
}
