package primes

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestPairs are the primes of 1024 and 160 bits with SHA-256 of NIST's vectors for FIPS 186-4: probable ones, and those of Shawe and Taylor,
// whose seed goes on.
func TestPairs(t *testing.T) {
	for _, c := range []struct {
		name                  string
		maker                 func(newHash func() hash.Hash, seed []byte, L, N int) (*Pair, error)
		p, q, seed, seedAfter string
	}{
		{"Probable", Probable,
			"d71028d4c07c92334713d97e2634e06dd076ff08c40518297b42b4f9c992ab59010133bd2cba3ebf520f8962f4fa87d60e091b905f160f99aa79d2b71dbaacc6bc838e39e187d5bcd298639a0425414eb1a0b71e2c74c663885f4822658eda5aad7a559a0a6b0b13fa1b7e93d58a5462c619e2be687d7b84397bdbdd4a768df1",
			"bfadef9eee13c15f6d2eae7d1a8f894879370879", "aab093c83eef8483ae28014e5388aa749e453839", ""},
		{"Provable", Provable,
			"ae9df2fb373ed9325dfc0064de811e33f9c65b0aad857421bd8118c806c0d9635565f33a564a6dc2d8a840fef6dae9e50742901b1f99854af1ccb79576ae1cd4f4f6d2d3fca72584cc4c1df4c567e2b896730ad7cb573eb2706cfd6d6834b01de01aad1fff37aaffcabc2468fd77e6b747b1c7575d831418400ca47ff32c9989",
			"f791fef78bd8375ca7278a43b73c869b0d943fd7", "f8e08eac2c208eeefd85a37c49dee94c545347e7", "f8e08eac2c208eeefd85a37c49dee94c54535bfdf8e08eac2c208eeefd85a37c49dee94c545348d4"},
	} {
		r, err := c.maker(sha256.New, cryptotest.Unhex(t, c.seed), 1024, 160)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !bytes.Equal(r.P.Bytes(), cryptotest.Unhex(t, c.p)) || !bytes.Equal(r.Q.Bytes(), cryptotest.Unhex(t, c.q)) || !bytes.Equal(r.Seed, cryptotest.Unhex(t, c.seed+c.seedAfter)) {
			t.Errorf("%s: %x, %x, %x", c.name, r.P, r.Q, r.Seed)
		}
		if _, err := c.maker(sha256.New, make([]byte, 20), 1024, 160); c.name == "Provable" && !errors.Is(err, ErrSeed) {
			t.Errorf("%s of zeros: %v", c.name, err)
		}
		g := AnyGenerator(r.P, r.Q)
		if g.Cmp(big.NewInt(1)) == 0 || new(big.Int).Exp(g, r.Q, r.P).Cmp(big.NewInt(1)) != 0 {
			t.Errorf("%s: %x does not generate the subgroup", c.name, g)
		}
	}
}

// TestVerifiableGenerator is one of NIST's vectors for FIPS 186-4.
func TestVerifiableGenerator(t *testing.T) {
	number := func(s string) *big.Int { return new(big.Int).SetBytes(cryptotest.Unhex(t, s)) }
	g := VerifiableGenerator(sha1.New,
		number("c16596f60bd5c0c883da4e22bd87d3b5c867acb50cb472b7d3cec6ab3946d482400f917b9e16d605eb0eb2e8cd9d789b2182976499f991782bb054742dd48074e6393d80ff0f770d5f44e4fc620dce9a6cd1eccce65a1f59f14b7ec46de3c51cea5119106eb87360a10317818de77150258a3ed4da9488e73364e6c23498f19f"),
		number("ecfb9994378ee4808f827a145f342df66c3cdbb7"),
		cryptotest.Unhex(t, "2e4b1727d0957f66b8904ab086d5b3a90cc1261f89eda6921f30c391cbf7afabffa954402e4b1727d0957f66b8904ab086d5b3a90cc1261f89eda6921f30c391cbf7afabffa95abc2e4b1727d0957f66b8904ab086d5b3a90cc1261f89eda6921f30c391cbf7afabffa954c0"), 0xcb)
	if want := number("7e869e3b4c1c53a1a8b91062fa8af0ab4461bfd0bec3f50e15d52b2166d133f68807bb4afe6843e55d8f05f70835734ea5fcddbf2a3a3c0d401c20517569ad1ae07900ca02b59fa6ff32e4d2a942a859e3642145c52b63a06d0c53a4fffb8c4efc50252f07127de52cdedd67b656497edfe70eb163be34a645c39fe668f1f2a4"); g == nil || g.Cmp(want) != 0 {
		t.Errorf("%x, want %x", g, want)
	}
}

// TestNewSafe finds a short safe prime.
func TestNewSafe(t *testing.T) {
	p, err := NewSafe(rand.Reader, 128)
	if err != nil {
		t.Fatal(err)
	}
	if half := new(big.Int).Rsh(p, 1); p.BitLen() != 128 || !p.ProbablyPrime(10) || !half.ProbablyPrime(10) || big.Jacobi(big.NewInt(2), p) != 1 {
		t.Errorf("%x is no safe prime of 128 bits", p)
	}
	if _, err := NewSafe(bytes.NewReader(nil), 128); err == nil {
		t.Error("a prime without randomness")
	}
}

// TestSafePrimes holds the list against what makes its primes what they are.
func TestSafePrimes(t *testing.T) {
	t.Parallel()
	for i, p := range knownPrimes() {
		if uint(p.BitLen()) != safePrimes[i].bits || testing.Short() && p.BitLen() > 2048 {
			continue
		}
		t.Run(fmt.Sprintf("%d of %d bits", i, p.BitLen()), func(t *testing.T) {
			t.Parallel()
			if half := new(big.Int).Rsh(p, 1); !p.ProbablyPrime(0) || !half.ProbablyPrime(0) || big.Jacobi(big.NewInt(2), p) != 1 {
				t.Error("is no safe prime")
			}
		})
	}
	for _, name := range GroupNames() {
		if p := Group(name); p == nil || GroupName(p) != name || !strings.HasSuffix(name, strconv.Itoa(p.BitLen())) {
			t.Errorf("%s: %v", name, p)
		}
	}
	if Group("modp1024") != nil || GroupName(big.NewInt(23)) != "" {
		t.Error("a group that there is not")
	}
	if IsKnownSafe(big.NewInt(23)) || !IsKnownSafe(KnownSafe(2048)) || KnownSafe(1000) != nil {
		t.Error("the list is not searched")
	}
}
