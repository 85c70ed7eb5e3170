package store

import (
	"errors"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Lost reports whether this process cannot open the token any more although nobody has said that it is gone: it has given up its
// rights, or has another root directory. It may go on with what it has read, as a process does whose token is a piece of
// hardware.
func (t *Token) Lost() bool { return t.backend.lost() }

// ReadOnly reports whether this process cannot write to the token.
func (t *Token) ReadOnly() bool { return t.backend.readOnly() }

// lost implements backend.
func (b *boltFile) lost() bool { return outOfReach(b.path) }

// readOnly implements backend. It opens the file for writing, without writing, because the right to write comes in many ways and nothing else
// tells.
func (b *boltFile) readOnly() bool {
	fd, err := unix.Open(b.path, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err == nil {
		_ = unix.Close(fd)
		return false
	}
	return forbidden(err) || outOfReach(b.path)
}

// outOfReach reports whether this process cannot read a file. A file that is missing in a directory that is there was removed: that is
// not out of reach. No link is followed and no device is opened: opening one may do something.
func outOfReach(path string) bool {
	var st unix.Stat_t
	d, err := openDir(filepath.Dir(path))
	if err != nil {
		return forbidden(err) || unix.Stat(filepath.Dir(path), &st) != nil
	}
	defer d.close()
	fd, _, err := d.openFD(filepath.Base(path), unix.O_RDONLY)
	if err == nil {
		_ = unix.Close(fd)
	}
	return forbidden(err)
}

// forbidden reports whether an error says that the process may not.
func forbidden(err error) bool {
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EROFS)
}
