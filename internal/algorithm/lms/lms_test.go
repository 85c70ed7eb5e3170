package lms

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// pattern is n bytes that differ.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(7 * i)
	}
	return b
}

// TestTypes holds the numbers of chains against RFC 8554, table 1, and SP 800-208, tables 1 and 2.
func TestTypes(t *testing.T) {
	for _, c := range []struct{ n, width, chains, shift int }{
		{32, 1, 265, 7}, {32, 2, 133, 6}, {32, 4, 67, 4}, {32, 8, 34, 0}, {24, 1, 200, 8}, {24, 2, 101, 6}, {24, 4, 51, 4}, {24, 8, 26, 0},
	} {
		k := &lmsPublicKey{hash: hash{n: c.n}, width: c.width}
		if p, shift := k.chains(); p != c.chains || shift != c.shift {
			t.Errorf("%+v: %d chains, %d", c, p, shift)
		}
	}
	for lms := range uint32(30) {
		for lmots := range uint32(20) {
			value := binary.BigEndian.AppendUint32(nil, 1)
			value = binary.BigEndian.AppendUint32(value, lms)
			value = binary.BigEndian.AppendUint32(value, lmots)
			_, short := NewPublicKey(append(value, make([]byte, 16+24)...))
			_, long := NewPublicKey(append(value, make([]byte, 16+32)...))
			hash := func(first, each, n uint32) int {
				if n < first || n >= first+4*each {
					return -1
				}
				return int((n - first) / each)
			}
			a, b := hash(5, 5, lms), hash(1, 4, lmots)
			good := a >= 0 && a == b
			if want := good && a%2 == 1; (short == nil) != want {
				t.Errorf("types %d and %d with 24 bytes: %v", lms, lmots, short)
			}
			if want := good && a%2 == 0; (long == nil) != want {
				t.Errorf("types %d and %d with 32 bytes: %v", lms, lmots, long)
			}
		}
	}
}

// A signature of "what is signed" with one level, LMS_SHA256_M32_H5 and LMOTS_SHA256_N32_W8, made with Bouncy Castle 1.72.
const (
	public = "000000010000000500000004e7eef5fc030a11181f262d343b424950fa83ebebc378aaaff86fd359fde77c6dc759a4b756622aa12c2aed8720312442"
	signed = `
000000000000000200000004c4db2727c9bc9ea09eabf87d34639875eb172920fe70b943034b10f4566564935706029c1cce6a3b9b74be2126a9f9f6f0a4366b
4c30d84ff5e3315e30db553dfbb798652ee159a505bde2a07ba7cf69e130398a1a39c9759bd886fa4b9bcbc2fb6eb5781d4d7cbe852b16f5d87e6dd2846b119c
8d6d173ec532aa43ae13f9df55480770fbdd0413b844ce760c202de77114c1a8e465f166f0664b54693d00d0de272889bab905bf5228164ba212aac5c45ae34b
3bab2d79fb4691fbb04219ceeb4b22dd7727846b813efb842492266613add949279486dd25d4bf47d0c1ba29d608f7016a82d00e6da12b4d63f71857df74213c
922a6a5ae78fae94dfb870dc49d6c52f7c18a62e8b87fbf2226c591e9c4af0c80e4eff828fb4957a595f9b1ffa630dfe50259a1f4d2aab8dec897f12f47d2304
2b9d5c54a102046df6d01ac1dee750f8e02093388130b9e4d9a815849588d6eea53667ad70da9c86f9ef529b5a69ba3226328a4791e63c491c5939d0f5152511
1b8a04bd0ad6062b2525c4738dd6fb893300f5bc9fa37261a20e712e1da22bdaf6bb6091dea7f478b77df2be83a5b497fca37cd83213a6b8e2047b9e7abafa25
b2730530405582854c52eec83f28985080edd47597a56ec81a092a56e40e8554f0fdd33f272da11b645e2dba791233a1950d5bc6293efbaaabccf81df842e45a
ce76542a73dafb4335fc99f6cf6993a4e44b050a0aa38aa63b5c579fc92ef5dfbb105486c3d27bbebeb7f05f127180bbcf82ad9ccc75a41d41d5b9876bdf8b4f
5cecc17eb4c4e76e486b5038e005212d7cc4801b8b1ebd0a2344a12dbffa2e5381d02951753d2e94e1e6da2d1a2d91d3a67a4386052fd59eb9f88b731556df95
406137442e9de8983a74e86fb85d8f5c82bb60a53d91039b573d228a764682dd4f498f83c0fe77a7c11734f72d83e5f23542fcd3f7a601e08d78bfd7f1ac846a
3878f1044c1da2c86e6184081863332fb756a0903ba0211eb8603490100cd726e4a768155cab6d06a520e5cb584c70f7d89bcd9d486755db24cbac0bce1d062d
86a4b2a5c16cd8fdb5466bb1bfa3fde0b2fd7a0a41c6c060f3ef942c91c1944deb529bf7726c820bf2845a706fa9a2248036761b8c2d2d05bc408b6b1225887d
407216c722d57adf90a459ba2beb907a5dd05eefe87177ee324f5a6c575a7885373c9c76c4b8a6b59be117ae68621a74b6187f0e2f0be4e083388385bf7d9d90
49875ba26b3c94838f6ac36b7a85ec9653f4072cd2ec341364045ad4e92a7991132f1c3eaa451250277a3bca48b0b22d715e8f41c9de8148d1657adb64fc153e
18c4daf0d2539a00a11e8426832475c4e6da0a0ed1b31beb8bf1686fd85e6caba03d8a02349dfd4f698aa3c80cd702e9fdcea0d0db7788b498d1e711e79e0c2d
ed54f9e6dc9c208c03d7bca9fc4e71641b191c48f05836d8ae8538ca939d6d9ca31eb3b33eb73de274fb8458dc81e07d268f9c67c7404b549872bef14629e075
0ca9d6b14940a3276a333d3bf366cea12e8eefcd370615d38c10c3782cdee015d06e470f5e802f4687514d6000000005885727305b83a54138d31ec8471a1bdb
0fe3aa84402f1f21733b07d45106395c306e5ee2f12ba601c27106fd4cc7665158ed8c126a7d797175d7aa14ff5e4c4725571cc8209bebf076576f6f96bc6c53
32bc90926dcd80e06647c9866e0c3b0381b6547fa9ab70903767d770a3c5c5ddf85813f4e9b22ebb22acc6408259921cb1df809c237b0859745426bae97488b0
fbfef577ec244b9a1d07c99c17726e99`
)

func TestVerify(t *testing.T) {
	message, sig := []byte("what is signed"), cryptotest.Unhex(t, signed)
	k, err := NewPublicKey(cryptotest.Unhex(t, public))
	if err != nil || k.Levels() != 1 || k.LMSType() != 5 || k.LMOTSType() != 4 {
		t.Fatal(k, err)
	}
	if err := k.Verify(message, sig); err != nil {
		t.Error(err)
	}
	if err := k.Verify(message[1:], sig); !errors.Is(err, ErrSignature) {
		t.Errorf("another message: %v", err)
	}
	for _, n := range []int{0, 3, 4, 100, len(sig) - 1} {
		if err := k.Verify(message, sig[:n]); !errors.Is(err, ErrSignatureSize) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, at := range []int{3, 8, len(sig) / 2, len(sig) - 1} {
		sig[at] ^= 1
		if err := k.Verify(message, sig); !errors.Is(err, ErrSignature) {
			t.Errorf("byte %d altered: %v", at, err)
		}
		sig[at] ^= 1
	}
}

// lmsSigned makes a key of LMS with a tree of height 5, and a signature of a leaf, by RFC 8554, algorithms 1, 3 and 5.
func lmsSigned(lms, lmots uint32, leaf uint32, message []byte) (public, sig []byte) {
	id := pattern(16)
	public = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, lms), lmots)
	h := hashes[(lms-5)/5]
	in := cryptobyte.String(append(append(bytes.Clone(public), id...), make([]byte, h.n)...))
	k, _ := readLMS(&in)
	p, shift := k.chains()
	top := byte(1<<k.width - 1)
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	chain := func(q uint32, i int, x []byte, from, to byte) []byte {
		for j := from; j < to; j++ {
			x = h.sum(id, number(q), []byte{byte(i >> 8), byte(i), j}, x)
		}
		return x
	}
	start := func(q uint32, i int) []byte { return h.sum([]byte("secret"), number(q), number(uint32(i))) }
	nodes := make([][]byte, 64)
	for q := range uint32(32) {
		ends := make([][]byte, 0, p+3)
		ends = append(ends, id, number(q), domainPublicKey)
		for i := range p {
			ends = append(ends, chain(q, i, start(q, i), 0, top))
		}
		nodes[32+q] = h.sum(id, number(32+q), domainLeaf, h.sum(ends...))
	}
	for r := 31; r > 0; r-- {
		nodes[r] = h.sum(id, number(uint32(r)), domainInterior, nodes[2*r], nodes[2*r+1])
	}
	random := pattern(h.n)
	digest := h.sum(id, number(leaf), domainMessage, random, message)
	sum := 0
	for i := range 8 * h.n / k.width {
		sum += int(top - coefficient(digest, i, k.width))
	}
	digest = binary.BigEndian.AppendUint16(digest, uint16(sum<<shift))
	sig = append(append(append(sig, number(leaf)...), number(lmots)...), random...)
	for i := range p {
		sig = append(sig, chain(leaf, i, start(leaf, i), 0, coefficient(digest, i, k.width))...)
	}
	sig = append(sig, number(lms)...)
	for at := 32 + leaf; at > 1; at /= 2 {
		sig = append(sig, nodes[at^1]...)
	}
	return append(append(public, id...), nodes[1]...), sig
}

// TestHashes verifies signatures of every hash and width, alone and below one another. Those of SHA-256 have vectors beside.
func TestHashes(t *testing.T) {
	message := []byte("what is signed")
	verify := func(levels uint32, public, sig []byte) error {
		k, err := NewPublicKey(append(binary.BigEndian.AppendUint32(nil, levels), public...))
		if err != nil {
			return err
		}
		return k.Verify(message, append(binary.BigEndian.AppendUint32(nil, levels-1), sig...))
	}
	for lmots := uint32(1); lmots <= 16; lmots++ {
		lms := 5 + (lmots-1)/4*5
		public, sig := lmsSigned(lms, lmots, 19, message)
		if err := verify(1, public, sig); err != nil {
			t.Errorf("types %d and %d: %v", lms, lmots, err)
		}
		upper, over := lmsSigned(5, 4, 7, public)
		both := append(append(bytes.Clone(over), public...), sig...)
		if err := verify(2, upper, both); err != nil {
			t.Errorf("types %d and %d below SHA-256: %v", lms, lmots, err)
		}
		if err := verify(1, upper, both); err == nil {
			t.Errorf("types %d and %d: two levels verify as one", lms, lmots)
		}
		sig[len(sig)-1] ^= 1
		if err := verify(1, public, sig); !errors.Is(err, ErrSignature) {
			t.Errorf("types %d and %d, altered: %v", lms, lmots, err)
		}
	}
}
