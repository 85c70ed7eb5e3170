package store

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A voucherDir has the vouchers of tokens that this user has seen on this machine: in the directory vouchers of the state directory, for each
// token a file with 64 hex digits. What cannot be written is not remembered, and that is no error. What cannot be read is taken for missing
// only where that will stay so: a lack of descriptors, say, is an error.
//
// A voucher that a login has shown to be right is in a file that nobody may write to. Others, of tokens that were only seen, do not
// take the place of anything: else who fills a directory with tokens would have a machine forget the one that is to be replaced.
type voucherDir struct{ dir string }

const (
	maxVouchers       = 1024
	maxUnsureVouchers = 768 // from which on what was only seen is not remembered
	vouchersDir       = "vouchers"
)

// openat is a system call; tests let it fail.
var openat = unix.Openat

// openDir opens the directory, which nobody else may write to. With create it is made where it is missing. It answers nil where there is none.
func (d *voucherDir) openDir(create bool) (*os.File, error) {
	if d == nil || d.dir == "" {
		return nil, nil
	}
	dir := filepath.Join(d.dir, vouchersDir)
	if create {
		_ = os.MkdirAll(dir, 0o700)
	}
	fd, err := openat(unix.AT_FDCWD, dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, temporary(err)
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Uid != uint32(os.Geteuid()) || st.Mode&0o022 != 0 {
		_ = unix.Close(fd)
		return nil, nil
	}
	return os.NewFile(uintptr(fd), dir), nil
}

// temporary returns an error that may be over the next time, for want of descriptors or memory say, and nil for one that stays.
func temporary(err error) error {
	for _, stays := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENXIO, unix.ENAMETOOLONG, unix.EINVAL} {
		if errors.Is(err, stays) {
			return nil
		}
	}
	if err == nil || forbidden(err) {
		return nil
	}
	return fmt.Errorf("%w: what this machine knows of the token cannot be read now: %v", ck.CKR_FUNCTION_FAILED, err)
}

// load returns the voucher of a token, nil where none is remembered, and whether a login has shown it to be right. It answers an error
// where that is not to be known now.
func (d *voucherDir) load(uuid string) (voucher []byte, sure bool, err error) {
	dir, err := d.openDir(false)
	if dir == nil {
		return nil, false, err
	}
	defer func() { _ = dir.Close() }()
	fd, err := openat(int(dir.Fd()), uuid, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false, temporary(err)
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != uint32(os.Geteuid()) {
		return nil, false, nil
	}
	var b [2*voucherSize + 2]byte
	n, err := unix.Read(fd, b[:])
	if err != nil {
		return nil, false, temporary(err)
	}
	voucher, err = hex.DecodeString(strings.TrimSpace(string(b[:n])))
	if err != nil || len(voucher) != voucherSize {
		return nil, false, nil
	}
	return voucher, st.Mode&unix.S_IWUSR == 0, nil
}

// save remembers the voucher of a token, all at once. sure says that a login has shown it to be right.
func (d *voucherDir) save(uuid string, voucher []byte, sure bool) {
	dir, _ := d.openDir(true)
	if dir == nil {
		return
	}
	defer func() { _ = dir.Close() }()
	if checkSizeLimit(2*voucherSize+1) != nil || !d.makeRoom(dir, sure) {
		return
	}
	mode := uint32(0o600)
	if sure {
		mode = 0o400
	}
	at, fresh := int(dir.Fd()), "."+uuid+".new"
	_ = unix.Unlinkat(at, fresh, 0)
	fd, err := unix.Openat(at, fresh, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return
	}
	n, err := unix.Write(fd, []byte(hex.EncodeToString(voucher)+"\n"))
	if unix.Close(fd) != nil || err != nil || n != 2*voucherSize+1 || unix.Renameat(at, fresh, at, uuid) != nil {
		_ = unix.Unlinkat(at, fresh, 0)
	}
}

// makeRoom reports whether there is room for one more. For what is sure it makes room: it forgets what was only seen, and then what
// is oldest.
func (d *voucherDir) makeRoom(dir *os.File, sure bool) bool {
	list, err := dir.ReadDir(2 * maxVouchers)
	if !sure {
		return len(list) < maxUnsureVouchers
	}
	if len(list) < maxVouchers || err != nil {
		return true
	}
	worth := func(e fs.DirEntry) (sure bool, age int64) {
		if i, err := e.Info(); err == nil {
			return i.Mode()&unix.S_IWUSR == 0, i.ModTime().UnixNano()
		}
		return false, 0
	}
	worths := make(map[string]int64, len(list))
	for _, e := range list {
		sure, age := worth(e)
		if worths[e.Name()] = age; !sure {
			worths[e.Name()] -= 1 << 62
		}
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(worths[a.Name()], worths[b.Name()]) })
	for _, e := range list[:len(list)-maxVouchers*3/4] { // more than one, so that the next find room
		_ = unix.Unlinkat(int(dir.Fd()), e.Name(), 0)
	}
	return true
}
