package xmss

import (
	"errors"
	"testing"

	"github.com/softcsp/softcsp/internal/algorithm/cryptotest"
)

// TestParameters holds the lengths of signatures against RFC 8391, tables in section 5.3 and 5.4, and SP 800-208, section 5.
func TestParameters(t *testing.T) {
	for _, c := range []struct {
		v    Variant
		set  uint
		size int
	}{
		{XMSS, 1, 2500}, {XMSS, 2, 2692}, {XMSS, 3, 2820}, {XMSS, 4, 9092}, {XMSS, 6, 9732},
		{XMSS, 7, 2500}, {XMSS, 12, 9732}, {XMSS, 13, 1492}, {XMSS, 16, 2500}, {XMSS, 21, 1732},
		{XMSSMT, 1, 4963}, {XMSSMT, 2, 9251}, {XMSSMT, 5, 18469}, {XMSSMT, 8, 27688}, {XMSSMT, 16, 104520},
		{XMSSMT, 17, 4963}, {XMSSMT, 32, 104520}, {XMSSMT, 33, 2955}, {XMSSMT, 56, 16160},
	} {
		s, ok := Find(c.v, c.set)
		if !ok || s.SignatureSize() != c.size {
			t.Errorf("%v %d: %v, want %d", c.v, c.set, ok, c.size)
		}
	}
	for v, number := range map[Variant]uint{XMSS: 22, XMSSMT: 57} {
		for _, n := range []uint{0, number} {
			if _, ok := Find(v, n); ok {
				t.Errorf("there is a set %d of variant %d", n, v)
			}
		}
	}
}

// A signature of "what is signed" with XMSS-SHA2_10_192, made with github.com/bwesterb/go-xmssmt v1.5.2.
const (
	public = "0000000dac121607c1f561f627cdb78a1d43e8a7be148352086375bb010101010101010101010101010101010101010101010101"
	signed = `
0000016584e017cec1695cdec149acb31b30095d5aa111b7c0720a08ab22dde92d08d5d67d9986fe53cbc9b110d3d05a87da7fe16b6a7cc646e700ecfbb1318f
9d58ea8cc8f87bb295b29c51935d12e835be9c6d720783eac45feb2df772121e43d01d8705442a3b81e577b2237f0c369750e1c191dc69e6b6dd66f9a9238208
227aeee77f4a59a5ddb85156c2f36761b2fb598f3dd07d63e97a158cca0b4f42688f64f3bdfae2e045bb5707abc3e71d21dbc029db01f8e8abd03131e6d12244
7de847f75dfa4fd2253f7e495492d386946264f092c3dd5fd4489d76a48ac562b0571e6c3d8938a65c16a35a4bc057cbc85b7929075e0ce44fada3289f3e62b9
fb5cd0ba1cf534254ed5f4dd8d64ab183d5120dd5fabaa730f39c16f8b45fe34151104725de35a30b1658d240c7342052df82f2cfd0b8b8654e99c1c747162dc
6927aff004f10b1d8d98d80d01160446578d5c5a97b6b42ae4e65fada2f8a7044d145ae8ab642aecc4dac6588bcb8f336ef939a1636c0086223e1632765a3edd
8abac5e65ed4a13801f7a958356afdce48be0d0d0a157632fb6a8819cc8d00c55c1b0ca5fa90c5697053a334aff817902c55ae4040f805efdf5c6a09ffffb9f2
c88663e3445fba16ce8472e63ce71d54f722846595ffc0e68eb789a4a49c226f951373365447098103ee2678272c9c1b474b1d0efaaffce0b57de05880f065ff
45f5ca94464198a3e2e79e000ee98fc8ee45b0c5a25bacc1a2443159fd44e3199df7fab41015ef3067200a757c70f1a5582b1630d82df4edc162ea196806be0c
e1f60fa76bf12180a75b25229468a574325c6e2b1a0342a4eb3245ce67135bf447f5659b1f8ecf5422044da4fae958c6dd495db07e46d8ebe1d089aed0886e56
f03a01235490c41745b1318450c242564bbb74ce1630fdf405ff8bb2ba08bcb26ef251e4d9dd0c144ce97e274f9ce759aa0df2eaa51be85ab88f4c2c8ae9531a
096e9c80aae3dc2aec3716336286536ef91d632b0967a3eb56a82868d43748521f7f634aca44a4e6620834fd2e2eab79a3f56b58ac12184f4e774c47a74a8fea
490ac9960a2c3ed5aeb4229df222829c130d6dc47da5be1bd49bde73b143c7d6ecd53502e7ca2160c2982684496eef046cc3ac39e19f9611bb3bc810c3a11c20
86b6fed11d1408f191aa321cdfb987fa2fb9dd629b0495647e935204367bfa060bdf6ee937c4ca2452de330f5a8ae0bca3ef7337af1b054b48f7ac2294391817
5dd65ec063a04eb656149a7d869feac6be6be17cb644c428f1ce53acf3f925c3a596f177e5780e7a50c7a5a41ff1a991e0d556ce49e7171477479b72c8a534ff
b908da8676df6a66f340c17012f143d0791a6adee26badd034d763a2ab129b2ce0f5629d285233fb411d19e4511308453c5c8e33ed53d01eaa8524f28a7d1dd7
2779d1dded8c450745c7df55d74d9bc9e4a3aa341748a97acd18a0b508538722bd3dc365e28324c6033f7628c7ad7e69bfbc5d620cc89d9f37b7cf3662a529aa
c2b95fef951f28eeb8dddaecdb7a03c4844b472ce4a7fdf75dbc5a327d3982cdfd457f29583b36c901862b0b0918903b7ff50fdfbfd8360d187be7e702361a0f
407ae12ee4779ccfb263b4b13512e14e3e98c6d441a0948acb739c4d9f87d41c3209c239aa7fef3e60a7abd0948e0fd9bf60749b54d2ddcab08364ccbbbced99
d446f96749ecc7a79a7c20bc830e9ad0c5f53d340d4eba16811730c902347fa49affbafe5385ea0c6260b4e471383c187be7c90da17970e2a792482d67648615
e36df7fde0964589a46a3162b5298652bbfa8fee0376ad0c4df2e57ad5944e2c32d2bec97f07cdae76bd59cf044b5ddbc23625ce638498c37a3b0e32b8ebc784
0c7563ac500dc336f8ccbffc6f67618473abe62be7532400280d96803661fc13019305bb6f075a850c5176b8c139489cf36a0e341df788fdbe3dbea82a16ac43
e9fdf81ae4645c50ab9126f4d53498e1cd2cf591052926e8e93d4afe6979b7e592085050220a5a79577006e0c02e5be4f814aca2cc7daaf36b854c291bbecf8a
61e6ff62cea22dc1fce93c5a64644eed1a6e28ba`
)

func TestVerify(t *testing.T) {
	message, sig := []byte("what is signed"), cryptotest.Unhex(t, signed)
	k, number, err := NewPublicKey(XMSS, cryptotest.Unhex(t, public))
	if err != nil || number != 13 {
		t.Fatal(number, err)
	}
	if !k.Verify(message, sig) {
		t.Error("the signature does not verify")
	}
	if k.Verify(message[1:], sig) || k.Verify(message, sig[1:]) || k.Verify(message, nil) {
		t.Error("verifies another message, or a part of the signature")
	}
	for _, at := range []int{0, 4, len(sig) / 2, len(sig) - 1} {
		sig[at] ^= 1
		if k.Verify(message, sig) {
			t.Errorf("verifies with byte %d altered", at)
		}
		sig[at] ^= 1
	}
}

func TestNewPublicKey(t *testing.T) {
	b := cryptotest.Unhex(t, public)
	for _, n := range []int{0, 3, 4, len(b) - 1} {
		if _, _, err := NewPublicKey(XMSS, b[:n]); !errors.Is(err, ErrKeySize) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	b[0] = 1
	if _, _, err := NewPublicKey(XMSS, b); !errors.Is(err, ErrParameters) {
		t.Errorf("an unknown set: %v", err)
	}
}
