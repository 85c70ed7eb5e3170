package vectors

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

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

// A Suite is what one file has for PKCS #11.
type Suite struct {
	Name   string
	Family string // of the table in docs/vectors.md
	// Reason says why no case of the file can be put to a token, "" where there are cases.
	Reason string
	Cases  []Case
	Monte  []Monte
	Total  int // of the file's own tests: of one there can be several cases
	// Mixed says that the mechanisms, the curves say, of some cases can be missing where those of others are there.
	Mixed bool
	// Omitted counts the tests that cannot be put to a token, by the reason.
	Omitted map[string]int
}

func (s *Suite) add(c Case) { s.Cases = append(s.Cases, c) }

func (s *Suite) omit(reason string) {
	if s.Omitted == nil {
		s.Omitted = make(map[string]int)
	}
	s.Omitted[reason]++
}

// Tests counts the tests of the file that have cases.
func (s *Suite) Tests() int {
	n := s.Total
	for _, o := range s.Omitted {
		n -= o
	}
	return n
}

// at names a test.
func (s *Suite) at(id int) string { return fmt.Sprintf("%s %d", s.Name, id) }

// test is what every test of Wycheproof has.
type test struct {
	ID      int      `json:"tcId"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Result  string   `json:"result"`
}

func (t *test) invalid() bool    { return t.Result == "invalid" }
func (t *test) acceptable() bool { return t.Result == "acceptable" }

func (t *test) flagged(flag string) bool { return slices.Contains(t.Flags, flag) }

// tests is a group that has nothing but its tests.
type tests[T any] struct {
	Tests []T `json:"tests"`
}

// read reads the groups of the suite's file. tests finds those of a group.
func read[G, T any](s *Suite, list func(*G) []T) ([]G, error) {
	return Wycheproof(s.Name, func(g *G) int {
		s.Total += len(list(g))
		return len(list(g))
	})
}

// WycheproofFiles are the names of all files of the project.
func WycheproofFiles() ([]string, error) {
	names, err := fs.Glob(wycheproof.TestVectors, "*")
	if err == nil && len(names) == 0 {
		err = fs.ErrNotExist
	}
	return names, err
}

// WycheproofRow says what is done with a file, without reading it. A file that the table does not name is an error.
func WycheproofRow(name string) (*Suite, error) {
	row, err := findRow(name)
	if err != nil {
		return nil, err
	}
	return &Suite{Name: name, Family: row.family, Reason: row.reason}, nil
}

func findRow(name string) (*wycheproofRow, error) {
	for i := range wycheproofTable {
		if ok, err := path.Match(wycheproofTable[i].files, strings.TrimSuffix(name, "_test.json")); ok && err == nil {
			return &wycheproofTable[i], nil
		}
	}
	return nil, fmt.Errorf("%s: the table of files does not say what to do with it", name)
}

// LoadWycheproof makes cases of a file.
func LoadWycheproof(name string) (*Suite, error) {
	row, err := findRow(name)
	if err != nil {
		return nil, err
	}
	s := &Suite{Name: name, Family: row.family, Reason: row.reason}
	if row.load == nil {
		s.Total, err = numberOfTests(name)
		return s, err
	}
	if err := row.load(s); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if s.Tests() <= 0 || len(s.Cases) == 0 {
		return nil, fmt.Errorf("%s: no cases of %d tests, %v", name, s.Total, s.Omitted)
	}
	return s, nil
}

var numberRE = regexp.MustCompile(`"numberOfTests"\s*:\s*(\d+)`)

// numberOfTests reads how many tests a file has, and no further.
func numberOfTests(name string) (n int, err error) {
	f, err := wycheproof.TestVectors.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // read only
	head, err := io.ReadAll(io.LimitReader(f, 1<<14))
	if err != nil {
		return 0, err
	}
	m := numberRE.FindSubmatch(head)
	if m == nil {
		return 0, fmt.Errorf("%s: no number of tests", name)
	}
	_, err = fmt.Sscan(string(m[1]), &n)
	return n, err
}

// A wycheproofRow says what is done with the files of a pattern: the first that fits.
type wycheproofRow struct {
	files, family string
	load          func(*Suite) error
	reason        string
}
