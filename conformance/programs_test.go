package conformance

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A kitBench is a bench for a program that finds its modules through p11-kit.
type kitBench struct {
	*bench
	m target
}

// newKitBench makes a bench with a token. The program sees a configuration of p11-kit that has the module alone.
func newKitBench(t *testing.T, m target, program, install string, settings ...string) *kitBench {
	t.Helper()
	long(t)
	b := &kitBench{newBench(t, m, program, install), m}
	env, err := m.place(b.dir, settings...)
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(b.dir, "pkcs11", "modules")
	if err := os.MkdirAll(modules, 0o700); err != nil {
		t.Fatal(err)
	}
	b.env = append(env, "XDG_CONFIG_HOME="+b.dir, "HOME="+b.dir)
	b.file("pkcs11/modules/test.module", "module: "+m.path+"\n")
	if os.Getuid() == 0 { // p11-kit reads no configuration of root's own, so a mount of this process tree's own stands in
		b.args = []string{"-m", "sh", "-c", `mount --bind "$0" /usr/share/p11-kit/modules && exec "$@"`, modules, b.prog}
		b.prog = need(t, "unshare", "apt-get install util-linux")
	}
	b.tool("--slot-index 0 --init-token --label here --so-pin so-12345")
	b.tool("--token-label here --login --login-type so --so-pin so-12345 --init-pin --pin user-1234")
	return b
}

// tool runs OpenSC's pkcs11-tool on the token of the bench.
func (b *kitBench) tool(args string) string {
	b.t.Helper()
	return mustRun(b.t, time.Minute, b.env, need(b.t, "pkcs11-tool", openscPackage), append([]string{"--module", b.m.path}, b.words(args)...)...)
}

// TestPowerDNS signs a zone with a key in a token. PowerDNS leaves the parameter of CKM_SHA_1 uninitialised.
func TestPowerDNS(t *testing.T) {
	const install = "apt-get install pdns-server pdns-tools pdns-backend-sqlite3 sqlite3"
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			b := newKitBench(t, m, "pdnsutil", install)
			db := filepath.Join(b.dir, "zones.db")
			mustRun(t, time.Minute, b.env, need(t, "sqlite3", install), db, ".read /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
			b.file("pdns.conf", "launch=gsqlite3\ngsqlite3-database="+db+"\ngsqlite3-dnssec=yes\nmodule-dir=/usr/lib/x86_64-linux-gnu/pdns\n")
			b.args = append(b.args, "--config-dir="+b.dir)
			b.run("create-zone example.test ns.example.test")
			b.run("add-record example.test www A 192.0.2.1")
			b.run("hsm assign example.test rsasha256 ksk test here user-1234 zone")
			b.tool(pinArgs + "--keypairgen --key-type rsa:2048 --label zone --id 01")
			b.run("rectify-zone example.test")
			b.run("check-zone example.test", "0 errors")
			b.run("show-zone example.test", "( RSASHA256 )")
			port := freePort(t)
			b.prog, b.args = serverInPlace(b, need(t, "pdns_server", install))
			(&server{bench: b.bench, m: m}).start("--config-dir=" + b.dir + " --local-address=127.0.0.1 --local-port=" + strconv.Itoa(port) +
				" --socket-dir=" + b.dir + " --daemon=no --guardian=no --write-pid=no --disable-syslog --distributor-threads=1 --receiver-threads=1")
			if n := signedAnswer(t, port); n < 2 {
				t.Errorf("%s: an answer of %d records: there is no signature", m.name, n)
			}
		})
	}
}

// certificate makes an RSA key with a label, and writes a certificate of it into the token, without a login. It returns the
// certificate's file.
func (b *kitBench) certificate(label string) (pem string) {
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

// serverInPlace is how to start another program where that of the bench runs.
func serverInPlace(b *kitBench, prog string) (string, []string) {
	for i, a := range b.args {
		if filepath.Base(a) == "pdnsutil" {
			return b.prog, append(slices.Clone(b.args[:i]), prog)
		}
	}
	return prog, nil
}

// signedAnswer asks a name server for an address with its signature (RFC 4034), and returns how many records the answer has.
func signedAnswer(t *testing.T, port int) int {
	t.Helper()
	ask := []byte("\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x03www\x07example\x04test\x00\x00\x01\x00\x01\x00\x00\x29\x10\x00\x00\x00\x80\x00\x00\x00")
	for end := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("udp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(time.Second))
		b := make([]byte, 4096)
		_, err = c.Write(ask)
		var n int
		if err == nil {
			n, err = c.Read(b)
		}
		_ = c.Close()
		if err == nil && n > 8 {
			return int(b[6])<<8 | int(b[7])
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// TestCardLogin has SSSD's helper look for certificates: it takes none but those of removable slots.
func TestCardLogin(t *testing.T) {
	const helper = "/usr/libexec/sssd/p11_child"
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			b := newKitBench(t, m, helper, "apt-get install sssd-common", "removable = true")
			if m.name == "softhsm" {
				conf := filepath.Join(b.dir, "softhsm.conf")
				text, _ := os.ReadFile(conf)
				b.file("softhsm.conf", strings.Replace(string(text), "slots.removable = false", "slots.removable = true", 1))
			}
			pem := b.certificate("card")
			b.run("--pre -d 0x3ff0 --debug-fd=2 --chain-id=1 --ca_db "+pem+" --verify no_ocsp", "here", "card")
		})
	}
}

// TestGnuTLS makes a key and its certificate, writes certificate and public key, and serves with them.
func TestGnuTLS(t *testing.T) {
	long(t)
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			o := opensc(t, m)
			b := newBench(t, m, "p11tool", gnutlsPackage, "--provider="+m.path, "--batch")
			b.env = append(o.env, "GNUTLS_PIN=user-1234")
			const key = "pkcs11:token=here;object=g"
			b.run("--login --generate-privkey=ecdsa --curve=secp256r1 --label=g --id=01 pkcs11:token=here")
			template := b.file("template", "cn = localhost\nexpiration_days = 9\ntls_www_server\nsigning_key\n")
			cert, public := filepath.Join(b.dir, "cert.pem"), filepath.Join(b.dir, "public.pem")
			mustRun(t, time.Minute, b.env, need(t, "certtool", gnutlsPackage), "--provider="+m.path, "--generate-self-signed",
				"--load-privkey", key+";type=private", "--load-pubkey", key+";type=public", "--template", template, "--outfile", cert)
			b.run("--login --export-pubkey --outfile " + public + " " + key + ";type=private")
			b.run("--write --no-mark-private --load-certificate " + cert + " --label=c --id=01 pkcs11:token=here")
			b.run("--write --no-mark-private --load-pubkey " + public + " --label=p --id=02 pkcs11:token=here")
			b.run("--list-all-certs pkcs11:token=here", "Label: c")
			b.run("--login --list-all pkcs11:token=here", "Label: c", "Label: p", "Label: g")

			s := &server{bench: &bench{t, b.dir, b.env, need(t, "gnutls-serv", gnutlsPackage), nil}, m: m, port: freePort(t)}
			s.start("--provider=" + m.path + " --http --quiet --port " + strconv.Itoa(s.port) + " --x509keyfile " + key + ";type=private --x509certfile pkcs11:token=here;object=c;type=cert")
			s.serves(20)
		})
	}
}

// TestPKCS11Helper is OpenVPN's library, which uses a module in forked children as if nothing had happened.
func TestPKCS11Helper(t *testing.T) {
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			b := newKitBench(t, m, "gcc", "apt-get install gcc")
			b.certificate("vpn")
			host := filepath.Join(b.dir, "helper")
			mustRun(t, time.Minute, nil, need(t, "gcc", "apt-get install gcc"), "-Wall", "-Werror", "hosts/helper.c", "-o", host, "-lpkcs11-helper")
			if out := mustRun(t, time.Minute, b.env, host, m.path); !strings.Contains(out, "ok") {
				t.Error(out)
			}
		})
	}
}
