package quiet

import (
	"golang.org/x/sys/unix"
)

// Descriptors start here, clear of the low numbers that hosts close, reopen and count on.
const firstDescriptor = 200

// A File is an open file. The process may close its descriptor, as daemons close all that are open, and open something of its own
// in its place: that is not written to, and not closed.
type File struct {
	Writer

	dev, ino uint64
}

// NewFile takes a descriptor over.
func NewFile(fd int) (*File, error) {
	if high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, firstDescriptor); err == nil {
		_ = unix.Close(fd)
		fd = high
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &File{Writer: Writer{fd: fd}, dev: uint64(st.Dev), ino: st.Ino}, nil
}

// Genuine says whether the descriptor is still of the file.
func (f *File) Genuine() bool {
	var st unix.Stat_t
	return unix.Fstat(f.fd, &st) == nil && uint64(st.Dev) == f.dev && st.Ino == f.ino
}

// Close closes the descriptor, if it is of the file.
func (f *File) Close() error {
	if !f.Genuine() {
		return nil
	}
	return unix.Close(f.fd)
}
