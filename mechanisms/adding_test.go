package mechanisms

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// texts are all files of the repository that are text, by their paths.
func texts(t *testing.T) map[string]string {
	all := make(map[string]string)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != ".." && (strings.HasPrefix(d.Name(), ".") || path == "../build"): // what is built, and what the tools keep
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if !bytes.ContainsRune(text, 0) {
			all[strings.TrimPrefix(path, "../")] = string(text)
		}
		return err
	})
	if err != nil || len(all) < 500 {
		t.Fatalf("%d files, %v", len(all), err)
	}
	return all
}

// TestAdding holds the example of docs/adding.md against all files: what it quotes stands in one of those that it names, and no other
// file names the mechanism.
func TestAdding(t *testing.T) {
	t.Parallel()
	const name, doc, self = "CKM_AES_XCBC_MAC_96", "docs/adding.md", "mechanisms/adding_test.go"
	byHand := []string{"mechanisms/aesmac.go", "mechanisms/testdata/rfc3566.txt", "internal/gen/parameters.txt"}
	made := []string{"mechanisms/testdata/mechanisms.golden", "ck/zparameters.go", "docs/support.md"}
	// What knows each mechanism of PKCS #11, whether softcsp has it or not.
	standard := []string{"internal/gen/constants.txt", "internal/gen/support/peers.txt", "conformance/families.go", "ck/zconst.go", "include/softcsp/cryptoki.h"}
	all := texts(t)
	var quotes []string
	for i, block := range strings.Split(all[doc], "```") {
		if _, quote, ok := strings.Cut(block, "\n"); ok && i%2 == 1 && strings.Contains(quote, name) {
			quotes = append(quotes, quote)
		}
	}
	if len(quotes) != 2 {
		t.Fatalf("%s quotes %d lines of %s", doc, len(quotes), name)
	}
	for _, q := range quotes {
		if !slices.ContainsFunc(byHand, func(f string) bool { return strings.Contains(all[f], q) }) {
			t.Errorf("%s quotes what stands in none of %v:\n%s", doc, byHand, q)
		}
	}
	want := slices.Concat(byHand, made, standard, []string{doc, self})
	var named []string
	for f, text := range all {
		if strings.Contains(text, name) && !strings.HasPrefix(f, "conformance/testdata/known/") { // what other modules fail
			named = append(named, f)
		}
	}
	slices.Sort(named)
	slices.Sort(want)
	if !slices.Equal(named, want) {
		t.Errorf("%s stands in\n%v\nand %s says\n%v", name, named, doc, want)
	}
	for _, f := range slices.Concat(byHand, made, standard) {
		if !strings.Contains(all[doc], f) {
			t.Errorf("%s does not name %s", doc, f)
		}
	}
}

// TestAddingNames looks for each name that docs/adding.md has in its text: a file has to be there, and any other name to stand in the sources.
func TestAddingNames(t *testing.T) {
	t.Parallel()
	const doc = "docs/adding.md"
	all := texts(t)
	words := make(map[string]bool)
	for f, text := range all {
		if ext := filepath.Ext(f); f != doc && (ext == ".go" || ext == ".c" || ext == ".h" || ext == ".txt") || f == "Makefile" {
			for _, w := range regexp.MustCompile(`[\w-]+`).FindAllString(text, -1) {
				words[w] = true
			}
		}
	}
	for i, block := range strings.Split(all[doc], "```") {
		if i%2 == 1 {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(block, -1) {
			name := m[1]
			if strings.ContainsAny(name, " *…") || strings.HasPrefix(name, "-") { // a command, or several names
				continue
			}
			parts := strings.Split(strings.Trim(name, "[]"), ".") // marks of scripts are in brackets
			known := len(parts) <= 2 && !strings.Contains(name, "/") && !slices.ContainsFunc(parts, func(p string) bool { return !words[p] })
			if !known && !isPath(all, name) {
				t.Errorf("%s names %s, which is no file and stands in no source", doc, name)
			}
		}
	}
}

// isPath says whether the path of a file or directory ends so.
func isPath(all map[string]string, name string) bool {
	for f := range all {
		if strings.HasSuffix("/"+f, "/"+name) || strings.Contains("/"+f, "/"+strings.TrimSuffix(name, "/")+"/") {
			return true
		}
	}
	return false
}
