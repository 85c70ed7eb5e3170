package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// TestTextOnly writes text and other bytes in calls of all lengths.
func TestTextOnly(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "line\n\ttab\r\n": true, "Käse, 鍵, 🔑\n": true, "\x1b[2J": false, "a\x00b": false, "\xff\xfe": false, "cut \xf0\x9f": false, "\u009b1m": false,
	} {
		for size := 1; size <= len(text)+1; size++ {
			var to bytes.Buffer
			w := &textOnly{to: &to}
			var err error
			for rest := []byte(text); len(rest) > 0 && err == nil; rest = rest[min(size, len(rest)):] {
				_, err = w.Write(rest[:min(size, len(rest))])
			}
			if err == nil {
				err = w.Close()
			}
			if (err == nil) != ok || ok && to.String() != text || !ok && size > len(text) && !strings.HasPrefix(text, "cut") && to.Len() > 0 {
				t.Errorf("%q in calls of %d: %q, %v", text, size, to.String(), err)
			}
		}
	}
}

// TestLinesToPaste breaks text, and no line that is to be pasted.
func TestLinesToPaste(t *testing.T) {
	var b strings.Builder
	writeMore(&b, "do:  ", "write this into a file:\n\techo 'module: a long one' > a/long/name\nand go on", 20, 4)
	const want = "    do:  write this into\n         a file:\n         echo 'module: a long one' > a/long/name\n         and go on\n"
	if b.String() != want {
		t.Errorf("%s, expected\n%s", b.String(), want)
	}
}

// TestBinaryOnTerminal sees that what is not text is not written to a terminal, and that text and all that goes elsewhere is.
func TestBinaryOnTerminal(t *testing.T) {
	build := needBuild(t)
	home := t.TempDir()
	env := []string{"PATH=" + build + ":" + os.Getenv("PATH"), "SOFTCSP_KDF=test", "SOFTCSP_PIN=1234", "SOFTCSP_SO_PIN=87654321"}
	onTerminal(t, home, `set -e; exec 2>/dev/null >&2
softcsp token init --label lab
softcsp key generate --type ec:p256 --label ec
softcsp key generate --type aes:256 --label wrap --usage wrap
softcsp key generate --type aes:256 --label aes --extractable
printf 'text\n' > text; head -c 4096 /dev/zero > zeros
softcsp key encrypt --label aes --out text.enc text; softcsp key encrypt --label aes --out zeros.enc zeros
softcsp object create --label zeros zeros`, env...)
	const refused = "standard output is a terminal"
	for _, c := range []struct {
		command string
		refuses bool
	}{
		{"key sign --label ec text", true},
		{"key encrypt --label aes text", true},
		{"key wrap --label aes --with wrap --out -", true},
		{"key encapsulate --label ec --print --out -", true},
		{"key export --label ec --format der", true},
		{"key export --label ec", false},
		{"key decrypt --label aes zeros.enc", true},
		{"key decrypt --label aes text.enc", false},
		{"key certificate --label ec --subject /CN=x --format der", true},
		{"key certificate --label ec --subject /CN=x", false},
		{"key random 8 --format raw", true},
		{"key random 8", false},
		{"object export --label zeros --login", true},
		{"token backup lab --out -", true},
	} {
		out := onTerminal(t, home, "softcsp "+c.command+"; echo code $?", env...)
		code := "code 0"
		if c.refuses {
			code = "code 2"
		}
		if strings.Contains(out, refused) != c.refuses || !strings.Contains(out, code) || strings.Contains(out, "\x00") || strings.Contains(out, "\x80") || strings.Contains(out, "\xff") {
			t.Errorf("softcsp %s: %q", c.command, out)
		}
		piped := onTerminal(t, home, "softcsp "+c.command+" | wc -c", env...)
		if strings.Contains(piped, refused) || strings.TrimSpace(piped) == "0" {
			t.Errorf("softcsp %s in a pipe: %q", c.command, piped)
		}
	}
}
