package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// writeCopyright writes a copyright file in Debian's form (DEP 5): the licence of the project, and that of each module in the
// programs. Debian wants its own copies of some licences named, and not repeated.
func writeCopyright(w io.Writer, licence string, programs []string, short bool) error {
	own, err := os.ReadFile(licence)
	if err != nil {
		return err
	}
	list, err := components(programs)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: softcsp\nSource: https://github.com/softcsp/softcsp\n")
	writeFiles(&b, "*", string(own), "", short)
	for _, c := range list {
		comment := "The module " + c.Path + " " + c.Version + ", which the programs contain."
		if c.Path == "std" {
			comment = "The standard library and the runtime of Go " + c.Version + ", which the programs contain."
		}
		writeFiles(&b, c.Path+"/*", c.Text, comment, short)
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// writeFiles writes a stanza.
func writeFiles(b *strings.Builder, files, text, comment string, short bool) {
	var holders []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "Copyright") && strings.ContainsAny(line, "0123456789") && !strings.Contains(line, "[yyyy]") {
			holders = append(holders, strings.TrimSpace(strings.NewReplacer("Copyright", "", "(c)", "", "(C)", "", "©", "", "All rights reserved.", "").Replace(line)))
		}
	}
	if len(holders) == 0 {
		holders = []string{"its authors"}
	}
	fmt.Fprintf(b, "\nFiles: %s\nCopyright: %s\nLicense: %s\n", files, strings.Join(holders, "\n "), licenceName(text))
	if short && licenceName(text) == "Apache-2.0" {
		text = "On Debian the text is in /usr/share/common-licenses/Apache-2.0."
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		if line = strings.TrimRight(line, " \t\r\n\f"); line == "" {
			line = "."
		}
		b.WriteString(" " + line + "\n")
	}
	if comment != "" {
		b.WriteString("Comment: " + comment + "\n")
	}
}
