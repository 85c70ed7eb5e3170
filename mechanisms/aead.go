package mechanisms

import (
	"crypto/subtle"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/inparts"
)

// encryptApart encrypts a part. dst and src have the same length, and may overlap in any way.
func encryptApart(s inparts.Message, dst, src []byte) {
	if shared, exact := overlap(dst, src); shared && !exact {
		src = ck.Clone(src)
		defer clear(src)
	}
	s.Encrypt(dst, src)
}

// An aead is an authenticated encryption or decryption in progress. Encryption in parts gives each part at once. Ciphertext in parts is
// collected until the end: a plaintext is not released before its tag has been found right.
type aead struct {
	mode       inparts.AEAD
	nonce, aad []byte
	decrypt    bool
	exact      bool   // whether the parameter gives the length that the data must have
	length     uint   // that length
	limit      uint64 // how long the data may be
	tag        int    // bytes
	*parts            // nil before the first
	small      [64]byte
}

// parts is the state of an aead in parts.
type parts struct {
	running inparts.Message
	done    uint64   // what has been encrypted
	held    segments // what is to be decrypted
}

var _ Cipher = (*aead)(nil)

// aeads are those of operations that are over.
var aeads = sync.Pool{New: func() any { return new(aead) }}

// newAEAD begins an operation. It copies nonce and aad.
func newAEAD(mode inparts.AEAD, nonce, aad []byte, decrypt bool, limit uint64) *aead {
	a := aeads.Get().(*aead)
	a.mode, a.decrypt, a.limit, a.tag = mode, decrypt, limit, mode.Overhead()
	a.nonce = ck.AppendWiping(a.small[:0:len(a.small)], nonce)
	if room := len(a.small) - len(nonce); room >= len(aad) {
		a.aad = append(a.small[len(nonce):len(nonce)], aad...)
	} else {
		a.aad = ck.Clone(aad)
	}
	return a
}

// End leaves the memory to the next operation.
func (a *aead) End() {
	*a = aead{}
	aeads.Put(a)
}

func (a *aead) WholeLen(n int) int {
	if a.decrypt {
		return max(n-a.tag, 0)
	}
	return n + a.tag
}

func (a *aead) UpdateLen(n int) int {
	if a.decrypt {
		return 0
	}
	return n
}

func (a *aead) FinalLen() int {
	switch {
	case !a.decrypt:
		return a.tag
	case a.parts == nil:
		return 0
	}
	return a.WholeLen(a.held.n)
}

func (a *aead) Update(dst, src []byte) (int, error) {
	a.start()
	if a.decrypt {
		return 0, a.held.add(src)
	}
	if all := a.done + uint64(len(src)); all > a.limit || a.exact && all > uint64(a.length) {
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	encryptApart(a.running, dst[:len(src)], src)
	a.done += uint64(len(src))
	return len(src), nil
}

// start begins an operation in parts, if it has not begun.
func (a *aead) start() {
	if a.parts != nil {
		return
	}
	a.parts = new(parts)
	if !a.decrypt {
		a.running = a.mode.Begin(a.nonce, a.aad, uint64(a.length))
	}
}

func (a *aead) Final(dst []byte) (int, error) {
	a.start()
	if a.decrypt {
		return a.decryptHeld(dst)
	}
	if a.exact && a.done != uint64(a.length) {
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	return len(a.running.Tag(dst[:0:a.tag])), nil
}

// decryptHeld decrypts what has come in parts.
func (a *aead) decryptHeld(dst []byte) (int, error) {
	defer a.held.wipe()
	if err := a.checkSealedLen(a.held.n); err != nil {
		return 0, err
	}
	tag := a.held.cut(a.tag)
	n := a.held.n
	if !a.held.decryptTo(a.mode.Begin(a.nonce, a.aad, uint64(n)), tag, dst[:n]) {
		return 0, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return n, nil
}

// checkSealedLen tells whether n bytes can be a ciphertext with its tag.
func (a *aead) checkSealedLen(n int) error {
	data := uint64(n - a.tag)
	if n < a.tag || a.exact && data != uint64(a.length) || data > a.limit {
		return ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	return nil
}

func (a *aead) Whole(dst, src []byte) (int, error) {
	n := a.WholeLen(len(src))
	if a.decrypt {
		if err := a.checkSealedLen(len(src)); err != nil {
			return 0, err
		}
	} else if a.exact && uint(len(src)) != a.length || uint64(len(src)) > a.limit {
		return 0, ck.CKR_DATA_LEN_RANGE
	}
	if shared, exact := overlap(dst[:n], src); shared && !exact {
		src = ck.Clone(src)
		defer clear(src)
	}
	if !a.decrypt {
		a.mode.Seal(dst[:0:n], a.nonce, src, a.aad)
		return n, nil
	}
	if _, err := a.mode.Open(dst[:0:n], a.nonce, src, a.aad); err != nil {
		clear(dst[:n])
		return 0, ck.CKR_ENCRYPTED_DATA_INVALID
	}
	return n, nil
}

// A segments holds a ciphertext that comes in parts, until its tag has been found right. It is a list, so that nothing is copied when it grows.
type segments struct {
	list [][]byte
	n    int
}

const (
	minSegment = 1 << 9
	maxSegment = 1 << 24
)

// add appends a part. There are ck.MostCopied bytes at most.
func (s *segments) add(part []byte) error {
	if len(part) > ck.MostCopied-s.n {
		return ck.CKR_HOST_MEMORY
	}
	ck.ProbeRead(part)
	for len(part) > 0 {
		if n := len(s.list); n == 0 || len(s.list[n-1]) == cap(s.list[n-1]) {
			s.list = append(s.list, ck.Allocate(min(max(s.n, len(part), minSegment), maxSegment))[:0])
		}
		last := &s.list[len(s.list)-1]
		n := min(len(part), cap(*last)-len(*last))
		*last, part = append(*last, part[:n]...), part[n:]
		s.n += n
	}
	return nil
}

// cut removes the last n bytes, no more than there are, and returns them.
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
