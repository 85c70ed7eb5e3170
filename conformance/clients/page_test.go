package clients

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const pagePath = "../../docs/clients.md"

const introduction = `# Clients

Programs that use keys in a token, with the lines that one pastes. Each section was run with softcsp and with SoftHSM2 2.6.1 on
Debian 12, with nothing changed but ports and paths, and *checked by* is another program that looked at what came of it. ` + "`make clients`" + ` runs them all again.

The lines expect the module, and a token with the label ` + "`demo`" + ` and the PIN 123456; ` + "`$PORT`" + ` is a free port:

` + "```bash" + `
export MODULE=$(softcsp where --only library) PORT=8443
printf 123456 > user.pin; printf 87654321 > so.pin
softcsp token init --label demo --so-pin-file so.pin --pin-file user.pin
` + "```" + `

Most programs that use OpenSSL do so through its engine for PKCS #11, which finds no key in a token that has a private key other than of RSA or EC: [more](#openssl-engine).

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
	shown := make(map[string]string) // where a file was shown, by its name and content
	for _, s := range list {
		title := s.header["title"]
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\nDebian: `apt-get install %s`", title, s.prose, s.header["packages"])
		if more := s.header["backports"]; more != "" {
			fmt.Fprintf(&b, ", and `apt-get install -t bookworm-backports %s` from the backports of Debian 12", more)
		}
		b.WriteString("\n")
		for _, f := range s.shown {
			if strings.HasSuffix(f.Name, ".sh") {
				continue
			}
			key := f.Name + "\n" + string(f.Data)
			if before := shown[key]; before != "" {
				fmt.Fprintf(&b, "\n`%s` is that of [%s](#%s).\n", f.Name, before, anchor(before))
				continue
			}
			shown[key] = title
			fmt.Fprintf(&b, "\n`%s`:\n\n```text\n%s\n```\n", f.Name, strings.TrimSpace(string(f.Data)))
		}
		for _, f := range s.shown {
			if strings.HasSuffix(f.Name, ".sh") {
				fmt.Fprintf(&b, "\n```bash\n%s\n```\n", pasted(string(f.Data)))
			}
		}
	}
	return b.String()
}

// pasted are the lines of a file for people, whose shell goes on after them.
func pasted(lines string) string { return replaced.ReplaceAllString(strings.TrimSpace(lines), "$1") }

var replaced = regexp.MustCompile(`(?m)(^| )exec `)

// anchor is how a heading is linked to.
func anchor(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
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
