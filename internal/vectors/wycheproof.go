package vectors

import (
	"encoding/json"
	"fmt"
	"io/fs"

	"github.com/c2sp/wycheproof"
)

// Wycheproof reads the test groups of a file of Project Wycheproof, "aes_gcm_test.json" say, each into a G. It is an
// error for the file to say that it has another number of tests than count finds.
func Wycheproof[G any](name string, count func(*G) int) ([]G, error) {
	data, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		return nil, err
	}
	var file struct {
		NumberOfTests int `json:"numberOfTests"`
		TestGroups    []G `json:"testGroups"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n := 0
	for i := range file.TestGroups {
		n += count(&file.TestGroups[i])
	}
	if n == 0 || n != file.NumberOfTests {
		return nil, fmt.Errorf("%s: %d tests read of %d", name, n, file.NumberOfTests)
	}
	return file.TestGroups, nil
}
