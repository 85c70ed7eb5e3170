package pkcs11uri

import (
	"strings"
	"testing"
)

// The examples of RFC 7512, section 3, with the attributes that they have.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		has  map[string]string
	}{
		{"pkcs11:", nil},
		{"pkcs11:object=my-pubkey;type=public", map[string]string{"object": "my-pubkey", "type": "public"}},
		{"pkcs11:object=my-key;type=private?pin-source=file:/etc/token", map[string]string{"object": "my-key", "pin-source": "file:/etc/token"}},
		{"pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=cert;" +
			"id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
			map[string]string{"token": "The Software PKCS#11 Softtoken", "manufacturer": "Snake Oil, Inc.", "id": "\x69\x95\x3e\x5c\xf4\xbd\xec\x91", "serial": ""}},
		{"pkcs11:object=my-sign-key;type=private?module-name=mypkcs11", map[string]string{"module-name": "mypkcs11"}},
		{"pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1", map[string]string{"module-path": "/mnt/libmypkcs11.so.1"}},
		{"pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.?pin-value=the-pin", map[string]string{"pin-value": "the-pin"}},
		{"pkcs11:slot-description=Sun%20Metaslot", map[string]string{"slot-description": "Sun Metaslot"}},
		{"pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;library-version=1.23", map[string]string{"library-version": "1.23"}},
		{"pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
			map[string]string{"token": "My token% created by Joe", "id": "\x01\x02\x03\xba\xdd\xca\xfe\x04\x05\x06"}},
		{"pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert", map[string]string{"token": "A name with a substring %;"}},
		{"pkcs11:token=Name%20with%20a%20small%20A%20with%20acute:%20%C3%A1;object=my-certificate;type=cert", map[string]string{"token": "Name with a small A with acute: á"}},
		{"pkcs11:token=my-token;object=my-certificate;type=cert;x-vend-aaa=value-a?pin-source=file:/etc/token_pin&x-vend-bbb=value-b", map[string]string{"token": "my-token"}},
		{"PKCS11:token=x", map[string]string{"token": "x"}},
	} {
		u, err := Parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for name, want := range c.has {
			if got, ok := u.Get(name); !ok || got != want {
				t.Errorf("%s: %s is %q", c.text, name, got)
			}
		}
	}
}

func TestWrong(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "http://x", "pkcs11", "pkcs11:token", "pkcs11:tokn=x", "pkcs11:token=a;token=b", "pkcs11:token=%", "pkcs11:token=%2",
		"pkcs11:token=%zz", "pkcs11:type=secret", "pkcs11:?pin=1", "pkcs11:pin-value=1", "pkcs11:;", "pkcs11:token=a?&"} {
		if u, err := Parse(s); err == nil {
			t.Errorf("%q is %v", s, u)
		}
	}
}

// FuzzParse sees that what is read is written so that it reads the same.
func FuzzParse(f *testing.F) {
	f.Add("pkcs11:token=My%20token%25;id=%01%FF;type=private?pin-source=file:/x")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			return
		}
		text := u.String()
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q becomes %q: %v", s, text, err)
		}
		if len(again.attributes) != len(u.attributes) {
			t.Fatalf("%q becomes %q", s, text)
		}
		for name, v := range u.attributes {
			if w, _ := again.Get(name); w != v {
				t.Fatalf("%q becomes %q: %s", s, text, name)
			}
		}
		if strings.ContainsAny(text, " \n\"<>") {
			t.Fatalf("%q has what does not belong into a URI", text)
		}
	})
}
