package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

const tamperedKeys = 6

// A tampering is a token file as it was at two times, and what its keys encrypt 16 zeros to.
type tampering struct {
	name       string
	old, new   []byte
	ciphertext map[string][]byte // by label
}

// newTampering makes a token with keys, some of which are destroyed and replaced between the two states.
func newTampering(t *testing.T) *tampering {
	t.Helper()
	dir := t.TempDir()
	env, err := module.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := NewScript(func(string) (*Host, error) { return StartHost(driver, module.path, env...) })
	tam := &tampering{ciphertext: map[string][]byte{}}
	do(t, s, "login")
	for i := range tamperedKeys {
		tam.add(t, s, fmt.Sprintf("key%d", i))
	}
	do(t, s, "C_CreateObject s {CKA_CLASS=CKO_DATA,CKA_TOKEN=true,CKA_PRIVATE=false,CKA_LABEL=str:public,CKA_VALUE=str:readable} &d", "close")
	tam.name, tam.old = tokenFile(t, dir)
	do(t, s, "login", "find s {CKA_LABEL=str:key0}", "C_DestroyObject s found",
		"find s {CKA_LABEL=str:key1}", "C_SetAttributeValue s found {CKA_ID=hex:0102}")
	delete(tam.ciphertext, "key0")
	tam.add(t, s, "late")
	do(t, s, "close")
	_, tam.new = tokenFile(t, dir)
	return tam
}

func (tam *tampering) add(t *testing.T, s *Script, label string) {
	t.Helper()
	s.Vars.SetBytes("value", []byte(keyOf(label)))
	do(t, s, "C_CreateObject s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_TOKEN=true,CKA_EXTRACTABLE=false,CKA_ENCRYPT=true,CKA_LABEL=str:"+label+",CKA_VALUE=value} &k",
		"C_EncryptInit s CKM_AES_ECB k", "C_Encrypt s rep:16:00 ct=out:16")
	tam.ciphertext[label] = bytes.Clone(s.Vars.Bytes("ct"))
}

func tokenFile(t *testing.T, dir string) (name string, content []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "tokens", "*.token"))
	if err != nil || len(files) != 1 {
		t.Fatalf("token files %v, %v", files, err)
	}
	content, err = os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(files[0]), content
}

// copy puts the file into a place of its own.
func (tam *tampering) copy(t *testing.T, content []byte) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	env, err := module.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tokens", tam.name), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, env
}

// use opens the token with a changed file, and uses every key that it offers. Whatever is refused is fine; a wrong result or
// a crash is not. Where anything was not as it should be softcsp token check, on a copy of its own, must find it.
func (tam *tampering) use(t *testing.T, what string, content []byte) {
	t.Helper()
	_, env := tam.copy(t, content)
	s := NewScript(func(string) (*Host, error) { return StartHost(driver, module.path, env...) })
	seen, err := tam.useAll(s)
	if errors.Is(err, errHost) || errors.Is(err, errWrong) {
		t.Errorf("%s: %v", what, err)
		return
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: at its end: %v", what, err)
	}
	complete := err == nil && seen == len(tam.ciphertext)
	dir, env := tam.copy(t, content)
	out, err := checkToken(t, dir, env)
	if sound := err == nil; sound && !complete {
		t.Errorf("%s: softcsp token check finds nothing wrong where %d of %d keys could be used:\n%s", what, seen, len(tam.ciphertext), out)
	}
}

var errWrong = errors.New("a wrong result")

// useAll returns how many keys there were and gave the right result.
func (tam *tampering) useAll(s *Script) (seen int, err error) {
	lines := func(l ...string) {
		for _, l := range l {
			if err == nil {
				err = s.Line(l)
			}
		}
	}
	lines("C_Initialize NULL", "slot conformance", "C_OpenSession slot CKF_SERIAL_SESSION NULL NULL &s", "C_Login s CKU_USER str:"+userPIN,
		"C_FindObjectsInit s {CKA_CLASS=CKO_SECRET_KEY}", "C_FindObjects s &f[64] 64 &n", "C_FindObjectsFinal s")
	if err != nil {
		return 0, err
	}
	var all error
	for i := range s.Vars.Number("n") {
		s.Vars.setNumber("k", s.Vars.Number(fmt.Sprintf("f[%d]", i)))
		err = nil
		lines("get s k CKA_LABEL", "get s k CKA_EXTRACTABLE = false", "C_EncryptInit s CKM_AES_ECB k", "C_Encrypt s rep:16:00 ct=out:16")
		if errors.Is(err, errHost) {
			return seen, err
		}
		if err != nil {
			all = err
			continue
		}
		label := string(s.Vars.Bytes("a.CKA_LABEL"))
		if want := tam.ciphertext[label]; want == nil {
			return seen, fmt.Errorf("%w: key %q is there", errWrong, label)
		} else if got := s.Vars.Bytes("ct"); !bytes.Equal(got, want) {
			return seen, fmt.Errorf("%w: key %s encrypts to %x, not %x", errWrong, label, got, want)
		}
		seen++
	}
	return seen, all
}

// TestTamper changes a token's file in every way that needs no key, and uses it.
func TestTamper(t *testing.T) {
	t.Parallel()
	slow(t)
	only(t)
	tam := newTampering(t)
	t.Run("untouched", func(t *testing.T) { tam.use(t, "untouched", tam.new) })
	t.Run("flip", func(t *testing.T) {
		// The bytes that hold something, because most of the file does not.
		var used []int
		for i, b := range tam.new {
			if b != 0 {
				used = append(used, i)
			}
		}
		for range 80 {
			changed := bytes.Clone(tam.new)
			i, bit := used[rand.IntN(len(used))], rand.IntN(8)
			changed[i] ^= 1 << bit
			tam.use(t, fmt.Sprintf("bit %d of byte %d", bit, i), changed)
		}
	})
	t.Run("zero", func(t *testing.T) {
		for i := 0; i+4096 <= len(tam.new); i += 4096 {
			changed := bytes.Clone(tam.new)
			clear(changed[i : i+4096])
			tam.use(t, fmt.Sprintf("page %d emptied", i/4096), changed)
		}
	})
	t.Run("rollback", func(t *testing.T) {
		for i := 0; i+4096 <= min(len(tam.old), len(tam.new)); i += 4096 {
			if bytes.Equal(tam.old[i:i+4096], tam.new[i:i+4096]) {
				continue
			}
			changed := bytes.Clone(tam.new)
			copy(changed[i:], tam.old[i:i+4096])
			tam.use(t, fmt.Sprintf("page %d of an older file", i/4096), changed)
		}
	})
	t.Run("cut", func(t *testing.T) {
		for _, n := range []int{0, 1, 4095, 4096, 8192, len(tam.new) / 2, len(tam.new) - 4096, len(tam.new) - 1} {
			tam.use(t, fmt.Sprintf("cut at %d", n), tam.new[:n])
		}
	})
}
