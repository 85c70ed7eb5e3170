package store

import (
	"encoding/binary"
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A TokenFile is a token file that stands anywhere under any name, such as a backup. It is only read: nothing is written to it or beside it,
// and logins are not counted. Nobody must write to the file meanwhile; if somebody does, what reads it says so.
type TokenFile struct {
	*Token
	file *plainFile
}

// OpenFile opens the token file at path. Links are followed, and it does not matter whose it is. It answers an error where the file
// cannot be opened, or its header cannot be read.
func OpenFile(path string) (*TokenFile, error) {
	f := &plainFile{path: path}
	err := retry(func() (err error) {
		f.fd, err = unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, pathError("opening", path, err)
	}
	t, err := tokenOf(f)
	if err != nil {
		_ = f.close()
		return nil, err
	}
	return t, nil
}

// tokenOf returns the token of an open file.
func tokenOf(f *plainFile) (*TokenFile, error) {
	st, err := f.stat()
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("%w: %s is not a regular file", ck.CKR_ARGUMENTS_BAD, f.path)
	}
	if err != nil {
		return nil, err
	}
	be := readOnlyFile{f}
	var h *fixedHeader
	err = be.view(func(x tx) (err error) {
		h, err = parseHeader(x.get(bHeader, headerStatic))
		return err
	})
	if err != nil {
		return nil, err
	}
	return newTokenFile(h.uuid, f), nil
}

// newTokenFile returns the token of that name of an open file, of which nothing need have been read.
func newTokenFile(uuid [16]byte, f *plainFile) *TokenFile {
	env := environment{separation: SeparationStandard, readonlyLogin: true, log: slog.New(slog.DiscardHandler)}
	return &TokenFile{newToken(uuid, readOnlyFile{f}, env), f}
}

// Close closes the file. A second call answers an error, and closes nothing that has the descriptor's number by then.
func (t *TokenFile) Close() error {
	t.ForgetPINs()
	defer func() { t.file.fd = -1 }()
	return t.file.close()
}

// A readOnlyFile is the backend of a TokenFile.
type readOnlyFile struct{ file *plainFile }

var _ backend = readOnlyFile{}

// view implements backend.
func (b readOnlyFile) view(f func(tx) error) error {
	return b.read(func(x *boltTx) error { return f(x) })
}

func (b readOnlyFile) read(f func(*boltTx) error) error {
	path := b.file.path
	return recoverDamage(path, func() error {
		st, err := b.file.stat()
		if err != nil {
			return fileError(path, err)
		}
		pages, err := openPages(path, b.file, &st)
		if err != nil {
			return err
		}
		defer pages.close()
		if err := f(&boltTx{pages: pages, st: &st}); err != nil {
			return err
		}
		// Pages are not written over before the commit after the next.
		if again, err := openPages(path, b.file, &st); err != nil || again.meta.number != pages.meta.number {
			return fmt.Errorf("%w: %s was changed while it was read", ck.CKR_FUNCTION_FAILED, path)
		}
		return nil
	})
}

// generation implements backend.
func (b readOnlyFile) generation() (gen uint64) {
	_ = b.view(func(x tx) error {
		gen = x.generation()
		return nil
	})
	return gen
}

var errOnlyRead = fmt.Errorf("%w: the file is only read", ck.CKR_TOKEN_WRITE_PROTECTED)

// update implements backend.
func (b readOnlyFile) update(func(tx) error, func()) error { return errOnlyRead }

// alone implements backend.
func (b readOnlyFile) alone(func(update updater) error) error { return errOnlyRead }

// replace implements backend.
func (b readOnlyFile) replace(func(tx) error, func(tx) error) error { return errOnlyRead }

// refresh implements backend.
func (b readOnlyFile) refresh() {}

// readOnly implements backend.
func (b readOnlyFile) readOnly() bool { return true }

// lost implements backend.
func (b readOnlyFile) lost() bool { return false }

// IsTokenFile reports whether a file that begins so may be a token file: it has a meta page of bbolt. It may be damaged all the same.
func IsTokenFile(begin []byte) bool {
	for at := uint64(pageHead); at+4 <= uint64(len(begin)) && at <= pageSize+pageHead; at += pageSize {
		if binary.LittleEndian.Uint32(begin[at:]) == boltMagic {
			return true
		}
	}
	return false
}
