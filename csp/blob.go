package csp

import (
	"encoding/binary"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// headerLen is the length of a BLOBHEADER. The blobs themselves are in package capi.
const headerLen = capi.BlobHeaderLen

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
		blob = capi.PlainKeyBlob(k.algid, value)
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
	return append(binary.LittleEndian.AppendUint32(capi.BlobHeader(capi.SIMPLEBLOB, k.algid), uint32(wrapKey.algid)), data...), nil
}

// publicNumbers reads the public half of an RSA pair.
func (k *Key) publicNumbers() (*capi.RSANumbers, error) {
	if s := k.pair.smallExponent; s != nil {
		return &capi.RSANumbers{Modulus: s.n, Exponent: []byte{s.e}}, nil
	}
	e, err := k.ctx.attributeValue(k.pair.public, ck.CKA_PUBLIC_EXPONENT)
	if err != nil {
		return nil, err
	}
	n, err := k.ctx.attributeValue(k.pair.public, ck.CKA_MODULUS)
	return &capi.RSANumbers{Modulus: n, Exponent: e}, err
}

func (k *Key) exportPublic() ([]byte, error) {
	numbers, err := k.publicNumbers()
	if err != nil {
		return nil, err
	}
	return numbers.Blob(capi.PUBLICKEYBLOB, k.algid)
}

// privateParts are the private numbers in the order of a PRIVATEKEYBLOB.
var privateParts = []ck.AttributeType{
	ck.CKA_PRIME_1, ck.CKA_PRIME_2, ck.CKA_EXPONENT_1, ck.CKA_EXPONENT_2, ck.CKA_COEFFICIENT, ck.CKA_PRIVATE_EXPONENT,
}

// exportPrivate makes a PRIVATEKEYBLOB. What follows its header is encrypted with a session key where there is one.
func (k *Key) exportPrivate(wrapKey *Key) ([]byte, error) {
	if wrapKey != nil && (wrapKey.check() != nil || wrapKey.pair != nil) {
		return nil, capi.NTE_BAD_KEY
	}
	numbers, err := k.publicNumbers()
	if err != nil {
		return nil, err
	}
	defer numbers.Wipe()
	small := k.pair.smallExponent
	for _, t := range privateParts {
		if small != nil {
			break
		}
		v, err := k.ctx.attributeValue(k.pair.private, t)
		if err != nil {
			return nil, err
		}
		numbers.Private = append(numbers.Private, v)
	}
	blob, err := numbers.Blob(capi.PRIVATEKEYBLOB, k.algid)
	if err != nil {
		return nil, err
	}
	if small != nil {
		blob = append(blob, small.parts...)
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
