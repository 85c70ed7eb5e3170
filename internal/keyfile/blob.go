package keyfile

import (
	"errors"
	"fmt"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// isBlob tells whether the bytes begin as a key blob of CryptoAPI of a kind that is in the clear.
func isBlob(data []byte) bool {
	kind, _, _, err := capi.ParseBlobHeader(data)
	return err == nil && data[2] == 0 && data[3] == 0 &&
		(kind == capi.PUBLICKEYBLOB || kind == capi.PRIVATEKEYBLOB || kind == capi.PLAINTEXTKEYBLOB || kind == capi.SIMPLEBLOB)
}

// blobNumbers are the private numbers of an RSA key in the order of a PRIVATEKEYBLOB.
var blobNumbers = []ck.AttributeType{
	ck.CKA_PRIME_1, ck.CKA_PRIME_2, ck.CKA_EXPONENT_1, ck.CKA_EXPONENT_2, ck.CKA_COEFFICIENT, ck.CKA_PRIVATE_EXPONENT,
}

// readBlob reads a key blob.
func (r *reader) readBlob(data []byte) error {
	kind, algid, rest, err := capi.ParseBlobHeader(data)
	if err != nil {
		return err
	}
	switch kind {
	case capi.PLAINTEXTKEYBLOB:
		return r.readPlainBlob(algid, rest)
	case capi.SIMPLEBLOB:
		return errors.New("the file is a SIMPLEBLOB: its key is encrypted for an RSA key, and CryptImportKey opens it")
	}
	if algid != capi.CALG_RSA_KEYX && algid != capi.CALG_RSA_SIGN {
		return fmt.Errorf("a key blob of a type that softcsp does not have: ALG_ID 0x%04x", uint32(algid))
	}
	public, err := capi.ParseRSAPubKey(kind, rest)
	if err != nil {
		return fmt.Errorf("the key blob is damaged or encrypted: %w", err)
	}
	attrs := []ck.Attribute{{Type: ck.CKA_MODULUS, Value: public.Modulus()}, {Type: ck.CKA_PUBLIC_EXPONENT, Value: public.Exponent}}
	if kind == capi.PUBLICKEYBLOB {
		r.found("PUBLICKEYBLOB")
		added, err := mechanisms.Complete(ck.CKO_PUBLIC_KEY, ck.CKK_RSA, func(t ck.AttributeType) []byte { return find(attrs, t) })
		if err != nil {
			return keyError("public key", err)
		}
		return r.addPublic(find(added, ck.CKA_PUBLIC_KEY_INFO), "")
	}
	r.found("PRIVATEKEYBLOB")
	numbers, err := public.Numbers()
	if err != nil {
		return fmt.Errorf("the key blob is damaged or encrypted: %w", err)
	}
	defer numbers.Wipe()
	for i, t := range blobNumbers {
		attrs = append(attrs, ck.Attribute{Type: t, Value: numbers.Private[i]})
	}
	return r.addPrivateAttributes(ck.CKK_RSA, attrs, "")
}

// readPlainBlob reads a session key. CryptoAPI's Triple DES with two keys is PKCS #11's DES2.
func (r *reader) readPlainBlob(algid capi.AlgID, rest []byte) error {
	r.found("PLAINTEXTKEYBLOB")
	value, err := capi.ParsePlainKey(rest)
	if err != nil {
		return fmt.Errorf("the key blob is damaged: %w", err)
	}
	for _, c := range capi.Providers()[0].Ciphers {
		if c.ID == algid {
			return r.addSecret(mechanisms.SessionKeyType(algid), value, "")
		}
	}
	return fmt.Errorf("a key blob of a type that softcsp does not have: ALG_ID 0x%04x", uint32(algid))
}

// publicBlob writes a PUBLICKEYBLOB.
func publicBlob(k Key) ([]byte, error) {
	if k.Type != ck.CKK_RSA {
		return nil, ErrFormat
	}
	return (&capi.RSANumbers{Modulus: k.Attr(ck.CKA_MODULUS), Exponent: k.Attr(ck.CKA_PUBLIC_EXPONENT)}).Blob(capi.PUBLICKEYBLOB, capi.CALG_RSA_KEYX)
}

// privateBlob writes a PRIVATEKEYBLOB of a PrivateKeyInfo, which has all numbers.
func privateBlob(t ck.KeyType, info []byte) ([]byte, error) {
	if t != ck.CKK_RSA {
		return nil, ErrFormat
	}
	attrs, err := mechanisms.UnmarshalPrivate(t, info)
	if err != nil {
		return nil, err
	}
	defer wipe(attrs)
	numbers := &capi.RSANumbers{Modulus: find(attrs, ck.CKA_MODULUS), Exponent: find(attrs, ck.CKA_PUBLIC_EXPONENT)}
	for _, t := range blobNumbers {
		numbers.Private = append(numbers.Private, find(attrs, t))
	}
	return numbers.Blob(capi.PRIVATEKEYBLOB, capi.CALG_RSA_KEYX)
}

// secretBlob writes a PLAINTEXTKEYBLOB.
func secretBlob(t ck.KeyType, value []byte) ([]byte, error) {
	for _, c := range capi.Providers()[0].Ciphers {
		bits, err := c.KeyBits(8 * len(value))
		if mechanisms.SessionKeyType(c.ID) == t && err == nil && bits == 8*len(value) {
			return capi.PlainKeyBlob(c.ID, value), nil
		}
	}
	return nil, ErrFormat
}
