package main

import (
	"fmt"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/mechparam"
)

// parameterDefaults give the fields of a structure that have no value the usual one. What is not here is 0 or NULL.
var parameterDefaults = map[string]func(s *session, key ck.ObjectHandle, m ck.MechanismType, f *mechparam.Fields){
	"CK_RSA_PKCS_PSS_PARAMS":  defaultPSS,
	"CK_RSA_PKCS_OAEP_PARAMS": defaultOAEP,
	"CK_RSA_AES_KEY_WRAP_PARAMS": func(s *session, key ck.ObjectHandle, m ck.MechanismType, f *mechparam.Fields) {
		defaultOAEP(s, key, m, f)
		setDefaults(f, preset{"ulAESKeyBits", 256})
	},
	"CK_ECDH_AES_KEY_WRAP_PARAMS": defaultNumbers(preset{"ulAESKeyBits", 256}, preset{"kdf", ck.CKD_SHA256_KDF}),
	"CK_AES_CTR_PARAMS":           defaultNumbers(preset{"ulCounterBits", 128}),
	"CK_CAMELLIA_CTR_PARAMS":      defaultNumbers(preset{"ulCounterBits", 128}),
	"CK_GCM_PARAMS":               defaultGCM,
	"CK_CCM_PARAMS":               defaultNumbers(preset{"ulMACLen", 16}),
	"CK_CHACHA20_PARAMS":          defaultCounter(4),
	"CK_SALSA20_PARAMS":           defaultCounter(8),
	"CK_ECDH1_DERIVE_PARAMS":      defaultNumbers(preset{"kdf", ck.CKD_NULL}),
	// What CryptDeriveKey says of an RC2 key is among its attributes. RC5 is used with 32-bit words and 12 rounds, as CryptoAPI's blocks of 64 bits
	// have.
	"CK_RC2_PARAMS":              defaultRC2("value"),
	"CK_RC2_CBC_PARAMS":          defaultRC2("ulEffectiveBits"),
	"CK_RC2_MAC_GENERAL_PARAMS":  defaultRC2("ulEffectiveBits"),
	"CK_RC5_PARAMS":              defaultRC5,
	"CK_RC5_CBC_PARAMS":          defaultRC5,
	"CK_RC5_MAC_GENERAL_PARAMS":  defaultRC5,
	"CK_SOFTCSP_KMAC_PARAMS":     defaultKMAC,
	"CK_HKDF_PARAMS":             defaultHKDF,
	"CK_X9_42_DH1_DERIVE_PARAMS": defaultNumbers(preset{"kdf", ck.CKD_NULL}),
}

// A preset is the usual value of a field.
type preset struct {
	name  string
	value uint
}

// setDefaults gives fields that have no value one.
func setDefaults(f *mechparam.Fields, list ...preset) {
	for _, d := range list {
		if !f.Has(d.name) {
			f.SetNumber(d.name, d.value)
		}
	}
}

func defaultNumbers(list ...preset) func(*session, ck.ObjectHandle, ck.MechanismType, *mechparam.Fields) {
	return func(_ *session, _ ck.ObjectHandle, _ ck.MechanismType, f *mechparam.Fields) { setDefaults(f, list...) }
}

// defaultCounter is a block counter of n bytes that begins with 0.
func defaultCounter(n int) func(*session, ck.ObjectHandle, ck.MechanismType, *mechparam.Fields) {
	return func(_ *session, _ ck.ObjectHandle, _ ck.MechanismType, f *mechparam.Fields) {
		if !f.Has("pBlockCounter") {
			f.SetBytes("pBlockCounter", make([]byte, n))
		}
	}
}

func defaultGCM(_ *session, _ ck.ObjectHandle, _ ck.MechanismType, f *mechparam.Fields) {
	setDefaults(f, preset{"ulTagBits", 128}, preset{"ulIvBits", 8 * uint(len(f.Bytes["pIv"]))})
}

func defaultRC2(name string) func(*session, ck.ObjectHandle, ck.MechanismType, *mechparam.Fields) {
	return func(s *session, key ck.ObjectHandle, _ ck.MechanismType, f *mechparam.Fields) {
		setDefaults(f, preset{name, s.effectiveBits(key)})
	}
}

func defaultRC5(_ *session, _ ck.ObjectHandle, _ ck.MechanismType, f *mechparam.Fields) {
	setDefaults(f, preset{"ulWordsize", 4}, preset{"ulRounds", 12})
}

// defaultKMAC is a MAC of twice the security strength: SP 800-185, section 8.4.2.
func defaultKMAC(_ *session, _ ck.ObjectHandle, m ck.MechanismType, f *mechparam.Fields) {
	n := uint(32)
	if m == ck.CKM_SOFTCSP_KMAC256 {
		n = 64
	}
	setDefaults(f, preset{"ulMacLength", n})
}

// defaultHKDF is HKDF as RFC 5869 has it, both steps: with SHA-256, and without salt where none is given.
func defaultHKDF(_ *session, _ ck.ObjectHandle, _ ck.MechanismType, f *mechparam.Fields) {
	salt := ck.CKF_HKDF_SALT_NULL
	if len(f.Bytes["pSalt"]) > 0 {
		salt = ck.CKF_HKDF_SALT_DATA
	}
	setDefaults(f, preset{"bExtract", 1}, preset{"bExpand", 1}, preset{"prfHashMechanism", uint(ck.CKM_SHA256)}, preset{"ulSaltType", uint(salt)})
}

// defaultPSS is what OpenSSL and X.509 use: MGF1 with the hash of the message, and as much salt as that has bytes.
func defaultPSS(_ *session, _ ck.ObjectHandle, m ck.MechanismType, f *mechparam.Fields) {
	h, named := hashOf(m, "_RSA_PKCS_PSS")
	if !named {
		h = hashWithDigest(f, "hashAlg")
	}
	setDefaults(f, preset{"hashAlg", uint(h.digest)}, preset{"mgf", h.mgf}, preset{"sLen", h.size})
}

func defaultOAEP(_ *session, _ ck.ObjectHandle, _ ck.MechanismType, f *mechparam.Fields) {
	h := hashWithDigest(f, "hashAlg")
	setDefaults(f, preset{"hashAlg", uint(h.digest)}, preset{"mgf", h.mgf}, preset{"source", ck.CKZ_DATA_SPECIFIED})
}

// hashWithDigest returns the hash that a field names, SHA-256 where it has no value.
func hashWithDigest(f *mechparam.Fields, name string) hashName {
	digest := uint(ck.CKM_SHA256)
	if f.Has(name) {
		digest = f.Numbers[name]
	}
	i := slices.IndexFunc(hashes, func(h hashName) bool { return uint(h.digest) == digest })
	return hashes[max(i, 0)]
}

// required are the flags that give fields a value that have no usual one.
var required = []string{"mac-len", "hash", "iv"}

// completeParameter gives fields their usual values, and tells which one is missing.
func (s *session) completeParameter(key ck.ObjectHandle, m ck.MechanismType, form *ck.Structure, f *mechparam.Fields) error {
	if set := parameterDefaults[form.Name]; set != nil {
		set(s, key, m, f)
	}
	for _, p := range parameterFlags {
		if field := p.fieldOf(form); slices.Contains(required, p.name) && field != "" && field != "phFlag" && !f.Has(field) {
			return fmt.Errorf("%v needs --%s", m, p.name)
		}
	}
	return nil
}

// mechanism makes a mechanism with the parameter that the flags give, for an operation that does not treat an IV by itself.
func (s *session) mechanism(key ck.ObjectHandle, m ck.MechanismType, x *choiceOfMechanism, f ck.Function) (*ck.Mechanism, error) {
	form, values, err := x.form(m, f)
	if err != nil || form == nil {
		return &ck.Mechanism{Type: m}, err
	}
	if err := s.completeParameter(key, m, form, &values); err != nil {
		return nil, err
	}
	p, err := mechparam.Make(form, values)
	return &ck.Mechanism{Type: m, Param: p}, err
}

// effectiveBits returns the effective length of an RC2 key: what CryptDeriveKey gave it, or its length.
func (s *session) effectiveBits(key ck.ObjectHandle) uint {
	if n, err := s.ulong(key, ck.CKA_SOFTCSP_EFFECTIVE_BITS); err == nil && n != 0 {
		return n
	}
	return s.keyBits(key)
}
