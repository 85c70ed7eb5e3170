package conformance

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	openscPackage = "apt-get install opensc"
	gnutlsPackage = "apt-get install gnutls-bin"
)

// A bench is a real host with a module and a place for its tokens.
type bench struct {
	t    *testing.T
	dir  string
	env  []string
	prog string
	args []string
}

// newBench makes a bench for a program.
func newBench(t *testing.T, m target, program, install string, args ...string) *bench {
	t.Helper()
	slow(t)
	dir := t.TempDir()
	env, err := m.place(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t, dir, env, need(t, program, install), args}
}

// file writes a file and returns its path.
func (b *bench) file(name, content string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

// words are the words of a command line. The name of the bench's own directory, which may have spaces, is part of a word.
func (b *bench) words(args string) []string {
	words := strings.Fields(strings.ReplaceAll(args, b.dir, "\x00"))
	for i, w := range words {
		words[i] = strings.ReplaceAll(w, "\x00", b.dir)
	}
	return words
}

// run runs the host, which must end well and say each of the texts.
func (b *bench) run(args string, says ...string) string {
	b.t.Helper()
	out := mustRun(b.t, time.Minute, b.env, b.prog, append(b.args, b.words(args)...)...)
	for _, s := range says {
		if !strings.Contains(out, s) {
			b.t.Fatalf("%s %s did not say %q:\n%s", filepath.Base(b.prog), args, s, out)
		}
	}
	return out
}

// fails runs the host, which must not end well and must say the text.
func (b *bench) fails(args, says string) {
	b.t.Helper()
	out, err := output(time.Minute, b.env, b.prog, append(b.args, b.words(args)...)...)
	if err == nil || !strings.Contains(out, says) {
		b.t.Fatalf("%s %s: %v, expected to fail with %q:\n%s", filepath.Base(b.prog), args, err, says, out)
	}
}

const pinArgs = "--token-label here --login --pin user-1234 "

// opensc makes a bench for OpenSC's pkcs11-tool with a token.
func opensc(t *testing.T, m target, env ...string) *bench {
	b := newBench(t, m, "pkcs11-tool", openscPackage, "--module", m.path)
	b.env = append(b.env, env...)
	b.run("-L", "uninitialized")
	b.run("--slot-index 0 --init-token --label here --so-pin so-12345", "Token successfully initialized")
	b.run("--token-label here --login --login-type so --so-pin so-12345 --init-pin --pin user-1234", "User PIN successfully initialized")
	return b
}

// TestPKCS11Tool is a day with OpenSC's pkcs11-tool.
func TestPKCS11Tool(t *testing.T) {
	t.Parallel()
	b := opensc(t, module)
	b.run("-L", "token label        : here", "token initialized, PIN initialized")
	b.run("-M", "AES-CBC-PAD", "SHA256, digest", "AES-KEY-GEN, keySize={16,32}, generate")
	b.run("-I", "Cryptoki version")
	b.run(pinArgs+"--keygen --key-type AES:32 --label k --id 01", "AES length 32", "never extractable, local")
	b.run(pinArgs+"--keygen --key-type GENERIC:32 --label mac --id 03 --usage-sign", "Generic secret length 32")

	text := b.file("text", strings.Repeat("sixteen bytes...", 100)+"and a tail")
	cipher := filepath.Join(b.dir, "cipher")
	b.run(pinArgs + "--encrypt --id 01 -m AES-CBC-PAD --iv 000102030405060708090a0b0c0d0e0f -i " + text + " -o " + cipher)
	b.run(pinArgs+"--decrypt --id 01 -m AES-CBC-PAD --iv 000102030405060708090a0b0c0d0e0f -i "+cipher, "and a tail")
	b.run("--hash -m SHA256 -i " + text + " -o " + filepath.Join(b.dir, "hash"))
	if sum, err := os.ReadFile(filepath.Join(b.dir, "hash")); err != nil || len(sum) != 32 {
		t.Errorf("a SHA-256 of %x, %v", sum, err)
	}
	b.run(pinArgs + "--sign --id 03 -m SHA256-HMAC -i " + text + " -o " + filepath.Join(b.dir, "mac"))
	b.run(pinArgs + "--generate-random 32 -o " + filepath.Join(b.dir, "random"))

	b.run(pinArgs+"--write-object "+text+" --type data --label note --private", "Created Data Object")
	b.run(pinArgs+"--read-object --type data --label note", "and a tail")
	b.run(pinArgs+"--write-object "+b.file("key", "0123456789abcdef")+" --type secrkey --key-type AES:16 --label written --id 02", "AES length 16")
	b.run(pinArgs+"-O", "label:      k", "label:      written", "'note'")
	if out := b.run("--token-label here -O"); strings.Contains(out, "note") {
		t.Errorf("a private object without a login:\n%s", out)
	}
	b.run(pinArgs + "--delete-object --type data --label note")
	if out := b.run(pinArgs + "-O"); strings.Contains(out, "note") {
		t.Errorf("a deleted object:\n%s", out)
	}
	b.run(pinArgs+"--keypairgen --key-type rsa:2048 --label r --id 04", "RSA 2048 bits")
	b.run(pinArgs+"--test", "RSA-PKCS: OK", "No errors")
	b.run(pinArgs+"--session-rw --test-ec --id 05 --key-type EC:prime256v1", "==> OK")

	b.fails("--token-label here --login --pin wrong-pin -O", "CKR_PIN_INCORRECT")
	b.run("--token-label here --login --pin user-1234 --change-pin --new-pin user-5678", "PIN successfully changed")
	b.fails("--token-label here --login --pin user-1234 -O", "CKR_PIN_INCORRECT")
	b.run("--token-label here --login --pin user-5678 -O", "label:      k")
}

// TestPKCS11ToolProcesses are the tests that pkcs11-tool brings for modules: a fork, and C_Initialize in threads.
func TestPKCS11ToolProcesses(t *testing.T) {
	t.Parallel()
	only(t)
	// Where a thread is not done when the tool is, the tool sleeps for half a minute. A slow login gives the threads time.
	b := opensc(t, module, "SOFTCSP_CONF=", "SOFTCSP_KDF=sensitive", "SOFTCSP_TOKENDIR="+t.TempDir())
	b.run("--test-fork", "Calling C_Initialize in forked child process")
	// The slot is named by its index: pkcs11-tool reads labels into one static buffer, which its threads (T0) fill as well.
	threads := "--test-threads ILGISLT0 --test-threads ILGISLT0 --test-threads ILGISLT0 "
	b.run(threads+"--slot-index 0 --login --pin user-1234 -O", "ended with CKR_OK")
}

// TestWrittenKey holds what pkcs11-tool does with a key of known bytes against SoftHSM2: same key, same ciphertext.
func TestWrittenKey(t *testing.T) {
	t.Parallel()
	var results []string
	for _, m := range targets(t) {
		b := opensc(t, m)
		key := b.file("key", "0123456789abcdef")
		b.run(pinArgs + "--write-object " + key + " --type secrkey --key-type AES:16 --label w --id 02 --usage-decrypt --extractable")
		text := b.file("text", "what both must encrypt alike")
		out := filepath.Join(b.dir, "cipher")
		b.run(pinArgs + "--encrypt --id 02 -m AES-CBC-PAD --iv 000102030405060708090a0b0c0d0e0f -i " + text + " -o " + out)
		cipher, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, hex.EncodeToString(cipher))
	}
	if last := len(results) - 1; len(results[0]) != 64 || results[0] != results[last] {
		t.Errorf("%s and %s differ: %s", module.name, softhsm.name, results)
	}
}

// TestP11Tool is GnuTLS, by way of p11-kit.
func TestP11Tool(t *testing.T) {
	t.Parallel()
	o := opensc(t, module)
	o.run(pinArgs + "--keygen --key-type AES:32 --label k --id 01")
	b := newBench(t, module, "p11tool", gnutlsPackage, "--provider="+module.path, "--batch")
	b.env = o.env
	b.run("--list-tokens", "token=here", "Type: Generic token")
	b.run("--list-mechanisms pkcs11:token=here", "CKM_AES_GCM", "CKM_SHA256")
	b.run("--login --set-pin=user-1234 --list-all pkcs11:token=here", "Type: Secret key", "Label: k")
	b.run("--login --set-pin=user-1234 --write --secret-key=00112233445566778899aabbccddeeff --label=s pkcs11:token=here")
	b.run("--login --set-pin=user-1234 --list-all pkcs11:token=here", "Label: s")
	b.run("--generate-random=16 pkcs11:token=here")
}

// TestPython is a host that forks workers after it has logged in.
func TestPython(t *testing.T) {
	t.Parallel()
	only(t)
	o := opensc(t, module)
	b := newBench(t, module, "python3", "apt-get install python3", "hosts/workers.py", module.path)
	b.env = o.env
	b.run("user-1234", "ok")
}
