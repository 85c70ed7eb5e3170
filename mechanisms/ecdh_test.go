package mechanisms

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// ecdhParams makes a CK_ECDH1_DERIVE_PARAMS.
func ecdhParams(kdf uint, shared, public []byte) ck.Param {
	memory := map[uint64][]byte{1 << 32: shared, 2 << 32: public}
	var data []byte
	for _, u := range []uint64{uint64(kdf), uint64(len(shared)), 1 << 32, uint64(len(public)), 2 << 32} {
		data = binary.NativeEndian.AppendUint64(data, u)
	}
	return ck.NewParam(data, func(addr uint64, n uint) []byte { return memory[addr][:n] })
}

// TestECDHFunctions runs the vectors of the key derivation functions.
func TestECDHFunctions(t *testing.T) {
	t.Parallel()
	records, err := vectors.Records(os.DirFS("testdata"), "curves.rec")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range records {
		r := &records[i]
		if !r.Has("Z") {
			continue
		}
		n++
		v := &vector{Record: r}
		z, shared, want := v.bytes("Z"), v.bytes("SharedInfo"), v.bytes("Key")
		if v.err != nil {
			t.Fatal(v.err)
		}
		ran := false
		for kdf, row := range ecdhKDFs {
			h := hashOf(row.digest)
			if h == nil || h.Name != r.Fields["Hash"] || row.counterFirst != r.Has("CounterFirst") {
				continue
			}
			ran = true
			f, err := findKDF(kdf, shared)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(want))
			if f.derive(got, z); !bytes.Equal(got, want) {
				t.Errorf("%s: %x, want %x", r.At, got, want)
			}
		}
		if !ran {
			t.Errorf("%s: no function", r.At)
		}
	}
	if n < 10 {
		t.Errorf("%d vectors", n)
	}
}

// TestECDHKeys derives keys of several types, and tries what the parameter may say.
func TestECDHKeys(t *testing.T) {
	t.Parallel()
	const kt, vl = uint(ck.CKA_KEY_TYPE), uint(ck.CKA_VALUE_LEN)
	for _, c := range curves {
		if c.Agree == nil {
			continue
		}
		pubA, privA := c.pair(t)
		pubB, privB := c.pair(t)
		derive := func(k *Key, p ck.Param, template []ck.Attribute) ([]byte, error) {
			var d Derived
			defer d.Wipe()
			err := Lookup(ck.CKM_ECDH1_DERIVE).Derive(&Base{Key: k, Template: template}, &p, &d)
			return bytes.Clone(d.Value), err
		}
		point := func(k *Key) []byte { return k.Attr(ck.CKA_EC_POINT) }
		z, err := derive(privA, ecdhParams(ck.CKD_NULL, nil, point(pubB)), nil)
		if err != nil || len(z) != (int(c.Bits)+7)/8 {
			t.Fatalf("%s: %x, %v", c.Name, z, err)
		}
		for _, s := range []struct {
			kdf      uint
			shared   []byte
			public   []byte
			template []ck.Attribute
			want     []byte
			err      error
		}{
			{ck.CKD_NULL, nil, point(pubA), nil, z, nil},
			{ck.CKD_NULL, nil, point(pubA), template(vl, 20), z[len(z)-20:], nil},
			{ck.CKD_NULL, nil, point(pubA), template(kt, uint(ck.CKK_AES), vl, 16), z[len(z)-16:], nil},
			{ck.CKD_NULL, nil, point(pubA), template(kt, uint(ck.CKK_AES)), nil, ck.CKR_TEMPLATE_INCOMPLETE},
			{ck.CKD_NULL, nil, point(pubA), template(vl, 67), nil, ck.CKR_KEY_SIZE_RANGE},
			{ck.CKD_NULL, []byte{1}, point(pubA), nil, nil, ck.CKR_MECHANISM_PARAM_INVALID},
			{0, nil, point(pubA), nil, nil, ck.CKR_MECHANISM_PARAM_INVALID},
			{ck.CKD_CPDIVERSIFY_KDF, nil, point(pubA), nil, nil, ck.CKR_MECHANISM_PARAM_INVALID},
			{ck.CKD_NULL, nil, nil, nil, nil, ck.CKR_MECHANISM_PARAM_INVALID},
			{ck.CKD_NULL, nil, append([]byte{1}, point(pubA)...), nil, nil, ck.CKR_PUBLIC_KEY_INVALID},
			{ck.CKD_SHA256_KDF, pattern(9), point(pubA), nil, nil, ck.CKR_TEMPLATE_INCOMPLETE},
			{ck.CKD_SHA256_KDF, pattern(9), point(pubA), template(vl, 1000), kdfOf(t, ck.CKD_SHA256_KDF, z, 1000), nil},
			{ck.CKD_SHA1_KDF_SP800, pattern(9), point(pubA), template(kt, uint(ck.CKK_AES), vl, 32), kdfOf(t, ck.CKD_SHA1_KDF_SP800, z, 32), nil},
		} {
			got, err := derive(privB, ecdhParams(s.kdf, s.shared, s.public), s.template)
			if !errors.Is(err, s.err) || !bytes.Equal(got, s.want) {
				t.Errorf("%s: kdf %d, %v: %x, %v; want %x, %v", c.Name, s.kdf, s.template, got, err, s.want, s.err)
			}
		}
		if _, err := derive(pubA, ecdhParams(ck.CKD_NULL, nil, point(pubB)), nil); err != ck.CKR_KEY_TYPE_INCONSISTENT {
			t.Errorf("%s: with a public key: %v", c.Name, err)
		}
	}
}

func kdfOf(t *testing.T, kdf uint, z []byte, n int) []byte {
	t.Helper()
	f, err := findKDF(kdf, pattern(9))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, n)
	f.derive(out, z)
	return out
}

// TestLowOrder agrees with points of low order.
func TestLowOrder(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"X25519", "X448"} {
		c := curveNamed(t, name)
		_, priv := c.pair(t)
		for _, first := range []byte{0, 1} {
			point := make([]byte, c.Point)
			point[0] = first
			var d Derived
			p := ecdhParams(ck.CKD_NULL, nil, point)
			if err := Lookup(ck.CKM_ECDH1_DERIVE).Derive(&Base{Key: priv}, &p, &d); err != ck.CKR_PUBLIC_KEY_INVALID {
				t.Errorf("%s with the point %d: %v", name, first, err)
			}
		}
	}
}
