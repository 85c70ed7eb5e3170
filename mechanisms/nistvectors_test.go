package mechanisms

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/softcsp/softcsp/internal/vectors"
)

// runNIST runs the vectors of NIST and of RFCs that Debian's python3-cryptography-vectors has. Every file of the package is run,
// or there is a reason why not. Without the package it returns nil.
func runNIST(t *testing.T, seen *tried) *report {
	if _, err := os.Stat(vectors.CryptographyVectors); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("apt-get install python3-cryptography-vectors: %v", err)
		}
		t.Logf("NIST's vectors are not run: apt-get install python3-cryptography-vectors: %v", err)
		return nil
	}
	fsys := os.DirFS(vectors.CryptographyVectors)
	files, err := vectors.NISTFiles(fsys)
	if err != nil || len(files) < 1000 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	r := newReport()
	t.Run("files", func(t *testing.T) {
		for _, name := range files {
			if info, err := fs.Stat(fsys, name); testing.Short() && err == nil && info.Size() > 1<<18 {
				r.whole = false // they take as long as the others together
				continue
			}
			s, err := vectors.LoadNIST(fsys, name)
			if err != nil {
				t.Error(err)
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r.runFile(t, s, seen)
			})
		}
	})
	t.Logf("NIST and RFCs: %d files of %d, %d vectors of %d in %d cases", r.all.ran, r.all.files, r.all.run, r.all.tests, r.all.cases)
	return r
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
