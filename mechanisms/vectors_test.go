package mechanisms

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// withoutVectors are the rows that no vector tries, and why.
var withoutVectors = map[ck.MechanismType]string{
	ck.CKM_MD2_HMAC:                 "nobody published any; MD2 and HMAC have theirs",
	ck.CKM_MD2_HMAC_GENERAL:         "as CKM_MD2_HMAC",
	ck.CKM_MD2_RSA_PKCS:             "nobody published any; MD2 and RSA have theirs",
	ck.CKM_RIPEMD128_RSA_PKCS:       "nobody published any; RIPEMD-128 and RSA have theirs",
	ck.CKM_SOFTCSP_MD4_HMAC:         "nobody published any; MD4 and HMAC have theirs",
	ck.CKM_SOFTCSP_MD4_HMAC_GENERAL: "as CKM_SOFTCSP_MD4_HMAC",
	ck.CKM_AES_CFB64:                "nobody published any; the same code is CFB128 and DES's CFB64, which have theirs",
	ck.CKM_AES_KEY_WRAP_PKCS7:       "nobody published any; TestKeyWrapPKCS7 compares with CKM_AES_KEY_WRAP",
	ck.CKM_DES3_CBC_ENCRYPT_DATA:    "TestEncryptDataDES3 compares with CKM_DES3_CBC",
	ck.CKM_TWOFISH_CBC_PAD:          "nobody published any; TestPadByHand compares with CKM_TWOFISH_CBC",
	ck.CKM_IDEA_CBC_PAD:             "nobody published any; TestPadByHand compares with CKM_IDEA_CBC",
	ck.CKM_DES_OFB8:                 "nobody published any; TestOFB8 compares with the definition",
	ck.CKM_SHA512_T_HMAC:            "nobody published any; TestSHA512T compares with the HMACs of SHA-512/224 and SHA-512/256",
	ck.CKM_DES3_CMAC_GENERAL:        "TestMACGeneral compares with CKM_DES3_CMAC",
	ck.CKM_AES_CMAC_GENERAL:         "TestMACGeneral compares with CKM_AES_CMAC",
	ck.CKM_X9_42_DH_HYBRID_DERIVE:   "nobody published any; TestX942TwoPairs compares with the definition",
	ck.CKM_ECMQV_DERIVE:             "nobody published any of the primitive alone; TestECMQV compares with the definition",
	ck.CKM_ECDH_AES_KEY_WRAP:        "nobody published any; TestECDHWrap takes apart what it makes with mechanisms that have theirs",
	ck.CKM_ECDH_COF_AES_KEY_WRAP:    "as CKM_ECDH_AES_KEY_WRAP",
	ck.CKM_ECDH_X_AES_KEY_WRAP:      "as CKM_ECDH_AES_KEY_WRAP",
	ck.CKM_PUB_KEY_FROM_PRIV_KEY:    "TestPublicOf compares with the public keys of pairs",
	ck.CKM_X9_42_MQV_DERIVE:         "as CKM_X9_42_DH_HYBRID_DERIVE",
}

// tried counts the vectors that each mechanism has had in a run. The sources of vectors run at the same time.
type tried struct {
	mu     sync.Mutex
	counts map[ck.MechanismType]int
}

// add counts one more vector of a mechanism.
func (s *tried) add(m ck.MechanismType) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = make(map[ck.MechanismType]int)
	}
	s.counts[m]++
}

// TestVectors runs every vector there is, and holds the rows against them: each has some, or a reason for none.
func TestVectors(t *testing.T) {
	t.Parallel()
	seen := new(tried)
	var wycheproof, nist *report
	t.Cleanup(func() { // when all sources have been run
		if strings.Contains(flag.Lookup("test.run").Value.String(), "/") || flag.Lookup("test.skip").Value.String() != "" {
			return
		}
		checkTried(t, seen.counts)
		if wycheproof != nil || *update && nist != nil { // and not with -run for others
			checkVectorsDoc(t, wycheproof, nist)
		}
	})
	for name, run := range map[string]func(t *testing.T, seen *tried){
		"records":     runRecords,
		"wycheproof":  func(t *testing.T, seen *tried) { wycheproof = runWycheproof(t, seen) },
		"NIST":        func(t *testing.T, seen *tried) { nist = runNIST(t, seen) },
		"curves":      runSignatureRecords,
		"dsa":         runDSA,
		"dh":          runDH,
		"hotp":        runHOTP,
		"derivations": runDerivations,
		"ML-KEM":      runMLKEM,
		"ML-DSA":      runMLDSA,
		"noble":       runNoble,
		"stateful":    runStateful,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, seen)
		})
	}
}

// checkTried fails for rows that no vector has tried.
func checkTried(t *testing.T, counts map[ck.MechanismType]int) {
	for i := range table {
		m := &table[i]
		reason, excused := withoutVectors[m.Type]
		switch {
		case m.Generate != nil, m.GeneratePair != nil, m.GenerateDomain != nil, m.FromDigest:
			// Generation is random: TestGenerate. CryptDeriveKey has vectors and tests of its own.
		case excused && counts[m.Type] > 0:
			t.Errorf("%v has vectors, and withoutVectors in vectors_test.go says: %s", m.Type, reason)
		case !excused && counts[m.Type] == 0:
			t.Errorf("%v has no vectors: add some to mechanisms/testdata, or its name to withoutVectors in vectors_test.go, with what tries it instead", m.Type)
		}
	}
	for m := range withoutVectors {
		if Lookup(m) == nil {
			t.Errorf("%v stands among those without vectors, and is no mechanism", m)
		}
	}
}

// runRecords runs the files of records that say a parameter field by field, and those of RSA.
func runRecords(t *testing.T, seen *tried) {
	fsys := os.DirFS("testdata")
	files, err := fs.Glob(fsys, "*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files of records, %v", len(files), err)
	}
	for _, f := range append(files, "rsa/openssl.txt") {
		s, err := vectors.LoadRecords(fsys, f)
		if err != nil {
			t.Fatal(err)
		}
		cases, waits := runSuite(t, s, seen)
		if waits > 0 {
			t.Errorf("%s: %d cases have no mechanism", f, waits)
		}
		t.Logf("%s: %d vectors", f, cases)
	}
}

// A vector is a record, read.
type vector struct {
	*vectors.Record
	row *Mechanism
	key *Key
	err error
}

// bytes reads a field, and keeps the first error.
func (v *vector) bytes(name string) []byte {
	b, err := v.Bytes(name)
	if v.err == nil {
		v.err = err
	}
	return b
}

func same(what string, got, want []byte) error {
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is %x, want %x", what, got, want)
	}
	return nil
}

// checkCipher checks both directions, and wrapping where the row wraps.
func checkCipher(m *Mechanism, k *Key, param func() *ck.Param, plain, cipher []byte) error {
	got, err := whole(m.Encrypt, k, param(), plain)
	if err := errors.Join(err, same("ciphertext", got, cipher)); err != nil {
		return err
	}
	got, err = whole(m.Decrypt, k, param(), cipher)
	if err := errors.Join(err, same("plaintext", got, plain)); err != nil {
		return err
	}
	if m.Wrap == nil {
		return nil
	}
	got, err = m.Wrap(k, param(), plain)
	if err := errors.Join(err, same("wrapped key", got, cipher)); err != nil {
		return err
	}
	got, err = m.Unwrap(k, param(), cipher)
	return errors.Join(err, same("unwrapped key", got, plain))
}

// whole does an operation in one call, and in parts, which has to come to the same.
func whole(begin beginFunc, k *Key, p *ck.Param, src []byte) ([]byte, error) {
	again := *p
	c, err := begin(k, p)
	if err != nil {
		return nil, err
	}
	dst := make([]byte, c.WholeLen(len(src)))
	n, err := c.Whole(dst, src)
	if _, ok := c.(*wholeInputCipher); ok { // it waits for all of the input
		return dst[:n], err
	}
	got, partsErr := inRandomParts(begin, k, again, src)
	if partsErr != err || err == nil && !bytes.Equal(got, dst[:n]) {
		return nil, fmt.Errorf("in one call %x, %v; in parts %x, %v", dst[:n], err, got, partsErr)
	}
	return dst[:n], err
}

// inRandomParts does an operation in parts of any length.
func inRandomParts(begin beginFunc, k *Key, p ck.Param, src []byte) ([]byte, error) {
	c, err := begin(k, &p)
	if err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(uint64(len(src)), 1))
	var out []byte
	for rest := src; len(rest) > 0; {
		n := min(r.IntN(1+r.IntN(len(rest)+40)), len(rest))
		room := c.UpdateLen(n)
		if a, ok := c.(*aead); ok && !a.decrypt && room != n {
			return nil, fmt.Errorf("%d bytes of plaintext give %d", n, room)
		}
		dst := make([]byte, room)
		written, err := c.Update(dst, rest[:n])
		if err != nil {
			return nil, err
		}
		if written != room {
			return nil, fmt.Errorf("%d bytes instead of %d", written, room)
		}
		out, rest = append(out, dst...), rest[n:]
	}
	dst := make([]byte, c.FinalLen())
	n, err := c.Final(dst)
	return append(out, dst[:n]...), err
}

// checkMAC checks that a MAC is made so and taken, and that no other is.
func checkMAC(m *Mechanism, k *Key, param func() *ck.Param, data, tag []byte) error {
	s, err := m.Sign(k, param())
	if err != nil {
		return err
	}
	got := make([]byte, s.Size())
	n, err := 0, s.Update(data)
	if err == nil {
		n, err = s.Sign(got)
	}
	if err := errors.Join(err, same("MAC", got[:n], tag)); err != nil {
		return err
	}
	other := bytes.Clone(tag)
	other[len(other)-1] ^= 1
	for _, c := range []struct {
		tag  []byte
		want error
	}{{tag, nil}, {other, ck.CKR_SIGNATURE_INVALID}, {tag[1:], ck.CKR_SIGNATURE_LEN_RANGE}, {nil, ck.CKR_SIGNATURE_LEN_RANGE}} {
		v, err := m.Verify(k, param())
		if err != nil {
			return err
		}
		if err := v.Update(data); err != nil {
			return err
		}
		if err := v.Verify(c.tag); err != c.want {
			return fmt.Errorf("verifying %x: %v, want %v", c.tag, err, c.want)
		}
	}
	return nil
}
