package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// On a full disk it must be possible to log in and to delete, or nobody could make room. A commit does not write over pages
// that are in use, so even a deletion needs pages first. So a file has a reserve: pages that are free, or that the disk has set apart behind
// its end. A commit that adds or changes objects begins only where the reserve is there after it; one that does not may use
// it up.
const reservePages = 64 // pages: what deleting an object that is found by many terms takes at most, and as much again

// addsObjects reports whether the commit is one that adds or changes objects.
func (x *boltTx) addsObjects() bool {
	for _, value := range x.writes[bObjects] {
		if value != nil {
			return true
		}
	}
	for _, value := range x.writes[bUnvouched] {
		if len(value) > unvouchedHead { // a request to destroy has no template, and makes room
			return true
		}
	}
	return false
}

// growthReserve is how far below maxFile a file must be for a commit that adds something.
const growthReserve = 512 << 20

// reserveSpace has the disk set apart what a commit takes, and the reserve. Where a file system cannot do that a full disk is noticed
// when the commit is written.
func (p *pendingCommit) reserveSpace(to file, st *unix.Stat_t, adds bool) error {
	most := maxFile - growthReserve/2 // one that is larger than maxFile could not be read any more
	if adds {
		most -= growthReserve / 2
	}
	if p.size > most {
		return unix.EFBIG
	}
	want := p.size + (reservePages-min(reservePages, p.free))*pageSize
	if uint64(st.Blocks)*512 >= want && uint64(st.Size) >= p.size {
		return nil
	}
	// Some more at once, so that not every commit does it.
	err := to.allocate(int64(want + min(growthReserve/4, max(want/8, reservePages*pageSize/2))))
	if isFull(err) {
		err = to.allocate(int64(want))
	}
	if isFull(err) && adds {
		return err
	}
	return nil
}

// isFull reports whether an error says that the disk, or what the user may have of it, is full, or the file as large as it may be.
func isFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}
