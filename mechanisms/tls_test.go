package mechanisms

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A tlsCase is what a vector gives to the mechanisms of TLS.
type tlsCase struct {
	hash                    ck.MechanismType
	client, server, session []byte
	version                 []byte // where the version goes
	out                     *tlsOut
}

// A tlsOut is where the IVs go.
type tlsOut struct{ ivs [2][]byte }

// fields are the fields of the parameter of a mechanism.
func (c *tlsCase) fields(m ck.MechanismType) []any {
	switch m {
	case ck.CKM_SSL3_PRE_MASTER_KEY_GEN, ck.CKM_TLS_PRE_MASTER_KEY_GEN:
		return []any{[]byte{3, 3}}
	case ck.CKM_TLS_MAC, ck.CKM_TLS12_MAC:
		return []any{c.hash, 12, 1}
	case ck.CKM_SSL3_MD5_MAC, ck.CKM_SSL3_SHA1_MAC:
		return []any{8}
	}
	p := vectors.TLSParam{Hash: c.hash, Client: c.client, Server: c.server, Session: c.session, Version: c.version, Label: []byte("EXPORTER test")}
	if c.out != nil {
		p.Out = structs{make([]byte, 32), alone(c.out.ivs[0]), alone(c.out.ivs[1])}
	}
	return p.Fields(m)
}

func runTLS(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata/derive"), "tls.txt")
	if err != nil || len(records) < 50 {
		t.Fatalf("%d vectors, %v", len(records), err)
	}
	for i := range records {
		v := vector{Record: &records[i]}
		m, _ := ck.ParseMechanismType(v.Fields["Mechanism"])
		v.row = Lookup(m)
		if v.row == nil {
			t.Fatalf("%s: no mechanism", v.At)
		}
		seen.add(m)
		c := tlsCase{client: v.bytes("Client"), server: v.bytes("Server"), session: v.bytes("Session")}
		c.hash, _ = ck.ParseMechanismType(v.Fields["Hash"])
		v.key = secretKey(ck.CKK_GENERIC_SECRET, v.bytes("Key"))
		if err := errors.Join(runTLSCase(&v, &c), v.err); err != nil {
			t.Errorf("%s: %v", v.At, err)
		}
	}
}

func runTLSCase(v *vector, c *tlsCase) error {
	want := v.bytes("Value")
	switch {
	case v.row.Sign != nil:
		fields := []any{len(want)}
		if v.Has("Who") {
			fields = []any{c.hash, len(want), int(v.Fields["Who"][0] - '0')}
		}
		return checkMAC(v.row, v.key, func() *ck.Param { p := params(fields...); return &p }, v.bytes("Data"), want)
	case v.row.NoHandle:
		return c.keys(v, want)
	}
	fields := c.fields(v.row.Type)
	template := length(len(want))
	if v.Has("Label") {
		fields[1] = pointed(v.bytes("Label"))
		fields[len(fields)-1] = pointed(v.bytes("Context"))
	} else {
		template = nil
	}
	got, err := derived(v.row.Type, v.key, nil, template, fields...)
	return errors.Join(err, same("value", got, want))
}

// keys compares a key block: MAC keys of 20 bytes, keys of 16, IVs of 16.
func (c *tlsCase) keys(v *vector, block []byte) error {
	c.out = &tlsOut{ivs: [2][]byte{make([]byte, 16), make([]byte, 16)}}
	p := params(c.fields(v.row.Type)...)
	var d Derived
	template := template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_AES), uint(ck.CKA_VALUE_LEN), 16, uint(ck.CKA_CLASS), uint(ck.CKO_SECRET_KEY))
	if err := v.row.Derive(&Base{Key: v.key, Template: template}, &p, &d); err != nil {
		return err
	}
	d.Deliver()
	if len(d.AdditionalKeys) != 4 {
		return fmt.Errorf("%d keys", len(d.AdditionalKeys))
	}
	var got []byte
	for i, f := range d.AdditionalKeys {
		got = append(got, f.Value...)
		if wantType := []ck.KeyType{ck.CKK_GENERIC_SECRET, ck.CKK_AES}[i/2]; f.Type != wantType || len(f.Handle) != 8 || len(f.Template) != []int{1, 3}[i/2] {
			return fmt.Errorf("key %d: %+v", i, f)
		}
	}
	if v.row.Type == ck.CKM_TLS12_KEY_SAFE_DERIVE {
		block = append(bytes.Clone(block[:72]), make([]byte, 32)...)
	}
	return same("key block", append(append(got, c.out.ivs[0]...), c.out.ivs[1]...), block)
}

// TestTLSVersion sees where the version of the pre-master secret goes, and that Diffie-Hellman has none.
func TestTLSVersion(t *testing.T) {
	t.Parallel()
	for _, m := range []ck.MechanismType{ck.CKM_TLS_MASTER_KEY_DERIVE, ck.CKM_TLS12_MASTER_KEY_DERIVE, ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, ck.CKM_SSL3_MASTER_KEY_DERIVE} {
		c := tlsCase{hash: ck.CKM_SHA256, client: pattern(32), server: pattern(32), session: pattern(32), version: make([]byte, 2)}
		pms, err := Lookup(ck.CKM_TLS_PRE_MASTER_KEY_GEN).Generate(rand.Reader, ptr(params([]byte{3, 1})), 0)
		if err != nil || len(pms) != masterSize {
			t.Fatalf("%d bytes, %v", len(pms), err)
		}
		var d Derived
		k := secretKey(ck.CKK_GENERIC_SECRET, pms)
		if err := Lookup(m).Derive(&Base{Key: k}, ptr(params(c.fields(m)...)), &d); err != nil {
			t.Fatalf("%v: %v", m, err)
		}
		if d.Deliver(); !bytes.Equal(c.version, []byte{3, 1}) {
			t.Errorf("%v: version %x", m, c.version)
		}
		k.Value = pms[:47]
		if err := Lookup(m).Derive(&Base{Key: k}, ptr(params(c.fields(m)...)), &d); err != ck.CKR_KEY_SIZE_RANGE {
			t.Errorf("%v of 47 bytes: %v", m, err)
		}
	}
	for _, m := range []ck.MechanismType{ck.CKM_TLS_MASTER_KEY_DERIVE_DH, ck.CKM_TLS12_MASTER_KEY_DERIVE_DH, ck.CKM_SSL3_MASTER_KEY_DERIVE_DH} {
		c := tlsCase{hash: ck.CKM_SHA256, client: pattern(32), server: pattern(32), version: make([]byte, 2)}
		if _, err := derived(m, secretKey(ck.CKK_GENERIC_SECRET, pattern(48)), nil, nil, c.fields(m)...); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("%v with a version: %v", m, err)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// TestTLSBad tries what is wrong.
func TestTLSBad(t *testing.T) {
	t.Parallel()
	k := secretKey(ck.CKK_GENERIC_SECRET, pattern(48))
	ivs := alone(make([]byte, 16))
	out := structs{make([]byte, 32), ivs, ivs}
	random := pointed(pattern(32))
	allowed := func(m ...ck.MechanismType) []ck.Attribute {
		var v []byte
		for _, m := range m {
			v = ck.AppendUlong(v, uint(m))
		}
		return []ck.Attribute{{Type: ck.CKA_ALLOWED_MECHANISMS, Value: v}}
	}
	for name, c := range map[string]struct {
		m        ck.MechanismType
		template []ck.Attribute
		fields   []any
		err      error
	}{
		"an export cipher": {ck.CKM_TLS_KEY_AND_MAC_DERIVE, nil, []any{160, 128, 128, []byte{1, 0, 0, 0, 0, 0, 0, 0}, random, random, out}, ck.CKR_MECHANISM_PARAM_INVALID},
		"IVs alone":        {ck.CKM_TLS_KEY_AND_MAC_DERIVE, nil, []any{0, 0, 128, make([]byte, 8), random, random, out}, ck.CKR_MECHANISM_PARAM_INVALID},
		"half a byte":      {ck.CKM_TLS_KEY_AND_MAC_DERIVE, nil, []any{164, 128, 128, make([]byte, 8), random, random, out}, ck.CKR_MECHANISM_PARAM_INVALID},
		"nowhere to put":   {ck.CKM_TLS_KEY_AND_MAC_DERIVE, nil, []any{160, 128, 128, make([]byte, 8), random, random, 0}, ck.CKR_MECHANISM_PARAM_INVALID},
		"no room for IVs":  {ck.CKM_TLS_KEY_AND_MAC_DERIVE, nil, []any{160, 128, 128, make([]byte, 8), random, random, structs{make([]byte, 48)}}, ck.CKR_MECHANISM_PARAM_INVALID},
		"an AES key of 7":  {ck.CKM_TLS_KEY_AND_MAC_DERIVE, template(uint(ck.CKA_KEY_TYPE), uint(ck.CKK_AES)), []any{160, 56, 128, make([]byte, 8), random, random, out}, ck.CKR_KEY_SIZE_RANGE},
		"TLS 1.0 in 1.2":   {ck.CKM_TLS12_MASTER_KEY_DERIVE, nil, []any{random, random, alone(nil), ck.CKM_TLS_PRF}, ck.CKR_MECHANISM_PARAM_INVALID},
		"an HMAC":          {ck.CKM_TLS12_MASTER_KEY_DERIVE, nil, []any{random, random, alone(nil), ck.CKM_SHA256_HMAC}, ck.CKR_MECHANISM_PARAM_INVALID},
		"another length":   {ck.CKM_TLS12_MASTER_KEY_DERIVE, length(32), []any{random, random, alone(nil), ck.CKM_SHA256}, ck.CKR_TEMPLATE_INCONSISTENT},
		"more allowed":     {ck.CKM_TLS12_MASTER_KEY_DERIVE, allowed(ck.CKM_TLS_KDF, ck.CKM_SHA256_HMAC), []any{random, random, alone(nil), ck.CKM_SHA256}, ck.CKR_TEMPLATE_INCONSISTENT},
		"less allowed":     {ck.CKM_TLS12_MASTER_KEY_DERIVE, allowed(ck.CKM_TLS12_KEY_SAFE_DERIVE), []any{random, random, alone(nil), ck.CKM_SHA256}, nil},
		"no session hash":  {ck.CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, nil, []any{ck.CKM_SHA256, pointed(nil), alone(nil)}, ck.CKR_MECHANISM_PARAM_INVALID},
		"no length":        {ck.CKM_TLS_KDF, nil, []any{ck.CKM_SHA256, pointed("l"), random, random, pointed(nil)}, ck.CKR_TEMPLATE_INCOMPLETE},
	} {
		if _, err := derived(c.m, k, nil, c.template, c.fields...); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", name, err, c.err)
		}
	}
	for _, fields := range [][]any{{ck.CKM_SHA256, 11, 1}, {ck.CKM_SHA256, 256, 1}, {ck.CKM_TLS_PRF, 13, 1}, {ck.CKM_SHA256, 12, 0}, {ck.CKM_SHA256, 12, 3}, {ck.CKM_SHA256_HMAC, 12, 1}} {
		if _, err := Lookup(ck.CKM_TLS_MAC).Sign(k, ptr(params(fields...))); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("%v: %v", fields, err)
		}
	}
}
