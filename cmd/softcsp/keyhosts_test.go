package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeysElsewhere makes keys and certificates with the command and has pkcs11-tool, which loads the library, find and use them by their ids; openssl
// verifies.
func TestKeysElsewhere(t *testing.T) {
	build := needBuild(t)
	for _, tool := range []string{"pkcs11-tool", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing(t, err)
		}
	}
	home := t.TempDir()
	env := []string{"HOME=" + home, "PATH=" + build + ":" + os.Getenv("PATH"), "SOFTCSP_TOKENDIR=" + filepath.Join(home, "tokens"), "SOFTCSP_KDF=test",
		"SOFTCSP_SO_PIN=87654321", "SOFTCSP_PIN=1234"}
	run := func(line string, args ...string) string {
		words := append(strings.Fields(line), args...)
		return output(t, home, env, words[0], words[1:]...)
	}
	if err := os.WriteFile(filepath.Join(home, "message"), []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tool := "pkcs11-tool --module " + filepath.Join(build, "libsoftcsp.so") + " --login --pin 1234 "
	run("softcsp --quiet token init --label lab")
	for typ, mech := range map[string]string{
		"rsa:2048": "SHA256-RSA-PKCS", "ec:p256": "ECDSA-SHA256 --signature-format openssl", "ec:brainpoolp256r1": "ECDSA-SHA256 --signature-format openssl",
	} {
		label := strings.ReplaceAll(typ, ":", "-")
		run("softcsp key generate --type "+typ+" --label", label)
		list := run("softcsp key list --class private-key --label", label)
		id := strings.Fields(strings.Split(list, "\n")[1])[4]
		run(tool + "--sign --mechanism " + mech + " --id " + id + " --input-file message --output-file signature")
		run("softcsp key export --format pem --out public.pem --force --label", label)
		if got := run("openssl dgst -sha256 -verify public.pem -signature signature message"); got != "Verified OK" {
			t.Errorf("%s: %s", typ, got)
		}
		run("softcsp key certificate --subject /CN=host --out certificate.pem --label", label)
		run("softcsp cert import certificate.pem --label", label)
		run(tool + "--read-object --type cert --id " + id + " --output-file certificate.der")
		if got := run("openssl verify -CAfile certificate.pem certificate.pem"); !strings.HasSuffix(got, "OK") {
			t.Errorf("%s: %s", typ, got)
		}
		run("openssl x509 -inform DER -in certificate.der -noout")
	}
	run("softcsp object create --label notes --application app message")
	run(tool + "--read-object --type data --label notes --output-file back")
	if got, err := os.ReadFile(filepath.Join(home, "back")); err != nil || string(got) != "hello\n" {
		t.Errorf("%q, %v", got, err)
	}
}
