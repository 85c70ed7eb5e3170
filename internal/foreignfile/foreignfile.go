// Package foreignfile reads files that belong to other programs, which may be writing to them. A file is read while the lock is held that
// the program's own readers take; it stays as it is, and nothing is left beside it.
package foreignfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"
)

var (
	// ErrUnfit says that a name stands for something else than a file, or for one that is too large.
	ErrUnfit = errors.New("no file of a program's data")
	// ErrInUse says that a program was writing to the file all the time.
	ErrInUse = errors.New("a program is writing to it: stop that program")
)

// A Lock is the bytes of a file that its readers lock, whether it has them or not; of a Size of 0 all from Start on. It is a record lock of POSIX.
type Lock struct{ Start, Size int64 }

// patience is how long to wait for a writer.
const patience = 5 * time.Second

// Read reads a file of at most most bytes under the lock. Before that, and under the lock too, it calls check, which may be nil.
func Read(name string, l Lock, most int64, check func() error) ([]byte, error) {
	return read(name, l, most, check, patience)
}

func read(name string, l Lock, most int64, check func() error, wait time.Duration) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe would wait for its writer
	if err != nil {
		return nil, err
	}
	defer f.Close() // which ends the lock
	i, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !i.Mode().IsRegular() || i.Size() > most {
		return nil, fmt.Errorf("%s: %w", name, ErrUnfit)
	}
	if err := l.take(f, wait); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if check != nil {
		if err := check(); err != nil {
			return nil, err
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s: %w", name, ErrUnfit) // it has grown
	}
	return b, err
}

// take takes the lock. A file system without locks has no writers that could be kept off.
func (l Lock) take(f *os.File, wait time.Duration) error {
	k := syscall.Flock_t{Type: syscall.F_RDLCK, Whence: io.SeekStart, Start: l.Start, Len: l.Size}
	for until := time.Now().Add(wait); ; time.Sleep(10 * time.Millisecond) {
		switch err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &k); {
		case err != syscall.EAGAIN && err != syscall.EACCES && err != syscall.EINTR:
			return nil
		case time.Now().After(until):
			return ErrInUse
		}
	}
}
