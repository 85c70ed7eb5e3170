package config

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/softcsp/softcsp/internal/quiet"
)

// An output is where the log goes. A file is opened when the first line is written, and again when the process has closed it.
type output struct {
	logger *slog.Logger
	name   string

	mu     sync.Mutex
	file   *quiet.File
	opened bool
	closed bool
}

// newOutput returns the output of a level and a file name, nil where logging is off.
func newOutput(level, name string) *output {
	var l slog.Level
	switch level {
	case "error":
		l = slog.LevelError
	case "info":
		l = slog.LevelInfo
	case "debug":
		l = slog.LevelDebug
	default:
		return nil
	}
	o := &output{name: name}
	o.logger = slog.New(slog.NewTextHandler(o, &slog.HandlerOptions{Level: l})).With("pid", os.Getpid())
	return o
}

// Write implements io.Writer. slog calls it once for each line.
func (o *output) Write(line []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return len(line), nil
	}
	if o.file != nil && !o.file.Genuine() {
		o.file, o.opened = nil, false
	}
	if !o.opened {
		o.opened = true
		o.open()
	}
	if o.file == nil {
		_, _ = quiet.Stderr.Write(line) // nobody can be told
	} else {
		_, _ = o.file.Write(line)
	}
	return len(line), nil
}

// open opens the file. What cannot be opened is said once, and the log goes to stderr.
func (o *output) open() {
	if o.name == "" {
		return
	}
	f, err := openLog(o.name)
	if err != nil {
		quiet.Printf("the log goes to stderr: %v", err)
		return
	}
	o.file = f
}

// openLog opens the file. In a directory that others may write to its name can be a link to what only this user may write, a
// second name of that, or a FIFO that nobody reads: none is opened, and nobody waits.
func openLog(name string) (*quiet.File, error) {
	flags := syscall.O_APPEND | syscall.O_CREAT | syscall.O_WRONLY | syscall.O_CLOEXEC | syscall.O_NONBLOCK | syscall.O_NOCTTY
	if !trustedLink(name) {
		flags |= syscall.O_NOFOLLOW
	}
	fd, err := syscall.Open(name, flags, 0o600)
	var st syscall.Stat_t
	if err == nil {
		if err = syscall.Fstat(fd, &st); err == nil && st.Mode&syscall.S_IFMT == syscall.S_IFREG && st.Nlink > 1 {
			err = errors.New("it has other names (hard links), which may be somebody else's")
		}
		if err == nil {
			err = syscall.SetNonblock(fd, false)
		}
		if err != nil {
			_ = syscall.Close(fd)
		}
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	f, err := quiet.NewFile(fd)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return f, nil
}

// trustedLink says whether a name is a link that nobody but root and this user can have made, as /dev/stderr is.
func trustedLink(name string) bool {
	ours := func(st *syscall.Stat_t) bool { return st.Uid == 0 || st.Uid == uint32(syscall.Geteuid()) }
	var link, dir syscall.Stat_t
	return syscall.Lstat(name, &link) == nil && link.Mode&syscall.S_IFMT == syscall.S_IFLNK && ours(&link) &&
		syscall.Stat(filepath.Dir(name), &dir) == nil && ours(&dir) && dir.Mode&0o022 == 0
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.file == nil {
		return nil
	}
	f := o.file
	o.file = nil
	return f.Close()
}
