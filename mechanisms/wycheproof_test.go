package mechanisms

import (
	"sync"
	"testing"

	"github.com/softcsp/softcsp/internal/vectors"
)

// runWycheproof runs every file of Project Wycheproof that has cases for the table, and fails for one that nobody thought of.
func runWycheproof(t *testing.T, seen tried) {
	files, err := vectors.WycheproofFiles()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	ran, tests, cases := 0, 0, 0
	t.Run("files", func(t *testing.T) {
		for _, name := range files {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s, err := vectors.LoadWycheproof(name)
				if err != nil {
					t.Fatal(err)
				}
				reached := make(tried)
				n, waits := runSuite(t, s, reached)
				mu.Lock()
				defer mu.Unlock()
				for m, k := range reached {
					seen[m] += k
				}
				if n > 0 {
					ran, tests, cases = ran+1, tests+s.Tests()-waits, cases+n
				}
			})
		}
	})
	t.Logf("Wycheproof: %d files of %d, %d tests in %d cases", ran, len(files), tests, cases)
}
