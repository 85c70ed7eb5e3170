package mechanisms

import (
	"crypto/hmac"
	"encoding/binary"
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/pbkdf"
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

// passwordLimit tells the length of a password from the address of such a length: passwords are shorter, and the lowest 64 KiB of memory are
// never mapped.
const passwordLimit = 1 << 16

// A pbkdf2Param is a CK_PKCS5_PBKD2_PARAMS2 or a CK_PKCS5_PBKD2_PARAMS, read.
type pbkdf2Param struct {
	salt, password []byte
	iterations     int
	prf            *Hash
}

// readPBKDF2 reads the parameter. The two structures have the same size and differ in the last field: that is the length of the password in
// CK_PKCS5_PBKD2_PARAMS2, and a pointer to it in the older one. Applications use both. The value tells which it is.
func readPBKDF2(p *ck.Param) (r pbkdf2Param, err error) {
	source := p.Ulong()
	r.salt = p.Bytes()
	iterations, prf := p.Ulong(), p.Ulong()
	data := p.Bytes()
	at, length := p.Ulong(), p.Ulong()
	if length >= passwordLimit {
		if b := p.BytesAt(length, 8); b != nil {
			length = uint(binary.NativeEndian.Uint64(b))
		}
	}
	if length < passwordLimit {
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
	case iterations == 0 || iterations > maxIterations || length >= passwordLimit || len(r.salt) > maxSecret:
		err = ck.FieldError("iterations, ulPasswordLen or ulSaltSourceDataLen")
	}
	r.iterations = int(iterations)
	return r, err
}

func derivePBKDF2(p *ck.Param, template []ck.Attribute, d *Derived) error {
	r, err := readPBKDF2(p)
	if err != nil {
		return err
	}
	t, n, err := typeAndRequiredSize(template)
	if err != nil {
		return err
	}
	w := pbkdf.Work{Stopped: d.Stopped}
	if blocks := (n + uint(r.prf.Size) - 1) / uint(r.prf.Size); blocks*uint(r.iterations) > maxIterations {
		return ck.FieldError("iterations")
	}
	secret.Do(func() {
		d.Type, d.Value = t, d.buffer(n)
		if w.PBKDF2(d.Value, hmac.New(r.prf.New, r.password), r.salt, r.iterations) {
			FixParity(t, d.Value)
		}
	})
	return passwordError(&w)
}

// maxIterations is how often a derivation from a password may repeat its function, for all of its output together. That takes about a minute.
const maxIterations = 100_000_000

// passwordError is CKR_FUNCTION_CANCELED where a derivation was given up.
func passwordError(w *pbkdf.Work) error {
	if w.GaveUp() {
		return ck.CKR_FUNCTION_CANCELED
	}
	return nil
}
