package mechanisms

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"math"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/lms"
	"github.com/softcsp/softcsp/internal/algorithm/xmss"
)

// HSS, XMSS and XMSS^MT sign with keys that have a state (NIST SP 800-208). Whoever signs has to know for certain which of the one-time keys of a
// private key have been used. A token that can be copied does not know. So there are public keys only, and signatures are only verified.

// oidHSS is id-alg-hss-lms-hashsig (RFC 9708 and RFC 9802).
var oidHSS = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 3, 17}

// hssPair is section 6.65.
var hssPair = &pairType{
	Type: ck.CKK_HSS,
	public: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
		value := v(ck.CKA_VALUE)
		k, err := lms.NewPublicKey(value)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE)
		}
		return []ck.Attribute{
			{Type: ck.CKA_HSS_LEVELS, Value: ck.UlongValue(k.Levels())},
			{Type: ck.CKA_HSS_LMS_TYPE, Value: ck.UlongValue(k.LMSType())},
			{Type: ck.CKA_HSS_LMOTS_TYPE, Value: ck.UlongValue(k.LMOTSType())},
		}, &publicKeyInfo{oidHSS, nil, value}, nil
	},
	owns: oidHSS.Equal,
	numbers: func(i *publicKeyInfo) ([]ck.Attribute, error) {
		return []ck.Attribute{{Type: ck.CKA_VALUE, Value: i.key}}, nil
	},
}

// hssRows are HSS. The standard does not use the key sizes.
var hssRows = []Mechanism{{
	Type: ck.CKM_HSS, Keys: []ck.KeyType{ck.CKK_HSS},
	Verify: func(k *Key, p *ck.Param) (Verifier, error) {
		if err := p.None(); err != nil {
			return nil, err
		}
		key, err := lms.NewPublicKey(bytes.Clone(k.Attr(ck.CKA_VALUE)))
		if err != nil {
			return nil, ck.CKR_KEY_TYPE_INCONSISTENT
		}
		return &signature{limit: math.MaxInt, size: anySize, verify: func(data, sig []byte) error {
			switch err := key.Verify(data, sig); {
			case errors.Is(err, lms.ErrSignatureSize):
				return ck.CKR_SIGNATURE_LEN_RANGE
			case err != nil:
				return ck.CKR_SIGNATURE_INVALID
			}
			return nil
		}}, nil
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

// xmssVariants are the variants by the type of their keys.
var xmssVariants = map[ck.KeyType]xmss.Variant{ck.CKK_XMSS: xmss.XMSS, ck.CKK_XMSSMT: xmss.XMSSMT}

// readXMSS reads a public key, which begins with the number of its parameter set.
func readXMSS(t ck.KeyType, value []byte) (k *xmss.PublicKey, number uint, err error) {
	k, number, err = xmss.NewPublicKey(xmssVariants[t], value)
	switch {
	case errors.Is(err, xmss.ErrParameters):
		err = ck.CKR_PARAMETER_SET_NOT_SUPPORTED
	case err != nil:
		err = fmt.Errorf("%w: %v of %d bytes", ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE, len(value))
	}
	return k, number, err
}

func xmssPairOf(t ck.KeyType, oid asn1.ObjectIdentifier) *pairType {
	return &pairType{
		Type: t,
		public: func(v Values) ([]ck.Attribute, *publicKeyInfo, error) {
			set, err := ck.Ulong(v(ck.CKA_PARAMETER_SET))
			if err != nil {
				return nil, nil, err
			}
			if _, ok := xmss.Find(xmssVariants[t], set); !ok {
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
		numbers: func(i *publicKeyInfo) ([]ck.Attribute, error) {
			_, number, err := readXMSS(t, i.key)
			return []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(number)}, {Type: ck.CKA_VALUE, Value: i.key}}, err
		},
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
	return &signature{limit: math.MaxInt, size: key.SignatureSize(), verify: func(data, sig []byte) error {
		if !key.Verify(data, sig) {
			return ck.CKR_SIGNATURE_INVALID
		}
		return nil
	}}, nil
}
