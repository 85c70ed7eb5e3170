package mechanisms

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

var update = flag.Bool("update", false, "write the golden files anew")

const golden = "testdata/mechanisms.golden"

// TestTable compares what C_GetMechanismInfo answers with the golden file.
func TestTable(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, m := range Types() {
		info := Lookup(m).Info()
		// What signs, or verifies, does it with messages, too: the file does not repeat it.
		for flag, follows := range map[ck.Flags]ck.Flags{ck.CKF_SIGN: ck.CKF_MESSAGE_SIGN, ck.CKF_VERIFY: ck.CKF_MESSAGE_VERIFY} {
			if info.Flags&flag != 0 == (info.Flags&(follows|ck.CKF_MULTI_MESSAGE) != follows|ck.CKF_MULTI_MESSAGE) {
				t.Errorf("%v has flags %#x", m, uint(info.Flags))
			}
			info.Flags &^= follows
		}
		if info.Flags&(ck.CKF_MESSAGE_ENCRYPT|ck.CKF_MESSAGE_DECRYPT) == 0 {
			info.Flags &^= ck.CKF_MULTI_MESSAGE
		}
		fmt.Fprintf(&b, "%-36s %4d %6d  %s\n", m, info.MinKeySize, info.MaxKeySize, flagNames(info.Flags))
	}
	if *update {
		if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("the table is not what %s says; -update writes it anew:\n%s", golden, linesOfOne(string(want), b.String()))
	}
}

// linesOfOne are the lines that only one of two texts has: - of the first, + of the second.
func linesOfOne(first, second string) string {
	var b strings.Builder
	one := func(sign, text, other string) {
		for line := range strings.Lines(text) {
			if !strings.Contains("\n"+other, "\n"+line) {
				b.WriteString(sign + line)
			}
		}
	}
	one("-", first, second)
	one("+", second, first)
	return b.String()
}

func flagNames(f ck.Flags) string {
	var names []string
	for _, n := range []struct {
		flag ck.Flags
		name string
	}{
		{ck.CKF_MESSAGE_ENCRYPT, "message-encrypt"}, {ck.CKF_MESSAGE_DECRYPT, "message-decrypt"},
		{ck.CKF_MULTI_MESSAGE, "multi-message"},
		{ck.CKF_ENCRYPT, "encrypt"}, {ck.CKF_DECRYPT, "decrypt"}, {ck.CKF_DIGEST, "digest"}, {ck.CKF_SIGN, "sign"},
		{ck.CKF_VERIFY, "verify"}, {ck.CKF_GENERATE, "generate"}, {ck.CKF_WRAP, "wrap"}, {ck.CKF_UNWRAP, "unwrap"},
		{ck.CKF_DERIVE, "derive"}, {ck.CKF_GENERATE_KEY_PAIR, "pair"}, {ck.CKF_ENCAPSULATE, "encapsulate"}, {ck.CKF_DECAPSULATE, "decapsulate"},
		{weierstrassFlags, "weierstrass"}, {namedFlags, "named"},
	} {
		if f&n.flag == n.flag {
			names = append(names, n.name)
			f &^= n.flag
		}
	}
	if f != 0 {
		names = append(names, fmt.Sprintf("%#x", uint(f)))
	}
	return strings.Join(names, " ")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	all := Types()
	if len(all) != len(table) || !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("%d types of %d rows, in order: %v", len(all), len(table), slices.IsSorted(all))
	}
	all[0] = ck.CKM_VENDOR_DEFINED
	if Types()[0] == ck.CKM_VENDOR_DEFINED {
		t.Error("the list of types can be changed from outside")
	}
	if Lookup(ck.CKM_VENDOR_DEFINED) != nil {
		t.Error("there is a row for CKM_VENDOR_DEFINED")
	}
	defer func() {
		if recover() == nil {
			t.Error("two rows for one mechanism do not panic")
		}
	}()
	index(aesRows, aesRows)
}

// stateful reports whether a row is of the signatures that are verified only.
func stateful(m *Mechanism) bool {
	return slices.Contains([]ck.MechanismType{ck.CKM_HSS, ck.CKM_XMSS, ck.CKM_XMSSMT}, m.Type)
}

// TestRows holds each row against itself.
func TestRows(t *testing.T) {
	t.Parallel()
	for i := range table {
		m := &table[i]
		bad := func(format string, args ...any) {
			t.Errorf("%v: %s", m.Type, fmt.Sprintf(format, args...))
		}
		if strings.HasPrefix(m.Type.String(), "0x") {
			bad("no name")
		}
		if Lookup(m.Type) != m {
			bad("Lookup finds another row")
		}
		if m.Info().Flags == 0 {
			bad("does nothing")
		}
		if m.Min > m.Max {
			bad("from %d to %d", m.Min, m.Max)
		}
		if (m.Encrypt == nil) != (m.Decrypt == nil) || (m.Sign == nil) != (m.Verify == nil) && !stateful(m) || (m.Wrap == nil) != (m.Unwrap == nil) ||
			(m.Encapsulate == nil) != (m.Decapsulate == nil) {
			bad("goes one way only")
		}
		if (m.Digest == nil) != (m.Hash == nil) && m.Type != ck.CKM_SHA512_T {
			bad("has a digest without a hash, or the other way round")
		}
		if m.Generate != nil && findKeyType(m.Makes) == nil {
			bad("makes keys of type %v", m.Makes)
		}
		if m.GeneratePair != nil && findPairType(m.Makes) == nil {
			bad("makes pairs of type %v", m.Makes)
		}
		for _, k := range m.Keys {
			if findPairType(k) != nil && ofPairs(m) {
				continue
			}
			if findKeyType(k) == nil || !m.Takes(ck.CKO_SECRET_KEY, k) {
				bad("takes keys of type %v", k)
			}
		}
	}
}

func TestHashes(t *testing.T) {
	t.Parallel()
	for _, h := range hashes {
		f := h.New()
		if f.Size() != h.Size || f.BlockSize() != h.Block {
			t.Errorf("%s: %d and %d bytes, and the list says %d and %d", h.Name, f.Size(), f.BlockSize(), h.Size, h.Block)
		}
		if c := h.CryptoAPI; c != nil && (capi.HashByID(c.ID) != c || c.Name != h.Name || c.Size != h.Size) {
			t.Errorf("%s is %s in CryptoAPI", h.Name, c.Name)
		}
		for _, m := range []ck.MechanismType{h.Digest, h.HMAC, h.HMACGeneral, h.Derivation, h.KeyGen} {
			if m != 0 && Lookup(m) == nil {
				t.Errorf("%s: no row for %v", h.Name, m)
			}
		}
		if h.KeyType != 0 && findKeyType(h.KeyType) == nil {
			t.Errorf("%s: no key type %v", h.Name, h.KeyType)
		}
	}
}
