package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// root is the directory of the repository.
const root = "../.."

// needBuild returns the directory of the built library and program. Without them a test that needs them fails in CI, and
// says so elsewhere.
func needBuild(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs programs")
	}
	dir, err := filepath.Abs(filepath.Join(root, "build"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"libsoftcsp.so", "softcsp"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			missing(t, err)
		}
	}
	return dir
}

// missing ends a test that lacks something: a failure in CI, a word elsewhere.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err, ": run make test, which sees to it")
}

// blocks returns what stands between ```sh and ``` in a document, line by line. A block that begins with ```sh long needs programs that are not
// small, and is run with SOFTCSP_LONG=1 only.
func blocks(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	inside := false
	for line := range strings.Lines(string(text)) {
		switch fence := strings.TrimSpace(line); {
		case fence == "```sh", fence == "```sh long" && os.Getenv("SOFTCSP_LONG") != "":
			inside = true
		case fence == "```":
			inside = false
		case inside:
			b.WriteString(line)
		}
	}
	return b.String()
}

// TestDocuments runs the commands of each document, in a home directory of its own.
func TestDocuments(t *testing.T) {
	build := needBuild(t)
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, name := range names { // TestReadmeSession runs that of the README
		script := blocks(t, name)
		if script == "" {
			continue
		}
		ran++
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			for _, dir := range []string{"testdata"} {
				if err := os.Symlink(filepath.Join(filepath.Dir(build), dir), filepath.Join(home, dir)); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-eux", "-c", script)
			cmd.Dir = home
			cmd.Env = []string{"HOME=" + home, "PATH=" + build + ":" + os.Getenv("PATH"), "XDG_DATA_HOME=" + filepath.Join(home, "data"), "XDG_STATE_HOME=" + filepath.Join(home, "state"), "LANG=C"}
			cmd.WaitDelay = time.Second
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	if ran < 5 {
		t.Errorf("%d documents have commands", ran)
	}
}

// TestReadmeSession sees that the session of the README gives what the README says.
func TestReadmeSession(t *testing.T) {
	build := needBuild(t)
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", blocks(t, filepath.Join(root, "README.md")))
	cmd.Dir = filepath.Dir(build)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "TMPDIR=" + home}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"b5dcb3b0488c0d08b7fd7386b1a90df5", "The camshaft turns.", "label:      report"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// TestCLIDocument sees that docs/cli.md has a section for each command and names each of its flags, and no others. A flag that the introduction
// explains need not be in a section.
func TestCLIDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	checkFlags(t, string(text))
}

func checkFlags(t *testing.T, text string) {
	sections := make(map[string]string)
	introduction, _, _ := strings.Cut(text, "\n## ")
	for part := range strings.SplitSeq(text, "\n## ") {
		title, body, _ := strings.Cut(part, "\n")
		sections[title] = body
	}
	commands(func(c *cobra.Command) {
		if c.Hidden || c.Parent().Name() == "completion" {
			return
		}
		body, ok := sections[c.CommandPath()]
		if !ok {
			t.Errorf("docs/cli.md has no section %q", c.CommandPath())
		}
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			named := func(text string) bool {
				return strings.Contains(text, "`--"+f.Name+"`") || strings.Contains(text, "`--"+f.Name+" ")
			}
			if f.Name != "help" && !named(body) && !named(introduction) {
				t.Errorf("%s: --%s is not there", c.CommandPath(), f.Name)
			}
		})
		for _, m := range regexp.MustCompile("`--([a-z-]+)").FindAllStringSubmatch(body, -1) {
			if c.Flag(m[1]) == nil {
				t.Errorf("%s has no flag --%s", c.CommandPath(), m[1])
			}
		}
	})
}

// TestLinks sees that what the documents point to is there: links, and files of the repository.
func TestLinks(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`\]\(([^):#]+)[^)]*\)`)
	file := regexp.MustCompile("`((?:ck|cmd|conformance|docs|include|internal|mechanisms|p11shim|store|token|tools)/[A-Za-z0-9_./-]+)`")
	for _, name := range append(names, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", filepath.Base(name), err)
			}
		}
		for _, m := range file.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s: %v", filepath.Base(name), err)
			}
		}
	}
}
