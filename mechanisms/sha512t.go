package mechanisms

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding"
	"hash"
	"strconv"

	"github.com/softcsp/softcsp/ck"
)

// sha512tRows are SHA-512/t (FIPS 180-4, 5.3.6), whose parameter is t in bits. CKM_SHA512_T_HMAC_GENERAL and
// CKM_SHA512_T_KEY_DERIVATION are missing: the standard gives them no way to tell t.
var sha512tRows = []Mechanism{
	{Type: ck.CKM_SHA512_T, Digest: func(p *ck.Param) (hash.Hash, error) {
		t, err := readT(p)
		if err != nil {
			return nil, err
		}
		return newSHA512t(t), nil
	}},
	macRow(ck.CKM_SHA512_T_HMAC, []ck.KeyType{ck.CKK_GENERIC_SECRET, ck.CKK_SHA512_T_HMAC}, 1, maxSecret, beginHMACT),
	keyGen(ck.CKM_SHA512_T_KEY_GEN, ck.CKK_SHA512_T_HMAC),
}

// readT reads t. Whole bytes come out, so that a t between two bytes would have to fill up the last with bits of which the
// standard says nothing: it is refused.
func readT(p *ck.Param) (uint, error) {
	t := p.Ulong()
	if err := p.Done(); err != nil {
		return 0, err
	}
	if t == 0 || t >= 512 || t == 384 || t%8 != 0 {
		return 0, ck.FieldError("the length of the digest in bits")
	}
	return t, nil
}

func beginHMACT(k *Key, p *ck.Param) (*mac, error) {
	t, err := readT(p)
	if err != nil {
		return nil, err
	}
	key, err := newMACKey(func() (hash.Hash, error) {
		return hmac.New(func() hash.Hash { return newSHA512t(t) }, k.Value), nil
	})
	if err != nil {
		return nil, err
	}
	return newMAC(key.(*macKey), int(t/8))
}

// A sha512t is SHA-512 from another beginning, cut.
type sha512t struct {
	hash.Hash
	first []byte // the state at the beginning, as crypto/sha512 writes it
	size  int
}

var _ hash.Cloner = (*sha512t)(nil)

// newSHA512t makes SHA-512/t. Its initial value is that of SHA-512, changed by a constant, after the name of the function has
// been hashed with it: FIPS 180-4, 5.3.6.
func newSHA512t(t uint) *sha512t {
	const stateAt, stateLen = 4, 64 // where crypto/sha512 writes the chaining value
	h := sha512.New()
	start := marshal(h)
	for i := range start[stateAt : stateAt+stateLen] {
		start[stateAt+i] ^= 0xa5
	}
	unmarshal(h, start)
	h.Write([]byte("SHA-512/" + strconv.FormatUint(uint64(t), 10)))
	value := h.Sum(nil)
	copy(start[stateAt:], value)
	s := &sha512t{h, start, int(t / 8)}
	s.Reset()
	return s
}

// marshal and unmarshal save and load a state of crypto/sha512, which refuses none of its own.
func marshal(h hash.Hash) []byte {
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err)
	}
	return state
}

func unmarshal(h hash.Hash, state []byte) {
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		panic(err)
	}
}

func (s *sha512t) Size() int { return s.size }
func (s *sha512t) Reset()    { unmarshal(s.Hash, s.first) }

// Sum needs room for the cut value only: the caller's memory is no longer.
func (s *sha512t) Sum(b []byte) []byte {
	var whole [sha512.Size]byte
	return append(b, s.Hash.Sum(whole[:0])[:s.size]...)
}

// Clone implements hash.Cloner.
func (s *sha512t) Clone() (hash.Cloner, error) {
	h, err := s.Hash.(hash.Cloner).Clone()
	if err != nil {
		return nil, err
	}
	return &sha512t{h, s.first, s.size}, nil
}
