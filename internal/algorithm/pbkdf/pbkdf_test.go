package pbkdf

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"encoding/hex"
	"testing"
)

// TestPBKDF2 runs vectors of RFC 6070.
func TestPBKDF2(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		password, salt string
		iterations     int
		want           string
	}{
		{"password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
		{"password", "salt", 4096, "4b007901b765489abead49d926f721d065a429c1"},
		{"passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096, "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"},
	} {
		var w Work
		out := make([]byte, len(v.want)/2)
		if ok := w.PBKDF2(out, hmac.New(sha1.New, []byte(v.password)), []byte(v.salt), v.iterations); !ok || w.GaveUp() || hex.EncodeToString(out) != v.want {
			t.Errorf("%x, want %s", out, v.want)
		}
	}
}

// TestPBKDF1 compares with Python's hashlib.
func TestPBKDF1(t *testing.T) {
	t.Parallel()
	var w Work
	out := make([]byte, 16)
	w.PBKDF1(out[:8], out[8:], md5.New(), []byte("password"), []byte("saltsalt"), 1000)
	if got := hex.EncodeToString(out); got != "8006de5d2a5d15f9bbdb8f40196d5af1" {
		t.Errorf("%s", got)
	}
}

// TestPKCS12 runs vectors that OpenSSL and others try, for the password "smeg".
func TestPKCS12(t *testing.T) {
	t.Parallel()
	password := []byte("\x00s\x00m\x00e\x00g\x00\x00")
	salt, _ := hex.DecodeString("0a58cf64530d823f")
	for _, v := range []struct {
		id   byte
		want string
	}{{PKCS12Key, "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"}, {PKCS12IV, "79993dfe048d3b76"}} {
		var w Work
		out := make([]byte, len(v.want)/2)
		if w.PKCS12(out, sha1.New, v.id, password, salt, 1); hex.EncodeToString(out) != v.want {
			t.Errorf("%x, want %s", out, v.want)
		}
	}
}

// TestStopped gives up each derivation.
func TestStopped(t *testing.T) {
	t.Parallel()
	for name, derive := range map[string]func(w *Work, out []byte){
		"PBKDF1": func(w *Work, out []byte) { w.PBKDF1(out, nil, md5.New(), nil, nil, 1e9) },
		"PBKDF2": func(w *Work, out []byte) { w.PBKDF2(out, hmac.New(sha1.New, nil), nil, 1e9) },
		"PKCS12": func(w *Work, out []byte) { w.PKCS12(out, sha1.New, PKCS12Key, []byte{0}, []byte{0}, 1e9) },
	} {
		w := Work{Stopped: func() bool { return true }}
		if derive(&w, make([]byte, 8)); !w.GaveUp() {
			t.Errorf("%s does not give up", name)
		}
	}
}
