package csp

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// Key blobs, as Windows lays them out: all numbers in little-endian order. A BLOBHEADER is the type of the blob, its version,
// two bytes that are reserved, and the ALG_ID of the key.
const (
	headerLen = 8
	rsaPubLen = 12 // RSAPUBKEY: magic, length of the modulus in bits, public exponent

	magicRSA1 = 0x31415352 // a public key
	magicRSA2 = 0x32415352 // a private key
)

func header(kind byte, algid capi.AlgID) []byte {
	return binary.LittleEndian.AppendUint32([]byte{kind, capi.CUR_BLOB_VERSION, 0, 0}, uint32(algid))
}

// Export is CryptExportKey. with is the key exchange key that a SIMPLEBLOB is for, or a session key that encrypts a
// PRIVATEKEYBLOB; nil otherwise.
func (k *Key) Export(wrapKey *Key, kind, flags uint32) ([]byte, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	if flags&^capi.CRYPT_BLOB_VER3 != 0 {
		return nil, capi.NTE_BAD_FLAGS
	}
	switch kind {
	case capi.PUBLICKEYBLOB:
		if wrapKey != nil || k.pair == nil {
			return nil, capi.NTE_BAD_KEY
		}
		return k.exportPublic()
	case capi.PRIVATEKEYBLOB:
		if k.pair == nil || !k.pair.hasPrivate() {
			return nil, capi.NTE_BAD_KEY
		}
	case capi.SIMPLEBLOB, capi.PLAINTEXTKEYBLOB, capi.OPAQUEKEYBLOB:
		if k.pair != nil {
			return nil, capi.NTE_BAD_KEY
		}
	default:
		return nil, capi.NTE_BAD_TYPE
	}
	if k.permissions&capi.CRYPT_EXPORT == 0 {
		return nil, capi.NTE_BAD_KEY_STATE
	}
	k.logUse("export")
	switch kind {
	case capi.PRIVATEKEYBLOB:
		return k.exportPrivate(wrapKey)
	case capi.SIMPLEBLOB:
		return k.exportSimple(wrapKey)
	case capi.OPAQUEKEYBLOB:
		if wrapKey != nil {
			return nil, capi.NTE_BAD_KEY
		}
		return k.exportOpaque()
	}
	return k.exportPlain(wrapKey)
}

// exportPlain makes a PLAINTEXTKEYBLOB: the length of the key in bytes, and the key.
func (k *Key) exportPlain(wrapKey *Key) (blob []byte, err error) {
	if wrapKey != nil {
		return nil, capi.NTE_BAD_KEY
	}
	err = k.withValue(func(value []byte) error {
		blob = binary.LittleEndian.AppendUint32(header(capi.PLAINTEXTKEYBLOB, k.algid), uint32(len(value)))
		blob = append(blob, value...)
		return nil
	})
	return blob, err
}

// exportSimple makes a SIMPLEBLOB: the ALG_ID of the exchange key, and the key encrypted with it by PKCS #1.
func (k *Key) exportSimple(wrapKey *Key) ([]byte, error) {
	if wrapKey.check() != nil || wrapKey.pair == nil || wrapKey.algid != capi.CALG_RSA_KEYX {
		return nil, capi.NTE_BAD_PUBLIC_KEY
	}
	data := make([]byte, wrapKey.modulusLen())
	n := 0
	err := k.withValue(func(value []byte) error {
		if n = len(value); n > len(data) {
			return capi.NTE_BAD_LEN
		}
		copy(data, value)
		return nil
	})
	if err == nil {
		_, err = wrapKey.rsaEncrypt(nil, 0, data, n)
	}
	if err != nil {
		clear(data)
		return nil, err
	}
	return append(binary.LittleEndian.AppendUint32(header(capi.SIMPLEBLOB, k.algid), uint32(wrapKey.algid)), data...), nil
}

// littleEndianAttribute reads a number of n bytes at least, in little-endian order, from an attribute.
func (c *Context) littleEndianAttribute(o ck.ObjectHandle, t ck.AttributeType, n int) ([]byte, error) {
	v, err := c.attributeValue(o, t)
	if err != nil {
		return nil, err
	}
	v = bytes.TrimLeft(v, "\x00")
	if len(v) > n {
		return nil, capi.NTE_FAIL
	}
	out := make([]byte, n)
	copy(out[n-len(v):], v)
	clear(v)
	slices.Reverse(out)
	return out, nil
}

// beginRSABlob makes a blob up to the modulus, which it ends with.
func (k *Key) beginRSABlob(kind byte, magic uint32) ([]byte, error) {
	c := k.ctx
	if s := k.pair.smallExponent; s != nil {
		n := bytes.Clone(s.n)
		slices.Reverse(n)
		blob := binary.LittleEndian.AppendUint32(header(kind, k.algid), magic)
		blob = binary.LittleEndian.AppendUint32(blob, k.bits)
		return append(binary.LittleEndian.AppendUint32(blob, uint32(s.e)), n...), nil
	}
	e, err := c.littleEndianAttribute(k.pair.public, ck.CKA_PUBLIC_EXPONENT, 4)
	if err != nil {
		return nil, err
	}
	n, err := c.littleEndianAttribute(k.pair.public, ck.CKA_MODULUS, k.modulusLen())
	if err != nil {
		return nil, err
	}
	blob := binary.LittleEndian.AppendUint32(header(kind, k.algid), magic)
	blob = binary.LittleEndian.AppendUint32(blob, k.bits)
	return append(append(blob, e...), n...), nil
}

func (k *Key) exportPublic() ([]byte, error) { return k.beginRSABlob(capi.PUBLICKEYBLOB, magicRSA1) }

// privateParts are what follows the modulus in a PRIVATEKEYBLOB: how long each is, in halves of the modulus.
var privateParts = []struct {
	t      ck.AttributeType
	halves int
}{
	{ck.CKA_PRIME_1, 1}, {ck.CKA_PRIME_2, 1}, {ck.CKA_EXPONENT_1, 1}, {ck.CKA_EXPONENT_2, 1}, {ck.CKA_COEFFICIENT, 1},
	{ck.CKA_PRIVATE_EXPONENT, 2},
}

// exportPrivate makes a PRIVATEKEYBLOB. What follows its header is encrypted with a session key where there is one.
func (k *Key) exportPrivate(wrapKey *Key) ([]byte, error) {
	if wrapKey != nil && (wrapKey.check() != nil || wrapKey.pair != nil) {
		return nil, capi.NTE_BAD_KEY
	}
	blob, err := k.beginRSABlob(capi.PRIVATEKEYBLOB, magicRSA2)
	if err != nil {
		return nil, err
	}
	half := (k.modulusLen() + 1) / 2
	parts := privateParts
	if s := k.pair.smallExponent; s != nil {
		blob, parts = append(blob, s.parts...), nil
	}
	for _, p := range parts {
		n := half
		if p.halves == 2 {
			n = k.modulusLen()
		}
		v, err := k.ctx.littleEndianAttribute(k.pair.private, p.t, n)
		if err != nil {
			return nil, err
		}
		blob = append(blob, v...)
		clear(v)
	}
	if wrapKey == nil {
		return blob, nil
	}
	n := len(blob) - headerLen
	blob = append(blob, make([]byte, maxBlock)...)
	n, err = wrapKey.Encrypt(nil, true, 0, blob[headerLen:], n)
	if err != nil {
		clear(blob)
		return nil, err
	}
	return blob[:headerLen+n], nil
}
