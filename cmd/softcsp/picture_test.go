package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write what the tests compare with")

// The picture of a session: docs/session.sh is run, and docs/session.svg shows its lines and what they printed.
const (
	scriptFile  = root + "/docs/session.sh"
	pictureFile = root + "/docs/session.svg"
)

// TestPicture sees that the picture in the README is what a run gives. With -update it writes the picture.
func TestPicture(t *testing.T) {
	build := needBuild(t)
	script, err := os.ReadFile(scriptFile)
	if err != nil {
		t.Fatal(err)
	}
	picture := draw(t, play(t, build, string(script)))
	if *update {
		if err := os.WriteFile(pictureFile, picture, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(pictureFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(picture, want) {
		t.Errorf("docs/session.svg is not what a run gives: run go test ./cmd/softcsp -run TestPicture -update\n%s", picture)
	}
}

// A shown is a line of a terminal.
type shown struct {
	class string // "command", "answer" or "remark"
	text  string
}

// play runs a script, line by line in one shell, and returns what a terminal shows. Lines before the first empty one are not shown.
func play(t *testing.T, build, script string) []shown {
	t.Helper()
	home := t.TempDir()
	setUp, script, _ := strings.Cut(script, "\n\n")
	const mark = "\x01next"
	marked := "echo '" + mark + "'\n"
	file := filepath.Join(home, ".session")
	text := setUp + "\n" + marked + strings.ReplaceAll(strings.TrimSpace(script), "\n", "\n"+marked) + "\n" + marked
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out := onTerminal(t, home, "stty cols 100; exec sh -u "+file, "PATH="+build+":"+os.Getenv("PATH"), "SOFTCSP_KDF=test", "NO_COLOR=1")
	answers := strings.Split(out, mark+"\n")[1:]
	var lines []shown
	for i, line := range strings.Split(strings.TrimSpace(script), "\n") {
		if strings.HasPrefix(line, "#") {
			lines = append(lines, shown{"remark", line})
			continue
		}
		lines = append(lines, shown{"command", line})
		for answer := range strings.Lines(steady(answers[i], home)) {
			lines = append(lines, shown{"answer", strings.TrimRight(answer, "\n")})
		}
	}
	return lines
}

// onTerminal runs a command of the shell on a terminal, as people do, in the home directory given, and returns what the terminal shows.
func onTerminal(t *testing.T, home, command string, env ...string) string {
	t.Helper()
	terminal, err := exec.LookPath("script")
	if err != nil {
		missing(t, err)
	}
	cmd := exec.CommandContext(t.Context(), terminal, "--quiet", "--return", "--command", command, "/dev/null")
	cmd.Dir = home
	cmd.Env = append([]string{"HOME=" + home, "LANG=C", "TERM=xterm", "SOFTCSP_TOKENDIR=" + filepath.Join(home, "tokens"), "XDG_STATE_HOME=" + filepath.Join(home, "state")}, env...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	text := strings.ReplaceAll(string(out), "\r\n", "\n")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return text
}

// TestTerminal sees what is different where somebody looks: titles stand out, tables fit, long work says how far it is.
func TestTerminal(t *testing.T) {
	build := needBuild(t)
	home := t.TempDir()
	path := "PATH=" + build + ":" + os.Getenv("PATH")
	pins := []string{path, "SOFTCSP_KDF=test", "SOFTCSP_PIN=1234", "SOFTCSP_SO_PIN=87654321"}
	onTerminal(t, home, "softcsp token init --label lab --quiet", pins...)
	list := onTerminal(t, home, "stty cols 60; softcsp token list", path)
	if !strings.Contains(list, "\x1b[1mLABEL") {
		t.Errorf("the title does not stand out:\n%s", list)
	}
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, "lab ") && utf8.RuneCountInString(line) > 60 {
			t.Errorf("a line is longer than the terminal is wide:\n%s", list)
		}
	}
	if !strings.Contains(list, "\n    file "+home) {
		t.Errorf("the file does not stand on a line of its own:\n%s", list)
	}
	if plain := onTerminal(t, home, "softcsp token list", path, "NO_COLOR=1"); strings.Contains(plain, "\x1b") {
		t.Errorf("colours in spite of NO_COLOR:\n%q", plain)
	}
	if piped := onTerminal(t, home, "softcsp token list | cat", path); strings.Contains(piped, "\x1b") || strings.Contains(piped, "\n    ") {
		t.Errorf("a table for a terminal in a pipe:\n%q", piped)
	}
	onTerminal(t, home, "printf secret > password; softcsp key derive --hash sha1 --algorithm aes-256 --label k --password-file password", pins...)
	slow := "(printf a; sleep 1; printf b) | softcsp key encrypt --label k --force --out sealed -"
	if out := onTerminal(t, home, slow, pins...); !strings.Contains(out, "encrypting: ") || !strings.HasSuffix(out, "\r") {
		t.Errorf("long work does not tell, or leaves its line:\n%q", out)
	}
	if out := onTerminal(t, home, slow+" 2>&1 | cat", pins...); out != "" {
		t.Errorf("long work tells where nobody looks:\n%q", out)
	}
	if out := onTerminal(t, home, slow+" --quiet", pins...); out != "" {
		t.Errorf("long work tells in spite of --quiet:\n%q", out)
	}
}

// steady puts fixed words in place of what is different in each run: serial numbers, ids, the home directory.
func steady(text, home string) string {
	text = strings.ReplaceAll(text, home, "~")
	text = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(text, "5f0c1a52-7d43-4c0e-9a35-1b6f2e8d9c47")
	ids := map[string]string{}
	text = regexp.MustCompile(`\b[0-9a-f]{40,64}\b`).ReplaceAllStringFunc(text, func(s string) string {
		if ids[s] == "" {
			ids[s] = fmt.Sprintf("%x", sha256.Sum256([]byte{byte(len(ids))}))[:len(s)]
		}
		return ids[s]
	})
	return regexp.MustCompile(`\b[0-9a-f]{16}\b`).ReplaceAllString(text, "c5a75f0b3d1e8842")
}

// draw makes a picture of a terminal, for light and dark surroundings.
func draw(t *testing.T, lines []shown) []byte {
	t.Helper()
	const charWidth, lineHeight, margin = 8, 19, 16
	columns := 0
	for _, l := range lines {
		columns = max(columns, utf8.RuneCountInString(l.text)+2)
	}
	if columns > 130 {
		t.Errorf("a line of the session has %d characters: too wide for a picture", columns)
	}
	width, height := columns*charWidth+2*margin, len(lines)*lineHeight+2*margin
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\">\n", width, height)
	b.WriteString(`<title>A session with softcsp</title>
<style>
  text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; fill: #24292f }
  rect { fill: #f6f8fa; stroke: #d0d7de }
  .command { font-weight: bold }
  .prompt { fill: #1a7f37 }
  .remark { fill: #6e7781 }
  @media (prefers-color-scheme: dark) {
    text { fill: #d0d7de }
    rect { fill: #161b22; stroke: #30363d }
    .prompt { fill: #56d364 }
    .remark { fill: #8b949e }
  }
</style>
`)
	fmt.Fprintf(&b, "<rect x=\"0.5\" y=\"0.5\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", width-1, height-1)
	for i, l := range lines {
		y := margin + i*lineHeight + 14
		before := ""
		if l.class == "command" {
			before = `<tspan class="prompt">$ </tspan>`
		}
		var text bytes.Buffer
		if err := xml.EscapeText(&text, []byte(l.text)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" xml:space=\"preserve\" class=\"%s\">%s%s</text>\n", margin, y, l.class, before, &text)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// TestPictureIsXML sees that the picture can be read as one.
func TestPictureIsXML(t *testing.T) {
	text, err := os.ReadFile(filepath.FromSlash(pictureFile))
	if err != nil {
		t.Fatal(err)
	}
	var svg struct {
		Texts []string `xml:"text"`
	}
	if err := xml.Unmarshal(text, &svg); err != nil || len(svg.Texts) < 8 {
		t.Errorf("%d lines, %v", len(svg.Texts), err)
	}
}
