package mechanisms

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/cloudflare/circl/sign/slhdsa"

	"github.com/softcsp/softcsp/ck"
)

// TestSLHDSA compares with circl, which has its own code, for every parameter set: the keys of a seed, and a signature. The sets
// of small signatures take long to sign.
func TestSLHDSA(t *testing.T) {
	message, context := []byte("what is signed"), []byte("where")
	for _, p := range slhSets {
		if testing.Short() && strings.HasSuffix(p.name, "s") {
			continue
		}
		id, err := slhdsa.IDByName("SLH-DSA-" + p.name)
		if err != nil {
			t.Fatal(err)
		}
		seed := pattern(3 * p.n)
		pub, priv, err := slhdsa.GenerateKey(bytes.NewReader(seed), id)
		if err != nil {
			t.Fatal(err)
		}
		wantPublic, err1 := pub.MarshalBinary()
		wantPrivate, err2 := priv.MarshalBinary()
		public, private := p.expand(seed)
		if err1 != nil || err2 != nil || !bytes.Equal(public, wantPublic) || !bytes.Equal(private, wantPrivate) {
			t.Errorf("%s: other keys: %v, %v", p.name, err1, err2)
		}
		want, err := slhdsa.SignDeterministic(&priv, slhdsa.NewMessage(message), context)
		if err != nil {
			t.Fatal(err)
		}
		prefix := (&pqMessage{context: context}).prefix()
		sig := p.sign(private, private[2*p.n:3*p.n], prefix, message)
		if !bytes.Equal(sig, want) || len(sig) != p.signatureSize() {
			t.Errorf("%s: another signature, of %d bytes", p.name, len(sig))
		}
		random := p.sign(private, pattern(p.n), prefix, message)
		if bytes.Equal(random, sig) || !slhdsa.Verify(&pub, slhdsa.NewMessage(message), random, context) {
			t.Errorf("%s: a signature with chance is wrong", p.name)
		}
		if !p.verify(public, random, prefix, message) {
			t.Errorf("%s: does not verify", p.name)
		}
		for _, at := range []int{0, p.n, p.n + p.forsSize()/2, p.n + p.forsSize(), p.n + p.forsSize() + p.layerSize() - 1, len(sig) - 1} {
			random[at] ^= 1
			if p.verify(public, random, prefix, message) {
				t.Errorf("%s: verifies with byte %d altered", p.name, at)
			}
			random[at] ^= 1
		}
	}
}

// TestSLHDSAExample reads the keys of RFC 9909, appendix C.
func TestSLHDSAExample(t *testing.T) {
	decode := func(s string) []byte {
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	private := decode("MFICAQAwCwYJYIZIAWUDBAMUBECiJjvKRYYINlIxYASVI9YhZ3+tkNUetgZ6Mn4NHmSlASuBCex3fKpOHwJMz8+Ul9mRgFCSgPQlavKwevgCibSU")
	public := decode("MDAwCwYJYIZIAWUDBAMUAyEAK4EJ7Hd8qk4fAkzPz5SX2ZGAUJKA9CVq8rB6+AKJtJQ=")
	attrs, err := UnmarshalPrivate(ck.CKK_SLH_DSA, private)
	if err != nil {
		t.Fatal(err)
	}
	k, err := imported(ck.CKO_PRIVATE_KEY, ck.CKK_SLH_DSA, attrs...)
	if err != nil {
		t.Fatal(err)
	}
	if info := k.Attr(ck.CKA_PUBLIC_KEY_INFO); !bytes.Equal(info, public) {
		t.Errorf("public key %x", info)
	}
	if der, err := MarshalPrivate(k); err != nil || !bytes.Equal(der, private) {
		t.Errorf("written as %x, %v", der, err)
	}
}
