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
// what the process has on it. So the threads of a process share one descriptor and a claim, which keeps them apart;
// and copies of the library in one process, which know nothing of each other, take a lock of an open file on a byte that
// is this process's own (own.go). A child that inherits that keeps nobody out but a process that is gone.
type lock struct {
	process   *processLock
	exclusive bool
	st        unix.Stat_t
	readOnly  bool
}

// fd returns the descriptor of the sidecar.
func (l *lock) fd() int { return l.process.fd }

var errBusy = errors.New("the lock is taken")

// How long a lock may be held by one and the same process before who waits gives up, and how long anybody waits in all.
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

// The bytes of the sidecar that are locked. Who wants the lock passes the gate first, and waits for the room inside the gate:
// without it, readers who come and go could keep a writer out for ever, and those who wait would all wait for the room.
const (
	gateByte = 0
	lockByte = 1
)

// A processLock is what this process has of one sidecar: for a reader and many, or for one writer.
type processLock struct {
	id   sidecarID
	refs int // references, under claims.mu

	threads sync.RWMutex // the transactions of this process
	asking  sync.Mutex   // one thread at a time asks the kernel
	gaveUp  struct {     // the last time that one waited in vain, and for whom
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

// A sidecarID names a sidecar. Opening a file to see which it is would be closing it again.
type sidecarID struct {
	dev, ino uint64 // of the directory
	name     string
}

// processLocks are those in use, of all places of this copy of the library.
var processLocks = struct {
	mu  sync.Mutex
	all map[sidecarID]*processLock
}{all: map[sidecarID]*processLock{}}

// processLockOn returns the claim on a sidecar. The caller gives it back with drop.
func processLockOn(d *dir, name string) *processLock {
	key := sidecarID{d.st.Dev, d.st.Ino, name}
	processLocks.mu.Lock()
	defer processLocks.mu.Unlock()
	c := processLocks.all[key]
	if c == nil {
		c = &processLock{id: key, fd: -1}
		processLocks.all[key] = c
	}
	c.refs++
	return c
}

func (c *processLock) unref() {
	processLocks.mu.Lock()
	defer processLocks.mu.Unlock()
	if c.refs--; c.refs == 0 && c.fd < 0 {
		delete(processLocks.all, c.id)
	}
}

// takeLock takes the lock on a file of the directory, which it makes where there is none. Without wait it answers errBusy at
// once where another has the lock. A process that may only read gets a shared lock on what there is, and nil where there
// is nothing that it can read.
func takeLock(d *dir, name string, exclusive, wait bool) (*lock, error) {
	c := processLockOn(d, name)
	if !c.lockThreads(exclusive, wait) {
		c.unref()
		return nil, errBusy
	}
	l := &lock{process: c, exclusive: exclusive}
	switch err := c.lock(d, l, newLockWait(wait, d.file(name))); {
	case errors.Is(err, errNoSidecar):
		l = nil
	case err == nil:
		return l, nil
	default:
		c.unlockThreads(exclusive)
		c.unref()
		return nil, err
	}
	c.unlockThreads(exclusive)
	c.unref()
	return nil, nil
}

// lockThreads keeps the threads of this process apart.
func (c *processLock) lockThreads(exclusive, wait bool) bool {
	switch {
	case exclusive && wait:
		c.threads.Lock()
	case exclusive:
		return c.threads.TryLock()
	case wait:
		c.threads.RLock()
	default:
		return c.threads.TryRLock()
	}
	return true
}

func (c *processLock) unlockThreads(exclusive bool) {
	if exclusive {
		c.threads.Unlock()
	} else {
		c.threads.RUnlock()
	}
}

// lock takes the lock from other processes. It asks anew where somebody removed the file between opening and locking:
// then the lock is worth nothing.
func (c *processLock) lock(d *dir, l *lock, p *lockWait) error {
	if !p.wait {
		if !c.asking.TryLock() {
			return errBusy
		}
	} else {
		c.asking.Lock()
	}
	defer c.asking.Unlock()
	for {
		if err := c.attach(d, l.exclusive, p); err != nil {
			return err
		}
		err := c.lockBytes(l.exclusive, p)
		if err == nil {
			if err = fstat(c.fd, &l.st); err == nil && l.st.Nlink > 0 {
				l.readOnly = c.readOnly
				return nil
			}
			c.unlockBytes()
		}
		c.detach()
		if err != nil {
			return err
		}
		if err := p.pause(c, -1, time.Millisecond); err != nil {
			return err
		}
	}
}

var errNoSidecar = errors.New("there is no sidecar")

// attach opens the sidecar for one more thread, and takes the process's own byte with the first.
func (c *processLock) attach(d *dir, exclusive bool, p *lockWait) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 && !c.stillOpen() { // the host closed it
		c.fd, c.ownsProcessByte = -1, false
	}
	if c.fd >= 0 && c.readOnly && exclusive {
		return c.writeProtected(d, unix.EACCES)
	}
	if c.fd < 0 {
		if err := c.openSidecar(d, exclusive); err != nil {
			return err
		}
	}
	for !c.ownsProcessByte {
		ok, err := c.setByte(unix.F_OFD_SETLK, processByte(), lockType(!c.readOnly))
		if err == nil && !ok {
			err = p.pause(c, -1, time.Millisecond)
		}
		if err != nil {
			return err // the descriptor stays open: closing it drops the locks of the copy of the library that has the byte
		}
		c.ownsProcessByte = ok
	}
	c.fdUsers++
	return nil
}

// openSidecar opens the sidecar, for reading where it cannot be written.
func (c *processLock) openSidecar(d *dir, exclusive bool) (err error) {
	c.readOnly = false
	c.fd, c.st, err = d.openFD(c.id.name, unix.O_RDWR|unix.O_CREAT)
	if err == nil && c.st.Size == 0 && d.shared() { // it is new; the group needs it
		_ = unix.Fchmod(c.fd, 0o660)
	}
	if !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EPERM) {
		return err
	}
	if exclusive {
		return c.writeProtected(d, err)
	}
	c.readOnly = true
	if c.fd, c.st, err = d.openFD(c.id.name, unix.O_RDONLY); err != nil && !errors.Is(err, ck.CKR_FUNCTION_FAILED) {
		return errNoSidecar
	}
	return err
}

func (c *processLock) writeProtected(d *dir, err error) error {
	return fmt.Errorf("%w: %s cannot be written: %v", ck.CKR_TOKEN_WRITE_PROTECTED, d.file(c.id.name), err)
}

// stillOpen says whether the descriptor is still what it was when it was opened.
func (c *processLock) stillOpen() bool {
	var st unix.Stat_t
	return unix.Fstat(c.fd, &st) == nil && st.Dev == c.st.Dev && st.Ino == c.st.Ino
}

// lockBytes goes through the gate into the room.
func (c *processLock) lockBytes(exclusive bool, p *lockWait) error {
	if err := c.waitForByte(gateByte, lockType(!c.readOnly), p, time.Millisecond); err != nil {
		return err
	}
	defer func() { _, _ = c.setByte(unix.F_SETLK, gateByte, unix.F_UNLCK) }()
	c.mu.Lock()
	if c.holders > 0 { // other readers of this process are inside
		c.holders++
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()
	if err := c.waitForByte(lockByte, lockType(exclusive), p, 200*time.Microsecond); err != nil {
		return err
	}
	c.mu.Lock()
	c.holders++
	c.mu.Unlock()
	return nil
}

// waitForByte asks for a byte until it has it.
func (c *processLock) waitForByte(at int64, kind int16, p *lockWait, longest time.Duration) error {
	for {
		ok, err := c.setByte(unix.F_SETLK, at, kind)
		if ok || err != nil {
			return err
		}
		if err := p.pause(c, at, longest); err != nil {
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

// setByte asks the kernel for a byte, or gives it back, and says whether it was to be had.
func (c *processLock) setByte(cmd int, at int64, kind int16) (bool, error) {
	f := unix.Flock_t{Type: kind, Start: at, Len: 1}
	err := retry(func() error { return fcntl(uintptr(c.fd), cmd, &f) })
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES):
		return false, nil
	}
	return false, fmt.Errorf("%w: locking %s: %v", ck.CKR_FUNCTION_FAILED, c.id.name, err)
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

// Behind the word of a token's sidecar stands which commit is known to be on the disk. What anybody writes there makes commits
// slower, or less safe in a power cut, and nothing else.
const durableCommitAt = counterSize

// durableCommit returns it, 0 where nothing is known.
func (l *lock) durableCommit() uint64 {
	var b [8]byte
	if n, err := unix.Pread(l.fd(), b[:], durableCommitAt); err != nil || n != len(b) {
		return 0
	}
	return leUint64(b[:])
}

// setDurableCommit notes it, where that can be done.
func (l *lock) setDurableCommit(sum uint64) {
	if checkSizeLimit(durableCommitAt+8) != nil {
		return
	}
	_, _ = unix.Pwrite(l.fd(), binary.LittleEndian.AppendUint64(nil, sum), durableCommitAt)
}

// unlockBytes ends the holding of one thread, and the process's with the last.
func (c *processLock) unlockBytes() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holders--; c.holders == 0 && c.stillOpen() {
		_, _ = c.setByte(unix.F_SETLK, lockByte, unix.F_UNLCK) // where that fails detach closes the file, which cannot fail
	}
}

// detach ends the use of the sidecar by one thread, and closes it with the last. Closing drops every lock of the process on
// it. The own byte is given back by name: a child that was forked meanwhile has the open file too, and would keep the byte
// from this process. Where that cannot be done the file stays open, and the byte ours.
func (c *processLock) detach() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fdUsers--; c.fdUsers > 0 {
		return
	}
	if c.stillOpen() {
		if _, err := c.setByte(unix.F_OFD_SETLK, processByte(), unix.F_UNLCK); err != nil {
			f := unix.Flock_t{Type: unix.F_UNLCK, Start: gateByte, Len: 2}
			if retry(func() error { return fcntl(uintptr(c.fd), unix.F_SETLK, &f) }) == nil {
				return
			}
		}
		_ = unix.Close(c.fd)
	}
	c.fd, c.ownsProcessByte = -1, false
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

// A lockWait is how long somebody waits. The kernel's own waiting has no end that can be set, so this asks again and again:
// soon at first, and by chance, so that those who wait have equal chances.
type lockWait struct {
	wait         bool
	what         string
	began, since time.Time // since when all is as it is
	looked       time.Time
	holder       holder
	length       time.Duration
}

func newLockWait(wait bool, what string) *lockWait { return &lockWait{wait: wait, what: what} }

// pause waits a little. It answers errBusy where there is no waiting, and an error where it has waited long enough. The
// caller has c.entry.
func (p *lockWait) pause(c *processLock, at int64, longest time.Duration) error {
	if !p.wait {
		return errBusy
	}
	now := time.Now()
	if p.length == 0 {
		p.began, p.since, p.looked, p.length = now, now, now, 20*time.Microsecond
		if now.Sub(c.gaveUp.at) < time.Second {
			// Another thread has just waited for this one in vain. Where a hundred wait, the last need not wait hundred times.
			if p.holder = holderOf(c, at); p.holder == c.gaveUp.of {
				p.since = now.Add(-maxHeld)
			}
		}
	}
	if now.Sub(p.looked) > maxHeld/100 {
		p.looked = now
		if h := holderOf(c, at); h != p.holder {
			p.holder, p.since = h, now
		}
	}
	if now.Sub(p.since) >= maxHeld || now.Sub(p.began) > maxWait {
		c.gaveUp.at, c.gaveUp.of = now, p.holder
		who := "another process"
		if p.holder.pid > 0 {
			who = fmt.Sprintf("process %d", p.holder.pid)
		}
		return fmt.Errorf("%w: %s is locked by %s, and stays so", ck.CKR_FUNCTION_FAILED, p.what, who)
	}
	p.length = min(p.length*3/2, longest)
	ts := unix.NsecToTimespec(int64(p.length/2) + rand.Int64N(int64(p.length)))
	_ = unix.Nanosleep(&ts, nil)
	return nil
}

// A holder is who has a lock, as far as it is to be known: the process (0 in another PID namespace, -1 for an open file), and
// how many commits there have been. Where either changes somebody gets on.
type holder struct {
	pid     int32
	counter uint64
}

func holderOf(c *processLock, at int64) (h holder) {
	if at < 0 {
		return h
	}
	f := unix.Flock_t{Type: unix.F_WRLCK, Start: at, Len: 1}
	if fcntl(uintptr(c.fd), unix.F_GETLK, &f) == nil && f.Type != unix.F_UNLCK {
		h.pid = f.Pid
	}
	var b [counterSize]byte
	if _, err := unix.Pread(c.fd, b[:], 0); err == nil {
		h.counter = leUint64(b[:])
	}
	return h
}
