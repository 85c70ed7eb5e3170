package mechanisms

import (
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/pbkdf"
	"github.com/softcsp/softcsp/internal/secret"
)

// pbeRows are the password-based encryption of PKCS #5 version 1.5 and of PKCS #12, which make a key and an IV. The application gives a password of
// PKCS #12 as PKCS #12 wants it, a BMPString with two zeros at its end: its bytes are hashed as they are.
var pbeRows = []Mechanism{
	pbe(ck.CKM_PBE_MD2_DES_CBC, ck.CKK_DES, 8, true, pbkdf1(ck.CKM_MD2)),
	pbe(ck.CKM_PBE_MD5_DES_CBC, ck.CKK_DES, 8, true, pbkdf1(ck.CKM_MD5)),
	pbe(ck.CKM_PBE_SHA1_RC4_128, ck.CKK_RC4, 16, false, pkcs12KDF(pbkdf.PKCS12Key)),
	pbe(ck.CKM_PBE_SHA1_RC4_40, ck.CKK_RC4, 5, false, pkcs12KDF(pbkdf.PKCS12Key)),
	pbe(ck.CKM_PBE_SHA1_DES3_EDE_CBC, ck.CKK_DES3, 24, true, pkcs12KDF(pbkdf.PKCS12Key)),
	pbe(ck.CKM_PBE_SHA1_DES2_EDE_CBC, ck.CKK_DES2, 16, true, pkcs12KDF(pbkdf.PKCS12Key)),
	pbe(ck.CKM_PBE_SHA1_RC2_128_CBC, ck.CKK_RC2, 16, true, pkcs12KDF(pbkdf.PKCS12Key)),
	pbe(ck.CKM_PBE_SHA1_RC2_40_CBC, ck.CKK_RC2, 5, true, pkcs12KDF(pbkdf.PKCS12Key)),
	pbe(ck.CKM_PBA_SHA1_WITH_SHA1_HMAC, ck.CKK_GENERIC_SECRET, 20, false, pkcs12KDF(pbkdf.PKCS12MAC)),
}

// pbeIV is the length of the IVs in bytes.
const pbeIV = 8

// A pbeParam is a CK_PBE_PARAMS, read.
type pbeParam struct {
	iv             []byte // where it goes, in the caller's memory
	password, salt []byte
	iterations     int
	work           pbkdf.Work
}

func readPBE(p *ck.Param) (r pbeParam, err error) {
	at := p.Ulong()
	r.password = p.Bytes()
	r.salt = p.Bytes()
	iterations := p.Ulong()
	if at != 0 {
		r.iv = p.BytesAt(at, pbeIV)
	}
	if err := p.Done(); err != nil {
		return r, err
	}
	if iterations == 0 || iterations > maxIterations || len(r.password) >= passwordLimit || len(r.salt) > maxSecret {
		err = ck.FieldError("ulIteration, ulPasswordLen or ulSaltLen")
	}
	r.iterations = int(iterations)
	return r, err
}

// pbe makes a row that makes a key of n bytes, and an IV where the cipher has one.
func pbe(m ck.MechanismType, t ck.KeyType, n uint, hasIV bool, kdf func(r *pbeParam, key, iv []byte)) Mechanism {
	return Mechanism{Type: m, Min: n, Max: n, FromPassword: func(p *ck.Param, _ []ck.Attribute, d *Derived) error {
		r, err := readPBE(p)
		if err != nil {
			return err
		}
		secret.Do(func() {
			r.work.Stopped = d.Stopped
			both := d.buffer(n + pbeIV)
			d.Type, d.Value = t, both[:n]
			iv := both[n:]
			kdf(&r, d.Value, iv)
			FixParity(t, d.Value)
			if hasIV {
				d.Results = []Result{{r.iv, iv}}
			}
		})
		return passwordError(&r.work)
	}}
}

// pbkdf1 is PBKDF1 with a hash, whose first half is the key and whose second half is the IV: RFC 8018, section 6.1.
func pbkdf1(m ck.MechanismType) func(r *pbeParam, key, iv []byte) {
	return func(r *pbeParam, key, iv []byte) {
		r.work.PBKDF1(key, iv, findHash(m).New(), r.password, r.salt, r.iterations)
	}
}

// pkcs12KDF is the function of PKCS #12 with SHA-1, for the key, and for the IV that goes with it.
func pkcs12KDF(id byte) func(r *pbeParam, key, iv []byte) {
	h := findHash(ck.CKM_SHA_1)
	return func(r *pbeParam, key, iv []byte) {
		r.work.PKCS12(key, h.New, id, r.password, r.salt, r.iterations)
		r.work.PKCS12(iv, h.New, pbkdf.PKCS12IV, r.password, r.salt, r.iterations)
	}
}
