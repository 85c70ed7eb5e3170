package packaging

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestRelease makes a release of copies of the tree in two directories with names of different lengths: they have the same bytes. What the release
// says of itself is then looked at.
func TestRelease(t *testing.T) {
	long(t)
	need(t, "make", "git", "tar", "sha256sum")
	trees := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another/directory")}
	for _, tree := range trees { // both before either is built: somebody may be at work here
		if err := os.MkdirAll(tree, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, repository(t), "sh", "-c", `git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - --ignore-failed-read | tar --extract -C "$1"`, "sh", tree)
	}
	var sums []string
	for _, tree := range trees {
		run(t, tree, "make", "-s", "release", "SOURCE_DATE_EPOCH=1700000000")
		b, err := os.ReadFile(filepath.Join(tree, "build/release/SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, string(b))
	}
	if sums[0] != sums[1] {
		t.Errorf("two builds differ:\n%s\n%s", sums[0], sums[1])
	}
	release := filepath.Join(trees[0], "build/release")
	run(t, release, "sha256sum", "--check", "--strict", "SHA256SUMS")
	if n := strings.Count(sums[0], "\n"); n != 2*(1+2+2)+1 {
		t.Errorf("a release of %d files", n)
	}
	checkSBOM(t, release, trees[0])
	run(t, release, "tar", "--extract", "--file", "softcsp-"+version(t)+"-linux-amd64.tar.gz")
	if got := run(t, release, "softcsp-"+version(t)+"-linux-amd64/bin/softcsp", "version"); !strings.HasPrefix(got, "softcsp "+version(t)+" ") {
		t.Errorf("the command says %q", got)
	}
}

// checkSBOM holds the bill of materials against what go version -m says of the programs.
func checkSBOM(t *testing.T, release, tree string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(release, "softcsp-"+version(t)+".spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		Packages []struct {
			Name, VersionInfo, LicenseDeclared string
			Checksums                          []struct{ ChecksumValue string }
		}
	}
	if err := json.Unmarshal(b, &bill); err != nil {
		t.Fatal(err)
	}
	var listed, programs []string
	for _, p := range bill.Packages {
		if p.LicenseDeclared == "" {
			t.Errorf("%s has no licence", p.Name)
		}
		if len(p.Checksums) > 0 {
			programs = append(programs, p.Name+" "+p.Checksums[0].ChecksumValue)
		} else if p.Name != "std" {
			listed = append(listed, p.Name+" "+p.VersionInfo)
		}
	}
	var inside, built []string
	for _, dir := range []string{"build", "build/arm64"} {
		for _, name := range []string{"softcsp", "libsoftcsp.so"} {
			file := filepath.Join(tree, dir, name)
			sum, _, _ := strings.Cut(run(t, tree, "sha256sum", file), " ")
			built = append(built, name+" "+sum)
			for line := range strings.Lines(run(t, tree, "go", "version", "-m", file)) {
				if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" {
					inside = append(inside, f[1]+" "+f[2])
				}
			}
		}
	}
	for _, list := range []*[]string{&listed, &programs, &inside, &built} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if len(inside) == 0 || !slices.Equal(listed, inside) {
		t.Errorf("the bill lists %q, the programs have %q", listed, inside)
	}
	if !slices.Equal(programs, built) {
		t.Errorf("the bill is of %q, and these were built: %q", programs, built)
	}
}
