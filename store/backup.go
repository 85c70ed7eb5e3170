package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A backup is the token's file as it is between two commits. It is copied under the lock into a file without a name, in memory where that can be had,
// and everything that may take long is done with that: so writers wait for no longer than it takes to read the file.

// An archiver is what a backend can do besides where its token is a file: it makes a copy of it that nobody changes.
type archiver interface {
	snapshot() (*plainFile, error)
}

// A Copy is a copy of a token's file, as it was between two commits.
type Copy struct {
	io.Reader
	Size int64
	// File is the same as a token file, to check: a copy that has faults is what is left of a token, and no backup.
	File *TokenFile
}

// Backup calls f with a copy of the token's file as it is now, also where it is so damaged that nothing of it can be read. It stays until f returns.
func (t *Token) Backup(f func(*Copy) error) error {
	a, ok := t.backend.(archiver)
	if !ok {
		return fmt.Errorf("%w: the token is not a file", ck.CKR_FUNCTION_NOT_SUPPORTED)
	}
	mem, err := a.snapshot()
	if err != nil {
		return err
	}
	defer func() { _ = mem.close() }()
	st, err := mem.stat()
	if err != nil {
		return err
	}
	copied := newTokenFile(t.uuidBytes, mem)
	defer copied.ForgetPINs()
	return f(&Copy{io.NewSectionReader(mem, 0, st.Size), st.Size, copied})
}

// sound answers CKR_DEVICE_ERROR with the faults that Check finds without keys.
func (t *TokenFile) sound() error {
	faults, err := t.Check(nil)
	if err != nil || len(faults) == 0 {
		return err
	}
	return tampered("%s is damaged: %s", t.file.path, Summary(faults))
}

// snapshot implements archiver.
func (b *boltFile) snapshot() (mem *plainFile, err error) {
	err = b.withLock(false, true, func(ld *lockedDir) error {
		if ld.lock != nil {
			defer b.endHeartbeat()
		}
		copyFrom := func(from file, size int64) error {
			if mem, err = ld.scratch(size); err != nil {
				return fileError(b.path, err)
			}
			mem.path = b.path // for what is said of it
			return fileError(b.path, copyContent(mem, from, size, func() error {
				if ld.lock != nil {
					b.heartbeat() // no writer has the lock, and readers do not mind
				}
				return nil
			}))
		}
		err := b.readFrom(ld, func(from file, x *boltTx) error { return copyFrom(from, x.st.Size) })
		if mem != nil || !isDamage(err) {
			return err
		}
		// What cannot be read as a token can be copied.
		from, st, err := b.openFile(ld, false)
		if err != nil {
			return err
		}
		defer func() { _ = from.close() }()
		if st.Mode&unix.S_IFMT != unix.S_IFREG || uint64(st.Size) > maxFile {
			return unrecognized("%s is not a token file", b.path)
		}
		return copyFrom(from, st.Size)
	})
	if err != nil && mem != nil {
		_ = mem.close()
		mem = nil
	}
	return mem, err
}

// isDamage reports whether an error says that a file does not hold what it should, and not that it cannot be read at all.
func isDamage(err error) bool {
	d := (*damage)(nil)
	return errors.As(err, &d) || ck.Code(err) == ck.CKR_TOKEN_NOT_RECOGNIZED
}

// An archive is what a kind of place can do besides, where its tokens are files.
type archive interface {
	// restore makes a token of a token file, whole or not at all. A token that is there is replaced, or with over false the answer is ErrExists.
	restore(from *TokenFile, over bool) error
}

// Restore puts a token file in the place, as the token that it is of. It answers ErrExists where there is that token, unless it is to be
// replaced, and CKR_DEVICE_ERROR for a file that has faults.
//
// What the token holds then is what the file holds, also how many tries its PINs have left: somebody who may write to the directory can put an old
// file there without asking. Processes that are logged in, and have seen a later state, answer CKR_DEVICE_ERROR until they log in anew.
func (p *Place) Restore(from *TokenFile, replace bool) error {
	place, ok := p.backend.(archive)
	if !ok {
		return fmt.Errorf("%w: tokens are not files here", ck.CKR_FUNCTION_NOT_SUPPORTED)
	}
	if err := p.backend.prepare(); err != nil {
		return err
	}
	if err := from.sound(); err != nil {
		return err
	}
	if err := place.restore(from, replace); err != nil {
		return err
	}
	p.forget(from.UUID())
	return nil
}

// restore implements archive.
func (p *dirPlace) restore(from *TokenFile, over bool) error {
	here, err := os.Stat(p.file(from.uuid + suffix))
	if there, e := os.Stat(from.file.path); err == nil && e == nil && os.SameFile(here, there) {
		return fmt.Errorf("%w: %s is the token itself, and not a copy of it", ck.CKR_ARGUMENTS_BAD, from.file.path)
	}
	return p.add(from.uuid, over, func(be *boltFile) error { return be.restore(from, over) })
}

// restore is that of the place, for one token.
func (b *boltFile) restore(from *TokenFile, over bool) error {
	return b.withLock(true, true, func(ld *lockedDir) error {
		old, err := b.existing(ld)
		if err != nil {
			return err
		}
		if old != nil && !over {
			return ErrExists
		}
		if old != nil {
			_ = b.read(ld, func(tx) error { return nil }) // which maps the counter of those who use the token; of a damaged one there are none
		}
		ld.heartbeat = b.heartbeat
		defer b.endHeartbeat()
		fresh, gen, err := b.copyOf(ld, from, old)
		if err != nil {
			return err
		}
		if err := ld.lock.checkHeld(); err != nil {
			_ = ld.remove(fresh)
			return err
		}
		b.repairCounter(ld.lock, gen-1)
		return b.publish(gen-1, nil, func() error {
			err := b.install(ld, fresh, over)
			if errors.Is(err, fs.ErrExist) {
				return ErrExists
			}
			return err
		})
	})
}

// copyOf writes a file with what a token file holds beside the token's, for install, and returns its name and its generation.
func (b *boltFile) copyOf(ld *lockedDir, from *TokenFile, old *unix.Stat_t) (fresh string, gen uint64, err error) {
	err = readOnlyFile{from.file}.read(func(x *boltTx) (err error) {
		gen = unseenGeneration(x.generation())
		size := 2*int64(x.pages.meta.end*pageSize) + emptySize
		fresh, err = b.write(ld, old, size, func(mem *plainFile) error {
			if err := b.copyBuckets(mem, x.pages, ld.heartbeat); err != nil {
				return err
			}
			return runBolt(b.path, mem, func(btx *bbolt.Tx) error { return beginAgain(&newFileTx{btx}, gen) })
		})
		return err
	})
	if err != nil && fresh != "" {
		_ = ld.remove(fresh) // the file was changed while it was read
	}
	return fresh, gen, err
}

// existing returns what the token's file is, nil where there is none. It may be damaged.
func (b *boltFile) existing(ld *lockedDir) (*unix.Stat_t, error) {
	f, err := ld.open(b.name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fileError(b.path, err)
	}
	st, err := f.stat()
	return &st, errors.Join(err, f.close())
}

// unseenGeneration returns a generation for a token that was put back to one: a generation that no process has seen with other contents. It is far above
// all that a token comes to by commits, and not the one that an earlier restoration of the same file drew.
func unseenGeneration(gen uint64) uint64 { return gen + 1<<32 + rand.Uint64N(1<<32) }

// beginAgain makes gen the token's generation, with a journal that begins there.
func beginAgain(x tx, gen uint64) error {
	if err := restartJournal(x, gen); err != nil {
		return err
	}
	return x.put(bHeader, headerGeneration, beBytes(gen))
}
