package office_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/csp"
	"github.com/softcsp/softcsp/examples/office"
	"github.com/softcsp/softcsp/internal/vectors"
)

const testdata = "../../testdata/"

func keys(t testing.TB) office.Keys {
	t.Helper()
	ctx, err := csp.AcquireContext("", capi.MS_ENH_RSA_AES_PROV, capi.PROV_RSA_AES, capi.CRYPT_VERIFYCONTEXT)
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

// entry is where the directory entry of a stream begins.
func entry(t *testing.T, file []byte, name string) int {
	t.Helper()
	var utf16 []byte
	for _, c := range name {
		utf16 = append(utf16, byte(c), 0)
	}
	at := bytes.Index(file, append(utf16, 0, 0))
	if at < 0 {
		t.Fatalf("there is no %q", name)
	}
	return at
}

// TestLongSize opens a package whose stream has fewer bytes than its directory entry tells, and more than the package needs.
func TestLongSize(t *testing.T) {
	for _, fact := range documents(t) {
		if fact.Package == "" {
			continue
		}
		file := read(t, fact.File)
		size := entry(t, file, "EncryptedPackage") + 120
		told := binary.LittleEndian.Uint32(file[size:])
		for _, more := range []uint32{1, 1 << 16, 1 << 30} {
			if told < 4096 && told+more >= 4096 { // the length decides where a stream lies
				continue
			}
			binary.LittleEndian.PutUint32(file[size:], told+more)
			plain, err := office.Open(file, fact.Password, keys(t))
			if err != nil {
				t.Errorf("%s, %d bytes more: %v", fact.File, more, err)
				continue
			}
			checkPackage(t, &fact, plain)
		}
	}
}

// TestGarbageInSize opens documents whose directory has something in the upper halves of the sizes of streams.
func TestGarbageInSize(t *testing.T) {
	file := read(t, "office/inputs/rc4cryptoapi_password.doc")
	binary.LittleEndian.PutUint32(file[entry(t, file, "WordDocument")+124:], 0xdeadbeef)
	plain, err := office.Open(file, "Password1234_", keys(t))
	if err != nil {
		t.Fatal(err)
	}
	want := read(t, "office/outputs/rc4cryptoapi_password_plain.doc")
	copy(plain[entry(t, plain, "WordDocument")+124:], make([]byte, 4))
	if !bytes.Equal(plain, want) {
		t.Error("not the plain copy")
	}
}

// TestNotOpened gives documents that are not opened, and hears why.
func TestNotOpened(t *testing.T) {
	k := keys(t)
	rc4 := bytes.Replace(read(t, "office/inputs/ecma376standard_password.docx"), []byte("\x0e\x66\x00\x00\x04\x80\x00\x00"), []byte("\x01\x68\x00\x00\x04\x80\x00\x00"), 1)
	if _, err := office.Open(rc4, "Password1234_", k); !errors.Is(err, office.ErrFormat) || !strings.Contains(err.Error(), "RC4") {
		t.Errorf("RC4 in a package: %v", err)
	}
	plain := read(t, "office/outputs/rc4cryptoapi_password_plain.ppt")
	copy(plain[entry(t, plain, "\x05SummaryInformation"):], "P\x00i\x00c\x00t\x00u\x00r\x00e\x00s\x00\x00\x00")
	if _, err := office.Open(plain, "", k); !errors.Is(err, office.ErrFormat) || strings.Contains(err.Error(), "pictures") {
		t.Errorf("a presentation that is not encrypted: %v", err)
	}
	for name, want := range map[string]bool{"poi/Password_Protected-hello.ppt": true, "poi/Password_Protected-np-hello.ppt": false, "outputs/rc4cryptoapi_password_plain.doc": false} {
		if office.SealedProperties(read(t, "office/"+name)) != want {
			t.Errorf("%s: whether its properties are encrypted", name)
		}
	}
}

// nothing derives keys that decrypt nothing, but make every verifier the right one: for a fuzzer that is after the formats.
type nothing struct{}

func (nothing) Derive(capi.AlgID, uint32, []byte) (office.Key, error) { return nothing{}, nil }
func (nothing) Destroy()                                              {}

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
