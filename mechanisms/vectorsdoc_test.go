package mechanisms

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// vectorsDoc is the document that says which vectors there are, and what is run of them. Its tables are written by -update.
const vectorsDoc = "../docs/vectors.md"

// A tally counts what becomes of the tests of one family of files, or of all.
type tally struct{ files, ran, tests, run, cases int }

func (a *tally) add(b tally) {
	a.files, a.ran, a.tests, a.run = a.files+b.files, a.ran+b.ran, a.tests+b.tests, a.run+b.run
	a.cases += b.cases
}

// A report counts what becomes of the files of a source.
type report struct {
	mu       sync.Mutex
	whole    bool // all files have been counted
	families map[string]*tally
	all      tally
	reasons  map[string]*[2]int // files of which nothing is run, and tests that are not run, by the reason
}

func newReport() *report {
	return &report{whole: true, families: make(map[string]*tally), reasons: make(map[string]*[2]int)}
}

// noMechanism is the reason of tests whose mechanism, type of key or curve is not there.
const noMechanism = "the token does not have the mechanism or the curve"

// count counts a file of which so many cases are run, and so many tests wait.
func (r *report) count(s *vectors.Suite, cases, waits int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := tally{files: 1, tests: s.Total, cases: cases}
	leave := func(reason string, files, tests int) {
		if r.reasons[reason] == nil {
			r.reasons[reason] = new([2]int)
		}
		r.reasons[reason][0] += files
		r.reasons[reason][1] += tests
	}
	for reason, n := range s.Omitted {
		leave(reason, 0, n)
	}
	if s.Reason != "" {
		leave(s.Reason, 1, s.Total)
	} else if t.run = s.Tests() - waits; cases > 0 {
		t.ran = 1
	}
	if waits > 0 {
		leave(noMechanism, 1-t.ran, waits)
	}
	if r.families[s.Family] == nil {
		r.families[s.Family] = new(tally)
	}
	r.families[s.Family].add(t)
	r.all.add(t)
}

// tables writes a report down.
func (r *report) tables(b *bytes.Buffer) {
	b.WriteString("| | files | run | tests | run | cases |\n|---|--:|--:|--:|--:|--:|\n")
	row := func(name string, t *tally) {
		fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d |\n", name, t.files, t.ran, t.tests, t.run, t.cases)
	}
	names := slices.SortedFunc(maps.Keys(r.families), func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	for _, name := range names {
		row(name, r.families[name])
	}
	row("all", &r.all)
	b.WriteString("\nNot run are, of whole files and of single tests:\n\n| files | tests | because |\n|--:|--:|---|\n")
	for _, reason := range slices.Sorted(maps.Keys(r.reasons)) {
		n, tests := r.reasons[reason], ""
		if n[1] > 0 {
			tests = strconv.Itoa(n[1])
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", strings.TrimPrefix(strconv.Itoa(n[0]), "0"), tests, reason)
	}
}

const vectorsHead = `# Test vectors

The tests run the vectors below through the rows of package ` + "`mechanisms`" + `. Those of Project Wycheproof and the records run once more,
through the built library: a C program creates or unwraps the keys and calls the functions of the standard. What is valid has to give
what it should; what is not has to be refused with a code that fits, ` + "`CKR_SIGNATURE_INVALID`" + ` say.

A file that nobody has decided about fails the tests, and so does one without vectors. Where a mechanism, a type of keys or a curve is
missing, its vectors wait; they are run as soon as it is there. A test can be several cases: a signature is verified by the mechanism
that hashes and by the one that takes a digest. The tables are written by ` + "`go test ./mechanisms -run TestVectors -update`" + `.
`

// checkVectorsDoc compares the document with what was counted. What was not counted as a whole, in a short test or without
// Debian's package, stays as it is.
func checkVectorsDoc(t *testing.T, wycheproof, nist *report) {
	old, err := os.ReadFile(vectorsDoc)
	if err != nil && !*update {
		t.Fatal(err)
	}
	var b bytes.Buffer
	b.WriteString(vectorsHead)
	section := func(title string, r *report, source string) {
		head := "\n## " + title + "\n"
		if r == nil || !r.whole {
			_, rest, _ := strings.Cut(string(old), head)
			body, _, _ := strings.Cut(rest, "\n## ")
			b.WriteString(head + body)
			return
		}
		b.WriteString(head + "\n" + source + "\n\n")
		r.tables(&b)
	}
	section("Project Wycheproof", wycheproof, "The Go module `github.com/c2sp/wycheproof`.")
	section("NIST and RFCs", nist, "Debian's `python3-cryptography-vectors`, version "+cryptographyVersion()+": the files of NIST's validation programs, and vectors of RFCs.")
	b.WriteString("\n## Records\n\nThe files below `mechanisms/testdata` name their sources: standards, RFCs, and other programs.\n")
	b.WriteString("\n## Mechanisms without vectors\n\n| | |\n|---|---|\n")
	for _, m := range slices.Sorted(maps.Keys(withoutVectors)) {
		fmt.Fprintf(&b, "| `%v` | %s |\n", ck.MechanismType(m), withoutVectors[m])
	}
	b.WriteString("\nWhat generates keys is random: other tests try it. `CryptDeriveKey` has [vectors of its own](cryptderivekey.md).\n")
	if *update {
		if err := os.WriteFile(vectorsDoc, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(old, b.Bytes()) {
		t.Errorf("what is counted is not what %s says; go test ./mechanisms -run TestVectors -update writes it anew:\n%s", vectorsDoc, firstDifference(string(old), b.String()))
	}
}

// firstDifference finds the first line that differs.
func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return x[i] + "\n" + y[i]
		}
	}
	return "one is longer"
}

var versionRE = regexp.MustCompile(`__version__ = "([^"]+)"`)

// cryptographyVersion is the version of the package with NIST's vectors, "" without it.
func cryptographyVersion() string {
	about, err := os.ReadFile(vectors.CryptographyVectors + "/__about__.py")
	if m := versionRE.FindSubmatch(about); err == nil && m != nil {
		return string(m[1])
	}
	return ""
}
