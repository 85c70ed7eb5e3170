package mechanisms

import (
	"crypto/sha3"
	"encoding/binary"
	"hash"

	"github.com/softcsp/softcsp/ck"
)

// minKMAC is the shortest MAC in bytes: SP 800-185, 8.4.2, wants 32 bits.
const minKMAC = 4

// kmacRows are KMAC of SP 800-185, for which PKCS #11 3.2 has no numbers: ours take a CK_SOFTCSP_KMAC_PARAMS.
var kmacRows = []Mechanism{
	macRow(ck.CKM_SOFTCSP_KMAC128, genericKeys, 1, maxSecret, beginKMAC(sha3.NewCSHAKE128)),
	macRow(ck.CKM_SOFTCSP_KMAC256, genericKeys, 1, maxSecret, beginKMAC(sha3.NewCSHAKE256)),
}

// beginKMAC begins a KMAC over one of the functions cSHAKE.
func beginKMAC(start func(name, custom []byte) *sha3.SHAKE) func(*Key, *ck.Param) (*mac, error) {
	return func(k *Key, p *ck.Param) (*mac, error) {
		n, custom := p.Ulong(), p.Bytes()
		if err := p.Done(); err != nil {
			return nil, err
		}
		if n < minKMAC || n > maxSecret {
			return nil, ck.FieldError("ulMacLength")
		}
		form, err := newMACKey(func() (hash.Hash, error) {
			custom := ck.Clone(custom)
			fresh := func() *sha3.SHAKE { return start([]byte("KMAC"), custom) }
			s := fresh()
			block := append(encodeLeft(uint64(s.BlockSize())), encodeLeft(8*uint64(len(k.Value)))...)
			block = append(block, k.Value...)
			s.Write(block)
			s.Write(make([]byte, (s.BlockSize()-len(block)%s.BlockSize())%s.BlockSize()))
			clear(block)
			return newKMAC(fresh, s, int(n))
		})
		if err != nil {
			return nil, err
		}
		return newMAC(form.(*macKey), int(n))
	}
}

// A kmac is KMAC with results of a length, as a hash.Hash that begins when the key has been taken in.
type kmac struct {
	*sha3.SHAKE
	fresh func() *sha3.SHAKE // makes another of its kind
	keyed []byte             // the state after the key
	size  int
}

var _ hash.Cloner = (*kmac)(nil)

func newKMAC(fresh func() *sha3.SHAKE, s *sha3.SHAKE, size int) (*kmac, error) {
	keyed, err := s.MarshalBinary()
	return &kmac{s, fresh, keyed, size}, err
}

func (k *kmac) Size() int { return k.size }

// Reset goes back to after the key.
func (k *kmac) Reset() { k.restore(k.keyed) }

// restore takes a state that MarshalBinary made, which UnmarshalBinary does not refuse.
func (k *kmac) restore(state []byte) {
	if err := k.UnmarshalBinary(state); err != nil {
		panic(err)
	}
}

// Clone implements hash.Cloner.
func (k *kmac) Clone() (hash.Cloner, error) {
	state, err := k.MarshalBinary()
	if err != nil {
		return nil, err
	}
	c := &kmac{k.fresh(), k.fresh, k.keyed, k.size}
	return c, c.UnmarshalBinary(state)
}

// Sum ends with the length of the result in bits: SP 800-185, 4.3.
func (k *kmac) Sum(b []byte) []byte {
	state, err := k.MarshalBinary()
	if err != nil {
		panic(err)
	}
	end := encodeLeft(8 * uint64(k.size))
	k.Write(append(end[1:], end[0]))
	out := make([]byte, k.size)
	k.Read(out)
	k.restore(state)
	return append(b, out...)
}

// encodeLeft is left_encode of SP 800-185, 2.3.1: the bytes of a number after how many they are. right_encode has that at
// the end.
func encodeLeft(n uint64) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 1, 9), n)
	skip := 0
	for skip < 7 && b[1+skip] == 0 {
		skip++
	}
	b[skip] = byte(8 - skip)
	return b[skip:]
}
