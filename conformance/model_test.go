package conformance

import (
	"os"
	"strings"
	"testing"
)

// modelled returns the scripts that the model of package token has written to a file.
func modelled(t *testing.T, file string) (names []string, scripts [][]string) {
	t.Helper()
	text, err := os.ReadFile("../token/testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
		lines := strings.Split(block, "\n")
		var script []string
		for _, l := range lines[1:] {
			if l == "trusted w" { // comes first, as it takes another login
				script = append([]string{"C_Logout s", "C_Login s CKU_SO str:so-87654321",
					"C_GenerateKey s CKM_AES_KEY_GEN {CKA_TOKEN=true,CKA_PRIVATE=false,CKA_VALUE_LEN=16,CKA_SENSITIVE=true,CKA_TRUSTED=true} &w",
					"C_Logout s", "C_Login s CKU_USER str:user-12345678"}, script...)
				continue
			}
			script = append(script, strings.TrimPrefix(l, "elsewhere "))
		}
		names, scripts = append(names, strings.TrimPrefix(lines[0], "# ")), append(scripts, script)
	}
	if len(names) < 10 {
		t.Fatalf("only %d scripts in %s", len(names), file)
	}
	return names, scripts
}

// played plays a script to a token, and returns the line that failed and why, "" where none did.
func played(t *testing.T, separation string, lines []string) (line, why string) {
	t.Helper()
	s := module.script(t, "key_separation = '"+separation+"'")
	do(t, s, "login")
	for _, l := range lines {
		if err := s.Line(l); err != nil {
			return l, err.Error()
		}
	}
	return "", ""
}

// TestModelAttacks plays the attacks that the model finds when a rule is left out. The library permits them where it does without the
// rule, in a standard token, and not in a strict one, nor what is kept off always in either. That parts inherit is always so.
func TestModelAttacks(t *testing.T) {
	t.Parallel()
	only(t)
	names, scripts := modelled(t, "attacks.txt")
	for i, name := range names {
		line, why := played(t, "standard", scripts[i])
		switch always := strings.HasSuffix(name, ", always"); {
		case always && line == "":
			t.Errorf("%s: succeeds in a standard token", name)
		case !always && line != "" && !strings.Contains(name, "without inherit"):
			t.Errorf("%s: is stopped in a standard token by %s: %s", name, line, why)
		}
		if line, _ := played(t, "strict", scripts[i]); line == "" {
			t.Errorf("%s: succeeds in a strict token", name)
		}
	}
}

// TestModelWalks plays sequences that the model permits.
func TestModelWalks(t *testing.T) {
	t.Parallel()
	only(t)
	names, scripts := modelled(t, "walks.txt")
	for i, name := range names {
		if line, why := played(t, "strict", scripts[i]); line != "" {
			t.Errorf("%s: %s: %s\n%s", name, line, why, strings.Join(scripts[i], "\n"))
		}
	}
}
