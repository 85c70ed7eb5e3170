package store

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/locked"
	"github.com/softcsp/softcsp/internal/secret"
)

// maxObject is the largest public or sealed part of an object.
const maxObject = 16 << 20

// A blob is an object as it stands in the file, taken apart. The slices refer to the file.
type blob struct {
	rev    uint64
	terms  []byte // n of termSize
	public []byte
	head   []byte // everything before the nonce: authenticated
	nonce  []byte
	sealed []byte
}

// parseBlob takes an object apart. It looks at lengths alone.
func parseBlob(b []byte) (o blob, ok bool) {
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
	o.head = b[:at]
	o.nonce, o.sealed = b[at:at+chacha20poly1305.NonceSizeX], b[at+chacha20poly1305.NonceSizeX:]
	return o, true
}

// entry returns what the roll must say of the object.
func (o *blob) entry() entry {
	return entry{o.rev, [tagSize]byte(o.sealed[len(o.sealed)-tagSize:])}
}

// term returns the i-th term.
func (o *blob) term(i int) term { return term(o.terms[i*termSize:]) }

// count returns the number of terms.
func (o *blob) count() int { return len(o.terms) / termSize }

// sealContext returns the associated data of an object: the token, the object and its head, which has the revision, the
// terms and the public part.
func sealContext(t *Token, id ID, head []byte) []byte {
	ad := make([]byte, 0, 64+len(head))
	ad = append(ad, "softcsp object"...)
	ad = append(ad, 0, version)
	ad = append(ad, t.raw[:]...)
	ad = append(ad, id[:]...)
	return append(ad, head...)
}

// seal returns a record as it stands in the file, as revision rev.
func (k *Keys) seal(id ID, rev uint64, r *Record) ([]byte, error) {
	if len(r.Public) > maxObject || len(r.Sealed) > maxObject {
		return nil, fmt.Errorf("%w: an object of more than %d bytes", ck.CKR_DEVICE_MEMORY, maxObject)
	}
	terms, err := k.termsOf(r)
	if err != nil {
		return nil, err
	}
	head := 8 + 2 + len(terms)*termSize + 4 + len(r.Public)
	b := make([]byte, 0, head+chacha20poly1305.NonceSizeX+len(r.Sealed)+tagSize)
	b = binary.BigEndian.AppendUint64(b, rev)
	b = binary.BigEndian.AppendUint16(b, uint16(len(terms)))
	for _, h := range terms {
		b = append(b, h[:]...)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(r.Public)))
	b = append(b, r.Public...)
	b = b[:head+chacha20poly1305.NonceSizeX]
	nonce := b[head:]
	random(nonce)
	ad := sealContext(k.token, id, b[:head])
	err = k.use(func() error {
		secret.Do(func() { b = newAEAD(k.key(sealing)).Seal(b, nonce, r.Sealed, ad) })
		return nil
	})
	return b, err
}

// open opens an object into locked memory.
func (k *Keys) open(id ID, o *blob) (sealed []byte, err error) {
	err = k.use(func() error {
		sealed, err = k.unseal(id, o)
		return err
	})
	return sealed, err
}

// unseal is open for a caller that runs inside use.
func (k *Keys) unseal(id ID, o *blob) ([]byte, error) {
	sealed := locked.Alloc(len(o.sealed) - tagSize)
	ad := sealContext(k.token, id, o.head)
	var err error
	secret.Do(func() { _, err = newAEAD(k.key(sealing)).Open(sealed[:0], o.nonce, o.sealed, ad) })
	if err != nil {
		locked.Free(sealed)
		return nil, tampered("object %s was changed by something else than softcsp", id)
	}
	return sealed, nil
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
