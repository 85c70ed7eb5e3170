package mechanisms

import (
	"errors"
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// An ikeCase is what a vector gives to the mechanisms of IKE.
type ikeCase struct {
	prf                  ck.MechanismType
	form                 string
	other, previous      int // handles
	ni, nr, data, number []byte
}

// fields are the fields of the parameter of a mechanism.
func (c *ikeCase) fields(m ck.MechanismType) []any {
	p := vectors.IKEParam{PRF: c.prf, DataAsKey: c.form == "data as key", Rekey: c.form == "rekey", Ni: c.ni, Nr: c.nr, Data: c.data, Number: c.number}
	if c.other != 0 {
		p.Other = c.other
	}
	if c.previous != 0 {
		p.Previous = c.previous
	}
	return p.Fields(m)
}

func runIKE(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata/derive"), "ike.txt")
	if err != nil || len(records) < 65 {
		t.Fatalf("%d vectors, %v", len(records), err)
	}
	for i := range records {
		v := vector{Record: &records[i]}
		m, _ := ck.ParseMechanismType(v.Fields["Mechanism"])
		if Lookup(m) == nil {
			t.Fatalf("%s: no mechanism", v.At)
		}
		seen.add(m)
		c := ikeCase{form: v.Fields["Form"], ni: v.bytes("Ni"), nr: v.bytes("Nr"), data: v.bytes("Data"), number: v.bytes("Number")}
		c.prf, _ = ck.ParseMechanismType(v.Fields["PRF"])
		keys := map[ck.ObjectHandle]*Key{}
		for h, name := range []string{1: "Other", 2: "Previous"} {
			if v.Has(name) {
				keys[ck.ObjectHandle(h)] = secretKey(ck.CKK_GENERIC_SECRET, v.bytes(name))
			}
		}
		if keys[1] != nil {
			c.other = 1
		}
		if keys[2] != nil {
			c.previous = 2
		}
		lookup := func(h ck.ObjectHandle) (*Key, error) {
			if keys[h] == nil {
				return nil, ck.CKR_KEY_HANDLE_INVALID
			}
			return keys[h], nil
		}
		want := v.bytes("Value")
		template := template(uint(ck.CKA_VALUE_LEN), uint(len(want)), uint(ck.CKA_KEY_TYPE), uint(ck.CKK_GENERIC_SECRET))
		got, err := derived(m, secretKey(ck.CKK_GENERIC_SECRET, v.bytes("Key")), lookup, template, c.fields(m)...)
		if err := errors.Join(err, same("value", got, want), v.err); err != nil {
			t.Errorf("%s: %v", v.At, err)
		}
	}
}

// TestIKEBad tries what the standard says of types and lengths, and what is wrong.
func TestIKEBad(t *testing.T) {
	t.Parallel()
	k := secretKey(ck.CKK_GENERIC_SECRET, pattern(20))
	c := ikeCase{prf: ck.CKM_SHA256_HMAC, other: otherKey, ni: pattern(4), nr: pattern(5), data: pattern(6), number: []byte{1}}
	key := func(n uint) []ck.Attribute {
		return template(uint(ck.CKA_VALUE_LEN), n, uint(ck.CKA_KEY_TYPE), uint(ck.CKK_GENERIC_SECRET))
	}
	both := c.fields(ck.CKM_IKE_PRF_DERIVE)
	both[1], both[2] = cbool(true), cbool(true)
	unknown := c
	unknown.other = 8
	alone := c
	alone.other = 0
	md := c
	md.prf = ck.CKM_AES_CMAC
	for name, x := range map[string]struct {
		m        ck.MechanismType
		template []ck.Attribute
		fields   []any
		err      error
	}{
		"both":                 {ck.CKM_IKE_PRF_DERIVE, key(32), both, ck.CKR_ARGUMENTS_BAD},
		"another length":       {ck.CKM_IKE_PRF_DERIVE, key(31), c.fields(ck.CKM_IKE_PRF_DERIVE), ck.CKR_KEY_SIZE_RANGE},
		"no type":              {ck.CKM_IKE1_PRF_DERIVE, length(32), c.fields(ck.CKM_IKE1_PRF_DERIVE), ck.CKR_TEMPLATE_INCOMPLETE},
		"too long":             {ck.CKM_IKE1_PRF_DERIVE, key(33), c.fields(ck.CKM_IKE1_PRF_DERIVE), ck.CKR_KEY_SIZE_RANGE},
		"no length":            {ck.CKM_IKE2_PRF_PLUS_DERIVE, nil, c.fields(ck.CKM_IKE2_PRF_PLUS_DERIVE), ck.CKR_TEMPLATE_INCOMPLETE},
		"256 blocks":           {ck.CKM_IKE2_PRF_PLUS_DERIVE, key(255*32 + 1), c.fields(ck.CKM_IKE2_PRF_PLUS_DERIVE), ck.CKR_KEY_SIZE_RANGE},
		"255 blocks":           {ck.CKM_IKE2_PRF_PLUS_DERIVE, key(255 * 32), c.fields(ck.CKM_IKE2_PRF_PLUS_DERIVE), nil},
		"no such key":          {ck.CKM_IKE2_PRF_PLUS_DERIVE, key(32), unknown.fields(ck.CKM_IKE2_PRF_PLUS_DERIVE), ck.CKR_KEY_HANDLE_INVALID},
		"more than there is":   {ck.CKM_IKE1_EXTENDED_DERIVE, key(21), alone.fields(ck.CKM_IKE1_EXTENDED_DERIVE), ck.CKR_KEY_SIZE_RANGE},
		"a function of others": {ck.CKM_IKE_PRF_DERIVE, key(16), md.fields(ck.CKM_IKE_PRF_DERIVE), ck.CKR_MECHANISM_PARAM_INVALID},
	} {
		if _, err := derived(x.m, k, (&sample{}).lookup, x.template, x.fields...); !errors.Is(err, x.err) {
			t.Errorf("%s: %v, want %v", name, err, x.err)
		}
	}
	var d Derived
	if err := Lookup(ck.CKM_IKE_PRF_DERIVE).Derive(&Base{Key: k}, ptr(params(c.fields(ck.CKM_IKE_PRF_DERIVE)...)), &d); err != nil || d.Type != ck.CKK_SHA256_HMAC {
		t.Errorf("a key of type %v, %v", d.Type, err)
	}
}
