// Package quiet writes lines for people to descriptors of a process that is somebody else's: its standard error, a log. Nobody may
// read there any more, or read slowly, or the file may have grown to its limit.
//
// No signal comes of a write, whatever the process does with SIGPIPE and SIGXFSZ, and a write that cannot be done within a
// second is not done. What C says is written by p11shim/say.c in the same way.
package quiet

import (
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A pipe takes this much as one, and at once where it takes anything.
const atOnce = 4096

// patience is how long the first write waits that finds no room, and those after the first do not.
const patience = time.Second

// Stderr is standard error.
var Stderr = &Writer{fd: 2}

// A Writer writes to one descriptor.
type Writer struct {
	fd    int
	stuck atomic.Bool // there was no room, and nothing has been written since
	lost  atomic.Int64
}

// Printf writes a line to standard error.
func Printf(format string, args ...any) { _, _ = fmt.Fprintf(Stderr, "softcsp: "+format+"\n", args...) }

var errNoRoom = errors.New("there is no room, and nobody reads")

// Write implements io.Writer. It is called once for each line. What is lost is counted, and the number is told before what is
// written next.
func (w *Writer) Write(line []byte) (int, error) {
	lost, all := w.lost.Swap(0), line
	if lost != 0 {
		all = append(fmt.Appendf(nil, "softcsp: %d lines could not be written here\n", lost), line...)
	}
	if err := w.write(all); err != nil {
		w.lost.Add(lost + 1)
		return 0, err
	}
	return len(line), nil
}

func (w *Writer) write(line []byte) error {
	for tries := 0; len(line) > 0; tries++ {
		if tries > 100 || !w.ready() {
			return errNoRoom
		}
		n, err := writeOnce(w.fd, line[:min(len(line), atOnce)])
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN):
		case err != nil:
			return err
		case n <= 0:
			return errNoRoom
		}
		line = line[max(n, 0):]
	}
	w.stuck.Store(false)
	return nil
}

// ready waits until there is room.
func (w *Writer) ready() bool {
	for end := time.Now().Add(patience); ; {
		left := max(0, time.Until(end))
		if w.stuck.Load() {
			left = 0
		}
		fds := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLOUT}}
		n, err := unix.Poll(fds, int(left.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR) && left > 0:
			continue
		case err == nil && n == 1 && fds[0].Revents&unix.POLLOUT != 0:
			return true
		case err == nil && n == 0:
			w.stuck.Store(true)
		}
		return false
	}
}

// Do runs what writes to files and pipes, and takes back the signals that come of it. Both are the thread's that writes.
func Do(f func() error) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	both := setOf(unix.SIGPIPE, unix.SIGXFSZ)
	var before unix.Sigset_t
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &both, &before); err != nil {
		return err
	}
	pending := pending()
	defer func() {
		if errors.Is(err, unix.EPIPE) { // otherwise it is not of f
			take(unix.SIGPIPE, &pending)
		}
		take(unix.SIGXFSZ, &pending)
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	}()
	return f()
}

func writeOnce(fd int, p []byte) (n int, err error) {
	err = Do(func() error {
		var err error
		n, err = put(fd, p)
		return err
	})
	return n, err
}

// put writes without waiting, where the system can: others who write to the same pipe may have taken what room there was.
func put(fd int, p []byte) (int, error) {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFIFO {
		n, err := unix.Pwritev2(fd, [][]byte{p}, -1, unix.RWF_NOWAIT)
		if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EINVAL) {
			return n, err
		}
	}
	return unix.Write(fd, p)
}

func setOf(signals ...unix.Signal) (s unix.Sigset_t) {
	for _, sig := range signals {
		s.Val[0] |= 1 << (sig - 1)
	}
	return s
}

const setSize = 8 // of the kernel's sets

func pending() (s unix.Sigset_t) {
	_, _, _ = unix.RawSyscall(unix.SYS_RT_SIGPENDING, uintptr(unsafe.Pointer(&s)), setSize, 0)
	return s
}

// take takes a signal of this thread's, unless there was one before, which is the host's.
func take(sig unix.Signal, before *unix.Sigset_t) {
	s, none := setOf(sig), unix.Timespec{}
	if before.Val[0]&s.Val[0] == 0 {
		_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&s)), 0, uintptr(unsafe.Pointer(&none)), setSize, 0, 0)
	}
}
