package mechanisms

import (
	"crypto/hmac"
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/sha512t"
)

// sha512tRows are SHA-512/t (FIPS 180-4, 5.3.6), whose parameter is t in bits. CKM_SHA512_T_HMAC_GENERAL and
// CKM_SHA512_T_KEY_DERIVATION are missing: the standard gives them no parameter for t.
var sha512tRows = []Mechanism{
	{Type: ck.CKM_SHA512_T, Digest: func(p *ck.Param) (hash.Hash, error) {
		t, err := readT(p)
		if err != nil {
			return nil, err
		}
		return sha512t.New(int(t / 8)), nil
	}},
	macRow(ck.CKM_SHA512_T_HMAC, []ck.KeyType{ck.CKK_GENERIC_SECRET, ck.CKK_SHA512_T_HMAC}, 1, maxSecret, beginHMACT),
	keyGen(ck.CKM_SHA512_T_KEY_GEN, ck.CKK_SHA512_T_HMAC),
}

// readT reads t. It refuses a t that is no whole number of bytes: the standard does not say how the last byte would be filled up.
func readT(p *ck.Param) (uint, error) {
	t := p.Ulong()
	if err := p.Done(); err != nil {
		return 0, err
	}
	if t == 0 || t >= 512 || t == 384 || t%8 != 0 {
		return 0, ck.FieldError("the length of the digest in bits")
	}
	return t, nil
}

func beginHMACT(k *Key, p *ck.Param) (*mac, error) {
	t, err := readT(p)
	if err != nil {
		return nil, err
	}
	key, err := newMACKey(func() (hash.Hash, error) {
		return hmac.New(func() hash.Hash { return sha512t.New(int(t / 8)) }, k.Value), nil
	})
	if err != nil {
		return nil, err
	}
	return newMAC(key.(*macKey), int(t/8))
}
