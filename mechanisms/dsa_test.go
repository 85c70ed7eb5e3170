package mechanisms

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/modular"
	"github.com/softcsp/softcsp/internal/algorithm/primes"
	"github.com/softcsp/softcsp/internal/algorithm/rfc6979"
	"github.com/softcsp/softcsp/internal/vectors"
)

// groupAttrs are the attributes of a key or of domain parameters over the integers modulo a prime.
func groupAttrs(p, q, g, value []byte) []ck.Attribute {
	return []ck.Attribute{{Type: ck.CKA_PRIME, Value: p}, {Type: ck.CKA_SUBPRIME, Value: q}, {Type: ck.CKA_BASE, Value: g}, {Type: ck.CKA_VALUE, Value: value}}
}

// runDSA runs the vectors of NIST and of RFC 6979.
func runDSA(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata/groups"), "dsa.txt")
	more, err2 := vectors.Records(os.DirFS("testdata/groups"), "openssl.txt")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	records = append(records, more...)
	for i := range records {
		v := &vector{Record: &records[i]}
		m, ok := ck.ParseMechanismType(v.Fields["Mechanism"])
		if v.row = Lookup(m); !ok || v.row == nil {
			t.Fatalf("%s: no mechanism %q", v.At, v.Fields["Mechanism"])
		}
		if testing.Short() && v.Fields["L"] == "3072" {
			continue
		}
		seen.add(m)
		run := v.dsaSignature
		if v.row.GenerateDomain != nil {
			run = v.dsaPrimes
		}
		t.Run(v.At, func(t *testing.T) {
			t.Parallel()
			if err := errors.Join(run(), v.err); err != nil {
				t.Errorf("%s: %v", v.At, err)
			}
		})
	}
	t.Logf("%d records", len(records))
}

// dsaSignature verifies a signature, with the hash in the mechanism and outside, and makes it again where it says how.
func (v *vector) dsaSignature() error {
	p, q, g := v.bytes("P"), v.bytes("Q"), v.bytes("G")
	public := pairKey(ck.CKO_PUBLIC_KEY, ck.CKK_DSA, groupAttrs(p, q, g, v.bytes("Y")))
	sig := slices.Concat(modular.LeftPadded(v.bytes("R"), len(q)), modular.LeftPadded(v.bytes("S"), len(q)))
	if err := verifySignature(v.row, public, v.bytes("Message"), sig); err != nil {
		return err
	}
	private := pairKey(ck.CKO_PRIVATE_KEY, ck.CKK_DSA, groupAttrs(p, q, g, v.bytes("X")))
	info, err := Complete(ck.CKO_PRIVATE_KEY, ck.CKK_DSA, private.Attr)
	want, err2 := Complete(ck.CKO_PUBLIC_KEY, ck.CKK_DSA, public.Attr)
	if err := errors.Join(err, err2); err != nil || !bytes.Equal(findAttr(info, ck.CKA_PUBLIC_KEY_INFO), findAttr(want, ck.CKA_PUBLIC_KEY_INFO)) {
		return fmt.Errorf("another public value, %w", errors.Join(err, errNotKey))
	}
	key, err := preparedFFC(private, ck.CKM_DSA, &dsaFFC, newDSAPrivate)
	if err != nil || !v.Has("Deterministic") {
		return err
	}
	digest := sha256.Sum256(v.bytes("Message"))
	n := rfc6979.Deterministic(key.q, key.value, digest[:], nil)
	if err := same("number", rfc6979.Deterministic(key.q, key.value, digest[:], nil).Next(key.q), v.bytes("K")); err != nil {
		return err
	}
	return same("signature", key.signWith(n, digest[:]), sig)
}

// dsaPrimes makes domain parameters from a seed.
func (v *vector) dsaPrimes() error {
	h, _ := ck.ParseMechanismType(v.Fields["Hash"])
	seed := v.bytes("Seed")
	var index []byte
	if index = v.bytes("Index"); index == nil {
		index = []byte{0}
	}
	if v.row.Type == ck.CKM_DSA_FIPS_G_GEN {
		p := params(h, pointed(seed), int(index[0]))
		made, _, err := v.row.GenerateDomain(nil, &p, groupAttrs(v.bytes("P"), v.bytes("Q"), nil, nil)[:2])
		return errors.Join(err, same("base", modular.LeftPadded(findAttr(made, ck.CKA_BASE), len(v.bytes("G"))), v.bytes("G")))
	}
	maker := primes.Probable
	if v.row.Type == ck.CKM_DSA_SHAWE_TAYLOR_PARAMETER_GEN {
		maker = primes.Provable
	}
	var L, N int
	if _, err := fmt.Sscan(v.Fields["L"]+" "+v.Fields["N"], &L, &N); err != nil {
		return err
	}
	r, err := maker(hashOf(h).New, bytes.Clone(seed), L, N)
	if err != nil {
		return err
	}
	return errors.Join(same("p", r.P.Bytes(), v.bytes("P")), same("q", r.Q.Bytes(), v.bytes("Q")),
		same("seed", r.Seed, append(seed, v.bytes("After")...)))
}

// dsaSample reads the key pair of a vector whose primes have 1024 bits.
func dsaSample(t *testing.T) (public, private []ck.Attribute) {
	t.Helper()
	records, err := vectors.Records(os.DirFS("testdata/groups"), "dsa.txt")
	if err != nil {
		t.Fatal(err)
	}
	v := &vector{Record: &records[0]}
	p, q, g := v.bytes("P"), v.bytes("Q"), v.bytes("G")
	return groupAttrs(p, q, g, v.bytes("Y")), groupAttrs(p, q, g, v.bytes("X"))
}

// TestDSASigns signs with each mechanism and lets the other key verify, the data whole and in parts.
func TestDSASigns(t *testing.T) {
	t.Parallel()
	pub, priv := dsaSample(t)
	public, private := pairKey(ck.CKO_PUBLIC_KEY, ck.CKK_DSA, pub), pairKey(ck.CKO_PRIVATE_KEY, ck.CKK_DSA, priv)
	for i := range dsaRows {
		row := &dsaRows[i]
		if row.Sign == nil {
			continue
		}
		data := pattern(48)
		var sigs [2][]byte
		for j, step := range []int{48, 5} {
			s, err := row.Sign(private, new(ck.Param))
			if err != nil {
				t.Fatalf("%v: %v", row.Type, err)
			}
			for part := range slices.Chunk(data, step) {
				if err := s.Update(part); err != nil {
					t.Fatal(err)
				}
			}
			dst, check := guarded(t, s.Size())
			n, err := s.Sign(dst)
			check(row.Type.String())
			if err != nil || n != 40 || verifySignature(row, public, data, dst) != nil {
				t.Errorf("%v: %d bytes, %v, %v", row.Type, n, err, verifySignature(row, public, data, dst))
			}
			if _, err := s.Sign(dst); err != ck.CKR_OPERATION_NOT_INITIALIZED {
				t.Errorf("%v signs twice: %v", row.Type, err)
			}
			sigs[j] = dst
		}
		if bytes.Equal(sigs[0], sigs[1]) {
			t.Errorf("%v: two signatures are one", row.Type)
		}
		data[0] ^= 1
		if err := verifySignature(row, public, data, sigs[0]); err != ck.CKR_SIGNATURE_INVALID {
			t.Errorf("%v of other data: %v", row.Type, err)
		}
		if err := verifySignature(row, public, data, sigs[0][1:]); err != ck.CKR_SIGNATURE_LEN_RANGE {
			t.Errorf("%v, a short signature: %v", row.Type, err)
		}
		garbage := params(1) // is not looked at
		_, err1 := row.Sign(private, &garbage)
		_, err2 := row.Verify(public, &garbage)
		_, err3 := row.Sign(public, new(ck.Param))
		_, err4 := row.Verify(private, new(ck.Param))
		for j, want := range []error{nil, nil, ck.CKR_KEY_TYPE_INCONSISTENT, ck.CKR_KEY_TYPE_INCONSISTENT} {
			if err := []error{err1, err2, err3, err4}[j]; err != want {
				t.Errorf("%v, %d: %v", row.Type, j, err)
			}
		}
	}
}

// TestDSARefuses tries digests and keys that there are none of.
func TestDSARefuses(t *testing.T) {
	t.Parallel()
	pub, priv := dsaSample(t)
	row := Lookup(ck.CKM_DSA)
	for n, want := range map[int]error{0: ck.CKR_DATA_LEN_RANGE, 16: ck.CKR_DATA_LEN_RANGE, 20: nil, 64: nil, 65: ck.CKR_DATA_LEN_RANGE} {
		s, err := row.Sign(pairKey(ck.CKO_PRIVATE_KEY, ck.CKK_DSA, priv), new(ck.Param))
		if err == nil {
			err = s.Update(pattern(n))
		}
		if err == nil {
			_, err = s.Sign(make([]byte, s.Size()))
		}
		if err != want {
			t.Errorf("a digest of %d bytes: %v", n, err)
		}
	}
	p, q := new(big.Int).SetBytes(findAttr(pub, ck.CKA_PRIME)), new(big.Int).SetBytes(findAttr(pub, ck.CKA_SUBPRIME))
	for name, c := range map[string]struct {
		class ck.ObjectClass
		attrs []ck.Attribute
		want  error
	}{
		"outside of the subgroup": {ck.CKO_PUBLIC_KEY, replaced(pub, ck.CKA_VALUE, []byte{2}), ck.CKR_PUBLIC_KEY_INVALID},
		"public value 1":          {ck.CKO_PUBLIC_KEY, replaced(pub, ck.CKA_VALUE, []byte{1}), ck.CKR_PUBLIC_KEY_INVALID},
		"private value 0":         {ck.CKO_PRIVATE_KEY, replaced(priv, ck.CKA_VALUE, []byte{0}), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"private value q":         {ck.CKO_PRIVATE_KEY, replaced(priv, ck.CKA_VALUE, q.Bytes()), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"p - 1 for q":             {ck.CKO_PRIVATE_KEY, replaced(priv, ck.CKA_SUBPRIME, p.Sub(p, big.NewInt(1)).Bytes()), ck.CKR_DOMAIN_PARAMS_INVALID},
	} {
		k := pairKey(c.class, ck.CKK_DSA, c.attrs)
		var err error
		if c.class == ck.CKO_PUBLIC_KEY {
			_, err = row.Verify(k, new(ck.Param))
		} else {
			_, err = row.Sign(k, new(ck.Param))
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDSAGenerate makes a key pair, and asks for those that there are none of.
func TestDSAGenerate(t *testing.T) {
	t.Parallel()
	pub, _ := dsaSample(t)
	row := Lookup(ck.CKM_DSA_KEY_PAIR_GEN)
	domain := without(pub, ck.CKA_VALUE)
	for range 3 {
		made, priv, err := row.GeneratePair(rand.Reader, new(ck.Param), domain)
		if err != nil {
			t.Fatal(err)
		}
		a, err1 := Complete(ck.CKO_PUBLIC_KEY, ck.CKK_DSA, values(made, domain))
		b, err2 := Complete(ck.CKO_PRIVATE_KEY, ck.CKK_DSA, values(priv))
		if err := errors.Join(err1, err2); err != nil || !bytes.Equal(findAttr(a, ck.CKA_PUBLIC_KEY_INFO), findAttr(b, ck.CKA_PUBLIC_KEY_INFO)) {
			t.Errorf("the halves differ: %v", err)
		}
	}
	for name, c := range map[string]struct {
		template []ck.Attribute
		want     error
	}{
		"nothing":     {nil, ck.CKR_TEMPLATE_INCOMPLETE},
		"no base":     {without(domain, ck.CKA_BASE), ck.CKR_TEMPLATE_INCOMPLETE},
		"base 1":      {replaced(domain, ck.CKA_BASE, []byte{1}), ck.CKR_DOMAIN_PARAMS_INVALID},
		"another q":   {replaced(domain, ck.CKA_SUBPRIME, []byte{7}), ck.CKR_DOMAIN_PARAMS_INVALID},
		"short prime": {replaced(domain, ck.CKA_PRIME, []byte{23}), ck.CKR_DOMAIN_PARAMS_INVALID},
	} {
		if _, _, err := row.GeneratePair(rand.Reader, new(ck.Param), c.template); ck.Code(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := row.GeneratePair(bytes.NewReader(nil), new(ck.Param), domain); !errors.Is(err, ck.CKR_DEVICE_ERROR) {
		t.Errorf("without randomness: %v", err)
	}
	bad := params(1)
	if _, _, err := row.GeneratePair(rand.Reader, &bad, domain); err != nil {
		t.Errorf("looks at a parameter: %v", err)
	}
}

// TestDSAParameters makes domain parameters and asks for those that there are none of.
func TestDSAParameters(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("looks for primes; the vectors try the same functions")
	}
	sizes := func(n ...uint) (list []ck.Attribute) {
		for i, n := range n {
			list = append(list, ck.Attribute{Type: []ck.AttributeType{ck.CKA_PRIME_BITS, ck.CKA_SUBPRIME_BITS}[i], Value: ck.UlongValue(n)})
		}
		return list
	}
	with := func(h ck.MechanismType, seed []byte) *ck.Param { p := params(h, pointed(seed), 0); return &p }
	for _, m := range []ck.MechanismType{ck.CKM_DSA_PROBABILISTIC_PARAMETER_GEN, ck.CKM_DSA_SHAWE_TAYLOR_PARAMETER_GEN} {
		seed := make([]byte, 100)
		made, results, err := Lookup(m).GenerateDomain(rand.Reader, with(ck.CKM_SHA256, seed), sizes(1024))
		if err != nil || len(results) != 2 {
			t.Fatalf("%v: %v, %d results", m, err, len(results))
		}
		d := Derived{Results: results}
		d.Deliver()
		n, _ := ck.Ulong(results[1].From)
		if n < 20 || bytes.Equal(seed[:n], make([]byte, n)) || !bytes.Equal(findAttr(made, ck.CKA_SUBPRIME_BITS), ck.UlongValue(160)) {
			t.Errorf("%v: a seed of %d bytes", m, n)
		}
		base, _, err := Lookup(ck.CKM_DSA_FIPS_G_GEN).GenerateDomain(nil, with(ck.CKM_SHA256, seed[:n]), made)
		if _, err2 := Complete(ck.CKO_DOMAIN_PARAMETERS, ck.CKK_DSA, values(made, base)); errors.Join(err, err2) != nil {
			t.Errorf("%v: %v, %v", m, err, err2)
		}
		for name, c := range map[string]struct {
			p        *ck.Param
			template []ck.Attribute
			want     error
		}{
			"no size":       {with(ck.CKM_SHA256, nil), nil, ck.CKR_TEMPLATE_INCOMPLETE},
			"1025 bits":     {with(ck.CKM_SHA256, nil), sizes(1025), ck.CKR_KEY_SIZE_RANGE},
			"1024 and 256":  {with(ck.CKM_SHA256, nil), sizes(1024, 256), ck.CKR_KEY_SIZE_RANGE},
			"a weak hash":   {with(ck.CKM_SHA_1, nil), sizes(2048), ck.CKR_MECHANISM_PARAM_INVALID},
			"no hash":       {with(ck.CKM_AES_ECB, nil), sizes(2048), ck.CKR_MECHANISM_PARAM_INVALID},
			"a small room":  {with(ck.CKM_SHA256, seed[:19]), sizes(1024), ck.CKR_MECHANISM_PARAM_INVALID},
			"no parameter":  {new(ck.Param), sizes(1024), ck.CKR_MECHANISM_PARAM_INVALID},
			"half a number": {with(ck.CKM_SHA256, nil), []ck.Attribute{{Type: ck.CKA_PRIME_BITS, Value: []byte{1}}}, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		} {
			if _, _, err := Lookup(m).GenerateDomain(rand.Reader, c.p, c.template); !errors.Is(err, c.want) {
				t.Errorf("%v, %s: %v", m, name, err)
			}
		}
		if _, _, err := Lookup(m).GenerateDomain(bytes.NewReader(nil), with(ck.CKM_SHA256, nil), sizes(1024)); !errors.Is(err, ck.CKR_DEVICE_ERROR) {
			t.Errorf("%v without randomness: %v", m, err)
		}
	}
	made, _, err := Lookup(ck.CKM_DSA_PARAMETER_GEN).GenerateDomain(rand.Reader, new(ck.Param), sizes(1024, 160))
	if _, err2 := Complete(ck.CKO_DOMAIN_PARAMETERS, ck.CKK_DSA, values(made)); errors.Join(err, err2) != nil {
		t.Errorf("%v, %v", err, err2)
	}
	for name, c := range map[string]struct {
		p    *ck.Param
		t    []ck.Attribute
		want error
	}{
		"no subprime":      {with(ck.CKM_SHA256, pattern(20)), without(made, ck.CKA_SUBPRIME), ck.CKR_TEMPLATE_INCOMPLETE},
		"another subprime": {with(ck.CKM_SHA256, pattern(20)), replaced(made, ck.CKA_SUBPRIME, bytes.Repeat([]byte{0xfd}, 20)), ck.CKR_DOMAIN_PARAMS_INVALID},
		"a short subprime": {with(ck.CKM_SHA256, pattern(20)), replaced(made, ck.CKA_SUBPRIME, []byte{7}), ck.CKR_KEY_SIZE_RANGE},
		"no seed":          {with(ck.CKM_SHA256, nil), made, ck.CKR_MECHANISM_PARAM_INVALID},
	} {
		if _, _, err := Lookup(ck.CKM_DSA_FIPS_G_GEN).GenerateDomain(nil, c.p, c.t); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
