package store

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A lock is a lock between processes on a sidecar file: shared for readers, exclusive for writers. It waits in the kernel,
// where bbolt's own lock would poll every 50 ms. It is an open file description lock, so two descriptors of one
// process are strangers to each other too.
type lock struct {
	fd       int
	st       unix.Stat_t
	readOnly bool
}

var errBusy = errors.New("the lock is taken")

// takeLock takes the lock on path, which it makes where there is none. Without wait it answers errBusy at once where another
// has the lock. A process that may only read gets a shared lock on what there is, and nil where there is nothing:
// bbolt's lock on the token file is left to it then.
func takeLock(path string, exclusive, wait bool) (*lock, error) {
	for {
		l := &lock{}
		var err error
		l.fd, err = unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) || errors.Is(err, unix.EPERM) {
			if exclusive {
				return nil, fmt.Errorf("%w: %s cannot be written: %v", ck.CKR_TOKEN_WRITE_PROTECTED, path, err)
			}
			l.readOnly = true
			if l.fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
				return nil, nil
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%w: opening %s: %v", ck.CKR_FUNCTION_FAILED, path, err)
		}
		if err := l.take(exclusive, wait); err != nil {
			_ = unix.Close(l.fd)
			return nil, err
		}
		// Somebody may have removed the file between opening and locking: then the lock is worth nothing.
		if err := unix.Fstat(l.fd, &l.st); err != nil || l.st.Nlink > 0 {
			return l, err
		}
		l.release()
	}
}

// The two bytes of the sidecar that are locked. Who wants the lock passes the gate first, and a writer waits inside the
// gate: without it, readers who come and go could keep a writer out for ever.
const (
	gate = 0
	room = 1
)

// take asks the kernel for the lock.
func (l *lock) take(exclusive, wait bool) error {
	kind := int16(unix.F_RDLCK)
	if exclusive {
		kind = unix.F_WRLCK
	}
	if err := l.ask(gate, kind, wait); err != nil {
		return err
	}
	err := l.ask(room, kind, wait)
	_ = l.ask(gate, unix.F_UNLCK, false)
	return err
}

// ask asks the kernel for the lock on one byte.
func (l *lock) ask(at int64, kind int16, wait bool) error {
	cmd := unix.F_OFD_SETLK
	if wait {
		cmd = unix.F_OFD_SETLKW
	}
	for {
		switch err := unix.FcntlFlock(uintptr(l.fd), cmd, &unix.Flock_t{Type: kind, Start: at, Len: 1}); {
		case err == nil:
			return nil
		case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES):
			return errBusy
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("%w: locking: %v", ck.CKR_FUNCTION_FAILED, err)
		}
	}
}

// release gives the lock back. It says so to the kernel: a child that was forked meanwhile has the descriptor too, and
// closing ours alone would leave the lock with it.
func (l *lock) release() {
	if l == nil {
		return
	}
	_ = l.ask(room, unix.F_UNLCK, false)
	_ = unix.Close(l.fd)
}
