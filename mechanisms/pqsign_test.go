package mechanisms

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// pqFamilies are the families that sign with a parameter set.
var pqFamilies = []*pqFamily{&mldsaFamily, &slhdsaFamily}

// preHashNamed finds a hash by the name that it has in the vectors and in the names of mechanisms.
func preHashNamed(name string) *preHash {
	for _, h := range preHashes {
		if "CKM_"+name == h.Digest.String() || h.MLDSA != 0 && strings.TrimPrefix(h.MLDSA.String(), "CKM_HASH_ML_DSA_") == name {
			return h
		}
	}
	return nil
}

// hashContext makes a CK_HASH_SIGN_ADDITIONAL_CONTEXT.
func hashContext(hedge uint, context []byte, h *preHash) ck.Param {
	return params(hedge, pointed(context), h.Digest)
}

// runNoble runs testdata/pq/noble.rec: signatures of messages as they are, of messages that the mechanism hashes, and of digests.
func runNoble(t *testing.T, seen *tried) {
	records, err := vectors.Records(os.DirFS("testdata/pq"), "noble.rec")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for i := range records {
		r := &records[i]
		for _, f := range pqFamilies {
			if slow := f == &slhdsaFamily && r.Has("Hash") && !strings.Contains(r.Fields["Set"], "SHA2_128F"); slow && testing.Short() {
				continue
			}
			if f.keys.keyType.String() == r.Fields["Algorithm"] {
				n++
				t.Run(r.At, func(t *testing.T) {
					t.Parallel()
					if err := f.nobleCase(&vector{Record: r}, seen); err != nil {
						t.Errorf("%s: %v", r.At, err)
					}
				})
			}
		}
	}
	t.Logf("noble.rec: %d of %d cases", n, len(records))
}

func (f *pqFamily) nobleCase(v *vector, seen *tried) error {
	var s *parameterSet
	for _, set := range f.keys.sets {
		if f.keys.setName(set) == v.Fields["Set"] {
			s = set
		}
	}
	if s == nil {
		return fmt.Errorf("no set %s", v.Fields["Set"])
	}
	public, private := s.expand(v.bytes("Seed"))
	pub, err1 := s.with(f.keys.keyType, ck.CKO_PUBLIC_KEY, ck.CKA_VALUE, public)
	priv, err2 := s.with(f.keys.keyType, ck.CKO_PRIVATE_KEY, ck.CKA_VALUE, private)
	if err := errors.Join(err1, err2, v.err); err != nil {
		return err
	}
	message, context := []byte("what is signed"), []byte("where")
	var signature []byte
	check := func(m ck.MechanismType, param func() ck.Param, data []byte) error {
		seen.add(m)
		p := param()
		sig, err := signedBy(Lookup(m), priv, &p, data)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(sig)
		p = param()
		signature = sig
		return errors.Join(same(m.String(), sum[:], v.bytes("Signature")), verifiedBy(Lookup(m), pub, &p, data, sig))
	}
	plain := func() ck.Param { return signContext(ck.CKH_DETERMINISTIC_REQUIRED, context) }
	name, hashed := v.Fields["Hash"]
	if !hashed {
		sum := sha256.Sum256(public)
		return errors.Join(same("public key", sum[:], v.bytes("Public")), check(f.pure, plain, message))
	}
	h := preHashNamed(name)
	if h == nil {
		return fmt.Errorf("no hash %s", name)
	}
	digest := h.newHash()
	digest.Write(message)
	err := check(f.hashed, func() ck.Param { return hashContext(ck.CKH_DETERMINISTIC_REQUIRED, context, h) }, digest.Sum(nil))
	m := f.mechanism(h)
	switch {
	case m == 0 || err != nil:
	case f == &slhdsaFamily && v.Fields["Set"] != "CKP_SLH_DSA_SHA2_128F": // which takes long
		p := plain()
		err = verifiedBy(Lookup(m), pub, &p, message, signature)
	default:
		err = check(m, plain, message)
	}
	return err
}

// setName is the name of a parameter set.
func (t *parameterType) setName(s *parameterSet) string {
	for _, kind := range []string{"ML_DSA", "ML_KEM", "SLH_DSA"} {
		if strings.HasSuffix(t.keyType.String(), kind) {
			name := strings.ReplaceAll(strings.ToUpper(s.Name), "-", "_")
			return "CKP_" + kind + "_" + name
		}
	}
	return ""
}

// TestPQSignatures is the battery: what is signed in any parts verifies in any others, and nothing else does.
func TestPQSignatures(t *testing.T) {
	t.Parallel()
	data := pattern(300)
	for _, f := range pqFamilies {
		s := f.keys.sets[0]
		if f.keys.keyType == ck.CKK_SLH_DSA {
			s = f.keys.sets[2] // which is fast
		}
		pub, priv := f.keys.generated(t, s)
		other, _ := f.keys.generated(t, s)
		for _, row := range f.rows() {
			if row.Sign == nil || testing.Short() && row.Type != f.pure && row.Type != f.hashed {
				continue
			}
			data, param := data, func(context string) *ck.Param { p := signContext(ck.CKH_HEDGE_REQUIRED, []byte(context)); return &p }
			if row.Type == f.hashed {
				data, param = data[:32], func(context string) *ck.Param {
					p := hashContext(ck.CKH_HEDGE_REQUIRED, []byte(context), preHashNamed("SHA3_256"))
					return &p
				}
			}
			first, err := signedInParts(&row, priv, param("a"), data, 7)
			if err != nil {
				t.Fatalf("%v: %v", row.Type, err)
			}
			again, err := signedBy(&row, priv, param("a"), data)
			if err != nil || bytes.Equal(first, again) || len(first) != s.Signature {
				t.Errorf("%v: hedged signatures are alike: %v, %d bytes", row.Type, err, len(first))
			}
			for _, c := range []struct {
				what string
				err  error
				want error
			}{
				{"it", verifiedBy(&row, pub, param("a"), data, first), nil},
				{"it again", verifiedBy(&row, pub, param("a"), data, again), nil},
				{"another context", verifiedBy(&row, pub, param("b"), data, first), ck.CKR_SIGNATURE_INVALID},
				{"no context", verifiedBy(&row, pub, param(""), data, first), ck.CKR_SIGNATURE_INVALID},
				{"another message", verifiedBy(&row, pub, param("a"), append([]byte{9}, data[1:]...), first), ck.CKR_SIGNATURE_INVALID},
				{"another key", verifiedBy(&row, other, param("a"), data, first), ck.CKR_SIGNATURE_INVALID},
				{"a short signature", verifiedBy(&row, pub, param("a"), data, first[1:]), ck.CKR_SIGNATURE_LEN_RANGE},
				{"no signature", verifiedBy(&row, pub, param("a"), data, nil), ck.CKR_SIGNATURE_LEN_RANGE},
				{"zeros", verifiedBy(&row, pub, param("a"), data, make([]byte, len(first))), ck.CKR_SIGNATURE_INVALID},
				{"the public key signing", signError(&row, pub, param("a")), ck.CKR_KEY_TYPE_INCONSISTENT},
				{"the private key verifying", verifiedBy(&row, priv, param("a"), data, first), ck.CKR_KEY_TYPE_INCONSISTENT},
				{"a long context", signError(&row, priv, param(strings.Repeat("x", 256))), ck.CKR_MECHANISM_PARAM_INVALID},
				{"the longest context", signError(&row, priv, param(strings.Repeat("x", 255))), nil},
			} {
				if !errors.Is(c.err, c.want) {
					t.Errorf("%v: %s: %v, want %v", row.Type, c.what, c.err, c.want)
				}
			}
		}
	}
}

func signError(m *Mechanism, k *Key, p *ck.Param) error {
	_, err := m.Sign(k, p)
	return err
}

// signedInParts signs in parts of n bytes.
func signedInParts(m *Mechanism, k *Key, p *ck.Param, data []byte, n int) ([]byte, error) {
	s, err := m.Sign(k, p)
	if err != nil {
		return nil, err
	}
	for ; len(data) > 0; data = data[min(n, len(data)):] {
		if err := s.Update(data[:min(n, len(data))]); err != nil {
			return nil, err
		}
	}
	sig := make([]byte, s.Size())
	if _, err := s.Sign(sig); err != nil {
		return nil, err
	}
	if _, err := s.Sign(sig); err != ck.CKR_OPERATION_NOT_INITIALIZED {
		return nil, fmt.Errorf("signs twice: %v", err)
	}
	return sig, nil
}

// TestSignContext reads parameters of every kind.
func TestSignContext(t *testing.T) {
	t.Parallel()
	sha := preHashNamed("SHA256")
	for _, f := range pqFamilies {
		_, priv := f.keys.generated(t, f.keys.sets[0])
		pure, hashing := Lookup(f.pure), Lookup(f.mechanism(sha))
		for _, c := range []struct {
			what string
			row  *Mechanism
			p    ck.Param
			want error
		}{
			{"none", pure, ck.Param{}, nil},
			{"none", hashing, ck.Param{}, nil},
			{"none", Lookup(f.hashed), ck.Param{}, ck.CKR_MECHANISM_PARAM_INVALID},
			{"an unknown hedge", pure, signContext(3, nil), ck.CKR_MECHANISM_PARAM_INVALID},
			{"cut short", pure, params(0, 0), ck.CKR_MECHANISM_PARAM_INVALID},
			{"a hash", pure, hashContext(0, nil, sha), ck.CKR_MECHANISM_PARAM_INVALID},
			{"a hash", hashing, hashContext(0, nil, sha), ck.CKR_MECHANISM_PARAM_INVALID},
			{"no hash", Lookup(f.hashed), signContext(0, nil), ck.CKR_MECHANISM_PARAM_INVALID},
			{"another hash", Lookup(f.hashed), params(0, 0, 0, ck.CKM_MD5), ck.CKR_MECHANISM_PARAM_INVALID},
			{"what is no hash", Lookup(f.hashed), params(0, 0, 0, ck.CKM_AES_CBC), ck.CKR_MECHANISM_PARAM_INVALID},
			{"NULL with a length", pure, params(0, 0, 5), ck.CKR_MECHANISM_PARAM_INVALID},
		} {
			if _, err := c.row.Sign(priv, &c.p); !errors.Is(err, c.want) {
				t.Errorf("%v: %s: %v, want %v", c.row.Type, c.what, err, c.want)
			}
		}
		for _, n := range []int{0, 31, 33} {
			p := hashContext(0, nil, sha)
			if _, err := signedBy(Lookup(f.hashed), priv, &p, make([]byte, n)); err != ck.CKR_DATA_LEN_RANGE {
				t.Errorf("%v of %d bytes: %v", f.hashed, n, err)
			}
		}
		for _, h := range preHashes {
			p := hashContext(0, nil, h)
			if _, err := Lookup(f.hashed).Sign(priv, &p); err != nil {
				t.Errorf("%v with %v: %v", f.hashed, h.Digest, err)
			}
		}
	}
}
