package clients

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// A script is what stands in one of the files of this directory.
type script struct {
	path, name string
	header     map[string]string
	prose      string
	shown      []txtar.File
	commands   string
}

// keys are those of headers, and whether a script must have them.
var keys = map[string]bool{"title": true, "programs": true, "packages": true, "size": true, "checked": true, "softhsm": false, "only": false, "backports": false, "limit": false}

// scripts reads all scripts.
func scripts(t *testing.T) (list []*script) {
	t.Helper()
	paths, err := filepath.Glob("*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, path := range paths {
		s, err := read(path)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *script) int {
		return strings.Compare(strings.ToLower(a.header["title"]), strings.ToLower(b.header["title"]))
	})
	return list
}

// read reads a script.
func read(path string) (*script, error) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		return nil, err
	}
	s := &script{path: path, name: strings.TrimSuffix(path, ".txt"), header: make(map[string]string)}
	lines := strings.Split(string(archive.Comment), "\n")
	for ; len(lines) > 0 && lines[0] != "#" && strings.HasPrefix(lines[0], "# "); lines = lines[1:] {
		key, value, ok := strings.Cut(lines[0][2:], ": ")
		if _, known := keys[key]; !ok || !known {
			return nil, fmt.Errorf("the header has %q", lines[0])
		}
		s.header[key] = value
	}
	for key, must := range keys {
		if must && s.header[key] == "" {
			return nil, fmt.Errorf("the header has no %s", key)
		}
	}
	var prose strings.Builder
	for ; len(lines) > 0 && strings.HasPrefix(lines[0], "#"); lines = lines[1:] {
		prose.WriteString(strings.TrimPrefix(strings.TrimPrefix(lines[0], "#"), " ") + "\n")
	}
	s.prose, s.commands = strings.TrimSpace(prose.String()), strings.Join(lines, "\n")
	for _, f := range archive.Files {
		if !strings.HasPrefix(f.Name, "check/") && !strings.HasPrefix(f.Name, "files/") {
			s.shown = append(s.shown, f)
		}
	}
	return s, s.check(archive)
}

// check sees that the header is true: what is said to check does, and what is shown is used.
func (s *script) check(archive *txtar.Archive) error {
	if size := s.header["size"]; size != "small" && size != "big" {
		return fmt.Errorf("the size is %q", size)
	}
	programs := strings.Fields(s.header["programs"])
	text := s.commands
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "check/") {
			text += string(f.Data)
		}
	}
	for _, p := range strings.Fields(s.header["checked"]) {
		if !slices.ContainsFunc(programs, func(path string) bool { return filepath.Base(path) == p }) {
			return fmt.Errorf("%s is not among the programs", p)
		}
		if !strings.Contains(text, p) {
			return fmt.Errorf("%s checks nothing", p)
		}
	}
	for _, f := range s.shown {
		if strings.HasSuffix(f.Name, ".sh") && !strings.Contains(s.commands, "sh -eu "+f.Name) {
			return fmt.Errorf("nobody runs %s", f.Name)
		}
		if bytes.Contains(f.Data, []byte("```")) {
			return fmt.Errorf("%s cannot be shown", f.Name)
		}
	}
	return nil
}
