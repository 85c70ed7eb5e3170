package keyfile

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// seeds are files of each format.
func seeds(f *testing.F) {
	files, err := filepath.Glob("testdata/*.p12")
	if err != nil {
		f.Fatal(err)
	}
	for _, dir := range []string{"PKCS8", "OpenSSH", "Traditional_OpenSSL_Serialization", "DER_Serialization", "X448"} {
		more, err := filepath.Glob(filepath.Join(vectors.CryptographyVectors, "asymmetric", dir, "*.*"))
		if err != nil {
			f.Fatal(err)
		}
		files = append(files, more...)
	}
	if len(files) < 3 {
		f.Fatal("there are no seeds")
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 1500 { // the arithmetic of long keys is slow
			f.Add(b)
		}
	}
	for _, text := range []string{jwkEC, jwkEd25519, jwkWrap, "[" + jwkEC + "]"} {
		f.Add([]byte(text))
	}
	blob, err := base64.StdEncoding.DecodeString("CAIAAA5mAAAQAAAAAAECAwQFBgcICQoLDA0ODw==")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(blob)
}

// FuzzRead reads anything: without a panic, and what comes of it is complete. Passwords cost little here.
func FuzzRead(f *testing.F) {
	seeds(f)
	generic := ck.CKK_GENERIC_SECRET
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1500 {
			return
		}
		for _, secret := range []*ck.KeyType{nil, &generic} {
			r := &reader{options: Options{Secret: secret, Password: func() ([]byte, error) { return []byte("password"), nil }}, costs: 5000}
			err := r.read(data)
			if err == nil {
				err = r.finish()
			}
			if err != nil {
				continue
			}
			for _, e := range r.Entries {
				complete(t, r.Format, e)
				if e.Class == ck.CKO_CERTIFICATE {
					continue
				}
				out, err := Write(keyOf(e), Formats[e.Class][0], nil)
				if err != nil {
					t.Fatalf("%s: %v", r.Format, err)
				}
				if _, err := Read(out, Options{Secret: &e.Type}); err != nil {
					t.Fatalf("%s: %v", r.Format, err)
				}
			}
		}
	})
}

// FuzzBER turns anything into DER: what comes of it is in DER, and not longer than what each element may add.
func FuzzBER(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		out, ok := toDER(data)
		if !ok {
			return
		}
		if again, ok := toDER(out); !ok || len(again) != len(out) || len(out) > 3*len(data) {
			t.Errorf("% x becomes % x", data, out)
		}
	})
}

// TestHostile sees that files which ask for much work or memory are refused.
func TestHostile(t *testing.T) {
	t.Parallel()
	salt := []byte("saltsalt")
	for name, params := range map[string]struct {
		n, r, p int
	}{
		"memory": {1 << 24, 8, 1}, "blocks": {2, 1 << 40, 1}, "parallel": {2, 1, 1 << 40}, "work": {1 << 14, 8, 1 << 10},
		"none": {0, 8, 1}, "negative": {1 << 14, -8, 1}, "most": {1<<63 - 1, 1<<63 - 1, 1<<63 - 1},
	} {
		k, err := readScrypt(salt, scryptParams(params.n, params.r, params.p))
		if err == nil {
			_, err = k(&reader{costs: maxCost}, []byte(password), 32)
		}
		if err == nil {
			t.Errorf("scrypt, %s: done", name)
		}
	}
	r := &reader{costs: maxCost}
	if err := errors.Join(r.spend(maxCost/2), r.spend(maxCost/2)); err != nil {
		t.Error(err)
	}
	for _, n := range []int{1, 0, -1, maxCost, 1<<63 - 1} {
		if r.spend(n) == nil {
			t.Errorf("%d repetitions more are done", n)
		}
	}
	if _, err := Read(make([]byte, MaxSize+1), Options{}); err == nil {
		t.Error("a file that is too long is read")
	}
	one := strings.Replace(jwkWrap, "}", "},", 1)
	if _, err := Read([]byte("["+strings.Repeat(one, maxEntries)+jwkWrap+"]"), Options{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a file of too many keys is read: %v", err)
	}
}

// scryptParams are the parameters of scrypt behind the salt.
func scryptParams(n, r, p int) []byte {
	var b cryptobyte.Builder
	for _, v := range []int{n, r, p} {
		b.AddASN1Int64(int64(v))
	}
	return b.BytesOrPanic()
}
