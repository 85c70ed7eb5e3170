package main

import (
	"bytes"
	"encoding/hex"

	"github.com/miekg/pkcs11"

	"github.com/softcsp/softcsp/ck"
)

// The known answers for the sample: key and ciphertext of vector w8-03964 in testdata/cryptderivekey, whose message is the
// bytes 0 to 36.
const (
	sampleKey    = "b5dcb3b0488c0d08b7fd7386b1a90df5"
	sampleSealed = "6cd9069722bd2ba4c9659a5bdad47f7774dcae2b762725c37e2e495f778ed03da19c65d8fcdc0a0e"
)

// rc2CBC is a CK_RC2_CBC_PARAMS with an IV of zeros, as a new key of CryptoAPI has.
func rc2CBC(effectiveBits uint) []byte {
	return append(ck.UlongValue(effectiveBits), make([]byte, 8)...)
}

// sample is the sample of Microsoft's page of CryptDeriveKey.
func (d *demo) sample(s *session) error {
	d.step("1. Microsoft's sample: MD5 of %q, CALG_RC2, CRYPT_EXPORTABLE", password)
	if err := d.strongSample(s); err != nil {
		return err
	}
	return d.baseSample(s)
}

// strongSample is the sample with a provider whose RC2 keys have 128 bits.
func (d *demo) strongSample(s *session) error {
	key, err := s.derive(pkcs11.CKM_MD5, []byte(password), provStrong, calgRC2, cryptExportable)
	if err != nil {
		return err
	}
	v, err := s.value(key, ck.CKA_VALUE)
	if err != nil {
		return err
	}
	d.saw(hex.EncodeToString(v) == sampleKey, "Strong provider: the key is %x, as Windows derives it", v)
	message := make([]byte, 37)
	for i := range message {
		message[i] = byte(i)
	}
	sealed, err := s.encrypt(key, ck.CKM_RC2_CBC_PAD, rc2CBC(128), message)
	if err != nil {
		return err
	}
	d.saw(hex.EncodeToString(sealed) == sampleSealed, "37 bytes encrypt to what CryptEncrypt makes of them: %x…", sealed[:16])
	text := []byte("Meet me at the camshaft at noon.")
	if sealed, err = s.encrypt(key, ck.CKM_RC2_CBC_PAD, rc2CBC(128), text); err != nil {
		return err
	}
	back, err := s.decrypt(key, ck.CKM_RC2_CBC_PAD, rc2CBC(128), sealed)
	if err != nil {
		return err
	}
	d.saw(bytes.Equal(back, text) && !bytes.Contains(sealed, text[:8]), "%q is encrypted and decrypted", back)
	return nil
}

// baseSample is the sample with the Base provider: 40 bits, and eleven bytes of salt that are zero.
func (d *demo) baseSample(s *session) error {
	key, err := s.derive(pkcs11.CKM_MD5, []byte(password), provBase, calgRC2, cryptExportable)
	if err != nil {
		return err
	}
	v, err := s.value(key, ck.CKA_VALUE)
	if err != nil {
		return err
	}
	salt, err := s.value(key, ck.CKA_SOFTCSP_SALT)
	if err != nil {
		return err
	}
	d.saw(hex.EncodeToString(v) == sampleKey[:10] && bytes.Equal(salt, make([]byte, 11)), "Base provider: 40 bits, %x, and a salt of %d zeros", v, len(salt))
	return nil
}
