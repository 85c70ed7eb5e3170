package store

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// A boltTx is a transaction of a bbolt file.
type boltTx struct {
	pages  *pageReader
	st     *unix.Stat_t
	writes map[bucket]map[string][]byte // what is to be written; nil is to be deleted
}

var _ tx = (*boltTx)(nil)

var _ salvager = (*boltTx)(nil)

// faults implements salvager.
func (x *boltTx) faults() []error {
	whole, err := openPages(x.pages.path, x.pages.file, x.st)
	if err != nil {
		return []error{err}
	}
	defer whole.close()
	return whole.faults()
}

// missing implements salvager. A file has its reserve behind its last page, unless bbolt has made it, or a file system that sets nothing apart let it
// grow: then its size is a power of two. One that is larger than those may have any size.
func (x *boltTx) missing() uint64 {
	size := uint64(x.st.Size)
	free, err := x.pages.freePages()
	if err != nil || size >= 16<<20 || size&(size-1) == 0 {
		return 0
	}
	want := (x.pages.meta.end + reservePages - min(reservePages, uint64(len(free)))) * pageSize
	return want - min(want, size)
}

// tryGet implements salvager.
func (x *boltTx) tryGet(b bucket, key []byte) ([]byte, error) { return x.pages.get(b, key) }

// eachReadable implements salvager.
func (x *boltTx) eachReadable(b bucket, f func(key, value []byte), lost func(gap)) error {
	return x.pages.eachReadable(b, f, lost)
}

// generation implements tx.
func (x *boltTx) generation() uint64 { return headerNumber(x, headerGeneration) }

// get implements tx. A page that is damaged ends the transaction: see recoverDamage.
func (x *boltTx) get(b bucket, key []byte) []byte {
	if value, there := x.writes[b][string(key)]; there {
		return value
	}
	value, err := x.pages.get(b, key)
	if err != nil {
		panic(pageError{err})
	}
	return value
}

// put implements tx.
func (x *boltTx) put(b bucket, key, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	return x.write(b, key, value)
}

// del implements tx.
func (x *boltTx) del(b bucket, key []byte) error { return x.write(b, key, nil) }

func (x *boltTx) write(b bucket, key, value []byte) error {
	if x.writes == nil {
		return fmt.Errorf("%w: a transaction that only reads", ck.CKR_GENERAL_ERROR)
	}
	if x.writes[b] == nil {
		x.writes[b] = map[string][]byte{}
	}
	x.writes[b][string(key)] = value
	return nil
}

// each implements tx. What the transaction itself has written comes last.
func (x *boltTx) each(b bucket, prefix []byte, f func(key, value []byte) error) error {
	written := x.writes[b]
	err := x.pages.each(b, prefix, func(key, value []byte) error {
		if _, there := written[string(key)]; there {
			return nil
		}
		return f(key, value)
	})
	for key, value := range written {
		if err == nil && value != nil && bytes.HasPrefix([]byte(key), prefix) {
			err = f([]byte(key), value)
		}
	}
	return err
}

// source implements tx.
func (x *boltTx) source() source {
	return source{x.st.Dev, x.st.Ino, x.st.Ctim, leUint64(x.pages.meta.raw[metaSize-8:])}
}
