package keyfile

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// names are the classes and names of entries.
func names(c *Contents) string {
	var words []string
	for _, e := range c.Entries {
		words = append(words, strings.ToLower(strings.TrimPrefix(e.Class.String(), "CKO_"))+" "+e.Name)
	}
	return strings.Join(words, ", ")
}

// TestPKCS12Files reads files of Java, NSS and go-pkcs12.
func TestPKCS12Files(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("passwords take long")
	}
	for file, want := range map[string]string{
		"java.p12": "private_key first, public_key first, private_key second, public_key second, secret_key third, certificate first, certificate second",
		"nss.p12":  "private_key nss key, public_key nss key, certificate nss key",
		// It has no names; that of the certificate is that of its subject.
		"pbmac1.p12": "private_key , public_key , certificate pbmac1",
	} {
		data, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		o, asked := asks("changeit")
		c, err := Read(data, o)
		if err != nil || *asked != 1 {
			t.Errorf("%s: asked %d times, %v", file, *asked, err)
			continue
		}
		if got := names(c); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
		for _, e := range c.Entries {
			complete(t, file, e)
			if e.Class == ck.CKO_CERTIFICATE && c.Find(ck.CKO_PRIVATE_KEY, e.PublicKeyInfo) == nil {
				t.Errorf("%s: a certificate belongs to no key", file)
			}
			if e.Class == ck.CKO_SECRET_KEY && (e.Type != ck.CKK_AES || len(find(e.Attributes, ck.CKA_VALUE)) != 32) {
				t.Errorf("%s: a secret key of type %v", file, e.Type)
			}
		}
		o, _ = asks("changed")
		if _, err := Read(data, o); !errors.Is(err, ErrPassword) {
			t.Errorf("%s, wrong password: %v", file, err)
		}
	}
}

// TestPKCS12OpenSSL reads files in every way in which OpenSSL writes them.
func TestPKCS12OpenSSL(t *testing.T) {
	t.Parallel()
	l := newLab(t, "openssl")
	l.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:brainpoolP256r1 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 30")
	l.run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:brainpoolP256r1 -nodes -keyout key.pem -out csr -subj /CN=server")
	l.run("openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -set_serial 7 -days 30 -out cert.pem")
	for _, how := range []string{
		"", "-legacy", "-descert -legacy", "-nomac", "-macalg sha512", "-keypbe NONE", "-certpbe NONE", "-keypbe NONE -certpbe NONE", "-nomaciter -noiter",
		"-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-RC2-128 -legacy", "-keypbe aes-128-cbc -certpbe aes-192-cbc -iter 5000", "-keypbe PBE-SHA1-RC4-128 -legacy",
	} {
		for _, p := range []string{password, ""} {
			l.write("secret", []byte(p+"\n"))
			l.run("openssl pkcs12 -export -inkey key.pem -in cert.pem -certfile ca.pem -name Schlüssel -passout file:secret -out out " + how)
			o, asked := asks(p)
			c, err := Read(l.read("out"), o)
			if err != nil {
				t.Errorf("%q, %q: %v", how, p, err)
				continue
			}
			if got := names(c); got != "private_key Schlüssel, public_key Schlüssel, certificate Schlüssel, certificate authority" {
				t.Errorf("%q: %s", how, got)
			}
			if want := min(1, len(p)); *asked != want {
				t.Errorf("%q, %q: asked %d times, want %d", how, p, *asked, want)
			}
			if how == "-nomac" && p == "" {
				continue
			}
			o, _ = asks("wrong")
			if _, err := Read(l.read("out"), o); p != "" && !errors.Is(err, ErrPassword) {
				t.Errorf("%q, wrong password: %v", how, err)
			}
		}
	}
}

// TestBER turns what is in BER into DER, and DER into itself.
func TestBER(t *testing.T) {
	t.Parallel()
	want := []byte{0x30, 9, 4, 3, 1, 2, 3, 0x31, 2, 5, 0}
	for _, ber := range [][]byte{
		want,
		{0x30, 0x80, 4, 3, 1, 2, 3, 0x31, 0x80, 5, 0, 0, 0, 0, 0},
		{0x30, 0x80, 0x24, 0x80, 4, 1, 1, 4, 2, 2, 3, 0, 0, 0x31, 0x81, 2, 5, 0, 0, 0},
		{0x30, 0x80, 0x24, 9, 4, 1, 1, 0x24, 4, 4, 2, 2, 3, 0x31, 0x82, 0, 2, 5, 0, 0, 0},
	} {
		if got, ok := toDER(ber); !ok || !bytes.Equal(got, want) {
			t.Errorf("% x: % x, %v", ber, got, ok)
		}
		for n := range ber {
			if got, ok := toDER(ber[:n]); ok && bytes.Equal(got, want) {
				t.Errorf("%d bytes of % x are whole", n, ber)
			}
		}
	}
	deep := append(bytes.Repeat([]byte{0x30, 0x80}, 1000), bytes.Repeat([]byte{0, 0}, 1000)...)
	if _, ok := toDER(deep); ok {
		t.Error("a thousand sequences in each other are followed")
	}
}
