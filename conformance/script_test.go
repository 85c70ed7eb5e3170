package conformance

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScripts runs the scripts in testdata against the module, and against SoftHSM2 those that are not about softcsp's own.
func TestScripts(t *testing.T) {
	t.Parallel()
	for _, m := range targets(t) {
		t.Run(m.name, func(t *testing.T) {
			for _, c := range Checks() {
				if c.text == "" || c.more {
					continue
				}
				t.Run(c.Name, func(t *testing.T) {
					t.Parallel()
					runCheck(t, m, c)
				})
			}
		})
	}
}

// runCheck runs a script as one that knows the module: every line counts that is for it.
func runCheck(t *testing.T, m target, c Check) {
	t.Helper()
	place, _ := FreshPlace(m.path)
	r := (&Module{Path: m.path, Driver: driver, Kind: m.name, Fresh: true, Place: place}).Run(c)
	for _, f := range r.Failures {
		t.Errorf("testdata/%s.txt:%d: %s: %s", c.Name, f.Line, f.Call, f.Text)
	}
	if r.Passed == 0 && m.name == "softcsp" {
		t.Error("nothing was run")
	}
}

var update = flag.Bool("update", false, "write disagreements.md")

// TestDisagreements wants a reason for each line that one of the modules does not run: a comment in the same paragraph that
// says what SoftHSM2 does. disagreements.md is the list of them.
func TestDisagreements(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	list := new(strings.Builder)
	list.WriteString("# Where SoftHSM2 and softcsp disagree\n\nWhat the scripts in testdata say of SoftHSM2 2.6.1 where they do not ask of it what the standard\nsays. `go test -run Disagreements -update` writes this list.\n")
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		reasons := reasonsOf(t, path, string(text))
		if len(reasons) > 0 {
			fmt.Fprintf(list, "\n%s\n\n", filepath.Base(path))
		}
		for _, r := range reasons {
			fmt.Fprintf(list, "- %s\n", r)
		}
	}
	list.WriteString("\nstates_test.go\n\n")
	for _, r := range softHSMStates {
		fmt.Fprintf(list, "- %s\n", r.reason)
	}
	if *update {
		if err := os.WriteFile("disagreements.md", []byte(list.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile("disagreements.md"); err != nil || string(have) != list.String() {
		t.Errorf("disagreements.md is not what the scripts say: go test ./conformance -run Disagreements -update (%v)", err)
	}
}

// reasonsOf returns what the comments of a script say of SoftHSM2, after its name and a colon.
func reasonsOf(t *testing.T, path, text string) (reasons []string) {
	t.Helper()
	for n, paragraph := range strings.Split(text, "\n\n") {
		said, open := false, false
		for line := range strings.Lines(paragraph) {
			line = strings.TrimSpace(line)
			if reason, ok := strings.CutPrefix(line, "# SoftHSM2: "); ok {
				said, open = true, true
				reasons = append(reasons, reason)
				continue
			}
			if more, ok := strings.CutPrefix(line, "# "); ok && open {
				reasons[len(reasons)-1] += " " + more
				continue
			}
			open = false
			if strings.HasPrefix(line, "[") && !strings.HasPrefix(line, "[token]") && !strings.HasPrefix(line, "[3.0]") && !said {
				t.Errorf("%s, paragraph %d: %q is without a reason", path, n+1, line)
			}
		}
	}
	return reasons
}
