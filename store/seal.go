package store

import (
	"crypto/cipher"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/internal/secret"
)

// maxObject is the largest public or sealed part of an object.
const maxObject = 16 << 20

// A sealedObject is an object as it stands in the file, taken apart. The slices refer to the file.
type sealedObject struct {
	version   uint16
	rev       uint64
	terms     []byte // n of termSize
	public    []byte
	signature []byte // of a public part, from version 2 on
	signed    []byte // what it signs
	head      []byte // everything before the nonce: authenticated
	nonce     []byte
	sealed    []byte
}

// parseObject takes an object of a version of the format apart. It looks at lengths alone.
func parseObject(v uint16, b []byte) (o sealedObject, ok bool) {
	o.version = v
	if len(b) < 8+2 {
		return o, false
	}
	o.rev = binary.BigEndian.Uint64(b)
	at := 8 + 2 + termSize*int(binary.BigEndian.Uint16(b[8:]))
	if len(b) < at+4 {
		return o, false
	}
	o.terms = b[8+2 : at]
	length := binary.BigEndian.Uint32(b[at:])
	rest := b[at+4:]
	if uint64(len(rest)) < uint64(length)+chacha20poly1305.NonceSizeX+tagSize {
		return o, false
	}
	o.public = rest[:length]
	at += 4 + int(length)
	o.signed = b[:at]
	if v != 1 && length > 0 {
		if len(b)-at < ed25519.SignatureSize+chacha20poly1305.NonceSizeX+tagSize {
			return o, false
		}
		o.signature = b[at : at+ed25519.SignatureSize]
		at += ed25519.SignatureSize
	}
	o.head = b[:at]
	o.nonce, o.sealed = b[at:at+chacha20poly1305.NonceSizeX], b[at+chacha20poly1305.NonceSizeX:]
	return o, v == 1 || len(o.sealed) >= sealedTail+tagSize
}

// entry returns what the manifest must say of the object.
func (o *sealedObject) entry() entry {
	return entry{o.rev, [tagSize]byte(o.sealed[len(o.sealed)-tagSize:])}
}

// term returns the i-th term.
func (o *sealedObject) term(i int) term { return term(o.terms[i*termSize:]) }

// count returns the number of terms.
func (o *sealedObject) count() int { return len(o.terms) / termSize }

// sealedTail is what is sealed after the secret part of an object: its origin, and the separation at its birth.
const sealedTail = 2

// sealData returns the associated data of an object: the version, the token, the object and its head, which has the revision,
// the terms, the public part and its signature.
func sealData(v uint16, t *Token, id ID, head []byte) []byte {
	return objectData("softcsp object", v, t, id, head)
}

// objectData returns what a seal or a signature, as name says, authenticates of an object.
func objectData(name string, v uint16, t *Token, id ID, head []byte) []byte {
	b := make([]byte, 0, 64+len(head))
	b = append(b, name...)
	b = append(b, 0, byte(v))
	b = append(b, t.uuidBytes[:]...)
	b = append(b, id[:]...)
	return append(b, head...)
}

// seal returns a record as it stands in the file, as revision rev, and wipes what it had of secrets.
func (k *Keys) seal(id ID, rev uint64, r *Record) ([]byte, error) {
	defer r.wipe()
	terms, err := k.termsOf(r)
	if err != nil {
		return nil, err
	}
	return k.sealTerms(id, rev, terms, r)
}

// wipe overwrites what a record has of an object's secrets, the label of a private object among them.
func (r *Record) wipe() {
	clear(r.Sealed)
	for _, term := range r.Terms {
		clear(term)
	}
}

// sealTerms is seal for an object whose terms are known.
func (k *Keys) sealTerms(id ID, rev uint64, terms []term, r *Record) (b []byte, err error) {
	if len(r.Public) > maxObject || len(r.Sealed) > maxObject {
		return nil, fmt.Errorf("%w: an object of more than %d bytes", ck.CKR_DEVICE_MEMORY, maxObject)
	}
	err = k.use(func() error {
		b = k.sealObject(id, rev, terms, r)
		return nil
	})
	return b, err
}

// sealObject is sealTerms for a caller that runs inside use.
func (k *Keys) sealObject(id ID, rev uint64, terms []term, r *Record) []byte {
	head := 8 + 2 + len(terms)*termSize + 4 + len(r.Public)
	b := make([]byte, 0, head+ed25519.SignatureSize+chacha20poly1305.NonceSizeX+len(r.Sealed)+sealedTail+tagSize)
	b = binary.BigEndian.AppendUint64(b, rev)
	b = binary.BigEndian.AppendUint16(b, uint16(len(terms)))
	for _, h := range terms {
		b = append(b, h[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Public)))
	b = append(b, r.Public...)
	if len(r.Public) > 0 {
		b = append(b, k.signPublic(id, b)...)
	}
	ad := sealData(version, k.token, id, b)
	nonce := b[len(b) : len(b)+chacha20poly1305.NonceSizeX]
	random(nonce)
	b = b[:len(b)+len(nonce)]
	plain := append(append(b[len(b):], r.Sealed...), byte(r.Origin), byte(r.Birth)) // the seal is written over it
	secret.Do(func() { b = newAEAD(k.purposeKey(version, forObjects)).Seal(b, nonce, plain, ad) })
	return b
}

// openObject opens an object into locked memory, and puts what was sealed into r.
func (k *Keys) openObject(id ID, o *sealedObject, r *Record) error {
	return k.use(func() error { return k.unseal(id, o, r) })
}

// unseal is open for a caller that runs inside use.
func (k *Keys) unseal(id ID, o *sealedObject, r *Record) error {
	if !k.canRead(o.version) {
		return tampered("object %s is of format version %d", id, o.version)
	}
	sealed := locked.Alloc(len(o.sealed) - tagSize)
	ad := sealData(o.version, k.token, id, o.head)
	var err error
	secret.Do(func() { _, err = newAEAD(k.purposeKey(o.version, forObjects)).Open(sealed[:0], o.nonce, o.sealed, ad) })
	if err != nil {
		locked.Free(sealed)
		return tampered("object %s was changed by something else than softcsp", id)
	}
	r.Origin, r.Birth, r.Sealed = OriginBefore2, SeparationStandard, sealed
	if o.version == 1 {
		return nil
	}
	n := len(sealed) - sealedTail
	r.Origin, r.Birth, r.Sealed = Origin(sealed[n]), Separation(sealed[n+1]), sealed[:n]
	if n == 0 {
		locked.Free(sealed)
		r.Sealed = []byte{}
	}
	return nil
}

// newAEAD returns XChaCha20-Poly1305 under a key of this package's, which has the right length. The caller runs inside
// secret.Do.
func newAEAD(key []byte) cipher.AEAD {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err)
	}
	return aead
}
