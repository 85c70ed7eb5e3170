package mechanisms

import (
	"crypto/subtle"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/inparts"
)

// A segments holds a ciphertext that comes in parts until its tag has been found right. It grows without being copied.
type segments struct {
	list [][]byte
	n    int
}

const (
	leastSegment = 1 << 9
	mostSegment  = 1 << 24
)

// add appends a part. There are ck.MostCopied bytes at most.
func (s *segments) add(part []byte) error {
	if len(part) > ck.MostCopied-s.n {
		return ck.CKR_HOST_MEMORY
	}
	ck.ProbeRead(part)
	for len(part) > 0 {
		if n := len(s.list); n == 0 || len(s.list[n-1]) == cap(s.list[n-1]) {
			s.list = append(s.list, ck.Allocate(min(max(s.n, len(part), leastSegment), mostSegment))[:0])
		}
		last := &s.list[len(s.list)-1]
		n := min(len(part), cap(*last)-len(*last))
		*last, part = append(*last, part[:n]...), part[n:]
		s.n += n
	}
	return nil
}

// cut takes n bytes from the end, no more than there are.
func (s *segments) cut(n int) []byte {
	end := make([]byte, n)
	for n > 0 {
		last := &s.list[len(s.list)-1]
		k := min(n, len(*last))
		n -= copy(end[n-k:n], (*last)[len(*last)-k:])
		*last = (*last)[:len(*last)-k]
		s.n -= k
		if len(*last) == 0 {
			s.list = s.list[:len(s.list)-1]
		}
	}
	return end
}

// decryptTo decrypts what is held, and writes it to dst if its tag is right.
func (s *segments) decryptTo(mode inparts.Message, tag, dst []byte) bool {
	defer s.wipe()
	for _, part := range s.list {
		mode.Decrypt(part, part)
	}
	if subtle.ConstantTimeCompare(mode.Tag(nil), tag) != 1 {
		return false
	}
	for _, part := range s.list {
		dst = dst[copy(dst, part):]
	}
	return true
}

// wipe forgets everything.
func (s *segments) wipe() {
	for _, part := range s.list {
		clear(part)
	}
	*s = segments{}
}
