package keyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// The examples of RFC 7517, appendix A, and of RFC 8037, appendix A.
const (
	jwkEC = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
		"y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE","use":"enc","kid":"1"}`
	jwkEd25519 = `{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`
	jwkX25519  = `{"kty":"OKP","crv":"X25519","kid":"Bob","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}`
	jwkWrap    = `{"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg"}`
	jwkHMAC    = `{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","kid":"HMAC key"}`
)

// TestJWK reads the examples, alone, in a set and in a list.
func TestJWK(t *testing.T) {
	t.Parallel()
	generic := ck.CKK_GENERIC_SECRET
	for _, c := range []struct {
		text string
		o    Options
		want string // or the error
	}{
		{jwkEC, Options{}, "private_key 1, public_key 1"},
		{" \n" + jwkEd25519 + "\n", Options{}, "private_key , public_key "},
		{jwkX25519, Options{}, "public_key Bob"},
		{jwkWrap, Options{}, "secret_key "},
		{jwkHMAC, Options{}, "does not say of which type"},
		{jwkHMAC, Options{Secret: &generic}, "secret_key HMAC key"},
		{`{"keys":[` + jwkEC + "," + jwkX25519 + "," + jwkWrap + `]}`, Options{}, "private_key 1, public_key 1, secret_key , public_key Bob"},
		{"[" + jwkEd25519 + "," + jwkEC + "]", Options{}, "private_key , public_key , private_key 1, public_key 1"},
		{strings.Replace(jwkEC, "870MB6", "970MB6", 1), Options{}, "do not belong together"},
		{strings.Replace(jwkEd25519, "11qY", "21qY", 1), Options{}, "public key is damaged"},
		{strings.Replace(jwkEC, `"y":"4E`, `"y":"5E`, 1), Options{}, "public key is damaged"},
		{strings.Replace(jwkEC, "P-256", "P-257", 1), Options{}, `a curve that softcsp does not have: "P-257"`},
		{strings.Replace(jwkEC, `"EC"`, `"OKP"`, 1), Options{}, "a curve that softcsp does not have"},
		{strings.Replace(jwkEC, "MKBC", "MK+C", 1), Options{}, `"x" is not in base64url`},
		{`{"kty":"RSA","n":"AQAB","e":"AQAB"}`, Options{}, "CKA_MODULUS of 17 bits"},
		{`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQ","oth":[{}]}`, Options{}, "more than two primes"},
		{`{"kty":"PQ"}`, Options{}, `of a type that softcsp does not have: "PQ"`},
		{`{"protected":"","ciphertext":"AAAA"}`, Options{}, "an encrypted JWK"},
		{`{"a":1}`, Options{}, `no "kty" and no "keys"`},
		{`{"keys":[]}`, Options{}, "no key and no certificate"},
		{`{"kty":3}`, Options{}, "another type than it should"},
		{`{"kty":"EC",}`, Options{}, "no JSON at byte 13"},
		{`{"kty":"EC","crv":"P-256","x":"AAAA","y":"AA","x5c":[]}`, Options{}, "not equally long"},
	} {
		got, err := Read([]byte(c.text), c.o)
		switch {
		case err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		case err == nil && names(got) != c.want:
			t.Errorf("%s: %s, want %s", c.text, names(got), c.want)
		}
		if err != nil && strings.Contains(err.Error(), "870MB6") {
			t.Errorf("an error tells the key: %v", err)
		}
	}
}

// TestWriteJWK writes the examples again, member by member.
func TestWriteJWK(t *testing.T) {
	t.Parallel()
	for _, text := range []string{jwkEC, jwkEd25519, jwkX25519} {
		c, err := Read([]byte(text), Options{})
		if err != nil {
			t.Fatal(err)
		}
		k := keyOf(c.Entries[0])
		k.Name = c.Entries[0].Name
		out, err := Write(k, "jwk", nil)
		if err != nil {
			t.Fatal(err)
		}
		got, want := make(map[string]any), make(map[string]any)
		if err := errors.Join(json.Unmarshal(out, &got), json.Unmarshal([]byte(text), &want)); err != nil {
			t.Fatal(err)
		}
		delete(want, "use")
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

// TestJWKWithoutPrimes reads an RSA key of which only the exponents are given.
func TestJWKWithoutPrimes(t *testing.T) {
	t.Parallel()
	l := newLab(t, "openssl")
	l.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out key.pem")
	c := l.wants("key.pem", Options{}, nil, pair...)
	out, err := Write(keyOf(c.Entries[0]), "jwk", nil)
	if err != nil {
		t.Fatal(err)
	}
	var k jwk
	if err := json.Unmarshal(out, &k); err != nil {
		t.Fatal(err)
	}
	k.P, k.Q, k.DP, k.DQ, k.QI = "", "", "", "", ""
	if out, err = k.marshal(); err != nil {
		t.Fatal(err)
	}
	again, err := Read(out, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range c.Entries[0].Attributes {
		if !bytes.Equal(find(again.Entries[0].Attributes, a.Type), a.Value) {
			t.Errorf("%v is another", a.Type)
		}
	}
}
