package keyfile

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// TestPostQuantum writes and reads keys of each parameter set that there is, with a seed and without.
func TestPostQuantum(t *testing.T) {
	t.Parallel()
	for _, m := range []ck.MechanismType{ck.CKM_ML_KEM_KEY_PAIR_GEN, ck.CKM_ML_DSA_KEY_PAIR_GEN, ck.CKM_SLH_DSA_KEY_PAIR_GEN} {
		row := mechanisms.Lookup(m)
		for _, set := range mechanisms.ParameterSets(row.Makes) {
			params := ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(set.Set)}
			_, private, err := row.GeneratePair(rand.Reader, new(ck.Param), []ck.Attribute{params})
			if err != nil {
				t.Fatal(err)
			}
			checkPostQuantum(t, row.Makes, private, nil)
			if set.Set == 1 && !testing.Short() {
				checkPostQuantum(t, row.Makes, private, []byte(password))
			}
			expanded := without(slices.Clone(private), ck.CKA_SEED, true)
			checkPostQuantum(t, row.Makes, expanded, nil)
			if testing.Short() || row.Makes == ck.CKK_SLH_DSA && set.Set > 2 {
				break // the others are no different, and slow
			}
		}
	}
}

// checkPostQuantum writes a private key, and sees that it comes back with what it had, and with its public key.
func checkPostQuantum(t *testing.T, kind ck.KeyType, private []ck.Attribute, password []byte) {
	t.Helper()
	out, err := Write(keyOf(Entry{Class: ck.CKO_PRIVATE_KEY, Type: kind, Attributes: private}), "pem", password)
	if err != nil {
		t.Fatal(err)
	}
	o, _ := asks(string(password))
	c, err := Read(out, o)
	if err != nil || len(c.Entries) != 2 {
		t.Fatalf("%v: %v", kind, err)
	}
	got := c.Entries[0].Attributes
	for _, a := range []ck.AttributeType{ck.CKA_SEED, ck.CKA_VALUE, ck.CKA_PARAMETER_SET} {
		if v := find(got, a); v != nil && !bytes.Equal(v, find(private, a)) {
			t.Errorf("%v: another %v", kind, a)
		}
	}
	if (find(got, ck.CKA_SEED) == nil) != (find(private, ck.CKA_SEED) == nil) {
		t.Errorf("%v: the seed is not there, or is", kind)
	}
	complete(t, kind.String(), c.Entries[0])
	complete(t, kind.String(), c.Entries[1])
	same(t, c.Entries[1], "pem")
}

// TestSecretKeys writes and reads keys of each type, in each format that has them.
func TestSecretKeys(t *testing.T) {
	t.Parallel()
	n := 0
	for _, kind := range mechanisms.SecretKeyTypes() {
		for size := range 65 {
			value := make([]byte, size)
			rand.Read(value)
			if mechanisms.ValidValue(kind, value) != nil {
				continue
			}
			n++
			e := Entry{Class: ck.CKO_SECRET_KEY, Type: kind, Attributes: []ck.Attribute{{Type: ck.CKA_VALUE, Value: value}}}
			for _, format := range Formats[ck.CKO_SECRET_KEY] {
				if format != "raw" && size > 0 {
					same(t, e, format)
				}
			}
			c, err := Read(value, Options{Secret: &kind, Form: "raw"})
			if size > 0 && (err != nil || !bytes.Equal(find(c.Entries[0].Attributes, ck.CKA_VALUE), value)) {
				t.Errorf("%v of %d bytes: %v", kind, size, err)
			}
		}
	}
	if n < 100 {
		t.Errorf("%d keys", n)
	}
}

// TestForms reads a secret key as people write it.
func TestForms(t *testing.T) {
	t.Parallel()
	aes := ck.CKK_AES
	for _, c := range []struct{ text, form, want string }{
		{"000102030405060708090a0b0c0d0e0f", "", "000102030405060708090a0b0c0d0e0f"},
		{" 00:01:02:03:04:05:06:07\n08:09:0A:0B:0C:0D:0E:0F\n", "", "000102030405060708090a0b0c0d0e0f"},
		{"AAECAwQFBgcICQoLDA0ODw==\n", "base64", "000102030405060708090a0b0c0d0e0f"},
		{"0123456789abcdef", "raw", "30313233343536373839616263646566"},
		{"0123456789abcdeX", "", "30313233343536373839616263646558"},
		{"0123456789abcdef", "", "8 bytes are no key of type CKK_AES"},
		{"0123456789abcdeX", "hex", "not an even number of hex digits"},
		{"*", "base64", "not in base64"},
		{"AAEC", "base64", "3 bytes are no key of type CKK_AES"},
	} {
		got, err := Read([]byte(c.text), Options{Secret: &aes, Form: c.form})
		switch {
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		case err == nil && hex.EncodeToString(find(got.Entries[0].Attributes, ck.CKA_VALUE)) != c.want:
			t.Errorf("%q: %x, want %s", c.text, find(got.Entries[0].Attributes, ck.CKA_VALUE), c.want)
		}
	}
}
