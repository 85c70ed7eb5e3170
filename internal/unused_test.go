package internal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A place is where names are declared or used: a package's own files, or the tests beside them.
type place struct {
	dir  string
	test bool
}

// A census is what a module declares at the top of its files, and which names are used where.
type census struct {
	declared map[*ast.Ident]place
	used     map[string]map[place]bool
}

// TestUnused wants somebody to use what packages declare, beside their own tests: what packages below internal export, and what any
// package does not, but for what is generated. It compares names, not what they stand for: what has the name of something in use is not found. Methods are left
// out, as interfaces call them.
func TestUnused(t *testing.T) {
	fset, c := token.NewFileSet(), census{make(map[*ast.Ident]place), make(map[string]map[place]bool)}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "build", "testdata"}, d.Name()):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err == nil {
			at := place{filepath.ToSlash(filepath.Dir(path)), strings.HasSuffix(path, "_test.go")}
			c.read(file, at, !at.test && !ast.IsGenerated(file))
		}
		return err
	})
	if err != nil || len(c.declared) < 1000 {
		t.Fatalf("%d names are declared, %v", len(c.declared), err)
	}
	for name, at := range c.declared {
		if !c.uses(name, at) {
			t.Errorf("%v: nobody uses %s", fset.Position(name.Pos()), name.Name)
		}
	}
}

// read takes down what a file uses, and what it declares where that counts.
func (c *census) read(file *ast.File, at place, declares bool) {
	own := make(map[*ast.Ident]bool)
	declare := func(name *ast.Ident) {
		own[name] = true
		if declares && name.Name != "_" && name.Name != "main" && (!name.IsExported() || strings.HasPrefix(at.dir, "../internal/")) {
			c.declared[name] = at
		}
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && !exported(d.Doc) {
				declare(d.Name)
			}
		case *ast.GenDecl:
			if counts(d) {
				continue
			}
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					declare(spec.Name)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						declare(name)
					}
				}
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if name, ok := n.(*ast.Ident); ok && !own[name] {
			if c.used[name.Name] == nil {
				c.used[name.Name] = make(map[place]bool)
			}
			c.used[name.Name][at] = true
		}
		return true
	})
}

// exported reports whether a function is one that C calls.
func exported(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//export ") })
}

// counts reports whether a declaration is one of constants that are counted, of which each is there for the numbers of those after it.
func counts(d *ast.GenDecl) (with bool) {
	for _, spec := range d.Specs {
		ast.Inspect(spec, func(n ast.Node) bool {
			name, ok := n.(*ast.Ident)
			with = with || ok && name.Name == "iota"
			return true
		})
	}
	return with
}

// uses reports whether a name that is declared at a place is used by others than the tests there. Those of conformance are what
// that package is for.
func (c *census) uses(name *ast.Ident, at place) bool {
	for user := range c.used[name.Name] {
		same := user.dir == at.dir
		if same && (!user.test || at.dir == "../conformance") || !same && name.IsExported() {
			return true
		}
	}
	return false
}
