package mechanisms

import (
	"crypto/ecdh"
	"encoding/binary"
	"slices"

	"github.com/cloudflare/circl/dh/x448"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// An agreement makes the shared secret with a public key.
type agreement = func(point []byte) ([]byte, error)

// ecdhRows are Diffie-Hellman with elliptic curves (SP 800-56A, section 5.7.1.2). The cofactor of all Weierstrass curves here is 1, so that the two
// mechanisms do the same; the functions of RFC 7748 have theirs built in.
var ecdhRows = []Mechanism{
	ecdhEncapsulates(Mechanism{Type: ck.CKM_ECDH1_DERIVE, Keys: []ck.KeyType{ck.CKK_EC, ck.CKK_EC_MONTGOMERY}, Min: ecMin, Max: ecMax, ExtraFlags: weierstrassFlags, Derive: ecdhDerive}),
	ecdhEncapsulates(Mechanism{Type: ck.CKM_ECDH1_COFACTOR_DERIVE, Keys: []ck.KeyType{ck.CKK_EC}, Min: ecMin, Max: ecMax, ExtraFlags: weierstrassFlags, Derive: ecdhDerive}),
}

// ecdhKDFs are the key derivation functions by CK_EC_KDF_TYPE: those of ANSI X9.63, and of SP 800-56A, which has the
// counter before the secret.
var ecdhKDFs = map[uint]struct {
	digest       ck.MechanismType
	counterFirst bool
}{
	ck.CKD_SHA1_KDF:           {ck.CKM_SHA_1, false},
	ck.CKD_SHA224_KDF:         {ck.CKM_SHA224, false},
	ck.CKD_SHA256_KDF:         {ck.CKM_SHA256, false},
	ck.CKD_SHA384_KDF:         {ck.CKM_SHA384, false},
	ck.CKD_SHA512_KDF:         {ck.CKM_SHA512, false},
	ck.CKD_SHA3_224_KDF:       {ck.CKM_SHA3_224, false},
	ck.CKD_SHA3_256_KDF:       {ck.CKM_SHA3_256, false},
	ck.CKD_SHA3_384_KDF:       {ck.CKM_SHA3_384, false},
	ck.CKD_SHA3_512_KDF:       {ck.CKM_SHA3_512, false},
	ck.CKD_BLAKE2B_160_KDF:    {ck.CKM_BLAKE2B_160, false},
	ck.CKD_BLAKE2B_256_KDF:    {ck.CKM_BLAKE2B_256, false},
	ck.CKD_BLAKE2B_384_KDF:    {ck.CKM_BLAKE2B_384, false},
	ck.CKD_BLAKE2B_512_KDF:    {ck.CKM_BLAKE2B_512, false},
	ck.CKD_SHA1_KDF_SP800:     {ck.CKM_SHA_1, true},
	ck.CKD_SHA224_KDF_SP800:   {ck.CKM_SHA224, true},
	ck.CKD_SHA256_KDF_SP800:   {ck.CKM_SHA256, true},
	ck.CKD_SHA384_KDF_SP800:   {ck.CKM_SHA384, true},
	ck.CKD_SHA512_KDF_SP800:   {ck.CKM_SHA512, true},
	ck.CKD_SHA3_224_KDF_SP800: {ck.CKM_SHA3_224, true},
	ck.CKD_SHA3_256_KDF_SP800: {ck.CKM_SHA3_256, true},
	ck.CKD_SHA3_384_KDF_SP800: {ck.CKM_SHA3_384, true},
	ck.CKD_SHA3_512_KDF_SP800: {ck.CKM_SHA3_512, true},
}

// An ecdhKDF makes a key from a shared secret. Without a hash, that is bytes of the secret itself.
type ecdhKDF struct {
	hash         *Hash
	counterFirst bool
	shared       []byte // SharedInfo of X9.63, OtherInfo of SP 800-56A and of X9.42
	counterAt    int    // where the counter stands in shared; where this is 0, it stands before or after the secret
}

// findKDF returns the function that a CK_ECDH1_DERIVE_PARAMS or the like names. CKD_NULL has no use for shared data.
func findKDF(kdf uint, shared []byte) (*ecdhKDF, error) {
	if kdf == ck.CKD_NULL && len(shared) == 0 {
		return &ecdhKDF{}, nil
	}
	row, ok := ecdhKDFs[kdf]
	h := hashOf(row.digest)
	if !ok || h == nil {
		return nil, ck.FieldError("kdf or ulSharedDataLen")
	}
	return &ecdhKDF{hash: h, counterFirst: row.counterFirst, shared: shared}, nil
}

// derive fills out from the shared secret z.
func (f *ecdhKDF) derive(out, z []byte) {
	h := f.hash.New()
	var count [4]byte
	sum := make([]byte, 0, maxHashSize)
	for i := uint32(1); len(out) > 0; i++ {
		binary.BigEndian.PutUint32(count[:], i)
		h.Reset()
		if f.counterFirst {
			h.Write(count[:])
		}
		h.Write(z)
		h.Write(f.shared[:f.counterAt])
		if !f.counterFirst {
			h.Write(count[:])
		}
		if f.counterAt > 0 {
			h.Write(f.shared[f.counterAt+len(count):])
		} else {
			h.Write(f.shared)
		}
		sum = h.Sum(sum[:0])
		out = out[copy(out, sum):]
	}
	clear(sum)
}

// ecdhDerive reads a CK_ECDH1_DERIVE_PARAMS and derives.
func ecdhDerive(b *Base, p *ck.Param, d *Derived) error {
	kdf := p.Ulong()
	shared := p.BytesAfter()
	public := p.BytesAfter()
	if err := p.Done(); err != nil {
		return err
	}
	f, err := findKDF(kdf, shared)
	if err != nil {
		return err
	}
	if len(public) == 0 {
		return ck.FieldError("ulPublicDataLen")
	}
	if b.Key == nil {
		return ck.CKR_KEY_HANDLE_INVALID
	}
	form, err := b.Key.Prepared(ck.CKM_ECDH1_DERIVE, prepareECDH)
	if err != nil {
		return err
	}
	key := form.(*ecdhPrivate)
	point, err := key.c.readPoint(public)
	if err != nil {
		return err
	}
	secret.Do(func() { err = f.deriveWith(b, d, key.agree, point) })
	return err
}

// setKey makes the new key. Where the shared secret itself is the key and is too long, its first bytes are dropped: section "Elliptic curve
// Diffie-Hellman key derivation".
func (f *ecdhKDF) setKey(b *Base, d *Derived, z []byte) error {
	t, n, err := typeAndSize(b.Template)
	if err != nil {
		return err
	}
	switch {
	case n == 0 && f.hash == nil && t == ck.CKK_GENERIC_SECRET:
		n = uint(len(z))
	case n == 0:
		return ck.CKR_TEMPLATE_INCOMPLETE
	}
	if !validSize(t, n) || f.hash == nil && n > uint(len(z)) {
		return ck.CKR_KEY_SIZE_RANGE
	}
	out := slices.Grow(d.buf[:0], int(n))[:n]
	if f.hash == nil {
		copy(out, z[uint(len(z))-n:])
	} else {
		f.derive(out, z)
	}
	d.Type, d.Value = t, out
	FixParity(t, out)
	return nil
}

// An ecdhPrivate is the prepared form of a private key.
type ecdhPrivate struct {
	c     *curve
	agree agreement
}

func prepareECDH(k *Key) (any, error) {
	return preparePrivate(k, func(c *curve, value []byte) (any, error) {
		agree, err := c.Agree(value)
		return &ecdhPrivate{c, agree}, err
	})
}

func x25519Public(private []byte) ([]byte, error) {
	k, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, ck.CKR_ATTRIBUTE_VALUE_INVALID
	}
	return k.PublicKey().Bytes(), nil
}

func x448Public(private []byte) ([]byte, error) {
	var s, p x448.Key
	copy(s[:], private)
	defer clear(s[:])
	x448.KeyGen(&p, &s)
	return p[:], nil
}

func x448Agree(private []byte) (agreement, error) {
	s := new(x448.Key)
	copy(s[:], private)
	return func(point []byte) ([]byte, error) {
		var z, p x448.Key
		copy(p[:], point)
		if !x448.Shared(&z, s, &p) { // a point of low order
			return nil, ck.CKR_PUBLIC_KEY_INVALID
		}
		return z[:], nil
	}, nil
}
