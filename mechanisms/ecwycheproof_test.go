package mechanisms

import (
	"bytes"
	"crypto/sha3"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/c2sp/wycheproof"
	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A curveGroup is a group of signatures with one key, or of agreements.
type curveGroup[C any] struct {
	PublicKey struct {
		Uncompressed vectors.Hex `json:"uncompressed"`
		PK           vectors.Hex `json:"pk"`
	} `json:"publicKey"`
	Sha   string `json:"sha"`
	Tests []C    `json:"tests"`
}

type signatureCase struct {
	ID     int         `json:"tcId"`
	Flags  []string    `json:"flags"`
	Msg    vectors.Hex `json:"msg"`
	Sig    vectors.Hex `json:"sig"`
	Result string      `json:"result"`
}

type agreementCase[K any] struct {
	ID      int         `json:"tcId"`
	Public  K           `json:"public"`
	Private K           `json:"private"`
	Shared  vectors.Hex `json:"shared"`
	Result  string      `json:"result"`
}

// A jwk is a key in the notation of RFC 7517.
type jwk struct{ Crv, X, Y, D string }

func groupsOf[C any](t *testing.T, name string) []curveGroup[C] {
	t.Helper()
	groups, err := vectors.Wycheproof(name, func(g *curveGroup[C]) int { return len(g.Tests) })
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// runSignatureRecords runs the vectors of curves.rec that tell r and s.
func runSignatureRecords(t *testing.T, seen tried) {
	records, err := vectors.Records(os.DirFS("testdata"), "curves.rec")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range records {
		r := &records[i]
		if !r.Has("RS") {
			continue
		}
		n++
		v := &vector{Record: r}
		m, _ := ck.ParseMechanismType(r.Fields["Mechanism"])
		seen[m]++
		k := curveNamed(t, r.Fields["Curve"]).public(v.bytes("Point"))
		if err := errors.Join(verifySignature(Lookup(m), k, v.bytes("Message"), v.bytes("RS")), v.err); err != nil {
			t.Errorf("%s: %v", r.At, err)
		}
	}
	if n == 0 {
		t.Error("no signatures in curves.rec")
	}
}

// runCurves runs all files about curves of the list. In short mode it runs one case of ECDSA and ECDH in
// twenty.
func runCurves(t *testing.T, seen tried) {
	runSignatureRecords(t, seen)
	runSignatureFiles(t, seen)
	for _, c := range []struct{ file, curve string }{
		{"ed25519_test.json", "Ed25519"}, {"ed448_test.json", "Ed448"},
	} {
		n := 0
		for _, g := range groupsOf[signatureCase](t, c.file) {
			k := curveNamed(t, c.curve).public(g.PublicKey.PK)
			for _, v := range g.Tests {
				n++
				seen[ck.CKM_EDDSA]++
				err := verifySignature(Lookup(ck.CKM_EDDSA), k, v.Msg, v.Sig)
				if (err == nil) != (v.Result == "valid") {
					t.Errorf("%s %d (%s): %v", c.file, v.ID, v.Result, err)
				}
			}
		}
		t.Logf("%s: %d cases", c.file, n)
	}
	runAgreementFiles(t, seen)
	runAgreements(t, seen, "x25519_test.json", "X25519", rawKey, rawKey)
	runAgreements(t, seen, "x448_test.json", "X448", rawKey, rawKey)
	runAgreements(t, seen, "x25519_asn_test.json", "X25519", infoKey, pkcs8Key)
	runAgreements(t, seen, "x448_asn_test.json", "X448", infoKey, pkcs8Key)
}

// notOurs are files of the names of ECDSA and ECDH that do not apply: what they ask for is no part of either.
var notOurs = map[string]string{
	"ecdsa_secp256k1_sha256_bitcoin_test.json": "Bitcoin takes one of the two signatures that are each other's negative, FIPS 186-5 both",
}

// fileCurve returns the curve that the name of a file says, nil where the list does not have it.
func fileCurve(name string) *curve {
	for _, c := range curves {
		for _, n := range append([]string{c.Name}, c.Also...) {
			if strings.Split(name, "_")[1] == n {
				return c
			}
		}
	}
	return nil
}

// runSignatureFiles runs ECDSA, with the mechanism that hashes and with the one that does not. Signatures in ASN.1 are
// decoded first: what is badly encoded never gets to a token.
func runSignatureFiles(t *testing.T, seen tried) {
	files, err := fs.Glob(wycheproof.TestVectors, "ecdsa_*_test.json")
	if err != nil {
		t.Fatal(err)
	}
	ran, cases, undecoded := 0, 0, 0
	for _, name := range files {
		c := fileCurve(name)
		if c == nil || notOurs[name] != "" {
			continue
		}
		ran++
		for _, g := range groupsOf[signatureCase](t, name) {
			m, digest := signatureHash(t, name, g.Sha)
			k := c.public(g.PublicKey.Uncompressed)
			for i := range g.Tests {
				if cases++; testing.Short() && cases%20 != 0 {
					continue
				}
				v := &g.Tests[i]
				sig, ok, raw := []byte(v.Sig), true, strings.Contains(name, "_p1363_")
				if !raw {
					sig, ok = decodeSignature(v.Sig, c.Size)
				}
				if !ok {
					undecoded++
				}
				if m != nil {
					seen[m.Type]++
					if err := signatureCaseError(m, k, v, ok, v.Msg, sig, c); err != nil {
						t.Errorf("%s %d: %v", name, v.ID, err)
					}
				}
				if m != nil && !raw { // one of the two forms is enough for the other mechanism
					continue
				}
				seen[ck.CKM_ECDSA]++
				if err := signatureCaseError(Lookup(ck.CKM_ECDSA), k, v, ok, digest(v.Msg), sig, c); err != nil {
					t.Errorf("%s %d, hashed outside: %v", name, v.ID, err)
				}
			}
		}
	}
	if ran < 40 {
		t.Errorf("%d files of ECDSA of %d", ran, len(files))
	}
	t.Logf("ECDSA: %d files, %d cases, of which the encoding of %d is none", ran, cases, undecoded)
}

// signatureHash finds the mechanism for the hash of a group, nil where PKCS #11 has none, and the hash.
func signatureHash(t *testing.T, file, name string) (*Mechanism, func([]byte) []byte) {
	switch name {
	case "SHAKE128":
		return nil, func(b []byte) []byte { return sha3.SumSHAKE128(b, 32) }
	case "SHAKE256":
		return nil, func(b []byte) []byte { return sha3.SumSHAKE256(b, 64) }
	}
	for _, h := range hashes {
		if h.Name != name {
			continue
		}
		for _, e := range ecdsaHashes {
			if e.digest == h.Digest {
				return Lookup(e.signs), func(b []byte) []byte { f := h.New(); f.Write(b); return f.Sum(nil) }
			}
		}
	}
	t.Fatalf("%s: no hash %s", file, name)
	return nil, nil
}

// decodeSignature makes the halves of an Ecdsa-Sig-Value.
func decodeSignature(sig []byte, size int) ([]byte, bool) {
	in := cryptobyte.String(sig)
	var body cryptobyte.String
	var r, s []byte
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() || !body.ReadASN1Integer(&r) || !body.ReadASN1Integer(&s) || !body.Empty() ||
		len(r) > size || len(s) > size {
		return nil, false
	}
	return slices.Concat(make([]byte, size-len(r)), r, make([]byte, size-len(s)), s), true
}

func signatureCaseError(m *Mechanism, k *Key, v *signatureCase, decoded bool, msg, sig []byte, c *curve) error {
	if !decoded {
		if v.Result == "valid" {
			return errors.New("a valid signature is badly encoded")
		}
		return nil
	}
	err := verifySignature(m, k, msg, sig)
	if v.Result == "invalid" && len(sig) < 2*c.Size && slices.Contains(v.Flags, "SignatureSize") {
		// PKCS #11 lets halves be shorter, where Wycheproof does not: the signature is what it is with its zeros.
		n := len(sig) / 2
		whole := slices.Concat(make([]byte, c.Size-n), sig[:n], make([]byte, c.Size-(len(sig)-n)), sig[n:])
		if full := verifySignature(m, k, msg, whole); err == nil && full != nil || err == ck.CKR_SIGNATURE_INVALID && full == nil {
			return fmt.Errorf("%v, and with its zeros %v", err, full)
		}
		return nil
	}
	if (err == nil) != (v.Result == "valid") {
		return fmt.Errorf("(%s, %v) %v", v.Result, v.Flags, err)
	}
	if err != nil && err != ck.CKR_SIGNATURE_INVALID && err != ck.CKR_SIGNATURE_LEN_RANGE && err != ck.CKR_PUBLIC_KEY_INVALID {
		return err
	}
	return nil
}

// verifySignature begins, feeds and ends a verification without a parameter.
func verifySignature(m *Mechanism, k *Key, msg, sig []byte) error {
	v, err := m.Verify(k, new(ck.Param))
	if err != nil {
		return err
	}
	if err := v.Update(msg); err != nil {
		return err
	}
	return v.Verify(sig)
}

// runAgreementFiles runs ECDH.
func runAgreementFiles(t *testing.T, seen tried) {
	files, err := fs.Glob(wycheproof.TestVectors, "ecdh_*_test.json")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, name := range files {
		c := fileCurve(name)
		if c == nil {
			continue
		}
		ran++
		switch {
		case strings.Contains(name, "_ecpoint_"):
			runAgreements(t, seen, name, c.Name, rawKey, rawKey)
		case strings.Contains(name, "_webcrypto_"):
			runAgreements(t, seen, name, c.Name, jwkPoint, jwkNumber)
		case strings.Contains(name, "_pem_"):
			ran-- // the files without it, in base64
		default:
			runAgreements(t, seen, name, c.Name, infoKey, rawKey)
		}
	}
	if ran < 12 {
		t.Errorf("%d files of ECDH of %d", ran, len(files))
	}
}

// runAgreements runs a file whose keys are read by the two functions. What "acceptable" cases do is not asked.
func runAgreements[K any](t *testing.T, seen tried, name, of string, public, private func(*curve, K) ([]byte, error)) {
	t.Helper()
	c := curveNamed(t, of)
	done := map[string]int{}
	for _, g := range groupsOf[agreementCase[K]](t, name) {
		for i, v := range g.Tests {
			if testing.Short() && i%20 != 0 {
				continue
			}
			done[v.Result]++
			z, err := agree(c, v.Public, v.Private, public, private, seen)
			switch {
			case v.Result == "invalid" && err == nil:
				t.Errorf("%s %d is invalid and gives %x", name, v.ID, z)
			case v.Result == "valid" && (err != nil || !bytes.Equal(z, v.Shared)):
				t.Errorf("%s %d gives %x, %v; want %x", name, v.ID, z, err, v.Shared)
			case v.Result == "acceptable" && err == nil && !bytes.Equal(z, v.Shared):
				t.Errorf("%s %d gives %x; want %x or an error", name, v.ID, z, v.Shared)
			}
		}
	}
	t.Logf("%s: %v", name, done)
}

// agree derives with each mechanism that goes with the curve, which have to agree.
func agree[K any](c *curve, pub, priv K, public, private func(*curve, K) ([]byte, error), seen tried) (z []byte, err error) {
	value, err := private(c, priv)
	if err != nil {
		return nil, err
	}
	point, err := public(c, pub)
	if err != nil {
		return nil, err
	}
	k := c.private(value)
	for _, m := range []ck.MechanismType{ck.CKM_ECDH1_DERIVE, ck.CKM_ECDH1_COFACTOR_DERIVE} {
		row := Lookup(m)
		if !slices.Contains(row.Keys, c.Type) {
			continue
		}
		seen[m]++
		var d Derived
		p := ecdhParams(ck.CKD_NULL, nil, point)
		if err := row.Derive(&Base{Key: k}, &p, &d); err != nil {
			return nil, err
		}
		if z != nil && !bytes.Equal(z, d.Value) {
			return nil, fmt.Errorf("%v gives %x and not %x", m, d.Value, z)
		}
		z = bytes.Clone(d.Value)
		d.Wipe()
	}
	return z, nil
}

func rawKey(_ *curve, k vectors.Hex) ([]byte, error) { return k, nil }

// infoKey takes the point from a SubjectPublicKeyInfo.
func infoKey(c *curve, k vectors.Hex) ([]byte, error) {
	in := cryptobyte.String(k)
	var body, algorithm cryptobyte.String
	var point []byte
	if !in.ReadASN1(&body, der.SEQUENCE) || !in.Empty() || !body.ReadASN1(&algorithm, der.SEQUENCE) ||
		!body.ReadASN1BitStringAsBytes(&point) || !body.Empty() {
		return nil, errNotKey
	}
	want := c.info(nil)
	var expected cryptobyte.Builder
	expected.AddASN1ObjectIdentifier(want.oid)
	expected.AddBytes(want.params)
	if bytes.Equal(algorithm, expected.BytesOrPanic()) {
		return point, nil
	}
	id := expected.BytesOrPanic()[:len(expected.BytesOrPanic())-len(want.params)]
	params, ok := bytes.CutPrefix(algorithm, id)
	if got, err := findCurve(params); !ok || err != nil || got != c {
		return nil, errNotKey
	}
	return point, nil
}

// pkcs8Key takes the value from a PrivateKeyInfo.
func pkcs8Key(c *curve, k vectors.Hex) ([]byte, error) {
	attrs, err := UnmarshalPrivate(c.Type, k)
	if err == nil {
		named, other := findCurve(find(attrs, ck.CKA_EC_PARAMS))
		if err = other; err == nil && named != c {
			err = errNotKey
		}
	}
	return find(attrs, ck.CKA_VALUE), err
}

func jwkPoint(c *curve, k jwk) ([]byte, error) {
	x, err1 := base64.RawURLEncoding.DecodeString(k.X)
	y, err2 := base64.RawURLEncoding.DecodeString(k.Y)
	if fileCurve("_"+k.Crv) != c && (k.Crv != "P-256K" || c.Name != "secp256k1") {
		return nil, errNotKey
	}
	return slices.Concat([]byte{4}, x, y), errors.Join(err1, err2)
}

func jwkNumber(_ *curve, k jwk) ([]byte, error) { return base64.RawURLEncoding.DecodeString(k.D) }
