package slhdsa

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	circl "github.com/cloudflare/circl/sign/slhdsa"
)

// sets are all parameter sets.
var sets = []*Parameters{
	SHA2_128s, SHAKE_128s, SHA2_128f, SHAKE_128f, SHA2_192s, SHAKE_192s, SHA2_192f, SHAKE_192f, SHA2_256s, SHAKE_256s, SHA2_256f, SHAKE_256f,
}

// pattern is n bytes that differ.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(5*i + 1)
	}
	return b
}

// vectors are keys and deterministic signatures that @noble/post-quantum 0.7.1 made of a pattern: the SHA-256 of each. hashed is
// HashSLH-DSA with SHA-256.
var vectors = []struct {
	p                      *Parameters
	public, signed, hashed string
}{
	{SHA2_128f, "9849d41f69642bff3b7eae323f5624cd2b74be4e4fcd52c27a3b8fc9424aa9d6",
		"58fed8c1caf3d65a0803252274b0b23a3ba5c14f0312abe6e249024f00ae85f8", "8594be594d26c935f6e786f3ac53479b15cdc5396fb289ddc5c6e8de7e74f048"},
	{SHAKE_128f, "798e0cb0195c52c85e31f64b68b781b9f09b14ee9decce270d8b464ce663c377",
		"8560d9e024b5a6924d2d0869e3543eb92343f1ad256e507069bb5eefbe06da50", "8b35a0eea5d214abc42f5110b55ad7208651ea5f4618706447e4ab64e9f9f7f6"},
	{SHA2_192f, "19bb7c5267c66ce15567a6a4e73ea4a122e8753f1b74390b2f46c6b9861bfe60",
		"8040c996b300e50b0d95b9a420f432731e53211a79c1fb4686c2b7ef6f34ea05", "663bacd37123421d5edad65f9b32ea6b920250822373289772bcb6b87366f7ef"},
	{SHAKE_192f, "8061f3e272cadf2fd0e65a3a8d819e6279f418c2ec4b59d851ead2b80a9b1844",
		"d925d12b5481946da4ea59dd45bec7d1082f88bd8ff9d35ebadaff9f8bca7443", "2c8ae5cf754dde24188456e0b7300b4f749c046f5fd2792306fc58d7e4c39604"},
	{SHA2_256f, "9dc0ad861795680260c34fdc83503b1d7dbfca85588b29716c6075b128bbe2c0",
		"177b1709bce943d5cc52dcc58835c8226938bb64d9927e76a6c9850a47de3906", "82188f72347506d5057e476c9a28ceaf8be61363ce8f10e3d9ee3f182dd59d68"},
	{SHAKE_256f, "96467c8adc5d0b8066f126bfc84dd6a775e238b1713144695d7d83afe32b928e",
		"131dc73ab015dc198de5acd788f1f96c459ba7623d915478a3070f1b0613a8be", "e389488613965f37b219dd7bd571223ccdf5218363098ed9482ce1923e0de9d4"},
}

func TestVectors(t *testing.T) {
	message, context := []byte("what is signed"), []byte("where")
	digest := sha256.Sum256(message)
	oid := []byte{0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01}
	for _, v := range vectors {
		public, private := v.p.NewKeys(pattern(v.p.SeedSize()))
		check := func(what string, got []byte, want string) {
			if sum := sha256.Sum256(got); hex.EncodeToString(sum[:]) != want {
				t.Errorf("%s: the SHA-256 of the %s is %x, want %s", v.p.Name(), what, sum, want)
			}
		}
		check("public key", public, v.public)
		length := byte(len(context))
		check("signature", v.p.Sign(private, nil, []byte{0, length}, context, message), v.signed)
		check("signature of the digest", v.p.Sign(private, nil, []byte{1, length}, context, oid, digest[:]), v.hashed)
	}
}

// TestPublicKey alters each part of a private key that the public key is made of.
func TestPublicKey(t *testing.T) {
	p := SHA2_128f
	public, private := p.NewKeys(pattern(p.SeedSize()))
	if got, err := p.PublicKey(private); err != nil || !bytes.Equal(got, public) || len(public) != p.PublicKeySize() || len(private) != p.PrivateKeySize() {
		t.Errorf("PublicKey: %x, %v", got, err)
	}
	for _, at := range []int{0, 2 * p.n, 3 * p.n} {
		other := bytes.Clone(private)
		other[at] ^= 1
		if _, err := p.PublicKey(other); err == nil {
			t.Errorf("a private key with byte %d altered is taken", at)
		}
	}
}

// TestSLHDSA compares with circl, which has its own code, for every parameter set: the keys of a seed, and a signature. The sets
// of small signatures take long to sign.
func TestSLHDSA(t *testing.T) {
	message, context := []byte("what is signed"), []byte("where")
	for _, p := range sets {
		if testing.Short() && strings.HasSuffix(p.name, "s") {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			compare(t, p, message, context)
		})
	}
}

// compare compares with circl for a parameter set.
func compare(t *testing.T, p *Parameters, message, context []byte) {
	t.Helper()
	id, err := circl.IDByName("SLH-DSA-" + p.name)
	if err != nil {
		t.Fatal(err)
	}
	seed := pattern(3 * p.n)
	pub, priv, err := circl.GenerateKey(bytes.NewReader(seed), id)
	if err != nil {
		t.Fatal(err)
	}
	wantPublic, err1 := pub.MarshalBinary()
	wantPrivate, err2 := priv.MarshalBinary()
	public, private := p.NewKeys(seed)
	if err1 != nil || err2 != nil || !bytes.Equal(public, wantPublic) || !bytes.Equal(private, wantPrivate) {
		t.Errorf("other keys: %v, %v", err1, err2)
	}
	want, err := circl.SignDeterministic(&priv, circl.NewMessage(message), context)
	if err != nil {
		t.Fatal(err)
	}
	prefix := append([]byte{0, byte(len(context))}, context...)
	sig := p.Sign(private, nil, prefix, message)
	if !bytes.Equal(sig, want) || len(sig) != p.SignatureSize() {
		t.Errorf("another signature, of %d bytes", len(sig))
	}
	random := p.Sign(private, pattern(p.n), prefix, message)
	if bytes.Equal(random, sig) || !circl.Verify(&pub, circl.NewMessage(message), random, context) {
		t.Errorf("a signature with chance is wrong")
	}
	if !p.Verify(public, random, prefix, message) {
		t.Errorf("does not verify")
	}
	for _, at := range []int{0, p.n, p.n + p.forsSize()/2, p.n + p.forsSize(), p.n + p.forsSize() + p.layerSize() - 1, len(sig) - 1} {
		random[at] ^= 1
		if p.Verify(public, random, prefix, message) {
			t.Errorf("verifies with byte %d altered", at)
		}
		random[at] ^= 1
	}
}
