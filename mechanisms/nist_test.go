package mechanisms

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/internal/vectors"
)

// runNIST runs the vectors of NIST and of RFCs that Debian's python3-cryptography-vectors has. Every file of the package is run,
// or there is a reason why not.
func runNIST(t *testing.T, seen tried) {
	if _, err := os.Stat(vectors.CryptographyVectors); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("apt-get install python3-cryptography-vectors: %v", err)
		}
		t.Skipf("not run: apt-get install python3-cryptography-vectors: %v", err)
	}
	fsys := os.DirFS(vectors.CryptographyVectors)
	files, err := vectors.NISTFiles(fsys)
	if err != nil || len(files) < 1000 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	var mu sync.Mutex
	ran, tests, cases, waiting := 0, 0, 0, 0
	t.Run("files", func(t *testing.T) {
		for _, name := range files {
			if info, err := fs.Stat(fsys, name); testing.Short() && err == nil && info.Size() > 1<<18 {
				continue // the tests of all of them take as long as the others together
			}
			s, err := vectors.LoadNIST(fsys, name)
			if err != nil {
				t.Error(err)
				continue
			}
			if s.Reason != "" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				reached := make(tried)
				n, waits := runSuite(t, s, reached)
				for i := range s.Monte {
					n++
					reached[s.Monte[i].Mechanism]++
					if err := runMonte(&s.Monte[i]); err != nil {
						t.Errorf("%s: %v", s.Monte[i].At, err)
					}
				}
				mu.Lock()
				defer mu.Unlock()
				for m, k := range reached {
					seen[m] += k
				}
				if waiting += waits; n > 0 {
					ran, tests, cases = ran+1, tests+s.Tests()-waits, cases+n
				}
			})
		}
	})
	t.Logf("NIST and RFCs: %d files of %d, %d vectors in %d cases; %d vectors wait", ran, len(files), tests, cases, waiting)
}

// runMonte hashes a thousand times (SHAVS, section 6.4; SHA3VS, section 6.2.3).
func runMonte(c *vectors.Monte) error {
	row := Lookup(c.Mechanism)
	last := [3][]byte{c.Value, c.Value, c.Value}
	for range 1000 {
		data := last[2]
		if c.Three {
			data = bytes.Join(last[:], nil)
		}
		sum, err := digested(row, caseParam(&vectors.Case{}), data)
		if err != nil {
			return fmt.Errorf("%v: %w", c.Mechanism, err)
		}
		last = [3][]byte{last[1], last[2], sum}
	}
	return same("digest", last[2], c.Want)
}
