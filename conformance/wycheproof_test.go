package conformance

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/internal/vectors"
)

// A tally counts what became of vectors.
type tally struct {
	files, tests, cases, waiting, wrong int
	internal                            int // cases whose keys cannot be imported
}

// runSuites runs suites through the module, in as many hosts as there are processors, the last first: those with
// the longest numbers. In short mode it runs one in nineteen of
// the cases that compute with large numbers.
func runSuites(t *testing.T, names []string, load func(name string) (*vectors.Suite, error)) (sum tally) {
	t.Helper()
	jobs := make(chan string)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range max(2, runtime.GOMAXPROCS(0)) {
		b, err := newTestbed(module.script(t))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for name := range jobs {
				s, err := load(name)
				if err != nil {
					t.Error(err)
					continue
				}
				n, wrong := b.suite(s)
				mu.Lock()
				sum.files, sum.tests, sum.cases, sum.waiting = sum.files+n.files, sum.tests+n.tests, sum.cases+n.cases, sum.waiting+n.waiting
				sum.wrong, sum.internal = sum.wrong+len(wrong), sum.internal+n.internal
				mu.Unlock()
				report(t, s.Name, wrong)
			}
		})
	}
	for _, name := range slices.Backward(names) {
		jobs <- name
	}
	close(jobs)
	wg.Wait()
	return sum
}

// report says what went wrong: of another module than ours only how much.
func report(t *testing.T, name string, wrong []error) {
	if len(wrong) == 0 {
		return
	}
	if module.name != "softcsp" {
		t.Logf("%s: %d cases go otherwise, the first: %v", name, len(wrong), wrong[0])
		return
	}
	for _, err := range wrong[:min(len(wrong), 5)] {
		t.Error(err)
	}
	if len(wrong) > 5 {
		t.Errorf("%s: and %d more", name, len(wrong)-5)
	}
}

// suite runs the cases of a file.
func (b *testbed) suite(s *vectors.Suite) (n tally, wrong []error) {
	waiting := make(map[string]bool)
	for i := range s.Cases {
		c := &s.Cases[i]
		if c.Key.Internal() {
			n.internal++
			continue
		}
		if testing.Short() && s.Family != "Records" && c.Costly() && i%19 != 0 {
			n.cases++
			continue
		}
		v, err := b.run(c)
		switch {
		case err != nil:
			wrong = append(wrong, err)
		case v == waits:
			waiting[c.At] = true
			continue
		}
		n.cases++
	}
	n.waiting = len(waiting)
	if n.cases > 0 {
		n.files, n.tests = 1, s.Tests()-n.waiting
		if n.waiting > 0 && !s.Mixed && !testing.Short() { // which counts what it leaves out
			wrong = append(wrong, fmt.Errorf("%s: some cases have mechanisms and %d tests have none", s.Name, n.waiting))
		}
	}
	return n, wrong
}

// recordsOf are the records of package mechanisms.
var recordsOf = os.DirFS("../mechanisms/testdata")

// TestRecords runs the records of package mechanisms through the library. All of them have mechanisms.
func TestRecords(t *testing.T) {
	t.Parallel()
	var names []string
	for _, pattern := range []string{"*.txt", "*/*.txt"} {
		some, err := fs.Glob(recordsOf, pattern)
		if err != nil || len(some) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		names = append(names, some...)
	}
	n := runSuites(t, names, func(name string) (*vectors.Suite, error) { return vectors.LoadRecords(recordsOf, name) })
	t.Logf("records: %d files, %d records in %d cases, and %d with keys that only a derivation makes", n.files, n.tests-n.internal, n.cases, n.internal)
	if n.waiting > 0 {
		t.Errorf("%d records have no mechanism", n.waiting)
	}
}

// TestWycheproof runs every file of Project Wycheproof that has cases for PKCS #11 through the library: keys are imported or
// unwrapped, and each case has to give what it should, or the code that fits.
func TestWycheproof(t *testing.T) {
	t.Parallel()
	files, err := vectors.WycheproofFiles()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range files {
		s, err := vectors.WycheproofRow(name)
		if err != nil {
			t.Error(err)
		} else if s.Reason == "" {
			names = append(names, name)
		}
	}
	n := runSuites(t, names, vectors.LoadWycheproof)
	t.Logf("Wycheproof: %d files of %d, %d tests in %d cases; %d tests wait", n.files, len(files), n.tests, n.cases, n.waiting)
	if module.name != "softcsp" || testing.Short() {
		return
	}
	// What package mechanisms runs by its rows has to run here.
	doc, err := os.ReadFile("../docs/vectors.md")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?s)## Project Wycheproof.*?\| all \| \d+ \| (\d+) \| \d+ \| (\d+) \| (\d+) \|`).FindSubmatch(doc)
	if want == nil {
		t.Fatal("docs/vectors.md does not say how many tests there are")
	}
	if got := fmt.Sprint(n.files, n.tests, n.cases); got != string(bytes.Join(want[1:], []byte(" "))) {
		t.Errorf("%s files, tests and cases; docs/vectors.md says %s", got, bytes.Join(want[1:], []byte(" ")))
	}
}
