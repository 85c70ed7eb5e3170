package store

import (
	"cmp"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// A machine is what is known of the vouchers of tokens that were seen on this machine by this user: for each token a file with 64 hex digits in
// vouchers/ of the state directory. It is best effort. What cannot be read or written is not remembered, and no error.
type machine struct{ dir string }

const (
	maxVouchers = 1024
	vouchersDir = "vouchers"
)

// open opens the directory, which nobody else may write to. With make it is made where it is missing.
func (m *machine) open(create bool) (*os.File, bool) {
	if m == nil || m.dir == "" {
		return nil, false
	}
	dir := filepath.Join(m.dir, vouchersDir)
	if create {
		_ = os.MkdirAll(dir, 0o700)
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Uid != uint32(os.Geteuid()) || st.Mode&0o022 != 0 {
		_ = unix.Close(fd)
		return nil, false
	}
	return os.NewFile(uintptr(fd), dir), true
}

// load returns the voucher of a token, nil where none is remembered.
func (m *machine) load(uuid string) []byte {
	dir, ok := m.open(false)
	if !ok {
		return nil
	}
	defer func() { _ = dir.Close() }()
	fd, err := unix.Openat(int(dir.Fd()), uuid, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != uint32(os.Geteuid()) {
		return nil
	}
	var b [2*voucherSize + 2]byte
	n, err := unix.Read(fd, b[:])
	if err != nil || n < 2*voucherSize {
		return nil
	}
	voucher, err := hex.DecodeString(strings.TrimSpace(string(b[:n])))
	if err != nil || len(voucher) != voucherSize {
		return nil
	}
	return voucher
}

// save remembers the voucher of a token, all at once.
func (m *machine) save(uuid string, voucher []byte) {
	dir, ok := m.open(true)
	if !ok {
		return
	}
	defer func() { _ = dir.Close() }()
	m.makeRoom(dir)
	at, fresh := int(dir.Fd()), "."+uuid+".new"
	_ = unix.Unlinkat(at, fresh, 0)
	fd, err := unix.Openat(at, fresh, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	n, err := unix.Write(fd, []byte(hex.EncodeToString(voucher)+"\n"))
	if unix.Close(fd) != nil || err != nil || n != 2*voucherSize+1 || unix.Renameat(at, fresh, at, uuid) != nil {
		_ = unix.Unlinkat(at, fresh, 0)
	}
}

// makeRoom forgets what is oldest, where there is no room for one more.
func (m *machine) makeRoom(dir *os.File) {
	list, err := dir.ReadDir(2 * maxVouchers)
	if len(list) < maxVouchers || err != nil {
		return
	}
	age := func(e fs.DirEntry) int64 {
		if i, err := e.Info(); err == nil {
			return i.ModTime().UnixNano()
		}
		return 0
	}
	ages := make(map[string]int64, len(list))
	for _, e := range list {
		ages[e.Name()] = age(e)
	}
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return cmp.Compare(ages[a.Name()], ages[b.Name()]) })
	for _, e := range list[:len(list)-maxVouchers*3/4] { // more than one, so that the next find room
		_ = unix.Unlinkat(int(dir.Fd()), e.Name(), 0)
	}
}
