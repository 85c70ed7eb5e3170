package mechanisms

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"math"

	"github.com/softcsp/softcsp/ck"
)

// HSS, XMSS and XMSS^MT sign with keys that have a state (NIST SP 800-208): who signs has to know for certain which of the one-time keys
// of a private key have been used, and a token that can be copied does not. So signatures are verified only, and there are public keys
// only.

// oidHSS is id-alg-hss-lms-hashsig (RFC 9708 and RFC 9802).
var oidHSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 3, 17}

// hssPair is section 6.65.
var hssPair = &pairType{
	Type: ck.CKK_HSS,
	public: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
		value := v(ck.CKA_VALUE)
		k, ok := readHSS(value)
		if !ok {
			return nil, nil, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE)
		}
		return []ck.Attribute{
			{Type: ck.CKA_HSS_LEVELS, Value: ck.UlongValue(uint(k.levels))},
			{Type: ck.CKA_HSS_LMS_TYPE, Value: ck.UlongValue(uint(k.top.lms))},
			{Type: ck.CKA_HSS_LMOTS_TYPE, Value: ck.UlongValue(uint(k.top.lmots))},
		}, &publicKeyInfo{oidHSS, nil, value}, nil
	},
	owns: oidHSS.Equal,
}

// hssRows are HSS. The standard does not use the key sizes.
var hssRows = []Mechanism{{
	Type: ck.CKM_HSS, Keys: []ck.KeyType{ck.CKK_HSS},
	Verify: func(k *Key, p *ck.Param) (Verifier, error) {
		if err := p.None(); err != nil {
			return nil, err
		}
		key, ok := readHSS(bytes.Clone(k.Attr(ck.CKA_VALUE)))
		if !ok {
			return nil, ck.CKR_KEY_TYPE_INCONSISTENT
		}
		return &signature{limit: math.MaxInt, size: anySize, verify: key.verify}, nil
	},
}}

// Identifiers of public keys: RFC 9802.
var (
	oidXMSS   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 6, 34}
	oidXMSSMT = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 6, 35}
)

// The types of section 6.66.
var (
	xmssPair   = xmssPairOf(ck.CKK_XMSS, oidXMSS)
	xmssmtPair = xmssPairOf(ck.CKK_XMSSMT, oidXMSSMT)
)

func xmssPairOf(t ck.KeyType, oid asn1.ObjectIdentifier) *pairType {
	return &pairType{
		Type: t,
		public: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
			set, err := ck.Ulong(v(ck.CKA_PARAMETER_SET))
			if err != nil {
				return nil, nil, err
			}
			if _, ok := findXMSS(t, set); !ok {
				return nil, nil, ck.CKR_PARAMETER_SET_NOT_SUPPORTED
			}
			value := v(ck.CKA_VALUE)
			_, number, err := readXMSS(t, value)
			if err == nil && number != set {
				err = fmt.Errorf("%w: %v", ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_PARAMETER_SET)
			}
			return nil, &publicKeyInfo{oid, nil, value}, err
		},
		owns: oid.Equal,
	}
}

// xmssRows are XMSS and XMSS^MT. The standard does not use the key sizes.
var xmssRows = []Mechanism{
	{Type: ck.CKM_XMSS, Keys: []ck.KeyType{ck.CKK_XMSS}, Verify: verifyXMSS},
	{Type: ck.CKM_XMSSMT, Keys: []ck.KeyType{ck.CKK_XMSSMT}, Verify: verifyXMSS},
}

func verifyXMSS(k *Key, p *ck.Param) (Verifier, error) {
	if err := p.None(); err != nil {
		return nil, err
	}
	key, _, err := readXMSS(k.Type, bytes.Clone(k.Attr(ck.CKA_VALUE)))
	if err != nil {
		return nil, err
	}
	return &signature{limit: math.MaxInt, size: key.signatureSize(), verify: func(data, sig []byte) error {
		if !key.verify(data, sig) {
			return ck.CKR_SIGNATURE_INVALID
		}
		return nil
	}}, nil
}
