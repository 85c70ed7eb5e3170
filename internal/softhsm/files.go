package softhsm

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Files of a token in the file store. Beside them are empty files whose names end in .lock, and "generation", which counts changes.
const (
	tokenFile    = "token.object"
	objectSuffix = ".object"
)

// files is the file store.
type files struct{ dir string }

func openFiles(dir string) (backend, error) { return files{dir}, nil }

func (f files) tokenObject() (object, error) { return f.object(tokenFile) }

func (f files) names() ([]string, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, objectSuffix) && name != objectSuffix && name != tokenFile {
			list = append(list, name)
		}
	}
	return list, nil
}

func (f files) object(name string) (object, error) {
	b, err := readLocked(filepath.Join(f.dir, name))
	if err != nil {
		return nil, err
	}
	return parseObject(b)
}

// maxFile is how large the file of an object may be.
const maxFile = 64 << 20

// patience is how long to wait for a program that writes to a file.
const patience = 5 * time.Second

// readLocked reads a file while it holds the lock of readers: SoftHSM2 empties a file before it writes it anew, with the lock of writers.
func readLocked(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // which ends the lock
	if i, err := f.Stat(); err != nil {
		return nil, err
	} else if !i.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w: not a file", name, ErrDamaged)
	}
	l := syscall.Flock_t{Type: syscall.F_RDLCK, Whence: io.SeekStart}
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		err := syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &l)
		if err != syscall.EAGAIN && err != syscall.EACCES && err != syscall.EINTR {
			break // it is ours, or the file system has none
		}
		if time.Now().After(until) {
			return nil, fmt.Errorf("%s: a program is writing to it: stop that program", name)
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s: %w: larger than %d bytes", name, ErrDamaged, maxFile)
	}
	return b, err
}
