package mechanisms

import (
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// digests are the message digests.
var digests = rowsPerHash(func(h *Hash) []Mechanism {
	if h.Digest == 0 {
		return nil
	}
	return []Mechanism{{Type: h.Digest, Hash: h, Digest: func(p *ck.Param) (hash.Hash, error) {
		if err := p.None(); err != nil {
			return nil, err
		}
		return h.New(), nil
	}}}
})

// hashDerivations make a key from the hash of another (PKCS #11, "Key derivation by hashing").
var hashDerivations = rowsPerHash(func(h *Hash) []Mechanism {
	if h.Derivation == 0 {
		return nil
	}
	return []Mechanism{{Type: h.Derivation, Keys: secretKeys, Derive: func(b *Base, p *ck.Param, d *Derived) error {
		if err := p.None(); err != nil {
			return err
		}
		if b.Key == nil {
			return ck.CKR_KEY_HANDLE_INVALID
		}
		var err error
		secret.Do(func() {
			f := h.New()
			f.Write(b.Key.Value)
			err = d.setLeading(b, f.Sum(d.buf[:0]))
		})
		return err
	}}}
})

// rowsPerHash makes rows for each hash.
func rowsPerHash(rows func(*Hash) []Mechanism) (all []Mechanism) {
	for _, h := range hashes {
		all = append(all, rows(h)...)
	}
	return all
}
