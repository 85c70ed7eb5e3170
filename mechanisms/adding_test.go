package mechanisms

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestAdding holds the example of docs/adding.md against the sources: what it quotes stands there, and no other file but the
// golden one names the mechanism.
func TestAdding(t *testing.T) {
	t.Parallel()
	const name = "CKM_AES_XCBC_MAC_96"
	doc, err := os.ReadFile("../docs/adding.md")
	if err != nil {
		t.Fatal(err)
	}
	var quotes []string
	for i, block := range strings.Split(string(doc), "```") {
		if _, quote, ok := strings.Cut(block, "\n"); ok && i%2 == 1 && strings.Contains(quote, name) {
			quotes = append(quotes, quote)
		}
	}
	if len(quotes) != 2 {
		t.Fatalf("docs/adding.md quotes %d lines of %s", len(quotes), name)
	}
	var named []string
	for _, pattern := range []string{"*.go", "testdata/*.txt", "testdata/*.golden", "../token/*.go", "../p11shim/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), name) && f != "adding_test.go" {
				named = append(named, f)
			}
			quotes = slices.DeleteFunc(quotes, func(q string) bool { return strings.Contains(string(text), q) })
		}
	}
	if want := []string{"aesmac.go", "testdata/rfc3566.txt", "testdata/mechanisms.golden"}; !slices.Equal(named, want) {
		t.Errorf("%s stands in %v, docs/adding.md says %v", name, named, want)
	}
	if len(quotes) != 0 {
		t.Errorf("nowhere: %q", quotes)
	}
}
