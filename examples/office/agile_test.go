package office_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/examples/office"
	"github.com/softcsp/softcsp/token"
)

// session opens a session with a token in memory.
func session(t testing.TB) office.Session {
	t.Helper()
	m := token.New()
	if err := m.Initialize(ck.InitArgs{Reserved: "store='memory' kdf='test'"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Finalize() })
	slot, err := m.EmptySlot()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.InitToken(slot, []byte("87654321"), []byte(fmt.Sprintf("%-32s", "agile"))); err != nil {
		t.Fatal(err)
	}
	h, err := m.OpenSession(slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	if err != nil {
		t.Fatal(err)
	}
	return office.Session{Cryptoki: m, Handle: h}
}

// agileFiles are files of Excel, and the SHA-256 of what msoffcrypto-tool 5.0.0 opens them to. The password is "password".
var agileFiles = map[string]string{
	"office/excelize/encryptSHA1.xlsx":   "69179d567537d225a8ffbcb1785a46a7d316089c2263eebc4d329b62d71dcf26",
	"office/excelize/encryptSHA512.xlsx": "8e45a2d3ad2d1d408fd7b8d764cfe5264dc55c1cd79c81f2041cd96d5a936f8d",
}

func TestOpenAgile(t *testing.T) {
	s := session(t)
	for name, want := range agileFiles {
		file := read(t, name)
		before := bytes.Clone(file)
		plain, err := office.OpenAgile(file, "password", s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if sum := sha256.Sum256(plain); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s: another package", name)
		}
		if _, err := zip.NewReader(bytes.NewReader(plain), int64(len(plain))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(file, before) {
			t.Errorf("%s: the file was changed", name)
		}
		if _, err := office.OpenAgile(file, "Password", s); !errors.Is(err, office.ErrPassword) {
			t.Errorf("%s with another password: %v", name, err)
		}
		if _, err := office.Open(file, "password", keys(t)); !errors.Is(err, office.ErrAgile) || !errors.Is(err, office.ErrFormat) {
			t.Errorf("%s with CryptDeriveKey: %v", name, err)
		}
	}
}

// TestAgileKeysStay sees that no object is left, and that what there is on the way cannot be read.
func TestAgileKeysStay(t *testing.T) {
	s := session(t)
	watched := &watcher{Cryptoki: s.Cryptoki, t: t}
	if _, err := office.OpenAgile(read(t, "office/excelize/encryptSHA512.xlsx"), "password", office.Session{Cryptoki: watched, Handle: s.Handle}); err != nil {
		t.Fatal(err)
	}
	if watched.seen < 4 {
		t.Errorf("%d keys were derived or unwrapped", watched.seen)
	}
	if err := s.FindObjectsInit(s.Handle, []ck.Attribute{{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_SECRET_KEY))}}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.FindObjects(s.Handle, make([]ck.ObjectHandle, 1)); n != 0 || err != nil {
		t.Errorf("%d keys are left, %v", n, err)
	}
}

// A watcher tries to read every key that is made.
type watcher struct {
	ck.Cryptoki
	t    *testing.T
	seen int
}

func (w *watcher) look(h ck.SessionHandle, o ck.ObjectHandle) {
	w.seen++
	ask := []ck.AttributeBuffer{{Type: ck.CKA_VALUE, Buffer: ck.Into(make([]byte, 64))}}
	if err := w.GetAttributeValue(h, o, ask); !errors.Is(err, ck.CKR_ATTRIBUTE_SENSITIVE) {
		w.t.Errorf("reading a key: %v", err)
	}
}

func (w *watcher) DeriveKey(h ck.SessionHandle, m *ck.Mechanism, base ck.ObjectHandle, template []ck.Attribute, o *ck.ObjectHandle) error {
	err := w.Cryptoki.DeriveKey(h, m, base, template, o)
	if err == nil {
		w.look(h, *o)
	}
	return err
}

func (w *watcher) UnwrapKey(h ck.SessionHandle, m *ck.Mechanism, k ck.ObjectHandle, wrapped []byte, template []ck.Attribute) (ck.ObjectHandle, error) {
	o, err := w.Cryptoki.UnwrapKey(h, m, k, wrapped, template)
	if err == nil {
		w.look(h, o)
	}
	return o, err
}

// TestAgileCiphers opens what sealer encrypts with every cipher and hash, with lengths around those of blocks and segments.
func TestAgileCiphers(t *testing.T) {
	s := session(t)
	n := 0
	for _, c := range sealerCiphers {
		for hash := range sealerHashes {
			for _, size := range []int{0, 1, 15, 16, 4095, 4096, 4097, 10000} {
				plain := bytes.Repeat([]byte("The camshaft turns. "), size/20+1)[:size]
				x := sealer{cipher: c, hash: hash, spins: 7, password: "päss\U0001f511"}
				opened, err := office.OpenAgile(x.seal(t, plain), x.password, s)
				if err != nil || !bytes.Equal(opened, plain) {
					t.Errorf("%s-%d, %s, %d bytes: %d bytes, %v", c.name, c.bits, hash, size, len(opened), err)
				}
				n++
			}
		}
	}
	if n < 4*8*len(sealerCiphers) {
		t.Errorf("%d documents", n)
	}
}

// TestAgileLarge opens a document of so many sectors that the compound file lists them in sectors of their own.
func TestAgileLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("9 MB")
	}
	plain := random(9<<20 + 1)
	x := sealer{cipher: sealerCiphers[0], hash: "SHA512", spins: 1, password: "password"}
	if opened, err := office.OpenAgile(x.seal(t, plain), x.password, session(t)); err != nil || !bytes.Equal(opened, plain) {
		t.Errorf("%d bytes, %v", len(opened), err)
	}
}

// TestAgileDamaged changes each byte of a package, and cuts documents short: none of it is given out.
func TestAgileDamaged(t *testing.T) {
	s := session(t)
	x := sealer{cipher: sealerCiphers[0], hash: "SHA512", spins: 1, password: "password"}
	plain := bytes.Repeat([]byte("camshaft"), 20)
	file := x.seal(t, plain)
	at := bytes.Index(file, x.sealed)
	if at < 0 {
		t.Fatal("where is the package?")
	}
	for i := range len(x.sealed) {
		bad := bytes.Clone(file)
		bad[at+i] ^= 1
		if _, err := office.OpenAgile(bad, x.password, s); !errors.Is(err, office.ErrIntegrity) {
			t.Errorf("byte %d of the package changed: %v", i, err)
		}
	}
	for i := 0; i < len(file); i += 7 {
		bad := bytes.Clone(file)
		bad[i] ^= 0x20
		if opened, err := office.OpenAgile(bad, x.password, s); err == nil && !bytes.Equal(opened, plain) {
			t.Errorf("byte %d of the file changed, and so is what was opened", i)
		}
		_, _ = office.OpenAgile(file[:i], x.password, s)
	}
}

// TestAgileRefused gives descriptions that are refused, and hears why.
func TestAgileRefused(t *testing.T) {
	s := session(t)
	for _, test := range []struct{ old, new, why string }{
		{`spinCount="1"`, `spinCount="10000001"`, "10000001 times"},
		{`spinCount="1"`, `spinCount="4294967296"`, "description"},
		{"ChainingModeCBC", "ChainingModeCFB", "ChainingModeCFB"},
		{`"AES"`, `"RC4"`, `"RC4"`},
		{`keyBits="256"`, `keyBits="8"`, "8 bits"},
		{"SHA512", "WHIRLPOOL", "WHIRLPOOL"},
		{`saltSize="16"`, `saltSize="17"`, "salt"},
		{`saltValue="`, `saltValue="!`, "description"},
		{"keyEncryptor/password", "keyEncryptor/certificate", "certificate"},
		{"<dataIntegrity", "<other", "integrity"},
		{"</encryption>", "", "description"},
	} {
		x := sealer{cipher: sealerCiphers[0], hash: "SHA512", spins: 1, password: "password"}
		x.edit = func(text string) string { return strings.ReplaceAll(text, test.old, test.new) }
		_, err := office.OpenAgile(x.seal(t, []byte("plain")), x.password, s)
		if !errors.Is(err, office.ErrFormat) || !strings.Contains(err.Error(), test.why) {
			t.Errorf("%s: %v", test.new, err)
		}
	}
	if _, err := office.OpenAgile(read(t, "office/inputs/ecma376standard_password.docx"), "Password1234_", s); !errors.Is(err, office.ErrFormat) {
		t.Errorf("standard encryption: %v", err)
	}
	x := sealer{cipher: sealerCiphers[0], hash: "SHA512", spins: 1, password: "password", size: 1 << 40}
	if _, err := office.OpenAgile(x.seal(t, []byte("plain")), x.password, s); !errors.Is(err, office.ErrFormat) || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("a package that is not as long as it says: %v", err)
	}
}

// FuzzOpenAgile changes descriptions.
func FuzzOpenAgile(f *testing.F) {
	x := sealer{cipher: sealerCiphers[0], hash: "SHA1", spins: 1, password: "password"}
	x.seal(f, []byte("plain"))
	f.Add(x.description)
	s := session(f)
	f.Fuzz(func(t *testing.T, description string) {
		if strings.Contains(description, "spinCount") && !strings.Contains(description, `spinCount="1"`) {
			t.Skip("that takes long")
		}
		info := binary.LittleEndian.AppendUint64(nil, 0x40<<32|4<<16|4)
		file := compound([]string{"EncryptionInfo", "EncryptedPackage"}, [][]byte{append(info, description...), x.sealed})
		_, _ = office.OpenAgile(file, "password", s)
	})
}
