package clients

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

const pagePath = "../../docs/clients.md"

const introduction = `# Clients

Programs that use keys in a token, with the lines that one pastes. Each section was run as it stands here with softcsp and with SoftHSM2
2.6.1 on Debian 12, and *checked by* is another program that looked at what came of it. ` + "`make clients`" + ` runs them all again.

The lines expect the module, and a token with the label ` + "`demo`" + ` and the PIN 123456; ` + "`$PORT`" + ` is a free port:

` + "```bash" + `
export MODULE=$(pkg-config --variable=p11_module softcsp) PORT=8443
printf 123456 > user.pin; printf 87654321 > so.pin
softcsp token init --label demo --so-pin-file so.pin --pin-file user.pin
` + "```" + `

This page is written by ` + "`go test ./conformance/clients -run Page -update`" + ` from the scripts in conformance/clients.

| program | checked by | softcsp | SoftHSM2 |
|---|---|---|---|
`

var update = flag.Bool("update", false, "write docs/clients.md")

// page is docs/clients.md.
func page(list []*script) string {
	var b strings.Builder
	b.WriteString(introduction)
	for _, s := range list {
		softhsm := "works"
		if s.header["softhsm"] != "" {
			softhsm = "does not: " + s.header["softhsm"]
		}
		if s.header["only"] != "" {
			softhsm = ""
		}
		title := s.header["title"]
		fmt.Fprintf(&b, "| [%s](#%s) | %s | works | %s |\n", title, anchor(title), strings.Join(strings.Fields(s.header["checked"]), ", "), softhsm)
	}
	for _, s := range list {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\nDebian: `apt-get install %s`\n", s.header["title"], s.prose, s.header["packages"])
		for _, f := range s.shown {
			kind := "text"
			if strings.HasSuffix(f.Name, ".sh") {
				kind = "bash"
				b.WriteString("\n")
			} else {
				fmt.Fprintf(&b, "\n`%s`:\n\n", f.Name)
			}
			fmt.Fprintf(&b, "```%s\n%s\n```\n", kind, strings.TrimSpace(string(f.Data)))
		}
	}
	return b.String()
}

// anchor is how a heading is linked to.
func anchor(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

// TestPage wants docs/clients.md to be what the scripts say.
func TestPage(t *testing.T) {
	want := page(scripts(t))
	if *update {
		if err := os.WriteFile(pagePath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pagePath)
	if err != nil || string(got) != want {
		t.Errorf("docs/clients.md is out of date (%v): go test ./conformance/clients -run Page -update", err)
	}
}
