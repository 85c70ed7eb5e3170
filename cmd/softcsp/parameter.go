package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/mechparam"
	"github.com/softcsp/softcsp/mechanisms"
)

// A choiceOfMechanism is the flags that say which mechanism is used, and what its parameter holds.
type choiceOfMechanism struct {
	name   string            // of the mechanism, "" for the one of the key's type
	flags  map[string]string // values of the flags below that were given
	fields []string          // FIELD=VALUE, for what has no flag
}

// A parameterFlag is a flag that gives fields of parameters a value. The fields have the names of the standard; STRUCTURE.FIELD is one of that structure
// alone.
type parameterFlag struct {
	name, usage string
	fields      []string
	set         func(f *mechparam.Fields, field, flag, value string) error
}

// bytesUsage says how flags give bytes: bytesOf.
const bytesUsage = "hex digits, text:TEXT or file:PATH"

// parameterFlags is the table: from the names of flags to the fields of the parameters of all mechanisms.
var parameterFlags = []parameterFlag{
	{"hash", "`hash`: sha256, sha384, sha3-256, …", []string{"hashAlg", "hash", "prfHashMechanism", "phFlag"}, setHash},
	{"mgf", "`hash` of MGF1 (default: the same)", []string{"mgf"}, setMGF},
	{"salt-len", "`bytes` of salt of PSS (default: as long as the hash)", []string{"sLen"}, setNumber},
	{"context", "`context` of the signature or MAC: " + bytesUsage, []string{"pContext", "pContextData", "pCustomizationString"}, setBytes},
	{"hedge", "random bytes in signatures: preferred, required or none", []string{"hedgeVariant"}, setHedge},
	{"mac-len", "`bytes` of the MAC", []string{"ulMacLength", "CK_MAC_GENERAL_PARAMS.value"}, setNumber},
	{"iv", "initialisation `vector`, nonce or counter block: random, zero or hex digits", ivFields, setIV},
	{"aad", "additional `data` that is authenticated and not encrypted: " + bytesUsage, []string{"pAAD"}, setBytes},
	{"tag-bits", "`bits` of the tag (default 128)", []string{"ulTagBits", "ulMACLen"}, setTagBits},
	{"oaep-label", "`label` of OAEP: " + bytesUsage, []string{"pSourceData"}, setBytes},
	{"counter-bits", "`bits` of the counter block that count (default 128)", []string{"ulCounterBits"}, setNumber},
	{"kdf", "`hash` of the key derivation function of X9.63, or none", []string{"kdf"}, setKDF},
	{"info", "`data` that the key derivation function also takes: " + bytesUsage, []string{"pSharedData", "pOtherInfo", "pInfo"}, setBytes},
	{"salt", "`salt` of HKDF: " + bytesUsage, []string{"CK_HKDF_PARAMS.pSalt"}, setBytes},
	{"data", "`data` that is encrypted, or put together with the key: " + bytesUsage, []string{"pData"}, setBytes},
}

// add gives a command the flag --mechanism, those of the list above that are named, and --parameter. The shell completes mechanisms that have a flag of
// need in C_GetMechanismInfo.
func (x *choiceOfMechanism) add(a *app, c *cobra.Command, need ck.Flags, names ...string) {
	x.flags = make(map[string]string)
	f := c.Flags()
	f.StringVarP(&x.name, "mechanism", "m", "", "`mechanism`, CKM_… (default: the usual one of the key's type)")
	for _, p := range parameterFlags {
		if slices.Contains(names, p.name) {
			f.Var(flagValue{x.flags, p.name}, p.name, p.usage)
		}
	}
	f.StringArrayVar(&x.fields, "parameter", nil, "`FIELD=VALUE` of the mechanism's parameter, named as in PKCS#11: a number, or "+bytesUsage)
	_ = c.RegisterFlagCompletionFunc("mechanism", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return a.mechanismsFor(need), cobra.ShellCompDirectiveNoFileComp
	})
	for _, name := range []string{"hash", "mgf", "kdf"} {
		if slices.Contains(names, name) {
			_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(hashWords(), cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// mechanismsFor returns the names of the mechanisms of a use, for completion.
func (a *app) mechanismsFor(need ck.Flags) []string {
	s, err := a.scratch()
	if err != nil {
		return nil
	}
	defer s.client.close()
	types, err := s.GetMechanismList(s.token.slot)
	if err != nil {
		return nil
	}
	var names []string
	for _, t := range types {
		if info, err := s.GetMechanismInfo(s.token.slot, t); err == nil && info.Flags&need != 0 {
			names = append(names, t.String())
		}
	}
	return names
}

// A flagValue is a flag whose value goes to a map under its name.
type flagValue struct {
	values map[string]string
	name   string
}

// Set implements pflag.Value.
func (v flagValue) Set(s string) error { v.values[v.name] = s; return nil }

// Type implements pflag.Value.
func (v flagValue) Type() string { return "value" }

// String implements pflag.Value.
func (v flagValue) String() string { return v.values[v.name] }

var _ pflag.Value = flagValue{}

// mechanism returns the mechanism of the flag, 0 where it was not given.
func (x *choiceOfMechanism) mechanism() (ck.MechanismType, error) {
	if x.name == "" {
		return 0, nil
	}
	return mechanismNamed("mechanism", x.name)
}

// mechanismNamed returns the mechanism of a flag: one of the standard, in any case, with or without CKM_, with hyphens for underscores or without.
func mechanismNamed(flag, text string) (ck.MechanismType, error) {
	if m, ok := ck.ParseMechanismType(strings.ReplaceAll(text, "-", "_")); ok {
		return m, nil
	}
	var words []string
	for _, m := range mechanisms.Types() {
		words = append(words, m.String())
	}
	if m, ok := ck.ParseMechanismType(wordMeant(text, words)); ok {
		return m, nil
	}
	return 0, notAWord("--"+flag, text, words, "softcsp mechanism list")
}

// operations are what begins with a function, for people, as words of --usage.
var operations = map[ck.Function]struct {
	needs ck.Flags
	word  string
}{
	ck.C_SignInit: {ck.CKF_SIGN, "sign"}, ck.C_VerifyInit: {ck.CKF_VERIFY, "verify"},
	ck.C_EncryptInit: {ck.CKF_ENCRYPT, "encrypt"}, ck.C_DecryptInit: {ck.CKF_DECRYPT, "decrypt"},
	ck.C_WrapKey: {ck.CKF_WRAP, "wrap"}, ck.C_UnwrapKey: {ck.CKF_UNWRAP, "unwrap"}, ck.C_DeriveKey: {ck.CKF_DERIVE, "derive"},
	ck.C_EncapsulateKey: {ck.CKF_ENCAPSULATE, "encapsulate"}, ck.C_DecapsulateKey: {ck.CKF_DECAPSULATE, "decapsulate"},
}

// does refuses a mechanism that is named and is for something else, before its parameter is asked for.
func (x *choiceOfMechanism) does(m ck.MechanismType, f ck.Function) error {
	operation, row := operations[f], mechanisms.Lookup(m)
	if x.name == "" || row == nil || row.Info().Flags&operation.needs == operation.needs {
		return nil
	}
	return misuse("--mechanism: %v does not %s\nsee which do with: softcsp mechanism list --for %[2]s", m, operation.word)
}

// form returns the structure of a mechanism's parameter that has all fields that are given, nil for none, and the values of the flags.
func (x *choiceOfMechanism) form(m ck.MechanismType, f ck.Function) (*ck.Structure, mechparam.Fields, error) {
	var values mechparam.Fields
	if err := x.does(m, f); err != nil {
		return nil, values, err
	}
	forms, optional, _ := ck.ParameterOf(m, f)
	if len(forms) == 0 && len(x.flags)+len(x.fields) == 0 {
		return nil, values, nil
	}
	var first error
	for _, form := range forms {
		values = mechparam.Fields{}
		err := x.fill(form, &values)
		if err == nil && optional && len(x.flags)+len(x.fields) == 0 {
			return nil, values, nil
		}
		if err == nil {
			return form, values, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = x.fill(&ck.Structure{}, &values)
	}
	return nil, values, fmt.Errorf("%v: %w", m, first)
}

// fill gives the fields of a structure the values of the flags.
func (x *choiceOfMechanism) fill(form *ck.Structure, values *mechparam.Fields) error {
	for _, p := range parameterFlags {
		value, given := x.flags[p.name]
		if !given {
			continue
		}
		field := p.fieldOf(form)
		if field == "" {
			return misuse("this mechanism has no --%s%s", p.name, hasFields(form))
		}
		if err := p.set(values, field, p.name, value); err != nil {
			return err
		}
	}
	for _, pair := range x.fields {
		name, value, _ := strings.Cut(pair, "=")
		field := mechparam.Find(form, name)
		if field == nil {
			return misuse("--parameter: the mechanism's parameter has no %q%s", name, hasFields(form))
		}
		set := setBytes
		if field.Number {
			set = setNumber
		}
		if err := set(values, name, "parameter "+name, value); err != nil {
			return err
		}
	}
	return nil
}

// fieldOf returns the name of the field of a structure that the flag gives a value, "" where there is none.
func (p *parameterFlag) fieldOf(form *ck.Structure) string {
	for _, name := range p.fields {
		only, field, qualified := strings.Cut(name, ".")
		if !qualified {
			field = name
		}
		if (!qualified || only == form.Name) && mechparam.Find(form, field) != nil {
			return field
		}
	}
	return ""
}

// hasFields says what a parameter has.
func hasFields(form *ck.Structure) string {
	switch {
	case len(form.Fields) == 0:
		return ": it has no parameter"
	case len(form.Fields) == 1: // a number or plain bytes
		return ": its parameter is a " + form.Name
	}
	names := make([]string, len(form.Fields))
	for i, f := range form.Fields {
		names[i] = f.Name
	}
	return fmt.Sprintf(": its %s has %s", form.Name, strings.Join(names, ", "))
}

// bytesOf reads bytes as flags give them.
func bytesOf(flag, value string) ([]byte, error) {
	if text, ok := strings.CutPrefix(value, "text:"); ok {
		return []byte(text), nil
	}
	if path, ok := strings.CutPrefix(value, "file:"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		return b, nil
	}
	b, err := hex.DecodeString(value)
	if err != nil {
		return nil, misuse("--%s is %q, but can be an even number of %s", flag, value, bytesUsage)
	}
	return b, nil
}

func setBytes(f *mechparam.Fields, field, flag, value string) error {
	b, err := bytesOf(flag, value)
	f.SetBytes(field, b)
	return err
}

// setIV sets an IV that is given. One that is random or zero is for who encrypts to make.
func setIV(f *mechparam.Fields, field, flag, value string) error {
	if value == "random" || value == "zero" {
		return nil
	}
	return setBytes(f, field, flag, value)
}

// setNumber takes a number, or the name of a mechanism.
func setNumber(f *mechparam.Fields, field, flag, value string) error {
	if m, ok := ck.ParseMechanismType(value); ok && strings.HasPrefix(value, "CKM_") {
		f.SetNumber(field, uint(m))
		return nil
	}
	n, err := strconv.ParseUint(value, 0, 64)
	if err != nil {
		return misuse("--%s is %q, but must be a number", flag, value)
	}
	f.SetNumber(field, uint(n))
	return nil
}

// setHash names a hash. In the parameter of EdDSA it says no more than that the message is hashed: RFC 8032 fixes by what.
func setHash(f *mechparam.Fields, field, flag, value string) error {
	h, err := hashNamed(flag, value)
	n := uint(h.digest)
	if field == "phFlag" {
		n = 1
	}
	f.SetNumber(field, n)
	return err
}

func setMGF(f *mechparam.Fields, field, flag, value string) error {
	h, err := hashNamed(flag, value)
	if err == nil && h.mgf == 0 {
		err = misuse("--%s: PKCS#11 has no MGF1 with %s", flag, value)
	}
	f.SetNumber(field, h.mgf)
	return err
}

func setKDF(f *mechparam.Fields, field, flag, value string) error {
	if value == "none" {
		f.SetNumber(field, ck.CKD_NULL)
		return nil
	}
	h, err := hashNamed(flag, value)
	if err == nil && h.kdf == 0 {
		err = misuse("--%s: PKCS#11 has no key derivation function with %s", flag, value)
	}
	f.SetNumber(field, h.kdf)
	return err
}

func setHedge(f *mechparam.Fields, field, flag, value string) error {
	word, err := oneOf(flag, value, "preferred", "required", "none")
	n := map[string]uint{"preferred": ck.CKH_HEDGE_PREFERRED, "required": ck.CKH_HEDGE_REQUIRED, "none": ck.CKH_DETERMINISTIC_REQUIRED}
	f.SetNumber(field, n[word])
	return err
}

// setTagBits sets the length of a tag, which CCM counts in bytes.
func setTagBits(f *mechparam.Fields, field, flag, value string) error {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n%8 != 0 {
		return misuse("--%s is %q, but must be a number of bits, whole bytes", flag, value)
	}
	if field == "ulMACLen" {
		n /= 8
	}
	f.SetNumber(field, uint(n))
	return nil
}
