package mechanisms

import (
	"bytes"
	"crypto/sha3"
	"hash"
	"math"

	"github.com/softcsp/softcsp/ck"
)

// maxContext is the length in bytes of the longest context of FIPS 204 and FIPS 205.
const maxContext = 255

// A preHash is a hash of a message that is signed in its place: HashML-DSA (FIPS 204, section 5.4) and HashSLH-DSA (FIPS 205,
// section 10.2.2).
type preHash struct {
	// Digest is its name in CK_HASH_SIGN_ADDITIONAL_CONTEXT. There is no digest mechanism for SHAKE, so the derivation names it.
	Digest ck.MechanismType
	// MLDSA and SLHDSA are the mechanisms that hash with it and sign, 0 where there is none.
	MLDSA, SLHDSA ck.MechanismType
	OID           int // in NIST's list of hashes
	Size          int // in bytes
	newHash       func() hash.Hash
}

var preHashes = []*preHash{
	preHashOf(ck.CKM_SHA224, ck.CKM_HASH_ML_DSA_SHA224, ck.CKM_HASH_SLH_DSA_SHA224, 4),
	preHashOf(ck.CKM_SHA256, ck.CKM_HASH_ML_DSA_SHA256, ck.CKM_HASH_SLH_DSA_SHA256, 1),
	preHashOf(ck.CKM_SHA384, ck.CKM_HASH_ML_DSA_SHA384, ck.CKM_HASH_SLH_DSA_SHA384, 2),
	preHashOf(ck.CKM_SHA512, ck.CKM_HASH_ML_DSA_SHA512, ck.CKM_HASH_SLH_DSA_SHA512, 3),
	preHashOf(ck.CKM_SHA512_224, 0, 0, 5),
	preHashOf(ck.CKM_SHA512_256, 0, 0, 6),
	preHashOf(ck.CKM_SHA3_224, ck.CKM_HASH_ML_DSA_SHA3_224, ck.CKM_HASH_SLH_DSA_SHA3_224, 7),
	preHashOf(ck.CKM_SHA3_256, ck.CKM_HASH_ML_DSA_SHA3_256, ck.CKM_HASH_SLH_DSA_SHA3_256, 8),
	preHashOf(ck.CKM_SHA3_384, ck.CKM_HASH_ML_DSA_SHA3_384, ck.CKM_HASH_SLH_DSA_SHA3_384, 9),
	preHashOf(ck.CKM_SHA3_512, ck.CKM_HASH_ML_DSA_SHA3_512, ck.CKM_HASH_SLH_DSA_SHA3_512, 10),
	{ck.CKM_SHAKE_128_KEY_DERIVATION, ck.CKM_HASH_ML_DSA_SHAKE128, ck.CKM_HASH_SLH_DSA_SHAKE128, 11, 32,
		func() hash.Hash { return &shakeHash{sha3.NewSHAKE128(), 32} }},
	{ck.CKM_SHAKE_256_KEY_DERIVATION, ck.CKM_HASH_ML_DSA_SHAKE256, ck.CKM_HASH_SLH_DSA_SHAKE256, 12, 64,
		func() hash.Hash { return &shakeHash{sha3.NewSHAKE256(), 64} }},
}

// preHashOf makes the row of a hash of the one list.
func preHashOf(digest, mldsa, slhdsa ck.MechanismType, oid int) *preHash {
	h := findHash(digest)
	return &preHash{digest, mldsa, slhdsa, oid, h.Size, h.New}
}

// A shakeHash is a SHAKE that gives a fixed number of bytes.
type shakeHash struct {
	*sha3.SHAKE
	size int
}

func (h *shakeHash) Size() int { return h.size }

// Sum implements hash.Hash. It is called once, after all data.
func (h *shakeHash) Sum(b []byte) []byte {
	out := make([]byte, h.size)
	h.Read(out)
	return append(b, out...)
}

// A pqMessage is what is signed.
type pqMessage struct {
	context []byte
	hash    *preHash // nil where the data is the message itself
	data    []byte
}

// prefix is what FIPS 204 and FIPS 205 put before the data: whether it is a hash, the context, and the identifier of the hash.
func (m *pqMessage) prefix() []byte {
	b := make([]byte, 0, 2+len(m.context)+11)
	b = append(b, 0, byte(len(m.context)))
	b = append(b, m.context...)
	if m.hash != nil {
		b[0] = 1
		b = append(b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, byte(m.hash.OID))
	}
	return b
}

type (
	// A pqSigner signs. hedged says that the signature also depends on random bytes.
	pqSigner func(m *pqMessage, hedged bool) ([]byte, error)
	// A pqVerifier verifies.
	pqVerifier func(m *pqMessage, sig []byte) bool
)

// A pqFamily is what the mechanisms of ML-DSA or SLH-DSA are made of.
type pqFamily struct {
	keys         *parameterType
	generate     ck.MechanismType
	pure, hashed ck.MechanismType
	mechanism    func(*preHash) ck.MechanismType
	signer       func(s *parameterSet, k *Key, hashed bool) (pqSigner, error)
	verifier     func(s *parameterSet, k *Key, hashed bool) (pqVerifier, error)
}

// rows makes the rows.
func (f *pqFamily) rows() []Mechanism {
	least, most := f.keys.sizes()
	rows := []Mechanism{
		{Type: f.generate, Min: least, Max: most, Makes: f.keys.keyType, GeneratePair: f.keys.generate},
		f.row(f.pure, nil, false), f.row(f.hashed, nil, true),
	}
	for _, h := range preHashes {
		if m := f.mechanism(h); m != 0 {
			rows = append(rows, f.row(m, h, true))
		}
	}
	return rows
}

// row makes a row that signs. Without hashed, it signs the message as it is. With hashed, h hashes the message; where h is nil, the application
// gives the digest, and the parameter names its hash.
func (f *pqFamily) row(m ck.MechanismType, h *preHash, hashed bool) Mechanism {
	least, most := f.keys.sizes()
	id := f.pure
	if hashed {
		id = f.hashed
	}
	begin := func(k *Key, p *ck.Param, class ck.ObjectClass) (*signature, *pqMessage, uint, any, error) {
		message, hedge, err := readSignContext(p, h, hashed && h == nil)
		if err != nil {
			return nil, nil, 0, nil, err
		}
		form, err := f.keys.prepared(k, id, class, func(s *parameterSet, k *Key) (any, error) {
			made := &pqKey{set: s}
			var err error
			if class == ck.CKO_PRIVATE_KEY {
				made.sign, err = f.signer(s, k, hashed)
			} else {
				made.verify, err = f.verifier(s, k, hashed)
			}
			return made, err
		})
		if err != nil {
			return nil, nil, 0, nil, err
		}
		return message.begin(h, form.(*pqKey).set.Signature), message, hedge, form, nil
	}
	return Mechanism{Type: m, Keys: []ck.KeyType{f.keys.keyType}, Min: least, Max: most,
		Sign: func(k *Key, p *ck.Param) (Signer, error) {
			s, message, hedge, form, err := begin(k, p, ck.CKO_PRIVATE_KEY)
			if err == nil && hedge > ck.CKH_DETERMINISTIC_REQUIRED {
				err = ck.FieldError("hedgeVariant")
			}
			if err != nil {
				return nil, err
			}
			s.sign = func(data []byte) ([]byte, error) {
				if err := message.setData(data); err != nil {
					return nil, err
				}
				return form.(*pqKey).sign(message, hedge != ck.CKH_DETERMINISTIC_REQUIRED)
			}
			return s, nil
		},
		Verify: func(k *Key, p *ck.Param) (Verifier, error) {
			s, message, _, form, err := begin(k, p, ck.CKO_PUBLIC_KEY)
			if err != nil {
				return nil, err
			}
			s.verify = func(data, sig []byte) error {
				if err := message.setData(data); err != nil {
					return err
				}
				if !form.(*pqKey).verify(message, sig) {
					return ck.CKR_SIGNATURE_INVALID
				}
				return nil
			}
			return s, nil
		},
	}
}

// A pqKey is the prepared form of a key.
type pqKey struct {
	set    *parameterSet
	sign   pqSigner
	verify pqVerifier
}

// readSignContext reads a CK_SIGN_ADDITIONAL_CONTEXT, or, where names is set, a CK_HASH_SIGN_ADDITIONAL_CONTEXT, which names the
// hash: section 6.67.1. The former may be left out.
func readSignContext(p *ck.Param, h *preHash, names bool) (m *pqMessage, hedge uint, err error) {
	m = &pqMessage{hash: h}
	if !p.Present() && !names {
		return m, ck.CKH_HEDGE_PREFERRED, nil
	}
	hedge, m.context = p.Ulong(), p.Bytes()
	if names {
		digest := ck.MechanismType(p.Ulong())
		for _, h := range preHashes {
			if h.Digest == digest {
				m.hash = h
			}
		}
	}
	if err := p.Done(); err != nil {
		return nil, 0, err
	}
	if len(m.context) > maxContext || names && m.hash == nil {
		return nil, 0, ck.FieldError("ulContextLen or hash")
	}
	m.context = bytes.Clone(m.context)
	return m, hedge, nil
}

// begin begins a signature. h hashes the data; where it is nil, the data is the message or the digest.
func (m *pqMessage) begin(h *preHash, size int) *signature {
	s := &signature{size: size, limit: math.MaxInt}
	switch {
	case h != nil:
		s.hash = h.newHash()
	case m.hash != nil:
		s.limit = m.hash.Size
	}
	return s
}

// setData sets the data. A digest has to have its length.
func (m *pqMessage) setData(data []byte) error {
	if m.hash != nil && len(data) != m.hash.Size {
		return ck.CKR_DATA_LEN_RANGE
	}
	m.data = data
	return nil
}
