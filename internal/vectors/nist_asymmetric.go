package vectors

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"path"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// nistCurves are NIST's names of the curves over prime fields. Those over binary fields are not in curveTable: CKR_CURVE_NOT_SUPPORTED
// is the answer to their names.
var nistCurves = map[string]string{
	"P-192": "secp192r1", "P-224": "secp224r1", "P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1", "K-256": "secp256k1",
}

const binaryCurve = "curves over binary fields"

// curve finds the curve of a stanza, nil for one over a binary field.
func (r *nistReader) curve(name string) *namedCurve {
	name = strings.TrimSpace(name)
	if strings.HasPrefix(name, "B-") || strings.HasPrefix(name, "K-") && name != "K-256" {
		return nil
	}
	c, err := curveNamed(nistCurves[name])
	r.keep(err)
	return c
}

// fill is a number in a field of n bytes; one that is longer stays so.
func fill(b []byte, n int) []byte {
	if b = unsigned(b); len(b) > n {
		return b
	}
	return append(make([]byte, n-len(b)), b...)
}

func (c *namedCurve) point(x, y []byte) []byte {
	return slices.Concat([]byte{4}, fill(x, c.size), fill(y, c.size))
}

// curveAndHash splits "P-192,SHA-1".
func (r *nistReader) curveAndHash() (c *namedCurve, h *hashNames) {
	name, hash, ok := strings.Cut(r.fields["section"], ",")
	if !ok {
		hash = "SHA-1" // FIPS 186-2
	}
	h, err := hashNamed(strings.TrimSpace(hash))
	r.keep(err)
	return r.curve(name), h
}

// passed reads a Result.
func (r *nistReader) passed() bool { return strings.HasPrefix(r.fields["Result"], "P") }

// nistECDSA verifies, with the mechanism that hashes and with the one that takes a digest.
func nistECDSA(s *Suite, r *nistReader) {
	c, h := r.curveAndHash()
	if c == nil {
		s.omit(binaryCurve)
		return
	}
	v := Case{At: r.at, Does: Verify, Mechanism: h.ecdsa, Public: c.public(c.point(r.bytes("Qx"), r.bytes("Qy"))), In: r.bytes("Msg"),
		Out: slices.Concat(fill(r.bytes("R"), c.size), fill(r.bytes("S"), c.size))}
	if r.has("Result") && !r.passed() {
		v.Refused = append(append([]ck.RV{}, BadSignature...), badKeyCodes...)
	}
	s.add(v)
	v.Mechanism, v.In = ck.CKM_ECDSA, h.of(v.In)
	s.add(v)
}

// nistCurveKey imports a public key, and the private one where it is there.
func nistCurveKey(s *Suite, r *nistReader) {
	c := r.curve(r.fields["curve"])
	if c == nil {
		s.omit(binaryCurve)
		return
	}
	x, y := r.bytes("Qx"), r.bytes("Qy")
	if len(unsigned(x)) > c.size || len(unsigned(y)) > c.size {
		s.omit("a number that is longer than the encoding of a point has room for")
		return
	}
	v := Case{At: r.at, Does: Import, Public: c.public(c.point(x, y))}
	if r.has("d") {
		v.Key = c.private(r.bytes("d"))
	} else if !r.passed() {
		v.Refused = badKeyCodes
	}
	s.add(v)
}

func nistPoint(s *Suite, r *nistReader) {
	c, err := curveNamed(strings.ToLower(r.fields["CURVE"]))
	if r.keep(err); err == nil {
		s.add(Case{At: r.at, Does: Import, Public: c.public(r.bytes("POINT"))})
	}
}

// eccSets are the curves of the parameter sets of SP 800-56A.
var eccSets = map[string]string{"EA": "P-192", "EB": "P-224", "EC": "P-256", "ED": "P-384", "EE": "P-521"}

const ownAssurance = "what fails is what one party has to see of its own key, or that the other got something else"

// nistECC agrees with static keys.
func nistECC(s *Suite, r *nistReader) {
	set, _, _ := strings.Cut(r.fields["section"], " ")
	c := r.curve(eccSets[set])
	result := r.fields["Result"]
	if !r.passed() && !strings.Contains(result, "CAVS's") {
		s.omit(ownAssurance)
		return
	}
	d := Case{At: r.at, Does: Derive, Mechanism: ck.CKM_ECDH1_DERIVE, Key: c.private(r.bytes("dsIUT")), Out: fill(r.bytes("Z"), c.coordinate()),
		Param: ECDHParam(c.point(r.bytes("QsCAVSx"), r.bytes("QsCAVSy"))), Template: []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}}}
	if !r.passed() {
		d.Refused = badKeyCodes
	}
	s.add(d)
}

// concatKDFs are the functions of SP 800-56A, section 5.8.1, by their hash.
var concatKDFs = map[string]uint{
	"SHA224": ck.CKD_SHA224_KDF_SP800, "SHA256": ck.CKD_SHA256_KDF_SP800, "SHA384": ck.CKD_SHA384_KDF_SP800, "SHA512": ck.CKD_SHA512_KDF_SP800,
}

// nistConcat agrees with static keys and derives a key. What is changed in the tag or its data comes after that.
func nistConcat(s *Suite, r *nistReader) {
	set, hash, _ := strings.Cut(r.fields["section"], " - ")
	c, kdf := r.curve(eccSets[set]), concatKDFs[hash]
	bad := strings.Contains(r.fields["Result"], "CAVS's")
	if kdf == 0 {
		r.keep(fmt.Errorf("no hash %q", hash))
		return
	}
	if !r.passed() && !bad && !strings.Contains(r.fields["Result"], "MACData changed") && !strings.Contains(r.fields["Result"], "Tag changed") {
		s.omit(ownAssurance)
		return
	}
	d := Case{At: r.at, Does: Derive, Mechanism: ck.CKM_ECDH1_DERIVE, Key: c.private(r.bytes("dsIUT")), Out: r.bytes("DKM"),
		Param:    []any{kdf, Counted(r.bytes("OI")), Counted(c.point(r.bytes("QsCAVSx"), r.bytes("QsCAVSy")))},
		Template: sized(ck.CKK_GENERIC_SECRET, len(r.bytes("DKM")))}
	if bad {
		d.Refused = badKeyCodes
	}
	s.add(d)
}

// decimal reads a number.
func (r *nistReader) decimal(name string) []byte {
	n, ok := new(big.Int).SetString(r.fields[name], 10)
	if !ok {
		r.keep(fmt.Errorf("no number %q", r.fields[name]))
		return nil
	}
	return n.Bytes()
}

// shortGroup is the length in bytes of the shortest primes that Diffie-Hellman is done with: with less it is refused.
const shortGroup = 64

// dhCase derives with numbers in decimal.
func (r *nistReader) dhCase(p, g, x, y string, out []byte) Case {
	prime := r.decimal(p)
	c := Case{At: r.at, Does: Derive, Mechanism: ck.CKM_DH_PKCS_DERIVE, Param: []any{r.decimal(y)}, Out: fill(out, len(prime)),
		Key: &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_DH, Attributes: []ck.Attribute{
			{Type: ck.CKA_PRIME, Value: prime}, {Type: ck.CKA_BASE, Value: r.decimal(g)}, {Type: ck.CKA_VALUE, Value: r.decimal(x)}}},
		Template: []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}}}
	if len(prime) < shortGroup {
		c.Refused = []ck.RV{ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKR_KEY_SIZE_RANGE}
	}
	return c
}

func nistDH(s *Suite, r *nistReader) { s.add(r.dhCase("P", "G", "X", "Y", r.bytes("K"))) }

// nistBadDH has public values of another group: one that is too large has to be refused, and of one that is not nobody can
// know.
func nistBadDH(s *Suite, r *nistReader) {
	if new(big.Int).SetBytes(r.decimal("Y2")).Cmp(new(big.Int).SetBytes(r.decimal("P1"))) < 0 {
		s.omit("a public value of another group, which C_DeriveKey cannot know")
		return
	}
	c := r.dhCase("P1", "G", "X1", "Y2", nil)
	c.Refused = append(c.Refused, badKeyCodes...)
	s.add(c)
}

// coordinate is the length of a coordinate: that of the order, but of the curves whose order is longer than the field.
func (c *namedCurve) coordinate() int {
	if strings.HasPrefix(c.name, "secp160") || c.name == "secp224k1" {
		return c.size - 1
	}
	return c.size
}

func nistBrainpool(s *Suite, r *nistReader) {
	c, err := curveNamed(r.fields["curve"])
	if r.keep(err); err != nil {
		return
	}
	for _, side := range []struct{ own, x, y string }{{"dA", "x_qB", "y_qB"}, {"dB", "x_qA", "y_qA"}} {
		s.add(Case{At: r.at, Does: Derive, Mechanism: ck.CKM_ECDH1_DERIVE, Key: c.private(r.bytes(side.own)), Out: fill(r.bytes("x_Z"), c.size),
			Param: ECDHParam(c.point(r.bytes(side.x), r.bytes(side.y))), Template: []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}}})
	}
}

func nistXDH(s *Suite, r *nistReader) {
	c, err := curveNamed(strings.ToLower(path.Base(path.Dir(s.Name))))
	if r.keep(err); err != nil {
		return
	}
	s.add(Case{At: r.at, Does: Derive, Mechanism: ck.CKM_ECDH1_DERIVE, Key: c.private(r.bytes("INPUT_SCALAR")), Param: ECDHParam(r.bytes("INPUT_U")), Out: r.bytes("OUTPUT_U"),
		Template: []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}}})
}

func nistEd448(s *Suite, r *nistReader) {
	c, err := curveNamed("ed448")
	r.keep(err)
	v := Case{At: r.at, Does: Sign | Verify, Mechanism: ck.CKM_EDDSA, Key: c.private(r.bytes("SECRET")), Public: c.public(r.bytes("PUBLIC")), In: r.bytes("MESSAGE"), Out: r.bytes("SIGNATURE")}
	if r.has("CONTEXT") {
		v.Param = []any{make([]byte, 8), len(r.bytes("CONTEXT")), Alone(r.bytes("CONTEXT"))}
	}
	s.add(v)
}

// ed25519Input reads the form of the first implementation: private and public key, public key, message, signature and message.
func ed25519Input(s *Suite, in io.Reader) error {
	c, err := curveNamed("ed25519")
	if err != nil {
		return err
	}
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, 1<<20)
	for n := 1; scan.Scan(); n++ {
		parts := strings.Split(scan.Text(), ":")
		if len(parts) < 4 {
			return fmt.Errorf("%s:%d: %d parts", s.Name, n, len(parts))
		}
		key, err1 := hex.DecodeString(parts[0])
		msg, err2 := hex.DecodeString(parts[2])
		sig, err3 := hex.DecodeString(parts[3])
		if err := errors.Join(err1, err2, err3); err != nil || len(key) != 64 || len(sig) < 64 {
			return fmt.Errorf("%s:%d: a key of %d bytes, %w", s.Name, n, len(key), err)
		}
		s.Total++
		s.add(Case{At: fmt.Sprintf("%s:%d", s.Name, n), Does: Sign | Verify, Mechanism: ck.CKM_EDDSA, Key: c.private(key[:32]), Public: c.public(key[32:]), In: msg, Out: sig[:64]})
	}
	return scan.Err()
}

// domain are the parameters of a group.
func (r *nistReader) domain(t ck.KeyType) []ck.Attribute {
	attrs := []ck.Attribute{{Type: ck.CKA_PRIME, Value: unsigned(r.bytes("P"))}, {Type: ck.CKA_BASE, Value: unsigned(r.bytes("G"))}}
	if t != ck.CKK_DH {
		attrs = append(attrs, ck.Attribute{Type: ck.CKA_SUBPRIME, Value: unsigned(r.bytes("Q"))})
	}
	return attrs
}

func (r *nistReader) group(class ck.ObjectClass, t ck.KeyType, value []byte) *Key {
	return &Key{Class: class, Type: t, Attributes: append(r.domain(t), ck.Attribute{Type: ck.CKA_VALUE, Value: unsigned(value)})}
}

func nistDSAKey(s *Suite, r *nistReader) {
	s.add(Case{At: r.at, Does: Import, Key: r.group(ck.CKO_PRIVATE_KEY, ck.CKK_DSA, r.bytes("X")), Public: r.group(ck.CKO_PUBLIC_KEY, ck.CKK_DSA, r.bytes("Y"))})
}

// nistDSA verifies, with the mechanism that hashes and with the one that takes a digest.
func nistDSA(s *Suite, r *nistReader) {
	h, _ := hashNamed("SHA-1")
	if i := strings.Index(r.fields["header"], "SHA-"); i >= 0 {
		var err error
		h, err = hashNamed(strings.TrimSpace(r.fields["header"][i:]))
		r.keep(err)
	}
	n := len(unsigned(r.bytes("Q")))
	if r.err != nil || n == 0 {
		return
	}
	v := Case{At: r.at, Does: Verify, Mechanism: h.dsa, Public: r.group(ck.CKO_PUBLIC_KEY, ck.CKK_DSA, r.bytes("Y")), In: r.bytes("Msg"),
		Out: slices.Concat(fill(r.bytes("R"), n), fill(r.bytes("S"), n))}
	if r.has("Result") && !r.passed() {
		v.Refused = append(append([]ck.RV{}, BadSignature...), badKeyCodes...)
	}
	s.add(v)
	v.Mechanism, v.In = ck.CKM_DSA, h.of(v.In)
	s.add(v)
}

// nistGroup imports a group, with its generator as the public value.
func nistGroup(s *Suite, r *nistReader) {
	s.add(Case{At: r.at, Does: Import, Public: r.group(ck.CKO_PUBLIC_KEY, ck.CKK_DH, r.bytes("G"))})
}

// exchange derives with X9.42.
func (r *nistReader) exchange(own, other, z string) Case {
	return Case{At: r.at, Does: Derive, Mechanism: ck.CKM_X9_42_DH_DERIVE, Key: r.group(ck.CKO_PRIVATE_KEY, ck.CKK_X9_42_DH, r.bytes(own)),
		Out: fill(r.bytes(z), len(unsigned(r.bytes("P")))), Param: []any{ck.CKD_NULL, Counted(nil), Counted(r.bytes(other))},
		Template: []ck.Attribute{{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}}}
}

// nistDHStatic derives with both keys of RFC 5114.
func nistDHStatic(s *Suite, r *nistReader) {
	if !r.has("Z") || !r.has("XstatIUT") {
		s.add(Case{At: r.at, Does: Import, Key: r.group(ck.CKO_PRIVATE_KEY, ck.CKK_X9_42_DH, r.bytes("XstatCAVS")), Public: r.group(ck.CKO_PUBLIC_KEY, ck.CKK_X9_42_DH, r.bytes("YstatCAVS"))})
		return
	}
	s.add(r.exchange("XstatIUT", "YstatCAVS", "Z"))
	s.add(r.exchange("XstatCAVS", "YstatIUT", "Z"))
}

// nistFFC agrees with static keys.
func nistFFC(s *Suite, r *nistReader) {
	if !r.passed() && !strings.Contains(r.fields["Result"], "CAVS's") {
		s.omit(ownAssurance)
		return
	}
	c := r.exchange("XstatIUT", "YstatCAVS", "Z")
	if !r.passed() {
		c.Refused = badKeyCodes
	}
	s.add(c)
}
