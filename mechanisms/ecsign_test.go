package mechanisms

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// eddsaParams makes a CK_EDDSA_PARAMS.
func eddsaParams(ph bool, context []byte) ck.Param {
	data := make([]byte, 8, 24)
	if ph {
		data[0] = 1
	}
	data = binary.NativeEndian.AppendUint64(data, uint64(len(context)))
	data = binary.NativeEndian.AppendUint64(data, 1<<32)
	return ck.NewParam(data, func(_ uint64, n uint) []byte { return context[:n] })
}

// curveSigners are the rows that sign, with the curves that they go with.
func curveSigners() (all []struct {
	row *Mechanism
	c   *curve
}) {
	for i := range table {
		for _, c := range curves {
			if m := &table[i]; m.Sign != nil && m.Takes(ck.CKO_PRIVATE_KEY, c.Type) {
				all = append(all, struct {
					row *Mechanism
					c   *curve
				}{m, c})
			}
		}
	}
	return all
}

// TestCurveSignatures is the battery of Sign and Verify: what is signed in any parts verifies in any others, and nothing
// else does.
func TestCurveSignatures(t *testing.T) {
	t.Parallel()
	all := curveSigners()
	if len(all) < 50 {
		t.Fatalf("%d mechanisms with curves", len(all))
	}
	pubs, privs := map[*curve]*Key{}, map[*curve]*Key{}
	for _, c := range curves {
		pubs[c], privs[c] = c.pair(t)
	}
	for _, s := range all {
		t.Run(fmt.Sprintf("%v with %s", s.row.Type, s.c.Name), func(t *testing.T) {
			t.Parallel()
			signAndAlter(t, s.row, s.c, pubs[s.c], privs[s.c])
			tryWrongKeys(t, s.row, s.c)
		})
	}
}

// signAndAlter signs in several parts, and alters data and signature.
func signAndAlter(t *testing.T, m *Mechanism, c *curve, pub, priv *Key) {
	data := pattern(150)
	for _, step := range []int{1, 64, 150} {
		if testing.Short() && step != 64 {
			continue
		}
		sig, err := signParts(t, m, priv, data, step)
		if err != nil || len(sig) != 2*c.Size {
			t.Fatalf("%x, %v", sig, err)
		}
		for n, want := range map[int]error{0: nil, 1: ck.CKR_SIGNATURE_INVALID} {
			changed := bytes.Clone(data)
			changed[7] ^= byte(n)
			if err := verifySignature(m, pub, changed, sig); err != want {
				t.Errorf("%v, want %v", err, want)
			}
		}
		for i := range sig {
			bad := bytes.Clone(sig)
			bad[i] ^= 0x40
			if i%16 == 0 && verifySignature(m, pub, data, bad) != ck.CKR_SIGNATURE_INVALID {
				t.Errorf("takes a signature that is changed at %d", i)
			}
		}
		for _, bad := range [][]byte{nil, sig[1:], append([]byte{0}, sig...), append([]byte{0, 0}, sig...)} {
			if err := verifySignature(m, pub, data, bad); err != ck.CKR_SIGNATURE_LEN_RANGE {
				t.Errorf("%d bytes of a signature: %v", len(bad), err)
			}
		}
		if err := verifySignature(m, pub, data, make([]byte, len(sig))); err != ck.CKR_SIGNATURE_INVALID {
			t.Errorf("a signature of zeros: %v", err)
		}
	}
}

// signParts signs data in parts, and tries that the end is the end.
func signParts(t *testing.T, m *Mechanism, k *Key, data []byte, step int) ([]byte, error) {
	t.Helper()
	var p ck.Param
	s, err := m.Sign(k, &p)
	if err != nil {
		return nil, err
	}
	for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
		if err := s.Update(rest[:min(step, len(rest))]); err != nil {
			return nil, err
		}
	}
	dst, check := guarded(t, s.Size())
	n, err := s.Sign(dst)
	check(m.Type.String())
	if _, again := s.Sign(dst); again != ck.CKR_OPERATION_NOT_INITIALIZED {
		t.Errorf("%v signs twice: %v", m.Type, again)
	}
	if again := s.Update(data); again != ck.CKR_OPERATION_NOT_INITIALIZED {
		t.Errorf("%v goes on after its end: %v", m.Type, again)
	}
	return dst[:n], err
}

// tryWrongKeys begins with keys of the other class, of another type and without a good value.
func tryWrongKeys(t *testing.T, m *Mechanism, c *curve) {
	t.Helper()
	pub, priv := c.pair(t)
	for _, k := range []struct {
		sign, verify *Key
		want         ck.RV
	}{
		{pub, priv, ck.CKR_KEY_TYPE_INCONSISTENT},
		{keyOf(ck.CKO_PRIVATE_KEY, c.Type+1, ck.Attribute{Type: ck.CKA_EC_PARAMS, Value: c.Params()}),
			keyOf(ck.CKO_PUBLIC_KEY, c.Type+1, ck.Attribute{Type: ck.CKA_EC_PARAMS, Value: c.Params()}), ck.CKR_CURVE_NOT_SUPPORTED},
	} {
		var p ck.Param
		if _, err := m.Sign(k.sign, &p); !errors.Is(err, k.want) {
			t.Errorf("signing: %v, want %v", err, k.want)
		}
		if _, err := m.Verify(k.verify, &p); !errors.Is(err, k.want) {
			t.Errorf("verifying: %v, want %v", err, k.want)
		}
	}
	if _, err := m.Verify(c.public([]byte{4}), new(ck.Param)); err != ck.CKR_PUBLIC_KEY_INVALID {
		t.Errorf("verifying with no point: %v", err)
	}
}

// TestECDSAShort verifies signatures whose halves have lost zeros, and digests of all lengths.
func TestECDSAShort(t *testing.T) {
	t.Parallel()
	row := Lookup(ck.CKM_ECDSA)
	for _, c := range curves {
		if c.Type != ck.CKK_EC {
			continue
		}
		pub, priv := c.pair(t)
		for _, n := range []int{1, 20, 28, 32, 48, 64, 66, 67, 200} {
			sig, err := signParts(t, row, priv, pattern(n), n)
			if err != nil || verifySignature(row, pub, pattern(n), sig) != nil {
				t.Errorf("%s: a digest of %d bytes: %v", c.Name, n, err)
			}
		}
		if _, err := signParts(t, row, priv, nil, 1); err != ck.CKR_DATA_LEN_RANGE {
			t.Errorf("%s: no digest: %v", c.Name, err)
		}
	}
	c := curveNamed(t, "P-521")
	pub, priv := c.pair(t)
	for range 1000 { // one in four has a byte of zeros before both halves
		sig, err := signParts(t, row, priv, pattern(32), 32)
		if err != nil {
			t.Fatal(err)
		}
		if sig[0] != 0 || sig[c.Size] != 0 {
			continue
		}
		short := append(bytes.Clone(sig[1:c.Size]), sig[c.Size+1:]...)
		if err := verifySignature(row, pub, pattern(32), short); err != nil {
			t.Errorf("without zeros: %v", err)
		}
		return
	}
	t.Error("no signature of 1000 begins with zeros")
}

// TestEdDSAVariants runs the vectors of RFC 8032 with contexts and hashes, and parameters that are none.
func TestEdDSAVariants(t *testing.T) {
	t.Parallel()
	records, err := vectors.Records(os.DirFS("testdata"), "curves.rec")
	if err != nil {
		t.Fatal(err)
	}
	row, n := Lookup(ck.CKM_EDDSA), 0
	for i := range records {
		r := &records[i]
		if !r.Has("Signature") {
			continue
		}
		n++
		c, v := curveNamed(t, r.Fields["Curve"]), &vector{Record: r}
		context, msg, want := v.bytes("Context"), v.bytes("Message"), v.bytes("Signature")
		value, point := v.bytes("Private"), v.bytes("Public")
		param := func() *ck.Param { p := eddsaParams(r.Has("Hash"), context); return &p }
		s, err := row.Sign(c.private(value), param())
		if err = errors.Join(v.err, err); err != nil {
			t.Fatalf("%s: %v", r.At, err)
		}
		sig := make([]byte, s.Size())
		if err := s.Update(msg); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sign(sig); err != nil || !bytes.Equal(sig, want) {
			t.Errorf("%s: %x, %v; want %x", r.At, sig, err, want)
		}
		for _, p := range []struct {
			param *ck.Param
			want  error
		}{{param(), nil}, {new(ck.Param), ck.CKR_SIGNATURE_INVALID}} {
			vf, err := row.Verify(c.public(writePoint(point)), p.param)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(vf.Update(msg), vf.Verify(want)); !errors.Is(err, p.want) {
				t.Errorf("%s: %v, want %v", r.At, err, p.want)
			}
		}
	}
	if n != 4 {
		t.Errorf("%d vectors", n)
	}
	_, priv := curveNamed(t, "Ed25519").pair(t)
	whole := eddsaParams(true, pattern(3))
	for n := 1; n < 24; n++ {
		p := ck.NewParam(bytesOf(whole)[:n], func(uint64, uint) []byte { return pattern(3) })
		if _, err := row.Sign(priv, &p); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
			t.Errorf("a parameter cut at %d: %v", n, err)
		}
	}
	long := eddsaParams(false, pattern(256))
	if _, err := row.Sign(priv, &long); !errors.Is(err, ck.CKR_MECHANISM_PARAM_INVALID) {
		t.Errorf("a context of 256 bytes: %v", err)
	}
}

func BenchmarkCurves(b *testing.B) {
	for _, c := range curves {
		pub, priv := c.pair(b)
		m := Lookup(ck.CKM_ECDSA)
		if c.Type == ck.CKK_EC_EDWARDS {
			m = Lookup(ck.CKM_EDDSA)
		}
		data, sig := pattern(32), make([]byte, 2*c.Size)
		if c.Type == ck.CKK_EC_MONTGOMERY {
			continue
		}
		b.Run(c.Name+"/sign", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := m.Sign(priv, new(ck.Param))
				if err != nil {
					b.Fatal(err)
				}
				if err := s.Update(data); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Sign(sig); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(c.Name+"/verify", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := verifySignature(m, pub, data, sig); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
