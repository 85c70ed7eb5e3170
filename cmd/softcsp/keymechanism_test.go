package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/mechparam"
	"github.com/softcsp/softcsp/mechanisms"
)

// notByName are the mechanisms that the verbs cannot use, and why.
var notByName = map[ck.MechanismType]string{
	ck.CKM_HOTP:   "it signs no file, but a counter, and answers with a structure of addresses",
	ck.CKM_HSS:    "its private keys have a state and are elsewhere: the tests of package mechanisms verify published signatures",
	ck.CKM_XMSS:   "as CKM_HSS",
	ck.CKM_XMSSMT: "as CKM_HSS",
}

// flagsFor are the flags that a mechanism needs, by the structure of its parameter.
var flagsFor = map[string]map[string]string{
	"CK_MAC_GENERAL_PARAMS":           {"mac-len": "4"},
	"CK_RC2_MAC_GENERAL_PARAMS":       {"mac-len": "4"},
	"CK_RC5_MAC_GENERAL_PARAMS":       {"mac-len": "4"},
	"CK_TLS_MAC_PARAMS":               {"hash": "sha256", "mac-len": "12", "ulServerOrClient": "1"},
	"CK_HASH_SIGN_ADDITIONAL_CONTEXT": {"hash": "sha256"},
	"CKM_SHA512_T_HMAC":               {"mac-len": "200"}, // in bits there
	"CKM_AES_GMAC":                    {"iv": "000102030405060708090a0b"},
}

// A keyring makes keys of every type in one session, under the names of their types.
type keyring struct {
	*session
	made map[ck.KeyType]error
}

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	a := &app{in: os.Stdin, out: io.Discard, err: io.Discard, quiet: true, force: true} // one file is written again and again
	s, err := a.scratch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.close)
	return &keyring{s, make(map[ck.KeyType]error)}
}

// pairMechanisms generate pairs, with what the template of the public key needs.
var pairMechanisms = map[ck.KeyType]struct {
	m     ck.MechanismType
	attrs []ck.Attribute
}{
	ck.CKK_RSA:           {ck.CKM_RSA_PKCS_KEY_PAIR_GEN, []ck.Attribute{{Type: ck.CKA_MODULUS_BITS, Value: ck.UlongValue(2048)}}},
	ck.CKK_EC:            {ck.CKM_EC_KEY_PAIR_GEN, []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}}}},
	ck.CKK_EC_EDWARDS:    {ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: []byte{6, 3, 0x2b, 0x65, 0x70}}}},
	ck.CKK_EC_MONTGOMERY: {ck.CKM_EC_MONTGOMERY_KEY_PAIR_GEN, []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: []byte{6, 3, 0x2b, 0x65, 0x6e}}}},
	ck.CKK_ML_DSA:        {ck.CKM_ML_DSA_KEY_PAIR_GEN, []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(ck.CKP_ML_DSA_44)}}},
	ck.CKK_SLH_DSA:       {ck.CKM_SLH_DSA_KEY_PAIR_GEN, []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(ck.CKP_SLH_DSA_SHA2_128F)}}},
	ck.CKK_ML_KEM:        {ck.CKM_ML_KEM_KEY_PAIR_GEN, []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(ck.CKP_ML_KEM_512)}}},
	ck.CKK_DSA:           {ck.CKM_DSA_KEY_PAIR_GEN, nil},
	ck.CKK_DH:            {ck.CKM_DH_PKCS_KEY_PAIR_GEN, nil},
	ck.CKK_X9_42_DH:      {ck.CKM_X9_42_DH_KEY_PAIR_GEN, nil},
}

// key makes a key of a type, or a pair, if there is none yet.
func (k *keyring) key(kind ck.KeyType) error {
	if err, done := k.made[kind]; done {
		return err
	}
	common := []ck.Attribute{{Type: ck.CKA_LABEL, Value: []byte(kind.String())}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(kind))}}
	how, isPair := pairMechanisms[kind]
	var err error
	switch {
	case isPair && domains[kind].generate != 0:
		err = k.withDomain(kind, common)
	case isPair:
		_, _, err = k.GenerateKeyPair(k.handle, &ck.Mechanism{Type: how.m}, append(append(how.attrs, common...), k.uses(ck.CKO_PUBLIC_KEY)...), append(common, k.uses(ck.CKO_PRIVATE_KEY)...))
	default:
		n, _ := mechanisms.Size(kind)
		if n == 0 {
			n = 32
		}
		if kind == ck.CKK_RC5 || kind == ck.CKK_RC2 || kind == ck.CKK_CAST128 || kind == ck.CKK_IDEA {
			n = 16
		}
		value := make([]byte, n)
		rand.Read(value)
		if mechanisms.HasParity(kind) {
			mechanisms.FixParity(kind, value)
		}
		all := append(append(common, classIs(ck.CKO_SECRET_KEY), ck.Attribute{Type: ck.CKA_VALUE, Value: value}), k.uses(ck.CKO_SECRET_KEY)...)
		_, err = k.CreateObject(k.handle, all)
	}
	k.made[kind] = err
	return err
}

// domains are the domain parameters of types of pairs: what generates them, how long the prime is, and which attributes they have.
var domains = map[ck.KeyType]struct {
	generate ck.MechanismType
	prime    []ck.Attribute
	have     []ck.AttributeType
}{
	ck.CKK_DSA: {ck.CKM_DSA_PARAMETER_GEN, []ck.Attribute{{Type: ck.CKA_PRIME_BITS, Value: ck.UlongValue(1024)}}, []ck.AttributeType{ck.CKA_PRIME, ck.CKA_SUBPRIME, ck.CKA_BASE}},
	ck.CKK_DH:  {ck.CKM_DH_PKCS_PARAMETER_GEN, []ck.Attribute{{Type: ck.CKA_PRIME_BITS, Value: ck.UlongValue(512)}}, []ck.AttributeType{ck.CKA_PRIME, ck.CKA_BASE}},
	ck.CKK_X9_42_DH: {ck.CKM_X9_42_DH_PARAMETER_GEN, []ck.Attribute{{Type: ck.CKA_PRIME_BITS, Value: ck.UlongValue(1024)}, {Type: ck.CKA_SUBPRIME_BITS, Value: ck.UlongValue(160)}},
		[]ck.AttributeType{ck.CKA_PRIME, ck.CKA_SUBPRIME, ck.CKA_BASE}},
}

// withDomain generates a pair with domain parameters of its own.
func (k *keyring) withDomain(kind ck.KeyType, common []ck.Attribute) error {
	d := domains[kind]
	domain, err := k.GenerateKey(k.handle, &ck.Mechanism{Type: d.generate}, d.prime)
	if err != nil {
		return err
	}
	pub := append(common[:len(common):len(common)], k.uses(ck.CKO_PUBLIC_KEY)...)
	for _, t := range d.have {
		v, err := k.attribute(domain, t)
		if err != nil {
			return err
		}
		pub = append(pub, ck.Attribute{Type: t, Value: v})
	}
	_, _, err = k.GenerateKeyPair(k.handle, &ck.Mechanism{Type: pairMechanisms[kind].m}, pub, append(common, k.uses(ck.CKO_PRIVATE_KEY)...))
	return err
}

// uses are what a key of a class may be for.
func (k *keyring) uses(class ck.ObjectClass) []ck.Attribute {
	switch class {
	case ck.CKO_PUBLIC_KEY:
		return []ck.Attribute{yes(ck.CKA_ENCRYPT, true), yes(ck.CKA_VERIFY, true), yes(ck.CKA_ENCAPSULATE, true)}
	case ck.CKO_PRIVATE_KEY:
		return []ck.Attribute{yes(ck.CKA_DECRYPT, true), yes(ck.CKA_SIGN, true), yes(ck.CKA_DERIVE, true), yes(ck.CKA_DECAPSULATE, true)}
	}
	return []ck.Attribute{yes(ck.CKA_ENCRYPT, true), yes(ck.CKA_DECRYPT, true), yes(ck.CKA_SIGN, true), yes(ck.CKA_VERIFY, true), yes(ck.CKA_DERIVE, true), yes(ck.CKA_SENSITIVE, false)}
}

// chosen are the flags of a mechanism.
func chosen(m ck.MechanismType, f ck.Function) choiceOfMechanism {
	x := choiceOfMechanism{name: m.String(), flags: make(map[string]string)}
	forms, optional, _ := ck.ParameterOf(m, f)
	if len(forms) == 0 || optional {
		return x
	}
	flags := flagsFor[forms[0].Name]
	if own, ok := flagsFor[m.String()]; ok {
		flags = own
	}
	for name, value := range flags {
		if strings.HasPrefix(name, "ul") {
			x.fields = append(x.fields, name+"="+value)
		} else {
			x.flags[name] = value
		}
	}
	return x
}

// lengths of files: any, then those of digests, of whole blocks, and what RSA takes.
var lengths = []int{100, 64, 32, 20, 16, 24}

// TestMechanismsByName signs and verifies, or encrypts and decrypts, with every mechanism that does that, by the verbs of key.
func TestMechanismsByName(t *testing.T) {
	if testing.Short() {
		t.Skip("generates keys")
	}
	k, dir := newKeyring(t), t.TempDir()
	ran := 0
	for _, m := range mechanisms.Types() {
		row := mechanisms.Lookup(m)
		if row.Sign == nil && row.Verify == nil && row.Encrypt == nil && row.Decrypt == nil {
			continue
		}
		if _, listed := notByName[m]; listed {
			continue
		}
		ran++
		t.Run(m.String(), func(t *testing.T) {
			if err := k.key(row.Keys[0]); err != nil {
				t.Fatalf("no key of type %v: %v", row.Keys[0], err)
			}
			if row.Sign != nil || row.Verify != nil {
				anyLength(t, dir, func(file string) error { return k.signs(m, row.Keys[0], file) })
			}
			if row.Encrypt != nil || row.Decrypt != nil {
				anyLength(t, dir, func(file string) error { return k.encrypts(m, row.Keys[0], file) })
			}
		})
	}
	if ran < 150 {
		t.Errorf("%d mechanisms", ran)
	}
	for m := range notByName {
		if mechanisms.Lookup(m) == nil {
			t.Errorf("%v is listed, and there is none", m)
		}
	}
}

// notToAgree are the mechanisms that derive a key of a private key, and that key agree cannot use, and why.
var notToAgree = map[ck.MechanismType]string{
	ck.CKM_X9_42_DH_HYBRID_DERIVE: "it takes two pairs of each side",
	ck.CKM_X9_42_MQV_DERIVE:       "it takes two pairs of each side",
	ck.CKM_ECMQV_DERIVE:           "it takes two pairs of each side",
	ck.CKM_PUB_KEY_FROM_PRIV_KEY:  "it makes a public key, and agrees on nothing",
}

// TestAgreementsByName agrees, encapsulates and decapsulates with every mechanism that does that, by the verbs of key.
func TestAgreementsByName(t *testing.T) {
	if testing.Short() {
		t.Skip("generates keys")
	}
	k, dir := newKeyring(t), t.TempDir()
	k.app.quiet = true
	agreed, encapsulated := 0, 0
	for _, m := range mechanisms.Types() {
		row := mechanisms.Lookup(m)
		_, listed := notToAgree[m]
		agrees := row.Derive != nil && !listed
		if len(row.Keys) == 0 || mechanismOfSecrets(row) || !agrees && row.Encapsulate == nil {
			continue
		}
		for _, kind := range row.Keys {
			if err := k.key(kind); err != nil {
				t.Fatalf("no key of type %v: %v", kind, err)
			}
			if agrees {
				agreed++
				if err := k.agrees(m, kind, dir); err != nil {
					t.Errorf("%v with %v: %v", m, kind, err)
				}
			}
			if row.Encapsulate != nil {
				encapsulated++
				if err := k.encapsulates(m, kind, dir); err != nil {
					t.Errorf("%v with %v: %v", m, kind, err)
				}
			}
		}
	}
	if agreed < 5 || encapsulated < 9 {
		t.Errorf("%d agreements, %d encapsulations", agreed, encapsulated)
	}
}

// notToDerive are the mechanisms that derive a key of a secret key, and that key derive cannot use, and why.
var notToDerive = map[string]string{
	"CKM_SP800_108_": "its parameter is a list of structures, of a length of its own",
	"CKM_TLS":        "it makes keys of TLS, several at once, of a secret that only TLS has",
	"CKM_SSL3_":      "as CKM_TLS",
	"CKM_HKDF_DATA":  "it makes a data object, and no key",
	"CKM_IKE":        "it takes further keys by their handles",
	"CKM_SOFTCSP_":   "CryptDeriveKey is key derive with a password, and SSHKDF for who has a session of ssh",
}

// TestDerivationsByName derives with every mechanism that does that from a secret key, by key derive.
func TestDerivationsByName(t *testing.T) {
	k, dir := newKeyring(t), t.TempDir()
	k.app.quiet = true
	derived, used := 0, make(map[string]bool)
	for _, m := range mechanisms.Types() {
		row := mechanisms.Lookup(m)
		if row.Derive == nil || len(row.Keys) > 0 && !mechanismOfSecrets(row) || m == ck.CKM_PUB_KEY_FROM_PRIV_KEY {
			continue
		}
		listed := false
		for family := range notToDerive {
			if strings.HasPrefix(m.String(), family) {
				listed, used[family] = true, true
			}
		}
		if listed {
			continue
		}
		derived++
		kind := ck.CKK_GENERIC_SECRET
		if len(row.Keys) > 0 && !slices.Contains(row.Keys, kind) {
			kind = row.Keys[0]
		}
		if err := k.key(kind); err != nil {
			t.Fatalf("no key of type %v: %v", kind, err)
		}
		if err := k.derives(m, kind, filepath.Join(dir, "out")); err != nil {
			t.Errorf("%v: %v", m, err)
		}
	}
	if derived < 30 || len(used) != len(notToDerive) {
		t.Errorf("%d derivations, without %v", derived, used)
	}
}

// derives derives a key.
func (k *keyring) derives(m ck.MechanismType, kind ck.KeyType, out string) error {
	x := derivationFromKey{base: kind.String(), mechanism: choiceOfMechanism{name: m.String(), flags: map[string]string{}}, secret: newSecret{kind: "generic", out: out}}
	forms, _, _ := ck.ParameterOf(m, ck.C_DeriveKey)
	if len(forms) > 0 {
		for _, name := range []string{"iv", "data"} {
			i := slices.IndexFunc(parameterFlags, func(p parameterFlag) bool { return p.name == name })
			if field := parameterFlags[i].fieldOf(forms[0]); field != "" {
				n := uint(16)
				if f := mechparam.Find(forms[0], field); name == "iv" {
					n = f.Size
				}
				x.mechanism.flags[name] = strings.Repeat("0a", int(n))
			}
		}
		switch forms[0].Name {
		case "CK_OBJECT_HANDLE":
			x.other = kind.String()
		case "CK_EXTRACT_PARAMS":
			x.mechanism.fields, x.secret.kind = []string{"value=8"}, "generic:128"
		}
	}
	if err := x.run(k.session); err != nil {
		return err
	}
	b, err := os.ReadFile(out)
	if err == nil && len(b) < 8 {
		err = fmt.Errorf("a key of %d bytes", len(b))
	}
	return err
}

// mechanismOfSecrets reports whether a mechanism is for secret keys.
func mechanismOfSecrets(row *mechanisms.Mechanism) bool {
	return slices.ContainsFunc(row.Keys, func(kind ck.KeyType) bool { return slices.Contains(mechanisms.SecretKeyTypes(), kind) })
}

// agrees has a pair agree with itself, which gives the same secret twice.
func (k *keyring) agrees(m ck.MechanismType, kind ck.KeyType, dir string) error {
	where := objectChoice{what: "key", label: kind.String()}
	key, err := k.one(where, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return err
	}
	info, err := k.publicKeyInfo(key)
	if err != nil {
		return err
	}
	peer, one, other := filepath.Join(dir, "peer"), filepath.Join(dir, "one"), filepath.Join(dir, "other")
	if err := os.WriteFile(peer, info, 0o600); err != nil {
		return err
	}
	for _, out := range []string{one, other} {
		x := agreement{target: &target{object: where}, mechanism: choiceOfMechanism{name: m.String(), flags: map[string]string{}}, peer: peer, secret: newSecret{kind: "generic", out: out}}
		if err := x.run(k.session); err != nil {
			return err
		}
	}
	return sameFiles(one, other)
}

// encapsulates makes a secret and gets it back.
func (k *keyring) encapsulates(m ck.MechanismType, kind ck.KeyType, dir string) error {
	where := objectChoice{what: "key", label: kind.String()}
	ciphertext, one, other := filepath.Join(dir, "ciphertext"), filepath.Join(dir, "one"), filepath.Join(dir, "other")
	x := encapsulation{target: &target{object: where}, mechanism: choiceOfMechanism{name: m.String(), flags: map[string]string{}}, out: ciphertext, secret: newSecret{kind: "generic", out: one}}
	if err := x.encapsulate(k.session); err != nil {
		return err
	}
	x.in, x.secret.out = ciphertext, other
	if err := x.decapsulate(k.session); err != nil {
		return err
	}
	return sameFiles(one, other)
}

// sameFiles wants two files to have the same content, and some.
func sameFiles(one, other string) error {
	a, err := os.ReadFile(one)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(other)
	if err == nil && (len(a) < 16 || !bytes.Equal(a, b)) {
		err = fmt.Errorf("%x and %x", a, b)
	}
	return err
}

// anyLength wants f to succeed with a file of one of the lengths.
func anyLength(t *testing.T, dir string, f func(file string) error) {
	t.Helper()
	var all []string
	for _, n := range lengths {
		b := make([]byte, n)
		rand.Read(b)
		b[0], b[n-1] = 0, 0xcc // a number below any modulus, with the trailer that X9.31 wants
		file := filepath.Join(dir, "file")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		err := f(file)
		if err == nil {
			return
		}
		all = append(all, fmt.Sprintf("%d bytes: %v", n, err))
	}
	t.Error(strings.Join(all, "\n"))
}

// signs signs a file and verifies that, and that another one is refused.
func (k *keyring) signs(m ck.MechanismType, kind ck.KeyType, file string) error {
	sig, other := file+".sig", file+".other"
	where := &target{object: objectChoice{what: "key", label: kind.String()}}
	if _, isPair := pairMechanisms[kind]; !isPair {
		x := mac{target: where, mechanism: chosen(m, ck.C_SignInit), in: file, out: sig}
		if err := x.run(k.session); err != nil {
			return err
		}
		x = mac{target: where, mechanism: chosen(m, ck.C_SignInit), in: file, verify: "file:" + sig}
		return k.refuses(file, other, func(file string) error { x.in = file; return x.run(k.session) })
	}
	x := signing{target: where, mechanism: chosen(m, ck.C_SignInit), in: file, out: sig}
	if err := x.sign(k.session); err != nil {
		return err
	}
	x = signing{target: where, mechanism: chosen(m, ck.C_VerifyInit), signature: sig, verify: true}
	return k.refuses(file, other, func(file string) error { x.in = file; return x.check(k.session) })
}

// refuses verifies a file, and another one, for which it wants the error of a wrong signature.
func (k *keyring) refuses(file, other string, verify func(string) error) error {
	if err := verify(file); err != nil {
		return err
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(other, b, 0o600); err != nil {
		return err
	}
	if err := verify(other); ck.Code(err) != ck.CKR_SIGNATURE_INVALID {
		return fmt.Errorf("another file: %v", err)
	}
	return nil
}

// encrypts encrypts a file and decrypts it.
func (k *keyring) encrypts(m ck.MechanismType, kind ck.KeyType, file string) error {
	where := &target{object: objectChoice{what: "key", label: kind.String()}}
	x := crypting{target: where, mechanism: chosen(m, ck.C_EncryptInit), in: file, out: file + ".enc"}
	if err := x.run(k.session); err != nil {
		return err
	}
	x = crypting{target: where, mechanism: chosen(m, ck.C_DecryptInit), in: file + ".enc", out: file + ".dec", decrypt: true}
	if err := x.run(k.session); err != nil {
		return err
	}
	want, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	got, err := os.ReadFile(file + ".dec")
	if m == ck.CKM_RSA_X_509 { // which encrypts a number
		got, want = bytes.TrimLeft(got, "\x00"), bytes.TrimLeft(want, "\x00")
	}
	if err == nil && !bytes.Equal(got, want) {
		return fmt.Errorf("decrypts to %x, want %x", got, want)
	}
	return err
}
