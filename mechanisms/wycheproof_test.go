package mechanisms

import (
	"testing"

	"github.com/softcsp/softcsp/internal/vectors"
)

// runWycheproof runs every file of Project Wycheproof that has cases for the table, and fails for one that nobody thought of.
func runWycheproof(t *testing.T, seen *tried) *report {
	files, err := vectors.WycheproofFiles()
	if err != nil {
		t.Fatal(err)
	}
	r := newReport()
	t.Run("files", func(t *testing.T) {
		for _, name := range files {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, err := vectors.LoadWycheproof(name)
				if err != nil {
					t.Fatal(err)
				}
				r.runFile(t, s, seen)
			})
		}
	})
	t.Logf("Wycheproof: %d files of %d, %d tests of %d in %d cases", r.all.ran, r.all.files, r.all.run, r.all.tests, r.all.cases)
	return r
}

// runFile runs a file and counts. The files run at the same time.
func (r *report) runFile(t *testing.T, s *vectors.Suite, seen *tried) {
	cases, waits := runSuite(t, s, seen)
	for i := range s.Monte {
		cases++
		seen.add(s.Monte[i].Mechanism)
		if err := runMonte(&s.Monte[i]); err != nil {
			t.Errorf("%s: %v", s.Monte[i].At, err)
		}
	}
	r.count(s, cases, waits)
}
