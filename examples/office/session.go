package office

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// A Session is a session with a token in which the keys of agile encryption are derived and used. It needs no login, and
// leaves nothing behind: the keys are public objects of the session, which are sensitive and cannot be extracted.
type Session struct {
	ck.Cryptoki
	Handle ck.SessionHandle
}

// A base is a hashed password, and the object of it that keys are derived from.
type base struct {
	hashed []byte
	object ck.ObjectHandle
}

// base makes a base of a hashed password, which it takes over.
func (s Session) base(hashed []byte) (*base, error) {
	o, err := s.imported(secretKey(ck.CKK_GENERIC_SECRET, ck.CKA_DERIVE), hashed)
	if err != nil {
		clear(hashed)
		return nil, err
	}
	return &base{hashed, o}, nil
}

// forget wipes a base.
func (s Session) forget(b *base) {
	clear(b.hashed)
	s.destroy(b.object)
}

func (s Session) imported(template []ck.Attribute, value []byte) (ck.ObjectHandle, error) {
	o, err := s.CreateObject(s.Handle, append(template, ck.Attribute{Type: ck.CKA_VALUE, Value: value}))
	return o, failed("taking the password", err)
}

// derive makes the key for a purpose: the hash of the base and the purpose, cut to the length of the key.
// MS-OFFCRYPTO 2.3.4.11 calls the purpose a block key. Where the hash is too short it is filled up, which no mechanism does
// for every key type; so that key is made here.
func (s Session) derive(b *base, purpose []byte, r *cipherRow) (ck.ObjectHandle, error) {
	if length := int(r.KeyBits / 8); length > r.hash.begin().Size() {
		value := fit(r.hash.sum(b.hashed, purpose), length)
		defer clear(value)
		return s.imported(r.imported(), value)
	}
	joined, err := s.step(ck.CKM_CONCATENATE_BASE_AND_DATA, data(purpose), b.object, secretKey(ck.CKK_GENERIC_SECRET, ck.CKA_DERIVE))
	if err != nil {
		return 0, err
	}
	defer s.destroy(joined)
	return s.step(r.hash.derive, ck.Param{}, joined, r.key())
}

func (s Session) step(m ck.MechanismType, p ck.Param, base ck.ObjectHandle, template []ck.Attribute) (o ck.ObjectHandle, err error) {
	err = s.DeriveKey(s.Handle, &ck.Mechanism{Type: m, Param: p}, base, template, &o)
	return o, failed("deriving a key", err)
}

// unwrap makes a key for the cipher of pkg of what k has encrypted.
func (s Session) unwrap(k ck.ObjectHandle, r *cipherRow, wrapped []byte, pkg *cipherRow) (ck.ObjectHandle, error) {
	o, err := s.UnwrapKey(s.Handle, r.mechanism(r.iv(nil)), k, wrapped, pkg.key())
	return o, failed("unwrapping the key of the package", err)
}

// decrypt decrypts whole blocks.
func (s Session) decrypt(k ck.ObjectHandle, r *cipherRow, iv, b []byte) ([]byte, error) {
	out := make([]byte, len(b))
	return out, s.decryptInto(k, r, iv, b, out)
}

// decryptInto decrypts whole blocks to out, which may be b.
func (s Session) decryptInto(k ck.ObjectHandle, r *cipherRow, iv, b, out []byte) error {
	if len(b)%r.cipher.block != 0 {
		return fmt.Errorf("%w: what is encrypted is not whole blocks long", ErrFormat)
	}
	if err := s.DecryptInit(s.Handle, r.mechanism(iv), k); err != nil {
		return failed("decrypting", err)
	}
	into := ck.Into(out)
	return failed("decrypting", s.Decrypt(s.Handle, b, &into))
}

func (s Session) destroy(o ck.ObjectHandle) { _ = s.DestroyObject(s.Handle, o) }

// failed says what was tried.
func failed(tried string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("office: %s: %w", tried, err)
}

// mechanism is the cipher in CBC mode.
func (r *cipherRow) mechanism(iv []byte) *ck.Mechanism {
	if r.cipher.key == ck.CKK_RC2 { // CK_RC2_CBC_PARAMS
		iv = append(ck.UlongValue(r.KeyBits), iv...)
	}
	return &ck.Mechanism{Type: r.cipher.mech, Param: ck.NewParam(iv, nil)}
}

// imported is the template of a key of the cipher whose value is given.
func (r *cipherRow) imported() []ck.Attribute {
	return secretKey(r.cipher.key, ck.CKA_DECRYPT, ck.CKA_UNWRAP)
}

// key is the template of a key of the cipher that is derived or unwrapped.
func (r *cipherRow) key() []ck.Attribute {
	t := r.imported()
	switch r.cipher.key {
	case ck.CKK_AES, ck.CKK_RC2:
		t = append(t, ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(r.KeyBits / 8)})
	}
	return t
}

// secretKey is the template of a key of the session that stays in the token, and may be used so.
func secretKey(t ck.KeyType, uses ...ck.AttributeType) []ck.Attribute {
	template := []ck.Attribute{
		{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_SECRET_KEY))},
		{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(t))},
		{Type: ck.CKA_TOKEN, Value: ck.BoolValue(false)},
		{Type: ck.CKA_PRIVATE, Value: ck.BoolValue(false)},
		{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(true)},
		{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(false)},
	}
	for _, use := range uses {
		template = append(template, ck.Attribute{Type: use, Value: ck.BoolValue(true)})
	}
	return template
}

// data is a CK_KEY_DERIVATION_STRING_DATA.
func data(b []byte) ck.Param {
	const anywhere = 1 // there is no C memory here: what follows addresses answers for any
	p := ck.AppendUlong(ck.UlongValue(anywhere), uint(len(b)))
	return ck.NewParam(p, func(uint64, uint) []byte { return b })
}
