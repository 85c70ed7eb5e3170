package mechanisms

import (
	"bytes"
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
)

// rsaRecovers gives a row the columns of signatures with data recovery. The signature is the same as without (sections 6.1.6 and 6.1.8). overhead is
// by how many bytes the data is shorter than the modulus, at least. unpad takes the data out of the block that the public key makes of the
// signature.
func rsaRecovers(m Mechanism, overhead int, unpad func(block []byte) ([]byte, error)) Mechanism {
	m.SignRecover = m.Sign
	m.VerifyRecover = func(k *Key, p *ck.Param) (Cipher, error) {
		if err := p.None(); err != nil {
			return nil, err
		}
		pub, err := rsaPublicKey(k)
		if err != nil {
			return nil, err
		}
		c := rsaCipher(pub.Size()-overhead, overhead > 0, func(sig []byte) ([]byte, error) { return rsaRecover(pub, sig, unpad) })
		return c, nil
	}
	return m
}

func rsaRecover(pub *rawrsa.PublicKey, sig []byte, unpad func(block []byte) ([]byte, error)) ([]byte, error) {
	if len(sig) != pub.Size() {
		return nil, ck.CKR_SIGNATURE_LEN_RANGE
	}
	block, err := rsaOpen(pub, sig)
	if err != nil {
		return nil, errors.Join(ck.CKR_SIGNATURE_INVALID, err)
	}
	return unpad(block)
}

// unpadPKCS1 takes the data out of a block of type 1: RFC 8017, section 9.2. Nothing in it is secret.
func unpadPKCS1(block []byte) ([]byte, error) {
	padding, ok := bytes.CutPrefix(block, []byte{0, 1})
	data := padding
	for len(data) > 0 && data[0] == 0xff {
		data = data[1:]
	}
	if !ok || len(padding)-len(data) < pkcs1Overhead-3 || len(data) == 0 || data[0] != 0 {
		return nil, ck.CKR_SIGNATURE_INVALID
	}
	return data[1:], nil
}

// unpadNone returns the block, which has no padding.
func unpadNone(block []byte) ([]byte, error) { return block, nil }
