package main

import (
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// A keyUsage is a word of --usage, the operation that it permits, and the attribute that it is in each class; 0 where the class has none. What a
// private key does its public half undoes.
type keyUsage struct {
	word                    string
	operation               ck.Flags
	secret, private, public ck.AttributeType
}

var usages = []keyUsage{
	{"encrypt", ck.CKF_ENCRYPT, ck.CKA_ENCRYPT, 0, ck.CKA_ENCRYPT},
	{"decrypt", ck.CKF_DECRYPT, ck.CKA_DECRYPT, ck.CKA_DECRYPT, ck.CKA_ENCRYPT},
	{"sign", ck.CKF_SIGN, ck.CKA_SIGN, ck.CKA_SIGN, ck.CKA_VERIFY},
	{"verify", ck.CKF_VERIFY, ck.CKA_VERIFY, 0, ck.CKA_VERIFY},
	{"sign-recover", ck.CKF_SIGN_RECOVER, 0, ck.CKA_SIGN_RECOVER, ck.CKA_VERIFY_RECOVER},
	{"verify-recover", ck.CKF_VERIFY_RECOVER, 0, 0, ck.CKA_VERIFY_RECOVER},
	{"wrap", ck.CKF_WRAP, ck.CKA_WRAP, 0, ck.CKA_WRAP},
	{"unwrap", ck.CKF_UNWRAP, ck.CKA_UNWRAP, ck.CKA_UNWRAP, ck.CKA_WRAP},
	{"derive", ck.CKF_DERIVE, ck.CKA_DERIVE, ck.CKA_DERIVE, 0},
	{"encapsulate", ck.CKF_ENCAPSULATE, 0, 0, ck.CKA_ENCAPSULATE},
	{"decapsulate", ck.CKF_DECAPSULATE, 0, ck.CKA_DECAPSULATE, ck.CKA_ENCAPSULATE},
}

// attribute returns the attribute of a usage in a class, 0 if there is none.
func (u keyUsage) attribute(class ck.ObjectClass) ck.AttributeType {
	switch class {
	case ck.CKO_PRIVATE_KEY:
		return u.private
	case ck.CKO_PUBLIC_KEY:
		return u.public
	}
	return u.secret
}

// usualUses are what keys of a type are for, where --usage does not say: what key generate makes them for.
func usualUses(t ck.KeyType) string {
	switch t {
	case ck.CKK_GENERIC_SECRET:
		return forSigning + "," + forDerivation
	case ck.CKK_HSS, ck.CKK_XMSS, ck.CKK_XMSSMT:
		return "verify"
	}
	for i := range generatedTypes {
		if generatedTypes[i].makes() == t {
			return generatedTypes[i].uses
		}
	}
	return forSigning // the keys of MACs that are not generated
}

// usagesOf splits --usage, or returns what is usual for a type.
func usagesOf(flag string, t ck.KeyType) ([]string, error) {
	if flag == "" {
		flag = usualUses(t)
	}
	var all []string
	for _, u := range usages {
		all = append(all, u.word)
	}
	words := strings.Split(flag, ",")
	for i, w := range words {
		if words[i] = wordMeant(w, all); words[i] == "" {
			return nil, notAWord("--usage", w, all, "")
		}
	}
	return words, nil
}

func usageWords() string {
	words := make([]string, len(usages))
	for i, u := range usages {
		words[i] = u.word
	}
	return strings.Join(words, ", ")
}

// usageTemplate returns the attributes that say what a key is for: those of the words are true, and all others of its class false.
func usageTemplate(flag string, class ck.ObjectClass, t ck.KeyType) ([]ck.Attribute, error) {
	words, err := usagesOf(flag, t)
	if err != nil {
		return nil, err
	}
	var template []ck.Attribute
	for _, u := range usages {
		typ, given := u.attribute(class), slices.Contains(words, u.word)
		if typ == 0 {
			continue
		}
		at := slices.IndexFunc(template, func(a ck.Attribute) bool { return a.Type == typ })
		switch {
		case at < 0:
			template = append(template, ck.Attribute{Type: typ, Value: ck.BoolValue(given)})
		case given:
			template[at].Value = ck.BoolValue(true)
		}
	}
	return template, nil
}

// usagesFor are the words that keys of a type can have: those of operations that a mechanism does with them.
func usagesFor(t ck.KeyType) (words []string) {
	var operations ck.Flags
	for _, id := range mechanisms.Types() {
		if m := mechanisms.Lookup(id); slices.Contains(m.Keys, t) {
			operations |= m.Info().Flags
		}
	}
	for _, u := range usages {
		if operations&u.operation != 0 {
			words = append(words, u.word)
		}
	}
	return words
}
