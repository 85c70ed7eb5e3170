package mechanisms

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"hash"

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
	case iterations == 0 || iterations > mostIterations || length >= longPassword || len(r.salt) > maxSecret:
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
	t, n, err := ask(template)
	if err != nil {
		return err
	}
	w := work{stopped: d.Stopped}
	if blocks := (n + uint(r.prf.Size) - 1) / uint(r.prf.Size); blocks*uint(r.iterations) > mostIterations {
		return ck.FieldError("iterations")
	}
	secret.Do(func() {
		d.Type, d.Value = t, d.room(n)
		if w.pbkdf2(hmac.New(r.prf.New, r.password), r.salt, r.iterations, d.Value) {
			FixParity(t, d.Value)
		}
	})
	return w.done()
}

// mostIterations is how often a derivation from a password may repeat its function, for all of its output together: it takes
// about a minute.
const mostIterations = 100_000_000

// A work counts the repetitions of a derivation that takes long, which can be stopped.
type work struct {
	stopped func() bool
	n       uint
	gaveUp  bool
}

// goesOn counts a repetition, and tells whether there is to be another.
func (w *work) goesOn() bool {
	if w.n++; w.n%1024 == 0 && w.stopped != nil && w.stopped() {
		w.gaveUp = true
	}
	return !w.gaveUp
}

// done is CKR_FUNCTION_CANCELED where the work was given up.
func (w *work) done() error {
	if w.gaveUp {
		return ck.CKR_FUNCTION_CANCELED
	}
	return nil
}

// pbkdf2 fills out as RFC 8018, section 5.2, says. It reports whether it came to the end.
func (w *work) pbkdf2(prf hash.Hash, salt []byte, iterations int, out []byte) bool {
	var u, t [maxHashSize]byte
	defer clear(u[:])
	defer clear(t[:])
	size := prf.Size()
	for block := uint32(1); len(out) > 0; block++ {
		prf.Reset()
		prf.Write(salt)
		prf.Write(binary.BigEndian.AppendUint32(u[:0], block))
		copy(t[:size], prf.Sum(u[:0]))
		for range iterations - 1 {
			if !w.goesOn() {
				return false
			}
			prf.Reset()
			prf.Write(u[:size])
			prf.Sum(u[:0])
			subtle.XORBytes(t[:size], t[:size], u[:size])
		}
		out = out[copy(out, t[:size]):]
	}
	return true
}
