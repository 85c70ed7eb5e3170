package mechanisms

import (
	"crypto/pbkdf2"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// pbkdf2Rows are PBKDF2 of PKCS #5: PKCS #11, "PKCS #5 PBKDF2 key generation".
var pbkdf2Rows = []Mechanism{{Type: ck.CKM_PKCS5_PBKD2, Min: 1, Max: maxSecret, FromPassword: derivePBKDF2}}

// pbkdf2PRFs are the hashes that the pseudo-random functions of PBKDF2 are made of.
var pbkdf2PRFs = map[uint]ck.MechanismType{
	ck.CKP_PKCS5_PBKD2_HMAC_SHA1:       ck.CKM_SHA_1,
	ck.CKP_PKCS5_PBKD2_HMAC_SHA224:     ck.CKM_SHA224,
	ck.CKP_PKCS5_PBKD2_HMAC_SHA256:     ck.CKM_SHA256,
	ck.CKP_PKCS5_PBKD2_HMAC_SHA384:     ck.CKM_SHA384,
	ck.CKP_PKCS5_PBKD2_HMAC_SHA512:     ck.CKM_SHA512,
	ck.CKP_PKCS5_PBKD2_HMAC_SHA512_224: ck.CKM_SHA512_224,
	ck.CKP_PKCS5_PBKD2_HMAC_SHA512_256: ck.CKM_SHA512_256,
}

// longPassword is more than the length of any password, and no more than any address: the lowest 64 KiB of memory are
// never mapped.
const longPassword = 1 << 16

// A pbkdf2Param is a CK_PKCS5_PBKD2_PARAMS2 or a CK_PKCS5_PBKD2_PARAMS, read.
type pbkdf2Param struct {
	salt, password []byte
	iterations     int
	prf            *Hash
}

// readPBKDF2 reads the parameter. The two structures have the same size and differ in the last field: the later has the
// length of the password there, the earlier a pointer to it. Applications use both, so the value tells.
func readPBKDF2(p *ck.Param) (r pbkdf2Param, err error) {
	source := p.Ulong()
	r.salt = p.Bytes()
	iterations, prf := p.Ulong(), p.Ulong()
	data := p.Bytes()
	at, length := p.Ulong(), p.Ulong()
	if length >= longPassword {
		if b := p.BytesAt(length, 8); b != nil {
			length = uint(binary.NativeEndian.Uint64(b))
		}
	}
	if length < longPassword {
		r.password = p.BytesAt(at, length)
	}
	if err := p.Done(); err != nil {
		return r, err
	}
	r.prf = findHash(pbkdf2PRFs[prf])
	switch {
	case source != uint(ck.CKZ_SALT_SPECIFIED):
		err = fmt.Errorf("%w: source of salt %d", ck.CKR_MECHANISM_PARAM_INVALID, source)
	case r.prf == nil || len(data) != 0:
		err = fmt.Errorf("%w: pseudo-random function %d", ck.CKR_MECHANISM_PARAM_INVALID, prf)
	case iterations == 0 || iterations > math.MaxInt32 || length >= longPassword:
		err = ck.CKR_MECHANISM_PARAM_INVALID
	}
	r.iterations = int(iterations)
	return r, err
}

func derivePBKDF2(p *ck.Param, template []ck.Attribute, d *Derived) error {
	r, err := readPBKDF2(p)
	if err != nil {
		return err
	}
	t, n, err := ask(template)
	if err != nil {
		return err
	}
	secret.Do(func() {
		var value []byte
		if value, err = pbkdf2.Key(r.prf.New, string(r.password), r.salt, r.iterations, int(n)); err != nil {
			return
		}
		d.Type, d.Value = t, d.room(n)
		copy(d.Value, value)
		clear(value)
		FixParity(t, d.Value)
	})
	return err
}
