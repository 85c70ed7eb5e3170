package office_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/csp"
	"github.com/softcsp/softcsp/examples/office"
	"github.com/softcsp/softcsp/internal/vectors"
)

const testdata = "../../testdata/"

func keys(t testing.TB) office.Keys {
	t.Helper()
	ctx, err := csp.AcquireContext("", csp.MS_ENH_RSA_AES_PROV, csp.PROV_RSA_AES, csp.CRYPT_VERIFYCONTEXT)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ctx.Release(0); err != nil {
			t.Error(err)
		}
	})
	return office.CSP{Context: ctx}
}

func documents(t testing.TB) []vectors.OfficeFact {
	t.Helper()
	facts, err := vectors.Lines[vectors.OfficeFact](os.DirFS(testdata), "office/office-facts.jsonl")
	if err != nil || len(facts) != 11 {
		t.Fatalf("%d documents, %v", len(facts), err)
	}
	return facts
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(testdata + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpen opens every document there is. Those that have a plain copy give it back byte for byte; packages are the ones
// whose digests are known, and are whole; the others open a second time as what is not encrypted.
func TestOpen(t *testing.T) {
	k := keys(t)
	copies := 0
	for _, fact := range documents(t) {
		file := read(t, fact.File)
		before := bytes.Clone(file)
		plain, err := office.Open(file, fact.Password, k)
		if err != nil {
			t.Errorf("%s: %v", fact.File, err)
			continue
		}
		if !bytes.Equal(file, before) {
			t.Errorf("%s: the file was changed", fact.File)
		}
		if name, ok := strings.CutPrefix(fact.File, "office/inputs/"); ok {
			ext := filepath.Ext(name)
			if want := read(t, "office/outputs/"+strings.TrimSuffix(name, ext)+"_plain"+ext); !bytes.Equal(plain, want) {
				t.Errorf("%s: not the plain copy", fact.File)
			}
			copies++
		}
		if fact.Package != "" {
			checkPackage(t, &fact, plain)
		} else if _, err := office.Open(plain, fact.Password, k); !errors.Is(err, office.ErrFormat) {
			t.Errorf("%s: opened again: %v", fact.File, err)
		}
	}
	if copies != 4 {
		t.Errorf("%d plain copies", copies)
	}
}

func checkPackage(t *testing.T, fact *vectors.OfficeFact, plain []byte) {
	t.Helper()
	if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != fact.Package {
		t.Errorf("%s: another package", fact.File)
	}
	if _, err := zip.NewReader(bytes.NewReader(plain), int64(len(plain))); err != nil {
		t.Errorf("%s: %v", fact.File, err)
	}
}

func TestWrongPassword(t *testing.T) {
	k := keys(t)
	for _, fact := range documents(t) {
		if _, err := office.Open(read(t, fact.File), fact.Password+"x", k); !errors.Is(err, office.ErrPassword) {
			t.Errorf("%s: %v", fact.File, err)
		}
	}
}

// TestDamaged cuts documents short and changes them everywhere: that may be an error, and may not be a panic.
func TestDamaged(t *testing.T) {
	k := keys(t)
	for _, fact := range documents(t) {
		file := read(t, fact.File)
		for n := 0; n < len(file); n += len(file)/16 + 1 {
			_, _ = office.Open(file[:n], fact.Password, k)
		}
		for at := 0; at < len(file); at += len(file)/48 + 1 {
			bad := bytes.Clone(file)
			bad[at] ^= 0xff
			_, _ = office.Open(bad, fact.Password, k)
		}
	}
	if _, err := office.Open([]byte("PK\x03\x04"), "", k); !errors.Is(err, office.ErrFormat) {
		t.Errorf("a zip file: %v", err)
	}
}

// nothing derives keys that decrypt nothing, but make every verifier the right one: for a fuzzer that is after the formats.
type nothing struct{}

func (nothing) Derive(uint32, uint32, []byte) (office.Key, error) { return nothing{}, nil }
func (nothing) Destroy()                                          {}

func (nothing) Decrypt(b []byte) error {
	if len(b) >= 36 {
		sum := sha1.Sum(b[:16])
		copy(b[16:], sum[:])
	}
	return nil
}

func FuzzOpen(f *testing.F) {
	for _, fact := range documents(f) {
		f.Add(read(f, fact.File))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		plain, err := office.Open(file, "", nothing{})
		if err == nil && len(plain) > len(file) {
			t.Errorf("%d bytes became %d", len(file), len(plain))
		}
	})
}
