package store

import (
	"fmt"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/softcsp/softcsp/ck"
)

// bbolt gives pages that are not used any more to later commits, and never back to the disk; it writes the list of them with
// every commit. So a file that has become mostly empty is written anew, without them, and takes the place of the old one. Nothing
// of what it says changes, nor does its generation: other processes find another file under the name when they next open it, and
// otherwise notice nothing.
//
// That happens by itself in the commit that leaves more pages free than in use. It costs as much as there is left, and more than that was
// deleted before: so deletions cost at most twice as much as without it.
const (
	compactFrom  = 2 << 20 // bytes from which on a file is worth it
	compactAgain = time.Minute
	copyChunk    = 4 << 20 // bytes that are copied in one transaction
	copyFill     = 0.75    // how full pages are made: the names of objects are random, and more of them will come in between
)

// mostlyFree reports whether the commit leaves the file worth writing anew.
func (p *pendingCommit) mostlyFree() bool { return p.size >= compactFrom && p.free*pageSize > p.size/2 }

// rewriteIfNeeded writes the file anew after a commit that left it mostly empty. Where that fails the file is what it was, and it is not tried
// again for some time.
func (b *boltFile) rewriteIfNeeded(ld *lockedDir) {
	if now := uptime(); b.rewriteFailed.Load() == 0 || now-time.Duration(b.rewriteFailed.Load()) >= compactAgain {
		if b.rewrite(ld, false) != nil {
			b.rewriteFailed.Store(int64(now))
		}
	}
}

// rewrite writes the file anew. Unless somebody asked for that it does not where the new file would have another owner than the old one.
func (b *boltFile) rewrite(ld *lockedDir, asked bool) error {
	file, st, err := b.openFile(ld, false)
	if err != nil {
		return err
	}
	defer func() { _ = file.close() }()
	if !asked && unix.Geteuid() != 0 && st.Uid != uint32(unix.Geteuid()) {
		return unix.EPERM
	}
	if f, ok := file.(*plainFile); ok && f.hasACL() {
		return fmt.Errorf("%w: %s has an access control list, which would be lost", ck.CKR_FUNCTION_REJECTED, b.path)
	}
	pages, err := openPages(b.path, file, &st)
	if err != nil {
		return err
	}
	ld.heartbeat = b.heartbeat
	defer b.endHeartbeat()
	fresh, err := b.write(ld, &st, 2*int64(pages.meta.end*pageSize)+emptySize, func(mem *plainFile) error { return b.copyBuckets(mem, pages, ld.heartbeat) })
	if err != nil {
		return err
	}
	return fileError(b.path, b.replaceFile(ld, file, pages, fresh))
}

// heartbeat shows those who wait for the lock that its holder is at work, by changing the shared counter: they give up where nothing changes for
// long. An odd counter says what it always does, that the generation is the one before.
func (b *boltFile) heartbeat() {
	if c := b.counter.Load(); c != nil {
		c.store(c.load() ^ 1)
	}
}

// endHeartbeat makes the counter even again.
func (b *boltFile) endHeartbeat() {
	if c := b.counter.Load(); c != nil {
		c.store(c.load() &^ 1)
	}
}

// copyBuckets copies everything that stands in pages to an empty file, in order: also buckets that only a later softcsp knows.
func (b *boltFile) copyBuckets(mem *plainFile, pages *pageReader, heartbeat func()) error {
	return pages.eachBucket(func(name []byte, sequence uint64, c *cursor) error {
		var keys, values [][]byte
		size := 0
		flush := func() error {
			err := runBolt(b.path, mem, func(btx *bbolt.Tx) error {
				bb, err := btx.CreateBucketIfNotExists(name)
				if err != nil {
					return err
				}
				if err := bb.SetSequence(sequence); err != nil {
					return err
				}
				bb.FillPercent = copyFill
				for i := range keys {
					if err := bb.Put(keys[i], values[i]); err != nil {
						return err
					}
				}
				return nil
			})
			keys, values, size = keys[:0], values[:0], 0
			heartbeat()
			return err
		}
		err := c.each(nil, func(key, value []byte) error {
			// What is handed out stays: it is a copy of the page.
			keys, values = append(keys, key), append(values, value)
			if size += len(key) + len(value); size < copyChunk {
				return nil
			}
			return flush()
		})
		if err == nil {
			err = flush()
		}
		return err
	})
}

// Compact writes the token's file anew, without what is not used of it, and returns its sizes before and after. Tokens in memory
// have no file.
func (t *Token) Compact() (before, after int64, err error) {
	c, ok := t.backend.(compacter)
	if !ok {
		return 0, 0, nil
	}
	return c.compact(func(x tx) error {
		_, err := t.readHeader(x)
		return err
	})
}

// compact implements compacter.
func (b *boltFile) compact(check func(tx) error) (before, after int64, err error) {
	err = b.withLock(true, true, func(ld *lockedDir) error {
		if err := b.read(ld, check); err != nil {
			return err
		}
		if before, err = b.size(ld); err != nil {
			return err
		}
		if err := b.rewrite(ld, true); err != nil {
			return err
		}
		after, err = b.size(ld)
		return err
	})
	return before, after, err
}

// size returns the size of the file.
func (b *boltFile) size(ld *lockedDir) (int64, error) {
	file, st, err := b.openFile(ld, false)
	if err != nil {
		return 0, err
	}
	return st.Size, file.close()
}
