package internal

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fileName is the name of a Go file, as comments name them. Import paths and what has an upper case letter are none.
var fileName = regexp.MustCompile(`(?:^|[\s(:,])([a-z][a-z0-9_/]*\.go)\b`)

// TestFileNames wants the files that comments name to exist: beside the file with the comment, or at that path in the module.
func TestFileNames(t *testing.T) {
	n := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "build", "testdata"}, d.Name()):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, group := range file.Comments {
			for _, found := range fileName.FindAllStringSubmatch(group.Text(), -1) {
				n++
				if !exists(filepath.Join(filepath.Dir(path), found[1])) && !exists(filepath.Join("..", found[1])) {
					t.Errorf("%s speaks of %s, which does not exist", path, found[1])
				}
			}
		}
		return nil
	})
	if err != nil || n < 50 {
		t.Errorf("%d names of files, %v", n, err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
