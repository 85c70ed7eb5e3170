package mechanisms

import (
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/kmac"
)

// minKMAC is the shortest MAC in bytes: SP 800-185, 8.4.2, wants 32 bits.
const minKMAC = 4

// kmacRows are KMAC of SP 800-185, for which PKCS #11 3.2 has no numbers: ours take a CK_SOFTCSP_KMAC_PARAMS.
var kmacRows = []Mechanism{
	macRow(ck.CKM_SOFTCSP_KMAC128, genericKeys, 1, maxSecret, beginKMAC(kmac.New128)),
	macRow(ck.CKM_SOFTCSP_KMAC256, genericKeys, 1, maxSecret, beginKMAC(kmac.New256)),
}

// beginKMAC reads the parameter, and begins a KMAC that newKMAC makes.
func beginKMAC(newKMAC func(key, custom []byte, size int) (hash.Cloner, error)) func(*Key, *ck.Param) (*mac, error) {
	return func(k *Key, p *ck.Param) (*mac, error) {
		n, custom := p.Ulong(), p.Bytes()
		if err := p.Done(); err != nil {
			return nil, err
		}
		if n < minKMAC || n > maxSecret {
			return nil, ck.FieldError("ulMacLength")
		}
		form, err := newMACKey(func() (hash.Hash, error) { return newKMAC(k.Value, ck.Clone(custom), int(n)) })
		if err != nil {
			return nil, err
		}
		return newMAC(form.(*macKey), int(n))
	}
}
