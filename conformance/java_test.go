package conformance

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

const javaPackage = "apt-get install openjdk-17-jdk-headless"

// TestJava has a Java program store keys and certificates in the token by way of SunPKCS11.
func TestJava(t *testing.T) {
	long(t)
	javac := need(t, "javac", javaPackage)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	name := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "java"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, name, name, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, where := range []string{"first", "last"} {
		t.Run(where, func(t *testing.T) {
			b := opensc(t, module)
			classes := t.TempDir()
			mustRun(t, time.Minute, nil, javac, "-d", classes, "hosts/Store.java")
			b.prog, b.args = need(t, "java", javaPackage), []string{"-cp", classes, "Store"}
			conf := b.file("java.conf", fmt.Sprintf("name = here\nlibrary = %s\nslotListIndex = 0\n", module.path))
			out := b.run(strings.Join([]string{conf, b.file("key", string(pkcs8)), b.file("cert", string(cert)), "user-1234", where}, " "))
			if !strings.HasSuffix(out, "ok\n") {
				t.Errorf("said %q", out)
			}
		})
	}
}
