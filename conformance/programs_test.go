package conformance

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A tokenBench is a bench for a program, with a token that pkcs11-tool has made.
type tokenBench struct {
	*bench
	m target
}

func newTokenBench(t *testing.T, m target, program, install string) *tokenBench {
	t.Helper()
	long(t)
	b := &tokenBench{newBench(t, m, program, install), m}
	b.tool("--slot-index 0 --init-token --label here --so-pin so-12345")
	b.tool("--token-label here --login --login-type so --so-pin so-12345 --init-pin --pin user-1234")
	return b
}

// tool runs OpenSC's pkcs11-tool on the token of the bench.
func (b *tokenBench) tool(args string) string {
	b.t.Helper()
	return mustRun(b.t, time.Minute, b.env, need(b.t, "pkcs11-tool", openscPackage), append([]string{"--module", b.m.path}, b.words(args)...)...)
}

// certificate makes an RSA key with a label, and writes a certificate of it into the token, without a login. It returns the
// certificate's file.
func (b *tokenBench) certificate(label string) (pem string) {
	b.t.Helper()
	b.tool(pinArgs + "--keypairgen --key-type rsa:2048 --label " + label + " --id 01")
	openssl := need(b.t, "openssl", "apt-get install openssl libengine-pkcs11-openssl")
	pem, der := filepath.Join(b.dir, label+".pem"), filepath.Join(b.dir, label+".der")
	conf := b.file("openssl.cnf", "openssl_conf = top\n[top]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\nengine_id = pkcs11\nMODULE_PATH = "+b.m.path+
		"\ninit = 0\n[req]\ndistinguished_name = name\nx509_extensions = ext\n[name]\n[ext]\nextendedKeyUsage = clientAuth\nkeyUsage = digitalSignature\nbasicConstraints = CA:true\n")
	mustRun(b.t, time.Minute, append(b.env, "OPENSSL_CONF="+conf), openssl, "req", "-new", "-x509", "-subj", "/CN="+label, "-engine", "pkcs11",
		"-keyform", "engine", "-key", "pkcs11:token=here;object="+label+";type=private;pin-value=user-1234", "-out", pem)
	mustRun(b.t, time.Minute, b.env, openssl, "x509", "-in", pem, "-outform", "DER", "-out", der)
	b.tool("--token-label here --session-rw --write-object " + der + " --type cert --label " + label + " --id 01")
	return pem
}

// TestPKCS11Helper is OpenVPN's library, which uses a module in forked children as if nothing had happened.
func TestPKCS11Helper(t *testing.T) {
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			b := newTokenBench(t, m, "gcc", "apt-get install gcc")
			b.certificate("vpn")
			host := filepath.Join(b.dir, "helper")
			mustRun(t, time.Minute, nil, need(t, "gcc", "apt-get install gcc"), "-Wall", "-Werror", "hosts/helper.c", "-o", host, "-lpkcs11-helper")
			if out := mustRun(t, time.Minute, b.env, host, m.path); !strings.Contains(out, "ok") {
				t.Error(out)
			}
		})
	}
}
