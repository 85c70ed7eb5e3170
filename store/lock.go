package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A lock is a lock between processes on a sidecar file: shared for readers, exclusive for writers.
//
// It is a POSIX record lock: the process owns it, so it ends with the process, whatever children have inherited of its
// descriptors and mappings. A lock of an open file (flock, F_OFD_SETLK) would live on in a child that was forked in the middle
// of a commit. The price: threads of a process do not keep each other out, and closing any descriptor of the file drops
// what the process has on it. So the threads of a process share one descriptor and a processLock, which keeps them apart;
// and copies of the library in one process, which know nothing of each other, take a lock of an open file on a byte that
// is this process's own (processbyte.go). A child that inherits that keeps nobody out but a process that is gone.
type lock struct {
	process   *processLock
	exclusive bool
	st        unix.Stat_t
	readOnly  bool
}

// fd returns the descriptor of the sidecar.
func (l *lock) fd() int { return l.process.fd }

var errBusy = errors.New("the lock is taken")

// maxHeld is how long one and the same process may have a lock before those who wait for it give up, maxWait how long anybody waits in all.
// Variables, so that tests need not wait.
var (
	maxHeld = 5 * time.Second
	maxWait = 60 * time.Second
)

// The system calls; tests let them fail.
var (
	fcntl = unix.FcntlFlock
	fstat = unix.Fstat
)

// The bytes of the sidecar that are locked. lockByte is the lock itself: read-locked by readers, write-locked by a writer. Whoever wants it
// takes gateByte first and has that while it waits. So one waits for lockByte at a time, and readers who come and go cannot keep a
// writer out for ever.
const (
	gateByte = 0
	lockByte = 1
)

// A processLock is the lock that this process has on one sidecar, for all of its readers or for one writer.
type processLock struct {
	id   sidecarID
	refs int // references, under processLocks.mu

	threads sync.RWMutex // the transactions of this process
	asking  sync.Mutex   // one thread at a time asks the kernel
	gaveUp  struct {     // when one last waited in vain, and for whom
		at time.Time
		of holder
	}

	mu              sync.Mutex
	fd              int // -1 where the sidecar is not open
	st              unix.Stat_t
	readOnly        bool
	ownsProcessByte bool // this copy of the library has the process's own byte
	fdUsers         int  // threads that use fd
	holders         int  // threads that have the lock
}

// A sidecarID names a sidecar by its directory and name. To look at the file itself it would have to be opened, and closed again, which drops
// the lock.
type sidecarID struct {
	dev, ino uint64 // of the directory
	name     string
}

// processLocks are those in use, of all places of this copy of the library.
var processLocks = struct {
	mu  sync.Mutex
	all map[sidecarID]*processLock
}{all: map[sidecarID]*processLock{}}

// processLockOn returns the lock of this process on a sidecar. The caller gives it back with unref.
func processLockOn(d *dir, name string) *processLock {
	key := sidecarID{d.st.Dev, d.st.Ino, name}
	processLocks.mu.Lock()
	defer processLocks.mu.Unlock()
	pl := processLocks.all[key]
	if pl == nil {
		pl = &processLock{id: key, fd: -1}
		processLocks.all[key] = pl
	}
	pl.refs++
	return pl
}

func (pl *processLock) unref() {
	processLocks.mu.Lock()
	defer processLocks.mu.Unlock()
	if pl.refs--; pl.refs == 0 && pl.fd < 0 {
		delete(processLocks.all, pl.id)
	}
}

// takeLock takes the lock on a file of the directory, which it makes where there is none. Without wait it answers errBusy at
// once where another has the lock. A process that may only read gets a shared lock on what there is, and nil where there
// is nothing that it can read.
func takeLock(d *dir, name string, exclusive, wait bool) (*lock, error) {
	pl := processLockOn(d, name)
	if !pl.lockThreads(exclusive, wait) {
		pl.unref()
		return nil, errBusy
	}
	l := &lock{process: pl, exclusive: exclusive}
	switch err := pl.lock(d, l, newLockWait(wait, d.file(name))); {
	case errors.Is(err, errNoSidecar):
		l = nil
	case err == nil:
		return l, nil
	default:
		pl.unlockThreads(exclusive)
		pl.unref()
		return nil, err
	}
	pl.unlockThreads(exclusive)
	pl.unref()
	return nil, nil
}

// lockThreads keeps the threads of this process apart.
func (pl *processLock) lockThreads(exclusive, wait bool) bool {
	switch {
	case exclusive && wait:
		pl.threads.Lock()
	case exclusive:
		return pl.threads.TryLock()
	case wait:
		pl.threads.RLock()
	default:
		return pl.threads.TryRLock()
	}
	return true
}

func (pl *processLock) unlockThreads(exclusive bool) {
	if exclusive {
		pl.threads.Unlock()
	} else {
		pl.threads.RUnlock()
	}
}

// lock takes the lock, which other processes may have. Where somebody removed the file between opening and locking the lock is worth
// nothing, and it begins anew.
func (pl *processLock) lock(d *dir, l *lock, w *lockWait) error {
	if !w.wait {
		if !pl.asking.TryLock() {
			return errBusy
		}
	} else {
		pl.asking.Lock()
	}
	defer pl.asking.Unlock()
	for {
		if err := pl.attach(d, l.exclusive, w); err != nil {
			return err
		}
		err := pl.lockBytes(l.exclusive, w)
		if err == nil {
			if err = fstat(pl.fd, &l.st); err == nil && l.st.Nlink > 0 {
				l.readOnly = pl.readOnly
				return nil
			}
			pl.unlockBytes()
		}
		pl.detach()
		if err != nil {
			return err
		}
		if err := w.pause(pl, -1, time.Millisecond); err != nil {
			return err
		}
	}
}

var errNoSidecar = errors.New("there is no sidecar")

// attach opens the sidecar for one more thread, and takes the process's own byte with the first.
func (pl *processLock) attach(d *dir, exclusive bool, w *lockWait) error {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.fd >= 0 && !pl.stillOpen() { // the host closed it
		pl.fd, pl.ownsProcessByte = -1, false
	}
	if pl.fd >= 0 && pl.readOnly && exclusive {
		return pl.writeProtected(d, unix.EACCES)
	}
	if pl.fd < 0 {
		if err := pl.openSidecar(d, exclusive); err != nil {
			return err
		}
	}
	for !pl.ownsProcessByte {
		ok, err := pl.setByte(unix.F_OFD_SETLK, processByte(), lockType(!pl.readOnly))
		if err == nil && !ok {
			err = w.pause(pl, -1, time.Millisecond)
		}
		if err != nil {
			return err // the descriptor stays open: closing it drops the locks of the copy of the library that has the byte
		}
		pl.ownsProcessByte = ok
	}
	pl.fdUsers++
	return nil
}

// openSidecar opens the sidecar, for reading where it cannot be written.
func (pl *processLock) openSidecar(d *dir, exclusive bool) (err error) {
	pl.readOnly = false
	pl.fd, pl.st, err = d.openFD(pl.id.name, unix.O_RDWR|unix.O_CREAT)
	if err == nil && pl.st.Size == 0 && d.shared() { // it is new; the group needs it
		_ = unix.Fchmod(pl.fd, 0o660)
	}
	if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EPERM) {
		return err
	}
	if exclusive {
		return pl.writeProtected(d, err)
	}
	pl.readOnly = true
	if pl.fd, pl.st, err = d.openFD(pl.id.name, unix.O_RDONLY); err != nil && !errors.Is(err, ck.CKR_FUNCTION_FAILED) {
		return errNoSidecar
	}
	return err
}

func (pl *processLock) writeProtected(d *dir, err error) error {
	return fmt.Errorf("%w: %s cannot be written: %v", ck.CKR_TOKEN_WRITE_PROTECTED, d.file(pl.id.name), err)
}

// stillOpen says whether the descriptor is still what it was when it was opened.
func (pl *processLock) stillOpen() bool {
	var st unix.Stat_t
	return unix.Fstat(pl.fd, &st) == nil && st.Dev == pl.st.Dev && st.Ino == pl.st.Ino
}

// lockBytes takes lockByte, by way of gateByte.
func (pl *processLock) lockBytes(exclusive bool, w *lockWait) error {
	if err := pl.waitForByte(gateByte, lockType(!pl.readOnly), w, time.Millisecond); err != nil {
		return err
	}
	defer func() { _, _ = pl.setByte(unix.F_SETLK, gateByte, unix.F_UNLCK) }()
	pl.mu.Lock()
	if pl.holders > 0 { // other readers of this process have it already
		pl.holders++
		pl.mu.Unlock()
		return nil
	}
	pl.mu.Unlock()
	if err := pl.waitForByte(lockByte, lockType(exclusive), w, 200*time.Microsecond); err != nil {
		return err
	}
	pl.mu.Lock()
	pl.holders++
	pl.mu.Unlock()
	return nil
}

// waitForByte asks the kernel for a byte until it has it.
func (pl *processLock) waitForByte(at int64, kind int16, w *lockWait, longest time.Duration) error {
	for {
		ok, err := pl.setByte(unix.F_SETLK, at, kind)
		if ok || err != nil {
			return err
		}
		if err := w.pause(pl, at, longest); err != nil {
			return err
		}
	}
}

func lockType(exclusive bool) int16 {
	if exclusive {
		return unix.F_WRLCK
	}
	return unix.F_RDLCK
}

// setByte has the kernel lock a byte, or give it back, and reports whether it did.
func (pl *processLock) setByte(cmd int, at int64, kind int16) (bool, error) {
	f := unix.Flock_t{Type: kind, Start: at, Len: 1}
	err := retry(func() error { return fcntl(uintptr(pl.fd), cmd, &f) })
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES):
		return false, nil
	}
	return false, fmt.Errorf("%w: locking %s: %v", ck.CKR_FUNCTION_FAILED, pl.id.name, err)
}

// checkHeld makes sure, before anything is written, that the lock is still there: a host that closes descriptors that are not
// its own drops it.
func (l *lock) checkHeld() error {
	if !l.process.stillOpen() {
		return fmt.Errorf("%w: somebody closed the descriptor of %s", ck.CKR_FUNCTION_FAILED, l.process.id.name)
	}
	ok, err := l.process.setByte(unix.F_SETLK, lockByte, unix.F_WRLCK)
	if err == nil && !ok {
		err = fmt.Errorf("%w: the lock on %s was lost", ck.CKR_FUNCTION_FAILED, l.process.id.name)
	}
	return err
}

// Behind the counter of a token's sidecar stands which commit is known to be on the disk: the checksum of its meta page. Whoever writes
// something else there makes commits slower, or less safe in a power cut, and does no other harm.
const durableCommitAt = counterSize

// durableCommit returns which commit that is, 0 where none is known to be.
func (l *lock) durableCommit() uint64 {
	var b [8]byte
	if n, err := unix.Pread(l.fd(), b[:], durableCommitAt); err != nil || n != len(b) {
		return 0
	}
	return leUint64(b[:])
}

// setDurableCommit notes that a commit is on the disk, where that can be done.
func (l *lock) setDurableCommit(sum uint64) {
	if checkSizeLimit(durableCommitAt+8) != nil {
		return
	}
	_, _ = unix.Pwrite(l.fd(), binary.LittleEndian.AppendUint64(nil, sum), durableCommitAt)
}

// unlockBytes gives the lock of one thread back, and with the last one's the process's.
func (pl *processLock) unlockBytes() {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.holders--; pl.holders == 0 && pl.stillOpen() {
		_, _ = pl.setByte(unix.F_SETLK, lockByte, unix.F_UNLCK) // where that fails detach closes the file, which cannot fail
	}
}

// detach ends the use of the sidecar by one thread, and closes it with the last. Closing drops every lock of the process on
// it. The own byte is given back by name: a child that was forked meanwhile has the open file too, and would keep the byte
// from this process. Where that cannot be done the file stays open, and the byte ours.
func (pl *processLock) detach() {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.fdUsers--; pl.fdUsers > 0 {
		return
	}
	if pl.stillOpen() {
		if _, err := pl.setByte(unix.F_OFD_SETLK, processByte(), unix.F_UNLCK); err != nil {
			f := unix.Flock_t{Type: unix.F_UNLCK, Start: gateByte, Len: 2}
			if retry(func() error { return fcntl(uintptr(pl.fd), unix.F_SETLK, &f) }) == nil {
				return
			}
		}
		_ = unix.Close(pl.fd)
	}
	pl.fd, pl.ownsProcessByte = -1, false
}

// release gives the lock back.
func (l *lock) release() {
	if l == nil {
		return
	}
	l.process.unlockBytes()
	l.process.detach()
	l.process.unlockThreads(l.exclusive)
	l.process.unref()
}

// A lockWait waits for a lock. The kernel has no way to wait for a limited time, so it asks again and again: soon at first, then
// after longer pauses, which are random so that those who wait have equal chances.
type lockWait struct {
	wait         bool
	what         string
	began, since time.Time // since is when the holder was last another one
	looked       time.Time
	holder       holder
	length       time.Duration
}

func newLockWait(wait bool, what string) *lockWait { return &lockWait{wait: wait, what: what} }

// pause waits a little. It answers errBusy where there is no waiting, and an error where it has waited long enough. The
// caller has pl.asking.
func (w *lockWait) pause(pl *processLock, at int64, longest time.Duration) error {
	if !w.wait {
		return errBusy
	}
	now := time.Now()
	if w.length == 0 {
		w.began, w.since, w.looked, w.length = now, now, now, 20*time.Microsecond
		if now.Sub(pl.gaveUp.at) < time.Second {
			// Another thread has just waited for the same holder in vain. Where a hundred wait, the last one need not wait a hundred times as long.
			if w.holder = holderOf(pl, at); w.holder == pl.gaveUp.of {
				w.since = now.Add(-maxHeld)
			}
		}
	}
	if now.Sub(w.looked) > maxHeld/100 {
		w.looked = now
		if h := holderOf(pl, at); h != w.holder {
			w.holder, w.since = h, now
		}
	}
	if now.Sub(w.since) >= maxHeld || now.Sub(w.began) > maxWait {
		pl.gaveUp.at, pl.gaveUp.of = now, w.holder
		who := "another process"
		if w.holder.pid > 0 {
			who = fmt.Sprintf("process %d", w.holder.pid)
		}
		return fmt.Errorf("%w: %s is locked by %s, and stays so", ck.CKR_FUNCTION_FAILED, w.what, who)
	}
	w.length = min(w.length*3/2, longest)
	ts := unix.NsecToTimespec(int64(w.length/2) + rand.Int64N(int64(w.length)))
	_ = unix.Nanosleep(&ts, nil)
	return nil
}

// A holder is who has a lock, as far as it is to be known: the process (0 in another PID namespace, -1 for an open file), and
// the value of the shared counter. Where either changes, somebody makes progress.
type holder struct {
	pid     int32
	counter uint64
}

func holderOf(pl *processLock, at int64) (h holder) {
	if at < 0 {
		return h
	}
	f := unix.Flock_t{Type: unix.F_WRLCK, Start: at, Len: 1}
	if fcntl(uintptr(pl.fd), unix.F_GETLK, &f) == nil && f.Type != unix.F_UNLCK {
		h.pid = f.Pid
	}
	var b [counterSize]byte
	if _, err := unix.Pread(pl.fd, b[:], 0); err == nil {
		h.counter = leUint64(b[:])
	}
	return h
}
