package capi_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/capi"
)

// TestProviders sees that providers are found by their numbers, and offer what they have rows for.
func TestProviders(t *testing.T) {
	for i, p := range capi.Providers() {
		if int(p.Number) != i || capi.ProviderByNumber(p.Number) != p {
			t.Errorf("%s has the number %d", p.Name, p.Number)
		}
		for _, c := range p.Ciphers {
			found, err := p.Cipher(c.ID)
			if err != nil || found.Name != c.Name {
				t.Errorf("%s: %s is %v, %v", p.Name, c.Name, found, err)
			}
			if bits, err := c.KeyBits(0); err != nil || bits != c.Default || c.Default < c.Min || c.Default > c.Max {
				t.Errorf("%s: %s has %d bits by default, %v", p.Name, c.Name, bits, err)
			}
		}
	}
	if capi.ProviderByNumber(5) != nil {
		t.Error("there is a provider 5")
	}
}

// TestNoAllocation sees that keys are made in the memory that they are given.
func TestNoAllocation(t *testing.T) {
	hash := sha1.Sum([]byte("password"))
	r := capi.Request{Provider: capi.MSEnhancedAES, Cipher: capi.CALG_AES_256, Hash: capi.SHA1, Value: hash[:]}
	var key capi.SessionKey
	if n := testing.AllocsPerRun(100, func() {
		if err := key.Derive(&r); err != nil {
			t.Fatal(err)
		}
		key.Wipe()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestNothingLeft sees that a failure leaves no key of an earlier call.
func TestNothingLeft(t *testing.T) {
	hash := md5.Sum([]byte("password"))
	r := capi.Request{Provider: capi.MSEnhanced, Cipher: capi.CALG_RC2, Hash: capi.MD5, Value: hash[:]}
	var key capi.SessionKey
	for _, change := range []func(r *capi.Request){
		func(r *capi.Request) { r.Provider = nil },
		func(r *capi.Request) { r.Cipher = capi.CALG_AES_128 },
		func(r *capi.Request) { r.Hash = nil },
		func(r *capi.Request) { r.Value = hash[1:] },
		func(r *capi.Request) { r.Flags = 1 << 16 },
	} {
		if err := key.Derive(&r); err != nil || len(key.Value) != 16 {
			t.Fatal(err)
		}
		bad := r
		change(&bad)
		if err := key.Derive(&bad); err == nil || key.Value != nil || key.Salt != nil || key.Cipher != nil {
			t.Errorf("error %v leaves %x", err, key.Value)
		}
	}
}

// TestDigestInfo reads what PKCS #1 signs.
func TestDigestInfo(t *testing.T) {
	oids := map[*capi.Hash]string{
		capi.MD2: "1.2.840.113549.2.2", capi.MD4: "1.2.840.113549.2.4", capi.MD5: "1.2.840.113549.2.5", capi.SHA1: "1.3.14.3.2.26",
		capi.SHA256: "2.16.840.1.101.3.4.2.1", capi.SHA384: "2.16.840.1.101.3.4.2.2", capi.SHA512: "2.16.840.1.101.3.4.2.3",
	}
	for _, h := range capi.Hashes() {
		value := bytes.Repeat([]byte{7}, h.Size)
		info := h.DigestInfo(value)
		if oids[h] == "" {
			if !bytes.Equal(info, value) {
				t.Errorf("%s: %x", h.Name, info)
			}
			continue
		}
		var d struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		rest, err := asn1.Unmarshal(info, &d)
		if err != nil || len(rest) != 0 || d.Algorithm.Algorithm.String() != oids[h] || !bytes.Equal(d.Algorithm.Parameters.FullBytes, asn1.NullBytes) || !bytes.Equal(d.Digest, value) {
			t.Errorf("%s: %x, %v", h.Name, info, err)
		}
	}
}

// TestHashes sees that each hash begins, and goes on from a copy as from itself.
func TestHashes(t *testing.T) {
	hmac, wipe := capi.NewHMAC(capi.MD2, bytes.Repeat([]byte{1}, 100), nil, nil)
	defer wipe()
	for _, h := range append(capi.Hashes(), hmac) {
		whole := h.New()
		fmt.Fprint(whole, "apple-camshaft")
		first := h.New()
		fmt.Fprint(first, "apple-")
		second, err := capi.CloneHash(first)
		if err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		fmt.Fprint(first, "tree")
		fmt.Fprint(second, "camshaft")
		if got := second.Sum(nil); len(got) != h.Size || !bytes.Equal(got, whole.Sum(nil)) || bytes.Equal(got, first.Sum(nil)) {
			t.Errorf("%s: %x", h.Name, got)
		}
	}
	if want := slices.Concat(sum(capi.MD5, []byte("x"), 0), sum(capi.SHA1, []byte("x"), 0)); !bytes.Equal(sum(capi.SSL3SHAMD5, []byte("x"), 0), want) {
		t.Errorf("SSL3_SHAMD5 is not MD5 and SHA-1")
	}
}

// TestErrorNames sees that every code is told by its name.
func TestErrorNames(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	ast.Inspect(f, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok {
			return true
		}
		var code uint32
		fmt.Sscan(literal.Value, &code)
		if got := capi.Error(code).Error(); got != spec.Names[0].Name {
			t.Errorf("%s is told as %s", spec.Names[0].Name, got)
		}
		n++
		return true
	})
	if n < 30 {
		t.Errorf("%d codes", n)
	}
	if got := capi.Error(0x12345678).Error(); !strings.Contains(got, "0x12345678") {
		t.Error(got)
	}
	if capi.Code(nil) != 0 || capi.Code(fmt.Errorf("deep: %w", capi.NTE_PERM)) != capi.NTE_PERM || capi.Code(fmt.Errorf("other")) != capi.NTE_FAIL {
		t.Error("codes are not found")
	}
}

// TestDocument sees that the program in docs/cryptderivekey.md is the example.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../docs/cryptderivekey.md")
	if err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```go\n")
	program, _, ok := strings.Cut(rest, "```\n")
	if !ok {
		t.Fatal("there is no program")
	}
	for line := range strings.Lines(program) {
		code, _, _ := strings.Cut(strings.TrimSpace(line), " // ")
		if !strings.Contains(string(example), code+"\n") {
			t.Errorf("%q is not in the example", code)
		}
	}
}
