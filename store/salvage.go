package store

import "bytes"

// A check goes on where a page is damaged: what other pages hold is as good as it was.

// A salvager is what a transaction can do besides, where its token is a file that may be damaged in places.
type salvager interface {
	// faults returns what is wrong with the structure of the file.
	faults() []error
	// missing returns how many bytes the file has less than this package leaves it with, none of which were in use.
	missing() uint64
	// tryGet is get with an error where the value is on a page that cannot be read.
	tryGet(b bucket, key []byte) ([]byte, error)
	// eachReadable calls f with every entry of a bucket that can be read, in order, and lost where some cannot.
	eachReadable(b bucket, f func(key, value []byte), lost func(gap)) error
}

// A gap is the keys that were on a page that cannot be read: from the first to before the second, which is nil for the end.
type gap struct{ from, until []byte }

func (g gap) has(key []byte) bool {
	return bytes.Compare(g.from, key) <= 0 && (g.until == nil || bytes.Compare(key, g.until) < 0)
}

// eachReadable calls f with every element of a bucket on a page that can be read. It answers an error where there is no such bucket.
func (r *pageReader) eachReadable(of bucket, f func(key, value []byte), lost func(gap)) error {
	top, err := r.bucketRoot(of)
	switch {
	case err != nil:
		lost(gap{})
	case top != nil:
		r.eachUnder(top, of, gap{}, 0, f, lost)
	case !of.optional():
		lost(gap{})
		return unrecognized("the file has no bucket %q", of)
	}
	return nil
}

// eachUnder is eachReadable for the tree under a page, which has the keys of a gap.
func (r *pageReader) eachUnder(p *page, of bucket, within gap, depth int, f func(key, value []byte), lost func(gap)) {
	if !p.branch {
		for i := range p.n {
			f(p.key(i), p.value(i))
		}
		return
	}
	if depth > maxDepth {
		lost(within)
		return
	}
	for i := range p.n {
		part := gap{p.key(i), within.until}
		if i == 0 {
			part.from = within.from
		}
		if i+1 < p.n {
			part.until = p.key(i + 1)
		}
		child, err := r.page(p.child(i), parentElement{p.id, i}, of)
		if err != nil {
			lost(part)
			continue
		}
		r.eachUnder(&child, of, part, depth+1, f, lost)
	}
}
