package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A disk is a token directory while it is open: everything that the store does to tokens there goes through it, so that
// tests can put faults between. Locks do not: lock.go.
type disk interface {
	// open opens a file that is there.
	open(name string, write bool) (file, error)
	// create makes a file that is not there, with mode 0600.
	create(name string) (file, error)
	// rename gives a file another name. Without over it answers fs.ErrExist where there is a file of that name.
	rename(from, to string, over bool) error
	remove(name string) error
	// sync makes names durable.
	sync() error
	close()
}

// A file is an open file of a disk.
type file interface {
	io.ReaderAt
	io.WriterAt
	truncate(size int64) error
	// allocate has the disk set apart what a file of that size takes, and makes it that long where it is shorter.
	allocate(size int64) error
	// sync makes contents durable.
	sync() error
	stat() (unix.Stat_t, error)
	// takeOwner gives the file the owner, the group and the mode of another, which it is to replace, as far as this process may.
	takeOwner(old *unix.Stat_t)
	close() error
}

// A dir is a directory on the machine. In a directory that a group shares, any member can put anything under any name. So
// nothing there is opened by its path: it is opened below the directory's descriptor, never through a link and without
// waiting (a FIFO would wait), and is then looked at: checkOwner says which are used.
//
// The host may close any descriptor of the process, and another file may then get its number. So none outlives
// the call that opened it. They are not given to package os, whose files would start the runtime's network poller.
type dir struct {
	path string
	fd   int
	st   unix.Stat_t
}

var (
	_ disk = (*dir)(nil)
	_ file = (*plainFile)(nil)
)

// openDir opens the directory at path.
func openDir(path string) (*dir, error) {
	d := &dir{path: path}
	err := retry(func() (err error) {
		d.fd, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		return err
	})
	if err == nil {
		if err = unix.Fstat(d.fd, &d.st); err == nil {
			return d, nil
		}
		_ = unix.Close(d.fd)
	}
	return nil, dirError(path, err)
}

// dirError says what is wrong with the directory and what to do about it.
func dirError(dir string, err error) error {
	var op *fs.PathError
	if errors.As(err, &op) {
		err = op.Err
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.EROFS) && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: the token directory %s cannot be opened: %w", ck.CKR_FUNCTION_FAILED, dir, err)
	}
	return fmt.Errorf("%w: the token directory %s cannot be opened: %w: let this user (uid %d) read and write it, or name "+
		"another one with SOFTCSP_TOKENDIR%w", ck.CKR_FUNCTION_FAILED, dir, err, os.Getuid(), noPlace{})
}

// retry calls f until no signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (d *dir) close() { _ = unix.Close(d.fd) }

// file returns the path of a file, for what is said of it.
func (d *dir) file(name string) string { return filepath.Join(d.path, name) }

// openFD opens a file of the directory and looks at it.
func (d *dir) openFD(name string, flags int) (fd int, st unix.Stat_t, err error) {
	err = retry(func() (err error) {
		fd, err = unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0o600)
		return err
	})
	switch {
	case errors.Is(err, unix.ELOOP):
		return -1, st, d.notUsed(name, "it is a symbolic link")
	case errors.Is(err, unix.ENXIO): // a FIFO that nobody reads, or a socket
		return -1, st, d.notUsed(name, "it is not a regular file")
	case err != nil:
		return -1, st, &fs.PathError{Op: "opening", Path: d.file(name), Err: err}
	}
	if err = unix.Fstat(fd, &st); err == nil {
		err = d.checkOwner(name, &st)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, st, err
	}
	return fd, st, nil
}

// notUsed returns the error for a file of the directory that is none of ours.
func (d *dir) notUsed(name, what string) error {
	return fmt.Errorf("%w: %s is not used: %s", ck.CKR_FUNCTION_FAILED, d.file(name), what)
}

// checkOwner says whether a file may be used. It is regular and has no other name. It belongs to root, to this process's user or
// to the directory's owner; or, in a directory that its group may write to, to anybody of that group, which is also the
// file's then (the set-group-ID bit of the directory sees to that).
func (d *dir) checkOwner(name string, st *unix.Stat_t) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return d.notUsed(name, "it is not a regular file")
	case st.Nlink > 1 && !d.leftover(name, st):
		return d.notUsed(name, "it has other names (hard links), which may be somebody else's")
	case st.Uid == 0 || st.Uid == uint32(unix.Geteuid()) || st.Uid == d.st.Uid:
		return nil
	case d.shared() && st.Gid == d.st.Gid:
		return nil
	}
	return d.notUsed(name, fmt.Sprintf("it belongs to the user %d, who is neither root, nor this one, nor the owner of the directory, "+
		"and not to the directory's group", st.Uid))
}

// leftover says whether the other name of a token is the one under which it was made, by a process that was killed then.
func (d *dir) leftover(name string, st *unix.Stat_t) bool {
	uuid, ok := strings.CutSuffix(name, suffix)
	var other unix.Stat_t
	return ok && st.Nlink == 2 && unix.Fstatat(d.fd, "."+uuid+".new", &other, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		other.Dev == st.Dev && other.Ino == st.Ino
}

// open implements disk.
func (d *dir) open(name string, write bool) (file, error) {
	flags := unix.O_RDONLY
	if write {
		flags = unix.O_RDWR
	}
	return d.openPlain(name, flags)
}

// create implements disk.
func (d *dir) create(name string) (file, error) {
	return d.openPlain(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
}

func (d *dir) openPlain(name string, flags int) (file, error) {
	fd, _, err := d.openFD(name, flags)
	if err != nil {
		return nil, err
	}
	return &plainFile{fd: fd, path: d.file(name)}, nil
}

// rename implements disk.
func (d *dir) rename(from, to string, over bool) error {
	var flags uint
	if !over {
		flags = unix.RENAME_NOREPLACE
	}
	err := unix.Renameat2(d.fd, from, d.fd, to, flags)
	if !over && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS)) {
		// This file system cannot. The caller has the lock under which such names are given.
		var st unix.Stat_t
		if err = unix.Fstatat(d.fd, to, &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
			err = unix.EEXIST
		} else if errors.Is(err, unix.ENOENT) {
			err = unix.Renameat(d.fd, from, d.fd, to)
		}
	}
	return pathError("renaming", d.file(from), err)
}

// remove implements disk.
func (d *dir) remove(name string) error {
	return pathError("removing", d.file(name), unix.Unlinkat(d.fd, name, 0))
}

// sync implements disk.
func (d *dir) sync() error {
	return pathError("writing", d.path, retry(func() error { return unix.Fsync(d.fd) }))
}

// exists is set in every mode that fileMode returns, also where nothing more can be known.
const exists = 1 << 31

// fileMode returns the mode of what has a name, 0 where there is nothing.
func (d *dir) fileMode(name string) uint32 {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil && errors.Is(err, unix.ENOENT) {
		return 0
	}
	return st.Mode | exists
}

// shared says whether a group shares the directory.
func (d *dir) shared() bool { return d.st.Mode&unix.S_IWGRP != 0 }

// names returns the names of everything in the directory.
func (d *dir) names() (names []string, err error) {
	if _, err := unix.Seek(d.fd, 0, io.SeekStart); err != nil {
		return nil, dirError(d.path, err)
	}
	buf := make([]byte, 8<<10)
	for {
		n, err := unix.ReadDirent(d.fd, buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, dirError(d.path, err)
		}
		if n == 0 {
			return names, nil
		}
		_, _, names = unix.ParseDirent(buf[:n], math.MaxInt, names)
	}
}

// A plainFile is a file of a dir.
type plainFile struct {
	fd   int
	path string
}

func pathError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// ReadAt implements io.ReaderAt.
func (f *plainFile) ReadAt(p []byte, off int64) (done int, err error) {
	for done < len(p) {
		n, err := unix.Pread(f.fd, p[done:], off+int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return done, pathError("reading", f.path, err)
		case n == 0:
			return done, io.EOF
		default:
			done += n
		}
	}
	return done, nil
}

// checkSizeLimit answers EFBIG where the process may not write files of a size. The system would answer so too, and send a signal that ends
// the host.
func checkSizeLimit(size int64) error {
	var most unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &most) == nil && uint64(size) > most.Cur {
		return unix.EFBIG
	}
	return nil
}

// WriteAt implements io.WriterAt.
func (f *plainFile) WriteAt(p []byte, off int64) (done int, err error) {
	if err := checkSizeLimit(off + int64(len(p))); err != nil {
		return 0, pathError("writing", f.path, err)
	}
	for done < len(p) {
		n, err := unix.Pwrite(f.fd, p[done:], off+int64(done))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return done, pathError("writing", f.path, err)
		case n == 0:
			return done, pathError("writing", f.path, io.ErrShortWrite)
		default:
			done += n
		}
	}
	return done, nil
}

func (f *plainFile) truncate(size int64) error {
	if err := checkSizeLimit(size); err != nil {
		return pathError("writing", f.path, err)
	}
	return pathError("writing", f.path, retry(func() error { return unix.Ftruncate(f.fd, size) }))
}

func (f *plainFile) allocate(size int64) error {
	if err := checkSizeLimit(size); err != nil {
		return pathError("writing", f.path, err)
	}
	return pathError("writing", f.path, retry(func() error { return unix.Fallocate(f.fd, 0, 0, size) }))
}

// hasACL reports whether an access control list says who may use the file.
func (f *plainFile) hasACL() bool {
	n, err := unix.Fgetxattr(f.fd, "system.posix_acl_access", nil)
	return err == nil && n > 0
}

func (f *plainFile) sync() error {
	return pathError("writing", f.path, retry(func() error { return unix.Fdatasync(f.fd) }))
}

func (f *plainFile) stat() (st unix.Stat_t, err error) {
	return st, pathError("reading", f.path, unix.Fstat(f.fd, &st))
}

func (f *plainFile) close() error { return pathError("closing", f.path, unix.Close(f.fd)) }

// takeOwner gives the file the group and the mode of another that it is to replace, and the owner, where this process may.
func (f *plainFile) takeOwner(old *unix.Stat_t) {
	uid := -1
	if unix.Geteuid() == 0 {
		uid = int(old.Uid)
	}
	_ = unix.Fchown(f.fd, uid, int(old.Gid))
	_ = unix.Fchmod(f.fd, old.Mode&0o666)
}

// maxMemfd is the size up to which a new file is made in memory. A variable, so that tests need not make so much.
var maxMemfd int64 = 256 << 20

// memfdCreate is a system call; tests count its calls.
var memfdCreate = unix.MemfdCreate

// scratch makes a file without a name that will have at most a size: in memory where that can be had.
func (d *dir) scratch(size int64) (*plainFile, error) {
	if err := checkSizeLimit(size); err != nil {
		return nil, pathError("writing", d.path, err)
	}
	if size <= maxMemfd {
		if fd, err := memfdCreate("softcsp", unix.MFD_CLOEXEC); err == nil {
			return &plainFile{fd: fd, path: d.path}, nil
		}
	}
	name := ".scratch-" + formatUUID(newUUID())
	fd, _, err := d.openFD(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return nil, err
	}
	if err := d.remove(name); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return &plainFile{fd: fd, path: d.path}, unix.SetNonblock(fd, false)
}
