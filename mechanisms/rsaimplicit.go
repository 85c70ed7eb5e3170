package mechanisms

import (
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"

	"github.com/softcsp/softcsp/ck"
)

// Implicit rejection, as draft-irtf-cfrg-rsa-guidance has it, and OpenSSL from 3.2 on: what was not padded as version 1.5 wants gives
// bytes that follow from the private key and the ciphertext, and not an error. So whoever has many ciphertexts unwrapped does not
// learn which of them are padded rightly, from which the plaintext of any other could be worked out (Bleichenbacher, 1998).

// implicitScheme is decryption of version 1.5 with implicit rejection.
func implicitScheme(p *ck.Param) (*rsaScheme, error) {
	return &rsaScheme{decrypt: decryptImplicit}, p.None()
}

// decryptImplicit decrypts. What it does and how long that takes depends on the plaintext by the length of what it returns alone.
func decryptImplicit(priv *rsa.PrivateKey, wrapped []byte) ([]byte, error) {
	em, err := rsaRawPrivate(priv, wrapped)
	if err != nil {
		return nil, ck.CKR_ENCRYPTED_DATA_INVALID // not below the modulus, as everybody can see
	}
	defer clear(em)
	k := len(em)
	right := subtle.ConstantTimeByteEq(em[0], 0) & subtle.ConstantTimeByteEq(em[1], 2)
	at, found := 0, 0 // where the zero behind the padding is
	for i := 2; i < k; i++ {
		zero := subtle.ConstantTimeByteEq(em[i], 0)
		at = subtle.ConstantTimeSelect(zero&^found, i, at)
		found |= zero
	}
	right &= found & subtle.ConstantTimeLessOrEq(pkcs1Overhead-1, at)

	other := newRejection(priv, wrapped)
	defer clear(other.key)
	n := other.length(k)
	message := other.bytes("message", k)
	defer clear(message)
	from := subtle.ConstantTimeSelect(right, at+1, k-n)
	out := make([]byte, k)
	copy(out, message)
	subtle.ConstantTimeCopy(right, out, em)
	return out[from:], nil
}

// A rejection makes the bytes that take the place of a plaintext.
type rejection struct{ key []byte }

func newRejection(priv *rsa.PrivateKey, wrapped []byte) rejection {
	d := fixedBytes(priv.D, priv.Size())
	defer clear(d)
	hashed := sha256.Sum256(d)
	defer clear(hashed[:])
	h := hmac.New(sha256.New, hashed[:])
	h.Write(wrapped)
	return rejection{h.Sum(nil)}
}

// bytes is the draft's IRPRF.
func (v rejection) bytes(label string, n int) []byte {
	var out []byte
	for i := uint16(0); len(out) < n; i++ {
		h := hmac.New(sha256.New, v.key)
		h.Write(binary.BigEndian.AppendUint16(nil, i))
		h.Write([]byte(label))
		h.Write(binary.BigEndian.AppendUint16(nil, uint16(n*8)))
		out = h.Sum(out)
	}
	return out[:n]
}

// length is how many bytes there are for a modulus of k: the last of 128 numbers that is not too large.
func (v rejection) length(k int) (n int) {
	most := k - pkcs1Overhead
	mask := most + 1
	for s := 1; s < 16; s *= 2 {
		mask |= mask >> s
	}
	for c := v.bytes("length", 256); len(c) > 0; c = c[2:] {
		candidate := int(binary.BigEndian.Uint16(c)) & mask
		n = subtle.ConstantTimeSelect(subtle.ConstantTimeLessOrEq(candidate, most), candidate, n)
	}
	return n
}

// rsaUnwrapsImplicitly gives a row UnwrapVeiled.
func rsaUnwrapsImplicitly(m Mechanism) Mechanism {
	m.UnwrapImplicit = unwrapWith(rsaCrypts(Mechanism{}, implicitScheme).Decrypt)
	return m
}
