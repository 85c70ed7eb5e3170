package mechanisms

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestRSARecover takes the data out of signatures, and a DigestInfo out of one that hashes.
func TestRSARecover(t *testing.T) {
	t.Parallel()
	pub, priv := testRSA(t)
	size := len(pub.Attr(ck.CKA_MODULUS))
	sign := func(begin func(*Key, *ck.Param) (Signer, error), data []byte) []byte {
		t.Helper()
		p := params()
		s, err := begin(priv, &p)
		if err != nil {
			t.Fatal(err)
		}
		sig := make([]byte, s.Size())
		if err = s.Update(data); err == nil {
			_, err = s.Sign(sig)
		}
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	pkcs, raw := Lookup(ck.CKM_RSA_PKCS), Lookup(ck.CKM_RSA_X_509)
	for _, m := range []*Mechanism{pkcs, raw} {
		if f := m.Info().Flags; f&ck.CKF_SIGN_RECOVER == 0 || f&ck.CKF_VERIFY_RECOVER == 0 {
			t.Errorf("%v has the flags %#x", m.Type, f)
		}
		for _, n := range []int{0, 1, 20, size - pkcs1Overhead} {
			want := pattern(n)
			sig := sign(m.SignRecover, want)
			if m == raw {
				want = append(make([]byte, size-n), want...)
			}
			got, err := whole(m.VerifyRecover, pub, new(ck.Param), sig)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v: recovers %x, %v; want %x", m.Type, got, err, want)
			}
		}
	}
	sum := sha256.Sum256([]byte("message"))
	info, err := whole(pkcs.VerifyRecover, pub, new(ck.Param), sign(Lookup(ck.CKM_SHA256_RSA_PKCS).Sign, []byte("message")))
	if err != nil || len(info) != 19+32 || !bytes.Equal(info[19:], sum[:]) {
		t.Errorf("%x, %v", info, err)
	}
}

// TestRSARecoverRefuses recovers from what nobody signed so.
func TestRSARecoverRefuses(t *testing.T) {
	t.Parallel()
	pub, priv := testRSA(t)
	size := len(pub.Attr(ck.CKA_MODULUS))
	pkcs, raw := Lookup(ck.CKM_RSA_PKCS), Lookup(ck.CKM_RSA_X_509)
	block := func(front []byte, ff int, back ...byte) []byte {
		b := append(bytes.Clone(front), bytes.Repeat([]byte{0xff}, ff)...)
		b = append(b, back...)
		b = append(b, pattern(size-len(b))...)
		p := params()
		s, err := raw.Sign(priv, &p)
		if err != nil {
			t.Fatal(err)
		}
		sig := make([]byte, size)
		if err = s.Update(b); err == nil {
			_, err = s.Sign(sig)
		}
		if err != nil {
			t.Fatal(err)
		}
		return sig
	}
	for _, c := range []struct {
		name string
		m    *Mechanism
		sig  []byte
		want error
	}{
		{"the shortest padding", pkcs, block([]byte{0, 1}, 8, 0), nil},
		{"too short a padding", pkcs, block([]byte{0, 1}, 7, 0), ck.CKR_SIGNATURE_INVALID},
		{"block type 2", pkcs, block([]byte{0, 2}, 20, 0), ck.CKR_SIGNATURE_INVALID},
		{"no zero in front", pkcs, block([]byte{1}, 20, 0), ck.CKR_SIGNATURE_INVALID},
		{"another byte in the padding", pkcs, block([]byte{0, 1}, 20, 0xfe, 0), ck.CKR_SIGNATURE_INVALID},
		{"nothing but padding", pkcs, block([]byte{0, 1}, size-2), ck.CKR_SIGNATURE_INVALID},
		{"short", pkcs, make([]byte, size-1), ck.CKR_SIGNATURE_LEN_RANGE},
		{"long", pkcs, make([]byte, size+1), ck.CKR_SIGNATURE_LEN_RANGE},
		{"above the modulus", pkcs, bytes.Repeat([]byte{0xff}, size), ck.CKR_SIGNATURE_INVALID},
		{"above the modulus", raw, bytes.Repeat([]byte{0xff}, size), ck.CKR_SIGNATURE_INVALID},
		{"short", raw, nil, ck.CKR_SIGNATURE_LEN_RANGE},
	} {
		if _, err := whole(c.m.VerifyRecover, pub, new(ck.Param), c.sig); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%v, %s: %v, want %v", c.m.Type, c.name, err, c.want)
		}
	}
	garbage := params(1)
	if _, err := pkcs.VerifyRecover(pub, &garbage); err != nil {
		t.Errorf("a parameter is looked at: %v", err)
	}
}
