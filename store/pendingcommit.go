package store

import "slices"

// A pendingCommit is a commit as it is to be written: tree.go makes it.
type pendingCommit struct {
	number    uint64
	pages     []newPage // in order
	meta      []byte    // the new meta page
	metaIndex uint64    // which of the two meta pages it is
	size      uint64    // that the file has to have
	free      uint64    // how many pages of it are free
}

// checksum returns the checksum of the meta page, which tells the commit from others.
func (p *pendingCommit) checksum() uint64 { return leUint64(p.meta[pageHead+metaSize-8:]) }

// write makes the commit: it writes the pages and then, unless against returns an error, the meta page, and waits for the disk after each.
func (p *pendingCommit) write(to file, relaxed bool, against func() error) error {
	st, err := to.stat()
	if err != nil {
		return err
	}
	if int64(p.size) > st.Size {
		if err := to.truncate(grownSize(int64(p.size))); err != nil {
			return err
		}
	}
	if err := writePages(to, p.pages); err != nil {
		return err
	}
	if !relaxed {
		if err := to.sync(); err != nil {
			return err
		}
	}
	if err := against(); err != nil {
		return err
	}
	if _, err := to.WriteAt(p.meta, int64(p.metaIndex*pageSize)); err != nil {
		return err
	}
	if relaxed {
		return nil
	}
	return to.sync()
}

// writePages writes pages, those in a row at once.
func writePages(to file, pages []newPage) error {
	const most = 1 << 20
	var buf []byte
	for len(pages) > 0 {
		n, size := 1, len(pages[0].data)
		for n < len(pages) && size < most && pages[n].id == pages[0].id+uint64(size)/pageSize {
			size += len(pages[n].data)
			n++
		}
		data := pages[0].data
		if n > 1 {
			buf = slices.Grow(buf[:0], size)
			for _, p := range pages[:n] {
				buf = append(buf, p.data...)
			}
			data = buf
		}
		if _, err := to.WriteAt(data, int64(pages[0].id*pageSize)); err != nil {
			return err
		}
		pages = pages[n:]
	}
	return nil
}

// grownSize returns the size of a file that must have at least size bytes. It grows to twice its size, so that few commits change that, and from
// 16 MiB on by 16 MiB.
func grownSize(size int64) int64 {
	const step = 16 << 20
	n := int64(32 << 10)
	for n < size && n < step {
		n *= 2
	}
	if n < size {
		n = (size + step - 1) / step * step
	}
	return n
}
