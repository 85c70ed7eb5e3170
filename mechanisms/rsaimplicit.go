package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rawrsa"
)

// implicitScheme is decryption of version 1.5 with implicit rejection.
func implicitScheme(p *ck.Param) (*rsaScheme, error) {
	return &rsaScheme{decrypt: func(priv *rawrsa.PrivateKey, wrapped []byte) ([]byte, error) {
		plain, err := rawrsa.DecryptImplicit(priv, wrapped)
		if err != nil {
			return nil, ck.CKR_ENCRYPTED_DATA_INVALID // not below the modulus, as everybody can see
		}
		return plain, nil
	}}, p.None()
}

// rsaUnwrapsImplicitly gives a row the column UnwrapImplicit.
func rsaUnwrapsImplicitly(m Mechanism) Mechanism {
	m.UnwrapImplicit = unwrapWith(rsaCrypts(Mechanism{}, implicitScheme).Decrypt)
	return m
}
