package mechanisms

import (
	"crypto/hmac"
	"crypto/subtle"
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/tlsprf"
)

// The lengths of the verify data of TLS in bytes: 12 in TLS 1.0 and 1.1, and as negotiated from 12 on in TLS 1.2.
const (
	minVerifyData = 12
	maxVerifyData = 255
)

// tlsMACRow makes the row of the MAC of the "finished" messages, whose parameter is a CK_TLS_MAC_PARAMS and whose data is the
// hash of the handshake.
func tlsMACRow(m ck.MechanismType) Mechanism {
	return Mechanism{Type: m, Keys: genericKeys, Min: 1, Max: maxSecret,
		UsesHalvesApart: func(p ck.Param) bool { return ck.MechanismType(p.Ulong()) == ck.CKM_TLS_PRF },
		Sign: func(k *Key, p *ck.Param) (Signer, error) {
			t, err := beginTLSMAC(k, p)
			if err != nil {
				return nil, err
			}
			return t, nil
		},
		Verify: func(k *Key, p *ck.Param) (Verifier, error) {
			t, err := beginTLSMAC(k, p)
			if err != nil {
				return nil, err
			}
			return t, nil
		}}
}

// A tlsMAC is a MAC in progress. The data is kept, because the PRF reads it more than once.
type tlsMAC struct {
	keys   []*macKey
	states []*macState
	label  string
	data   []byte
	size   int
	sum    [maxVerifyData]byte
}

var (
	_ Signer   = (*tlsMAC)(nil)
	_ Verifier = (*tlsMAC)(nil)
)

// maxHandshake is how many bytes of data there may be. It is a hash, or two.
const maxHandshake = 1 << 16

func beginTLSMAC(k *Key, p *ck.Param) (*tlsMAC, error) {
	prf, size, who := ck.MechanismType(p.Ulong()), p.Ulong(), p.Ulong()
	if err := p.Done(); err != nil {
		return nil, err
	}
	h, err := tlsHash(prf)
	if err != nil {
		return nil, err
	}
	if size < minVerifyData || size > maxVerifyData || h == nil && size != minVerifyData || who != 1 && who != 2 {
		return nil, ck.FieldError("ulMacLength or ulServerOrClient")
	}
	t := &tlsMAC{size: int(size), label: [...]string{1: "server finished", 2: "client finished"}[who]}
	if t.keys, err = tlsMACKeys(h, k); err != nil {
		return nil, err
	}
	for _, key := range t.keys {
		s, err := key.get()
		if err != nil {
			return nil, err
		}
		t.states = append(t.states, s)
	}
	return t, nil
}

// tlsMACKeys returns the prepared forms of the MACs that the PRF adds up.
func tlsMACKeys(h *Hash, k *Key) ([]*macKey, error) {
	if h != nil {
		form, err := k.Prepared(h.HMAC, func(k *Key) (any, error) {
			return newMACKey(func() (hash.Hash, error) { return hmac.New(h.New, k.Value), nil })
		})
		if err != nil {
			return nil, err
		}
		return []*macKey{form.(*macKey)}, nil
	}
	form, err := k.Prepared(ck.CKM_TLS_MAC, func(k *Key) (any, error) {
		keys := make([]*macKey, 2)
		for i := range keys {
			form, err := newMACKey(func() (hash.Hash, error) { return newTLSPRF(nil, k.Value)[i], nil })
			if err != nil {
				return nil, err
			}
			keys[i] = form.(*macKey)
		}
		return keys, nil
	})
	if err != nil {
		return nil, err
	}
	return form.([]*macKey), nil
}

func (t *tlsMAC) Size() int { return t.size }

func (t *tlsMAC) Update(data []byte) error {
	switch {
	case t.states == nil:
		return ck.CKR_OPERATION_NOT_INITIALIZED
	case len(data) > maxHandshake-len(t.data):
		return ck.CKR_DATA_LEN_RANGE
	}
	t.data = ck.AppendWiping(t.data, data)
	return nil
}

// compute makes the MAC, and gives the states back to their pools.
func (t *tlsMAC) compute() []byte {
	prf := make(tlsprf.PRF, len(t.states))
	for i, s := range t.states {
		prf[i] = s
	}
	prf.Fill(t.sum[:t.size], []byte(t.label), t.data)
	for i, s := range t.states {
		s.Reset()
		t.keys[i].pool.Put(s)
	}
	t.states, t.data = nil, nil
	return t.sum[:t.size]
}

func (t *tlsMAC) Sign(dst []byte) (int, error) {
	if t.states == nil {
		return 0, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	n := copy(dst, t.compute())
	clear(t.sum[:])
	return n, nil
}

func (t *tlsMAC) Verify(signature []byte) error {
	if t.states == nil {
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	sum := t.compute()
	defer clear(t.sum[:])
	if len(signature) != t.size {
		return ck.CKR_SIGNATURE_LEN_RANGE
	}
	if subtle.ConstantTimeCompare(sum, signature) != 1 {
		return ck.CKR_SIGNATURE_INVALID
	}
	return nil
}
