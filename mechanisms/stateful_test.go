package mechanisms

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// statefulKey makes the public key of a vector.
func statefulKey(m ck.MechanismType, value []byte) (*Key, error) {
	attrs := []ck.Attribute{{Type: ck.CKA_VALUE, Value: value}}
	if m != ck.CKM_HSS && len(value) >= 4 {
		attrs = append(attrs, ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(uint(binary.BigEndian.Uint32(value)))})
	}
	return imported(ck.CKO_PUBLIC_KEY, Lookup(m).Keys[0], attrs...)
}

// statefulVectors are the vectors of HSS, XMSS and XMSS^MT: the library that made them stands in each file.
func statefulVectors(t *testing.T, seen *tried, each func(v *vector, m *Mechanism, k *Key, public, message, sig []byte)) {
	for _, file := range []string{"hss.rec", "xmss.rec"} {
		records, err := vectors.Records(os.DirFS("testdata/pq"), file)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			v := &vector{Record: &records[i]}
			m, message := ck.MechanismType(ck.CKM_HSS), []byte("what is signed")
			if name := v.Fields["Mechanism"]; name != "" {
				m, _ = ck.ParseMechanismType(name)
			}
			if v.Has("Message") {
				message = v.bytes("Message")
			}
			public, sig := v.bytes("Public"), v.bytes("Signature")
			k, err := statefulKey(m, public)
			if err := errors.Join(err, v.err); err != nil {
				t.Errorf("%s: %v", v.At, err)
				continue
			}
			seen.add(m)
			each(v, Lookup(m), k, public, message, sig)
		}
		t.Logf("%s: %d cases", file, len(records))
	}
}

func runStateful(t *testing.T, seen *tried) {
	statefulVectors(t, seen, func(v *vector, m *Mechanism, k *Key, _, message, sig []byte) {
		if err := verifiedBy(m, k, new(ck.Param), message, sig); err != nil {
			t.Errorf("%s: %v", v.At, err)
		}
	})
}

// TestStatefulRefused alters each part of each signature, cuts it, and alters the key.
func TestStatefulRefused(t *testing.T) {
	t.Parallel()
	statefulVectors(t, new(tried), func(v *vector, m *Mechanism, k *Key, public, message, sig []byte) {
		refused := func(what string, err error) {
			t.Helper()
			if err != ck.CKR_SIGNATURE_INVALID && err != ck.CKR_SIGNATURE_LEN_RANGE {
				t.Errorf("%s: %s: %v", v.At, what, err)
			}
		}
		for _, at := range []int{0, 3, 4, 8, 11, 20, 40, len(sig) / 2, len(sig) - 200, len(sig) - 1} {
			other := bytes.Clone(sig)
			other[at] ^= 0x40
			refused("altered", verifiedBy(m, k, new(ck.Param), message, other))
		}
		for _, n := range []int{0, 3, 4, 7, 8, 100, len(sig) / 2, len(sig) - 1} {
			refused("cut", verifiedBy(m, k, new(ck.Param), message, sig[:n]))
		}
		if err := verifiedBy(m, k, new(ck.Param), message, append(bytes.Clone(sig), 0)); err != ck.CKR_SIGNATURE_LEN_RANGE {
			t.Errorf("%s: a byte more: %v", v.At, err)
		}
		refused("another message", verifiedBy(m, k, new(ck.Param), message[1:], sig))
		for _, at := range []int{12, 30, len(public) - 1} {
			other := bytes.Clone(public)
			other[at] ^= 1
			wrong, err := statefulKey(m.Type, other)
			if err != nil {
				t.Fatal(err)
			}
			refused("another key", verifiedBy(m, wrong, new(ck.Param), message, sig))
		}
		garbage := params(1)
		if err := verifiedBy(m, k, &garbage, message, sig); err != nil {
			t.Errorf("%s: a parameter is looked at: %v", v.At, err)
		}
		for _, n := range []int{0, 3, 4, 11, len(public) - 1, len(public) + 1} {
			if _, err := statefulKey(m.Type, append(bytes.Clone(public), 0)[:n]); !errors.Is(err, ck.CKR_ATTRIBUTE_VALUE_INVALID) {
				t.Errorf("%s: a key of %d bytes of %d: %v", v.At, n, len(public), err)
			}
		}
	})
}

// TestLMSTypes holds the numbers of chains against RFC 8554, table 1, and SP 800-208, tables 1 and 2.
func TestLMSTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, width, chains, shift int }{
		{32, 1, 265, 7}, {32, 2, 133, 6}, {32, 4, 67, 4}, {32, 8, 34, 0}, {24, 1, 200, 8}, {24, 2, 101, 6}, {24, 4, 51, 4}, {24, 8, 26, 0},
	} {
		k := &lmsKey{lmsHash: lmsHash{n: c.n}, width: c.width}
		if p, shift := k.chains(); p != c.chains || shift != c.shift {
			t.Errorf("%+v: %d chains, %d", c, p, shift)
		}
	}
	for lms := range uint32(30) {
		for lmots := range uint32(20) {
			value := binary.BigEndian.AppendUint32(nil, 1)
			value = binary.BigEndian.AppendUint32(value, lms)
			value = binary.BigEndian.AppendUint32(value, lmots)
			_, short := readHSS(append(value, make([]byte, 16+24)...))
			_, long := readHSS(append(value, make([]byte, 16+32)...))
			hash := func(first, each, n uint32) int {
				if n < first || n >= first+4*each {
					return -1
				}
				return int((n - first) / each)
			}
			a, b := hash(5, 5, lms), hash(1, 4, lmots)
			good := a >= 0 && a == b
			if want := good && a%2 == 1; short != want {
				t.Errorf("types %d and %d with 24 bytes: %v", lms, lmots, short)
			}
			if want := good && a%2 == 0; long != want {
				t.Errorf("types %d and %d with 32 bytes: %v", lms, lmots, long)
			}
		}
	}
}

// TestXMSSSets holds the lengths of signatures against RFC 8391, tables in section 5.3 and 5.4, and SP 800-208, section 5.
func TestXMSSSets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		t    ck.KeyType
		set  uint
		size int
	}{
		{ck.CKK_XMSS, 1, 2500}, {ck.CKK_XMSS, 2, 2692}, {ck.CKK_XMSS, 3, 2820}, {ck.CKK_XMSS, 4, 9092}, {ck.CKK_XMSS, 6, 9732},
		{ck.CKK_XMSS, 7, 2500}, {ck.CKK_XMSS, 12, 9732}, {ck.CKK_XMSS, 13, 1492}, {ck.CKK_XMSS, 16, 2500}, {ck.CKK_XMSS, 21, 1732},
		{ck.CKK_XMSSMT, 1, 4963}, {ck.CKK_XMSSMT, 2, 9251}, {ck.CKK_XMSSMT, 5, 18469}, {ck.CKK_XMSSMT, 8, 27688}, {ck.CKK_XMSSMT, 16, 104520},
		{ck.CKK_XMSSMT, 17, 4963}, {ck.CKK_XMSSMT, 32, 104520}, {ck.CKK_XMSSMT, 33, 2955}, {ck.CKK_XMSSMT, 56, 16160},
	} {
		s, ok := findXMSS(c.t, c.set)
		if !ok || s.signatureSize() != c.size {
			t.Errorf("%v %d: %v, want %d", c.t, c.set, ok, c.size)
		}
	}
	for _, c := range []struct {
		t   ck.KeyType
		set uint
	}{{ck.CKK_XMSS, 0}, {ck.CKK_XMSS, 22}, {ck.CKK_XMSSMT, 0}, {ck.CKK_XMSSMT, 57}} {
		if _, ok := findXMSS(c.t, c.set); ok {
			t.Errorf("there is a set %d of %v", c.set, c.t)
		}
		value := append(binary.BigEndian.AppendUint32(nil, uint32(c.set)), make([]byte, 64)...)
		m := map[ck.KeyType]ck.MechanismType{ck.CKK_XMSS: ck.CKM_XMSS, ck.CKK_XMSSMT: ck.CKM_XMSSMT}[c.t]
		if _, err := statefulKey(m, value); err != ck.CKR_PARAMETER_SET_NOT_SUPPORTED {
			t.Errorf("set %d of %v: %v", c.set, c.t, err)
		}
	}
	value := append(binary.BigEndian.AppendUint32(nil, 1), make([]byte, 64)...)
	if _, err := imported(ck.CKO_PUBLIC_KEY, ck.CKK_XMSS, ck.Attribute{Type: ck.CKA_VALUE, Value: value},
		ck.Attribute{Type: ck.CKA_PARAMETER_SET, Value: ck.UlongValue(7)}); !errors.Is(err, ck.CKR_TEMPLATE_INCONSISTENT) {
		t.Errorf("another set than the key's: %v", err)
	}
}

// lmsSigned makes a key of LMS with a tree of height 5, and a signature of a leaf, by RFC 8554, algorithms 1, 3 and 5.
func lmsSigned(lms, lmots uint32, leaf uint32, message []byte) (public, sig []byte) {
	id := pattern(16)
	public = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, lms), lmots)
	h := lmsHashes[(lms-5)/5]
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
		ends = append(ends, id, number(q), lmsEnds)
		for i := range p {
			ends = append(ends, chain(q, i, start(q, i), 0, top))
		}
		nodes[32+q] = h.sum(id, number(32+q), lmsLeaf, h.sum(ends...))
	}
	for r := 31; r > 0; r-- {
		nodes[r] = h.sum(id, number(uint32(r)), lmsInner, nodes[2*r], nodes[2*r+1])
	}
	random := pattern(h.n)
	digest := h.sum(id, number(leaf), lmsMessage, random, message)
	sum := 0
	for i := range 8 * h.n / k.width {
		sum += int(top - lmsDigit(digest, i, k.width))
	}
	digest = binary.BigEndian.AppendUint16(digest, uint16(sum<<shift))
	sig = append(append(append(sig, number(leaf)...), number(lmots)...), random...)
	for i := range p {
		sig = append(sig, chain(leaf, i, start(leaf, i), 0, lmsDigit(digest, i, k.width))...)
	}
	sig = append(sig, number(lms)...)
	for at := 32 + leaf; at > 1; at /= 2 {
		sig = append(sig, nodes[at^1]...)
	}
	return append(append(public, id...), nodes[1]...), sig
}

// TestLMSHashes verifies signatures of every hash and width, alone and below one another. Those of SHA-256 have vectors beside.
func TestLMSHashes(t *testing.T) {
	t.Parallel()
	message := []byte("what is signed")
	verify := func(levels uint32, public, sig []byte) error {
		k, err := statefulKey(ck.CKM_HSS, append(binary.BigEndian.AppendUint32(nil, levels), public...))
		if err != nil {
			return err
		}
		return verifiedBy(Lookup(ck.CKM_HSS), k, new(ck.Param), message, append(binary.BigEndian.AppendUint32(nil, levels-1), sig...))
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
		if err := verify(1, public, sig); err != ck.CKR_SIGNATURE_INVALID {
			t.Errorf("types %d and %d, altered: %v", lms, lmots, err)
		}
	}
}
