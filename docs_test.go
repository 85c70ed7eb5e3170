package softcsp

import (
	"os"
	"strings"
	"testing"
)

// TestDocument wants the code of docs/gopackage.md to be that of the examples, which are compiled and run.
func TestDocument(t *testing.T) {
	text := string(must(os.ReadFile("docs/gopackage.md"))(t))
	examples := string(must(os.ReadFile("example_test.go"))(t))
	n := 0
	for i, part := range strings.Split(text, "```") {
		code, ok := strings.CutPrefix(part, "go\n")
		if !ok || i%2 == 0 {
			continue
		}
		n++
		indented := strings.ReplaceAll("\n"+strings.TrimRight(code, "\n"), "\n", "\n\t")
		if !strings.Contains(examples, strings.ReplaceAll(indented, "\n\t\n", "\n\n")+"\n") {
			t.Errorf("no example has\n%s", code)
		}
	}
	if n < 5 {
		t.Errorf("%d pieces of code", n)
	}
}
