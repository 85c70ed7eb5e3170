package mldsa

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

// vectors are keys and deterministic signatures that @noble/post-quantum 0.7.1 made of seed, message and context: the SHA-256 of
// each. hashed is HashML-DSA with SHA-256.
var vectors = []struct {
	name                   string
	p                      *Parameters
	public, signed, hashed string
}{
	{"ML-DSA-44", MLDSA44, "120934146ab0e8147989b6656a7a9aec07c6a161d5d24891ae6dbfb7745f793b",
		"9d5adcf98eb6756bd390ff47c39562a5b25a976df83b8461720b836d643ef698", "b1966be7008228d95ef578568640e87695095078e6a730ecfcadc80f66eced92"},
	{"ML-DSA-65", MLDSA65, "6a40d46476fd951604acc5b8ecd35e387b73dd0340879605e932692417563292",
		"2428da37fe1685b744a275492817c2c31d29f309da8893872c218da118445824", "8907e80f943d24141b277f9d7f1b02ed864d092fcf581b18916c4e994087069f"},
	{"ML-DSA-87", MLDSA87, "a8faf02a7edd17187e59843cb77da451a3bd5def6022059bcb2e1ded126e611a",
		"47ec5ed4dd0573777585fe402a41eb746ba0c628799a5bad2519e48fad844f17", "43bae73a6f2c1538abc94df0264e80cff28f21b36237c524998cadc1a078df66"},
}

var (
	message = []byte("what is signed")
	context = []byte("where")

	// prefix and hashPrefix are what M' begins with: algorithms 2 and 4.
	prefix     = append([]byte{0, byte(len(context))}, context...)
	hashPrefix = append(append([]byte{1, byte(len(context))}, context...), 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01)
)

func seed() []byte {
	b := make([]byte, SeedSize)
	for i := range b {
		b[i] = byte(3*i + 1)
	}
	return b
}

func check(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if sum := sha256.Sum256(got); hex.EncodeToString(sum[:]) != want {
		t.Errorf("the SHA-256 of the %s is %x, want %s", what, sum, want)
	}
}

// TestVectors runs both engines.
func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			public, private := v.p.NewKeys(seed())
			check(t, "public key", public, v.public)
			k, err := v.p.NewPrivateKey(private)
			if err != nil {
				t.Fatal(err)
			}
			if again, err := k.PublicKey(); err != nil || !bytes.Equal(again, public) {
				t.Errorf("the public key of the private one is another: %v", err)
			}
			sign, err := v.p.NewSigner(private)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := sign(message, context, false)
			if err != nil {
				t.Fatal(err)
			}
			check(t, "signature", sig, v.signed)
			check(t, "signature of mu", k.SignMu(k.Mu(prefix, message), new([32]byte)), v.signed)
			digest := sha256.Sum256(message)
			check(t, "signature of the digest", k.SignMu(k.Mu(hashPrefix, digest[:]), new([32]byte)), v.hashed)
		})
	}
}

// TestVerify has each engine verify what the other has signed, hedged, and refuse it altered.
func TestVerify(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			public, private := v.p.NewKeys(seed())
			k, err1 := v.p.NewPrivateKey(private)
			sign, err2 := v.p.NewSigner(private)
			verify, err3 := v.p.NewVerifier(public)
			if err1 != nil || err2 != nil || err3 != nil {
				t.Fatal(err1, err2, err3)
			}
			sig, err := sign(message, context, true)
			if err != nil {
				t.Fatal(err)
			}
			pub := v.p.NewPublicKey(public)
			mu := pub.Mu(prefix, message)
			for _, s := range [][]byte{sig, k.SignMu(mu, &[32]byte{1})} {
				if len(s) != v.p.SignatureSize() || !verify(message, context, s) || !pub.VerifyMu(mu, s) {
					t.Fatalf("a signature of %d bytes does not verify", len(s))
				}
				for _, at := range []int{0, len(s) / 2, len(s) - 1} {
					s[at] ^= 1
					if verify(message, context, s) || pub.VerifyMu(mu, s) {
						t.Errorf("verifies with byte %d altered", at)
					}
					s[at] ^= 1
				}
			}
		})
	}
}

// TestInvalidPrivateKey alters each part of a private key, of which the public key is made.
func TestInvalidPrivateKey(t *testing.T) {
	for _, v := range vectors {
		_, private := v.p.NewKeys(seed())
		for _, at := range []int{0, 64, 128, len(private) - 1} {
			other := bytes.Clone(private)
			other[at] ^= 1
			k, err := v.p.NewPrivateKey(other)
			if err == nil {
				_, err = k.PublicKey()
			}
			if err == nil {
				t.Errorf("%s: a private key with byte %d altered is taken", v.name, at)
			}
		}
		if _, err := v.p.NewPrivateKey(private[1:]); err == nil {
			t.Errorf("%s: a short private key is taken", v.name)
		}
	}
}

// BenchmarkEngines holds the engines against each other: the package comment says why there are two.
func BenchmarkEngines(b *testing.B) {
	for _, v := range vectors {
		public, private := v.p.NewKeys(seed())
		k, err1 := v.p.NewPrivateKey(private)
		sign, err2 := v.p.NewSigner(private)
		verify, err3 := v.p.NewVerifier(public)
		if err1 != nil || err2 != nil || err3 != nil {
			b.Fatal(err1, err2, err3)
		}
		pub := v.p.NewPublicKey(public)
		sig, err := sign(message, context, false)
		if err != nil {
			b.Fatal(err)
		}
		var rnd [32]byte
		for _, c := range []struct {
			name string
			f    func()
		}{
			{"Keys", func() { v.p.NewKeys(seed()) }},
			{"Sign/message", func() { _, _ = sign(message, context, true) }},
			{"Sign/mu", func() {
				rnd[0]++ // a deterministic signature would take as many tries each time
				k.SignMu(k.Mu(prefix, message), &rnd)
			}},
			{"Verify/message", func() { verify(message, context, sig) }},
			{"Verify/mu", func() { pub.VerifyMu(pub.Mu(prefix, message), sig) }},
		} {
			b.Run(v.name+"/"+c.name, func(b *testing.B) {
				for b.Loop() {
					c.f()
				}
			})
		}
	}
}
