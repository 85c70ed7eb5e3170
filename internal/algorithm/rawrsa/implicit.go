package rawrsa

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
)

// overhead is what the padding takes at least, in bytes.
const overhead = 11

// DecryptImplicit decrypts what was padded as PKCS #1 version 1.5 wants, with implicit rejection: draft-irtf-cfrg-rsa-guidance, and OpenSSL
// from 3.2 on. Where the padding is wrong, it returns bytes that follow from the private key and the ciphertext, and no error. So whoever has
// many ciphertexts decrypted does not learn which of them are padded rightly, from which the plaintext of any other could be worked out
// (Bleichenbacher, 1998). Of what it does and how long that takes nothing depends on the plaintext but the length of the result.
func DecryptImplicit(priv *PrivateKey, ciphertext []byte) ([]byte, error) {
	em, err := priv.Raw(ciphertext)
	if err != nil {
		return nil, err
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
	right &= found & subtle.ConstantTimeLessOrEq(overhead-1, at)

	other := newRejection(priv, ciphertext)
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

func newRejection(priv *PrivateKey, ciphertext []byte) rejection {
	hashed := sha256.Sum256(priv.d)
	defer clear(hashed[:])
	h := hmac.New(sha256.New, hashed[:])
	h.Write(ciphertext)
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
	most := k - overhead
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
