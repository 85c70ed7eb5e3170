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

// statefulKey makes the public key of a vector.
func statefulKey(m ck.MechanismType, value []byte) (*Key, error) {
	attrs := []ck.Attribute{{Type: ck.CKA_VALUE, Value: value}}
	if m != ck.CKM_HSS && len(value) >= 4 {
		attrs = append(attrs, ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(uint(binary.BigEndian.Uint32(value)))})
	}
	return imported(ck.CKO_PUBLIC_KEY, Lookup(m).Keys[0], attrs...)
}

// statefulVectors are the vectors of HSS, XMSS and XMSS^MT: the library that made them stands in each file.
func statefulVectors(t *testing.T, seen *tried, each func(v *vector, m *Mechanism, k *Key, public, message, sig []byte)) {
	for _, file := range []string{"hss.rec", "xmss.rec"} {
		records, err := vectors.Records(os.DirFS("testdata/pq"), file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			v := &vector{Record: &records[i]}
			m, message := ck.MechanismType(ck.CKM_HSS), []byte("what is signed")
			if name := v.Fields["Mechanism"]; name != "" {
				m, _ = ck.ParseMechanismType(name)
			}
			if v.Has("Message") {
				message = v.bytes("Message")
			}
			public, sig := v.bytes("Public"), v.bytes("Signature")
			k, err := statefulKey(m, public)
			if err := errors.Join(err, v.err); err != nil {
				t.Errorf("%s: %v", v.At, err)
				continue
			}
			seen.add(m)
			each(v, Lookup(m), k, public, message, sig)
		}
		t.Logf("%s: %d cases", file, len(records))
	}
}

func runStateful(t *testing.T, seen *tried) {
	statefulVectors(t, seen, func(v *vector, m *Mechanism, k *Key, _, message, sig []byte) {
		if err := verifiedBy(m, k, new(ck.Param), message, sig); err != nil {
			t.Errorf("%s: %v", v.At, err)
		}
	})
}

// TestStatefulRefused alters each part of each signature, cuts it, and alters the key.
func TestStatefulRefused(t *testing.T) {
	t.Parallel()
	statefulVectors(t, new(tried), func(v *vector, m *Mechanism, k *Key, public, message, sig []byte) {
		refused := func(what string, err error) {
			t.Helper()
			if err != ck.CKR_SIGNATURE_INVALID && err != ck.CKR_SIGNATURE_LEN_RANGE {
				t.Errorf("%s: %s: %v", v.At, what, err)
			}
		}
		for _, at := range []int{0, 3, 4, 8, 11, 20, 40, len(sig) / 2, len(sig) - 200, len(sig) - 1} {
			other := bytes.Clone(sig)
			other[at] ^= 0x40
			refused("altered", verifiedBy(m, k, new(ck.Param), message, other))
		}
		for _, n := range []int{0, 3, 4, 7, 8, 100, len(sig) / 2, len(sig) - 1} {
			refused("cut", verifiedBy(m, k, new(ck.Param), message, sig[:n]))
		}
		if err := verifiedBy(m, k, new(ck.Param), message, append(bytes.Clone(sig), 0)); err != ck.CKR_SIGNATURE_LEN_RANGE {
			t.Errorf("%s: a byte more: %v", v.At, err)
		}
		refused("another message", verifiedBy(m, k, new(ck.Param), message[1:], sig))
		for _, at := range []int{12, 30, len(public) - 1} {
			other := bytes.Clone(public)
			other[at] ^= 1
			wrong, err := statefulKey(m.Type, other)
			if err != nil {
				t.Fatal(err)
			}
			refused("another key", verifiedBy(m, wrong, new(ck.Param), message, sig))
		}
		garbage := params(1)
		if err := verifiedBy(m, k, &garbage, message, sig); err != nil {
			t.Errorf("%s: a parameter is looked at: %v", v.At, err)
		}
		for _, n := range []int{0, 3, 4, 11, len(public) - 1, len(public) + 1} {
			if _, err := statefulKey(m.Type, append(bytes.Clone(public), 0)[:n]); !errors.Is(err, ck.CKR_ATTRIBUTE_VALUE_INVALID) {
				t.Errorf("%s: a key of %d bytes of %d: %v", v.At, n, len(public), err)
			}
		}
	})
}

// TestXMSSSet sees that a set that does not exist, or is another than the key's, is refused.
func TestXMSSSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		t   ck.KeyType
		set uint
	}{{ck.CKK_XMSS, 0}, {ck.CKK_XMSS, 22}, {ck.CKK_XMSSMT, 0}, {ck.CKK_XMSSMT, 57}} {
		value := append(binary.BigEndian.AppendUint32(nil, uint32(c.set)), make([]byte, 64)...)
		m := map[ck.KeyType]ck.MechanismType{ck.CKK_XMSS: ck.CKM_XMSS, ck.CKK_XMSSMT: ck.CKM_XMSSMT}[c.t]
		if _, err := statefulKey(m, value); err != ck.CKR_PARAMETER_SET_NOT_SUPPORTED {
			t.Errorf("set %d of %v: %v", c.set, c.t, err)
		}
	}
	value := append(binary.BigEndian.AppendUint32(nil, 1), make([]byte, 64)...)
	if _, err := imported(ck.CKO_PUBLIC_KEY, ck.CKK_XMSS, ck.Attribute{Type: ck.CKA_VALUE, Value: value},
		ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(7)}); !errors.Is(err, ck.CKR_TEMPLATE_INCONSISTENT) {
		t.Errorf("another set than the key's: %v", err)
	}
}
