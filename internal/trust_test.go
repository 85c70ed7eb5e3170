package internal

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPromises sees that each test that docs/trust.md names is one of the package that it is named for, and that
// no line of a table of promises is without one.
func TestPromises(t *testing.T) {
	tests := map[string]string{} // the source of each package's tests
	text, err := os.ReadFile("../docs/trust.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	named := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || strings.HasPrefix(cells[1], "---") || cells[1] == " promise " {
			continue
		}
		shown := cells[3]
		if !name.MatchString(shown) {
			t.Errorf("no test shows: %s", cells[1])
		}
		for group := range strings.SplitSeq(shown, ";") {
			pkg, list, ok := strings.Cut(strings.TrimSpace(group), ":")
			if !ok {
				t.Errorf("%q does not say in which package", group)
			}
			for _, m := range name.FindAllStringSubmatch(list, -1) {
				named++
				if tests[pkg] == "" {
					tests[pkg] = testsOf(t, pkg)
				}
				if !strings.Contains(tests[pkg], "\nfunc "+m[1]+"(") {
					t.Errorf("package %s has no %s", pkg, m[1])
				}
			}
		}
	}
	if named < 30 {
		t.Errorf("%d tests were named: the tables have another form than this test reads", named)
	}
}

// testsOf is the source of a package's tests.
func testsOf(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob("../" + pkg + "/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests in %s: %v", pkg, err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
