package main

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/primes"
	"github.com/softcsp/softcsp/mechanisms"
)

// A generatedType is a row of the table of types of keys that key generate makes: the word of --type, and what may follow it after a colon.
type generatedType struct {
	name     string
	mech     ck.MechanismType
	uses     string   // what the key is for unless --usage says otherwise
	what     string   // what follows the colon, for people; "" for nothing
	sizes    []string // what can follow it, for completion: the first is the default
	template func(t *generatedType, size string) (*keyTemplate, error)
}

// A keyTemplate is the attributes that say what key is to be made: of the public key of a pair, or of a secret key. Where domain parameters have to
// be made first, it is their template.
type keyTemplate struct {
	attrs  []ck.Attribute
	domain ck.MechanismType // the mechanism that makes domain parameters, 0 for none
	slow   bool             // it can take more than a moment
}

// What keys are for.
const (
	forSigning    = "sign,verify"
	forEncryption = "encrypt,decrypt"
	forDerivation = "derive"
)

// generatedTypes is the table: pairs first, then secret keys.
var generatedTypes = slices.Concat(pairGenerations, cipherGenerations, macGenerations)

var pairGenerations = []generatedType{
	{"rsa", ck.CKM_RSA_PKCS_KEY_PAIR_GEN, forSigning + "," + forEncryption, "BITS", []string{"3072", "2048", "4096"}, rsaTemplate},
	{"ec", ck.CKM_EC_KEY_PAIR_GEN, forSigning + "," + forDerivation, "CURVE", curveWords(ck.CKK_EC, "p256"), curveTemplate},
	{"ed25519", ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, forSigning, "", nil, curveTemplate},
	{"ed448", ck.CKM_EC_EDWARDS_KEY_PAIR_GEN, forSigning, "", nil, curveTemplate},
	{"x25519", ck.CKM_EC_MONTGOMERY_KEY_PAIR_GEN, forDerivation, "", nil, curveTemplate},
	{"x448", ck.CKM_EC_MONTGOMERY_KEY_PAIR_GEN, forDerivation, "", nil, curveTemplate},
	{"dsa", ck.CKM_DSA_KEY_PAIR_GEN, forSigning, "BITS", []string{"2048", "1024", "3072"}, dsaTemplate},
	{"dh", ck.CKM_DH_PKCS_KEY_PAIR_GEN, forDerivation, "GROUP", groupWords("ffdhe3072"), groupTemplate},
	{"dhx", ck.CKM_X9_42_DH_KEY_PAIR_GEN, forDerivation, "GROUP", groupWords("ffdhe3072"), groupTemplate},
	{"ml-kem", ck.CKM_ML_KEM_KEY_PAIR_GEN, "encapsulate,decapsulate", "SET", setWords(ck.CKK_ML_KEM, "768"), setTemplate},
	{"ml-dsa", ck.CKM_ML_DSA_KEY_PAIR_GEN, forSigning, "SET", setWords(ck.CKK_ML_DSA, "65"), setTemplate},
	{"slh-dsa", ck.CKM_SLH_DSA_KEY_PAIR_GEN, forSigning, "SET", setWords(ck.CKK_SLH_DSA, "sha2-128s"), setTemplate},
}

var cipherGenerations = []generatedType{
	{"aes", ck.CKM_AES_KEY_GEN, forEncryption, bits, []string{"256", "128", "192"}, secretTemplate},
	{"aes-xts", ck.CKM_AES_XTS_KEY_GEN, forEncryption, bits, []string{"512", "256"}, secretTemplate},
	{"camellia", ck.CKM_CAMELLIA_KEY_GEN, forEncryption, bits, []string{"256", "128", "192"}, secretTemplate},
	{"aria", ck.CKM_ARIA_KEY_GEN, forEncryption, bits, []string{"256", "128", "192"}, secretTemplate},
	{"twofish", ck.CKM_TWOFISH_KEY_GEN, forEncryption, bits, []string{"256", "128", "192"}, secretTemplate},
	{"blowfish", ck.CKM_BLOWFISH_KEY_GEN, forEncryption, bits, []string{"128", "448"}, secretTemplate},
	{"chacha20", ck.CKM_CHACHA20_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"salsa20", ck.CKM_SALSA20_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"seed", ck.CKM_SEED_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"idea", ck.CKM_IDEA_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"cast128", ck.CKM_CAST128_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"des3", ck.CKM_DES3_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"des2", ck.CKM_DES2_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"des", ck.CKM_DES_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"cdmf", ck.CKM_CDMF_KEY_GEN, forEncryption, "", nil, secretTemplate},
	{"rc2", ck.CKM_RC2_KEY_GEN, forEncryption, bits, []string{"128", "40"}, secretTemplate},
	{"rc4", ck.CKM_RC4_KEY_GEN, forEncryption, bits, []string{"128", "40"}, secretTemplate},
	{"rc5", ck.CKM_RC5_KEY_GEN, forEncryption, bits, []string{"128"}, secretTemplate},
}

var macGenerations = []generatedType{
	{"hmac", ck.CKM_GENERIC_SECRET_KEY_GEN, forSigning, bits, []string{"256", "384", "512"}, secretTemplate},
	{"generic", ck.CKM_GENERIC_SECRET_KEY_GEN, forSigning + "," + forDerivation, bits, []string{"256", "128", "512"}, secretTemplate},
	{"hkdf", ck.CKM_HKDF_KEY_GEN, forDerivation, bits, []string{"256", "384", "512"}, secretTemplate},
	{"hotp", ck.CKM_HOTP_KEY_GEN, forSigning, bits, []string{"160", "256"}, secretTemplate},
	{"poly1305", ck.CKM_POLY1305_KEY_GEN, forSigning, "", nil, secretTemplate},
	{"hmac-sha1", ck.CKM_SHA_1_KEY_GEN, forSigning, bits, []string{"160"}, secretTemplate},
	{"hmac-sha224", ck.CKM_SHA224_KEY_GEN, forSigning, bits, []string{"224"}, secretTemplate},
	{"hmac-sha256", ck.CKM_SHA256_KEY_GEN, forSigning, bits, []string{"256"}, secretTemplate},
	{"hmac-sha384", ck.CKM_SHA384_KEY_GEN, forSigning, bits, []string{"384"}, secretTemplate},
	{"hmac-sha512", ck.CKM_SHA512_KEY_GEN, forSigning, bits, []string{"512"}, secretTemplate},
	{"hmac-sha512-224", ck.CKM_SHA512_224_KEY_GEN, forSigning, bits, []string{"224"}, secretTemplate},
	{"hmac-sha512-256", ck.CKM_SHA512_256_KEY_GEN, forSigning, bits, []string{"256"}, secretTemplate},
	{"hmac-sha512-t", ck.CKM_SHA512_T_KEY_GEN, forSigning, bits, []string{"256"}, secretTemplate},
	{"hmac-sha3-224", ck.CKM_SHA3_224_KEY_GEN, forSigning, bits, []string{"224"}, secretTemplate},
	{"hmac-sha3-256", ck.CKM_SHA3_256_KEY_GEN, forSigning, bits, []string{"256"}, secretTemplate},
	{"hmac-sha3-384", ck.CKM_SHA3_384_KEY_GEN, forSigning, bits, []string{"384"}, secretTemplate},
	{"hmac-sha3-512", ck.CKM_SHA3_512_KEY_GEN, forSigning, bits, []string{"512"}, secretTemplate},
	{"hmac-blake2b-160", ck.CKM_BLAKE2B_160_KEY_GEN, forSigning, bits, []string{"160"}, secretTemplate},
	{"hmac-blake2b-256", ck.CKM_BLAKE2B_256_KEY_GEN, forSigning, bits, []string{"256"}, secretTemplate},
	{"hmac-blake2b-384", ck.CKM_BLAKE2B_384_KEY_GEN, forSigning, bits, []string{"384"}, secretTemplate},
	{"hmac-blake2b-512", ck.CKM_BLAKE2B_512_KEY_GEN, forSigning, bits, []string{"512"}, secretTemplate},
}

// bits is what follows the type of a secret key of several lengths.
const bits = "BITS"

// makes is the type of the keys.
func (t *generatedType) makes() ck.KeyType { return mechanisms.Lookup(t.mech).Makes }

// isPair reports whether the type is one of key pairs.
func (t *generatedType) isPair() bool { return mechanisms.Lookup(t.mech).GeneratePair != nil }

// spelled is the type as help writes it: rsa:BITS.
func (t *generatedType) spelled() string {
	if t.what == "" {
		return t.name
	}
	return t.name + ":" + t.what
}

// words are what --type can be for keys of the type, with their sizes.
func (t *generatedType) words() (words []string) {
	if t.what == "" {
		return []string{t.name}
	}
	for _, size := range t.sizes {
		words = append(words, t.name+":"+size)
	}
	return words
}

// seeTypes is where all types are told.
const seeTypes = "softcsp key generate --help"

// typeNames are the words that say of which type keys are, of pairs or of secret keys.
func typeNames(pairs bool) (words []string) {
	for i := range generatedTypes {
		if generatedTypes[i].isPair() == pairs {
			words = append(words, generatedTypes[i].name)
		}
	}
	return words
}

// namedType is the row of a word of typeNames, nil if there is none.
func namedType(name string, pairs bool) *generatedType {
	meant := wordMeant(name, typeNames(pairs))
	i := slices.IndexFunc(generatedTypes, func(t generatedType) bool { return t.name == meant })
	if i < 0 {
		return nil
	}
	return &generatedTypes[i]
}

// findGenerated reads --type.
func findGenerated(text string) (*generatedType, *keyTemplate, error) {
	name, size, has := strings.Cut(strings.ToLower(text), ":")
	var names, words []string
	for i := range generatedTypes {
		names = append(names, generatedTypes[i].name)
		words = append(words, generatedTypes[i].words()...)
	}
	i := slices.Index(names, wordMeant(name, names))
	if i < 0 {
		if len(nearest(text, names)) > 0 {
			words = names
		}
		return nil, nil, notAWord("--type", text, words, seeTypes)
	}
	t := &generatedTypes[i]
	switch {
	case has && t.what == "":
		return nil, nil, fmt.Errorf("--type: nothing follows %s: all its keys are of one size", t.name)
	case !has && t.what != "":
		size = t.sizes[0]
	}
	template, err := t.template(t, size)
	if err != nil {
		return nil, nil, fmt.Errorf("--type: %w", err)
	}
	return t, template, nil
}

// number reads a length in bits.
func (t *generatedType) number(size string, least, most uint) (uint, error) {
	n, err := strconv.ParseUint(size, 10, 32)
	if err != nil || uint(n) < least || uint(n) > most {
		return 0, fmt.Errorf("%s has keys of %d to %d bits, not %q", t.name, least, most, size)
	}
	return uint(n), nil
}

func rsaTemplate(t *generatedType, size string) (*keyTemplate, error) {
	m := mechanisms.Lookup(t.mech)
	n, err := t.number(size, m.Min, m.Max)
	return &keyTemplate{attrs: []ck.Attribute{{Type: ck.CKA_MODULUS_BITS, Value: ck.UlongValue(n)}}, slow: true}, err
}

// secretTemplate is CKA_VALUE_LEN, where keys of the type have several lengths.
func secretTemplate(t *generatedType, size string) (*keyTemplate, error) {
	least, most, step := mechanisms.Sizes(t.makes())
	if least == most {
		return &keyTemplate{}, nil
	}
	n, err := t.number(size, max(8*least, 8), 8*most)
	if err == nil && (n%8 != 0 || (n/8-least)%step != 0) {
		err = fmt.Errorf("%s has no keys of %d bits: %d to %d in steps of %d", t.name, n, 8*least, 8*most, 8*step)
	}
	return &keyTemplate{attrs: []ck.Attribute{{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(n / 8)}}}, err
}

// curveWords are the names of the curves of a type, the default first.
func curveWords(t ck.KeyType, first string) []string {
	words := []string{first}
	for _, c := range mechanisms.NamedCurves() {
		if w := curveWord(c); c.Type == t && w != first {
			words = append(words, w)
		}
	}
	return words
}

// curveTemplate finds a curve by any of its names.
func curveTemplate(t *generatedType, size string) (*keyTemplate, error) {
	name := size
	if t.what == "" {
		name = t.name
	}
	for _, c := range mechanisms.NamedCurves() {
		named := func(n string) bool { return plainWord(n) == plainWord(name) }
		if c.Type == t.makes() && slices.ContainsFunc(c.Names, named) {
			return &keyTemplate{attrs: []ck.Attribute{{Type: ck.CKA_EC_PARAMS, Value: c.Params}}}, nil
		}
	}
	return nil, notAWord("the curve of "+t.name, size, t.sizes, seeTypes)
}

// setWords are the parameter sets of a type, the default first.
func setWords(t ck.KeyType, first string) []string {
	words := []string{first}
	for _, s := range mechanisms.ParameterSets(t) {
		if w := strings.ToLower(s.Name); w != first {
			words = append(words, w)
		}
	}
	return words
}

func setTemplate(t *generatedType, size string) (*keyTemplate, error) {
	for _, s := range mechanisms.ParameterSets(t.makes()) {
		if plainWord(s.Name) == plainWord(size) {
			slow := t.makes() == ck.CKK_SLH_DSA
			return &keyTemplate{attrs: []ck.Attribute{{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(s.Set)}}, slow: slow}, nil
		}
	}
	return nil, notAWord("the parameter set of "+t.name, size, t.sizes, seeTypes)
}

// subprimeBits are the lengths of the subprimes that keys of DSA get: FIPS 186-4, section 4.2.
var subprimeBits = map[string]uint{"1024": 160, "2048": 256, "3072": 256}

// dsaTemplate asks for domain parameters of their own.
func dsaTemplate(t *generatedType, size string) (*keyTemplate, error) {
	q, ok := subprimeBits[size]
	if !ok {
		return nil, fmt.Errorf("%s has keys of %s bits, not %q", t.name, strings.Join(t.sizes, ", "), size)
	}
	p, err := strconv.ParseUint(size, 10, 32)
	return &keyTemplate{domain: ck.CKM_DSA_PARAMETER_GEN, slow: true, attrs: []ck.Attribute{
		{Type: ck.CKA_PRIME_BITS, Value: ck.UlongValue(uint(p))}, {Type: ck.CKA_SUBPRIME_BITS, Value: ck.UlongValue(q)},
	}}, err
}

// groupWords are the names of the groups, the default first.
func groupWords(first string) []string {
	return append([]string{first}, slices.DeleteFunc(primes.GroupNames(), func(name string) bool { return name == first })...)
}

// groupTemplate finds a group of RFC 7919 or RFC 3526. A number is the former of that many bits.
func groupTemplate(t *generatedType, size string) (*keyTemplate, error) {
	p := primes.Group(size)
	if p == nil {
		p = primes.Group("ffdhe" + size)
	}
	if p == nil {
		return nil, notAWord("the group of "+t.name, size, t.sizes, seeTypes)
	}
	attrs := []ck.Attribute{{Type: ck.CKA_PRIME, Value: p.Bytes()}, {Type: ck.CKA_BASE, Value: []byte{2}}}
	if t.makes() == ck.CKK_X9_42_DH { // 2 generates the squares: (p-1)/2 of them
		attrs = append(attrs, ck.Attribute{Type: ck.CKA_SUBPRIME, Value: new(big.Int).Rsh(p, 1).Bytes()})
	}
	return &keyTemplate{attrs: attrs, slow: true}, nil
}
