package conformance

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server is a program that serves with a key in a token: it reads the key, forks workers which become another user, and obeys
// signals.
type server struct {
	*bench
	m       target
	port    int
	account string // that its workers run as, "" for whoever runs the tests
}

// engineURI names the key of a server.
const engineURI = "pkcs11:token=here;object=web;type=private;pin-value=user-1234"

// newServer makes a token with a key and its certificate, which is in the file cert.pem.
func newServer(t *testing.T, m target, program, install string) *server {
	t.Helper()
	long(t)
	dir, err := os.MkdirTemp("", "server")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	env, err := m.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{bench: &bench{t, dir, env, need(t, program, install), nil}, m: m, port: freePort(t)}
	conf := s.file("openssl.cnf", "openssl_conf = top\n[top]\nengines = engines\n[engines]\npkcs11 = pkcs11\n[pkcs11]\n"+
		"engine_id = pkcs11\nMODULE_PATH = "+m.path+"\ninit = 0\n[req]\ndistinguished_name = name\n[name]\n")
	s.env = append(s.env, "OPENSSL_CONF="+conf)
	tool := need(t, "pkcs11-tool", openscPackage)
	for _, args := range []string{
		"--slot-index 0 --init-token --label here --so-pin so-12345",
		"--token-label here --login --login-type so --so-pin so-12345 --init-pin --pin user-1234",
		pinArgs + "--keypairgen --key-type EC:prime256v1 --label web --id 01",
	} {
		mustRun(t, time.Minute, s.env, tool, append([]string{"--module", m.path}, strings.Fields(args)...)...)
	}
	mustRun(t, time.Minute, s.env, need(t, "openssl", "apt-get install openssl libengine-pkcs11-openssl"), "req", "-new", "-x509", "-subj", "/CN=localhost",
		"-engine", "pkcs11", "-keyform", "engine", "-key", engineURI, "-out", s.path("cert.pem"))
	s.share()
	return s
}

// path is the path of a file of the server.
func (s *server) path(name string) string { return filepath.Join(s.dir, name) }

// share gives the token to the workers' account, where the tests run as root.
func (s *server) share() {
	u, err := user.Lookup("www-data")
	if os.Getuid() != 0 || err != nil {
		return
	}
	s.account = u.Username
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	err = filepath.WalkDir(s.dir, func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chown(path, uid, gid)
		}
		return err
	})
	if err == nil {
		err = os.Chmod(s.dir, 0o755)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// freePort is a port of this machine that nobody listens at.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// get asks the server for a page over a connection of its own.
func (s *server) get() error {
	c := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is the key's own
	}}
	r, err := c.Get(fmt.Sprintf("https://127.0.0.1:%d/", s.port))
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	_, err = io.ReadAll(r.Body)
	return err
}

// serves asks for n pages. The first may have to wait until the server listens.
func (s *server) serves(n int) {
	s.t.Helper()
	err := s.get()
	for end := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(end); err = s.get() {
		time.Sleep(20 * time.Millisecond)
	}
	for i := 1; i < n && err == nil; i++ {
		err = s.get()
	}
	if err != nil {
		log, _ := os.ReadFile(s.path("error.log"))
		s.t.Fatalf("%s: %v\n%s", s.m.name, err, log)
	}
}

// start starts the server in the foreground. Its process group is killed when the test ends.
func (s *server) start(args string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(s.prog, append(s.args, s.words(args)...)...)
	cmd.Env = append(os.Environ(), s.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	return cmd
}

// stop sends the server a signal by which it ends, soon.
func (s *server) stop(cmd *exec.Cmd, sig syscall.Signal) {
	s.t.Helper()
	_ = cmd.Process.Signal(sig)
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			s.t.Fatalf("%s: ended by %v with %v", s.m.name, sig, err)
		}
	case <-time.After(15 * time.Second):
		s.t.Fatalf("%s: did not end by %v", s.m.name, sig)
	}
}

// TestNginx starts nginx, has it read its configuration again, and stops it, by signals that its master has blocked and waits for.
func TestNginx(t *testing.T) {
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			s := newServer(t, m, "nginx", "apt-get install nginx-light")
			who := ""
			if s.account != "" {
				who = "user " + s.account + ";\n"
			}
			conf := s.file("nginx.conf", who+`daemon off; worker_processes 2; pid nginx.pid; error_log error.log;
env SOFTCSP_CONF; env SOFTHSM2_CONF; env SOFTCSP_LOG; env OPENSSL_CONF; ssl_engine pkcs11;
events { worker_connections 64; }
http { access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server { listen 127.0.0.1:`+strconv.Itoa(s.port)+` ssl; ssl_certificate cert.pem; ssl_certificate_key "engine:pkcs11:`+engineURI+`"; location / { return 200 ok; } } }
`)
			for range 12 {
				cmd := s.start("-e error.log -p " + s.dir + " -c " + conf)
				s.serves(10)
				for range 3 {
					_ = cmd.Process.Signal(syscall.SIGHUP)
					time.Sleep(50 * time.Millisecond)
					s.serves(5)
				}
				s.stop(cmd, syscall.SIGQUIT)
			}
		})
	}
}

// TestApache does the same with Apache's httpd, whose children are threads in processes.
func TestApache(t *testing.T) {
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			s := newServer(t, m, "apache2", "apt-get install apache2")
			who := ""
			if s.account != "" {
				who = "User " + s.account + "\nGroup " + s.account + "\n"
			}
			modules := ""
			for _, name := range []string{"mpm_event", "authz_core", "ssl"} {
				modules += "LoadModule " + name + "_module /usr/lib/apache2/modules/mod_" + name + ".so\n"
			}
			conf := s.file("httpd.conf", "ServerRoot "+s.dir+"\nDefaultRuntimeDir "+s.dir+"\nPidFile pid\nServerName localhost\nErrorLog error.log\nMutex file:"+s.dir+"\n"+
				modules+who+"Listen 127.0.0.1:"+strconv.Itoa(s.port)+"\nStartServers 2\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 8\nMaxSpareThreads 24\nMaxRequestWorkers 32\n"+
				"DocumentRoot "+s.dir+"\nSSLCryptoDevice pkcs11\nSSLEngine on\nSSLCertificateFile cert.pem\nSSLCertificateKeyFile \""+engineURI+"\"\n")
			for range 6 {
				cmd := s.start("-DFOREGROUND -f " + conf)
				s.serves(20)
				_ = cmd.Process.Signal(syscall.SIGUSR1) // graceful restart
				time.Sleep(100 * time.Millisecond)
				s.serves(20)
				s.stop(cmd, syscall.SIGTERM)
			}
		})
	}
}
