package internal

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/softcsp/softcsp/"

// algorithms are the packages below internal/algorithm. Its row is that of each of them that has none of its own.
const algorithms = "internal/algorithm/..."

// root is the name of the package at the module's own path.
const root = "."

// rules says for each package what it may import beside the standard library. Its packages stand without the module's
// path. DO NOT CHANGE THIS TABLE TO MEND A BUILD: it is the picture in docs/design.md, and arrows point one way.
var rules = map[string][]string{
	root:                       {"capi", "ck", "token", "internal/config", "internal/pkcs11uri"},
	"ck":                       {},
	"internal":                 {},
	"internal/locked":          {"golang.org/x/sys"},
	"internal/secret":          {},
	"internal/stripe":          {},
	"internal/handle":          {"internal/stripe"},
	"internal/quiet":           {"golang.org/x/sys"},
	"internal/randombytes":     {},
	"internal/config":          {"ck", "internal/quiet", "github.com/BurntSushi/toml"},
	"internal/attrtext":        {"ck"},
	"internal/certinfo":        {"golang.org/x/crypto"},
	"internal/pkcs11uri":       {},
	"internal/x509cert":        {"golang.org/x/crypto"},
	"internal/mechparam":       {"ck"},
	"internal/doctor":          {"ck", "internal/config", "store", "golang.org/x/sys"},
	"internal/softhsm":         {"ck", "internal/foreignfile", "internal/secret", "internal/sqlite"},
	"internal/sqlite":          {"internal/foreignfile"},
	"internal/foreignfile":     {},
	"internal/keyfile":         {"capi", "ck", "mechanisms", "internal/algorithm/md2", "internal/algorithm/pbkdf", "internal/algorithm/rc2", "internal/certinfo", "internal/secret", "golang.org/x/crypto"},
	"internal/gen":             {},
	"internal/release":         {},
	"packaging":                {},
	"internal/gen/support":     {"ck", "internal/config", "mechanisms", "token"},
	"capi":                     {"internal/algorithm/md2", "internal/algorithm/parity", "internal/cloneable", "internal/secret", "golang.org/x/crypto"},
	"internal/cloneable":       {},
	"internal/timetest":        {},
	"internal/vectors":         {"ck", "github.com/c2sp/wycheproof"},
	"mechanisms":               {"capi", "ck", "internal/cloneable", algorithms, "internal/randombytes", "internal/secret", "filippo.io", "github.com/cloudflare/circl", "github.com/decred/dcrd/dcrec/secp256k1", "golang.org/x/crypto"},
	"store":                    {"ck", "internal/config", "internal/locked", "internal/secret", "go.etcd.io/bbolt", "golang.org/x/crypto", "golang.org/x/sys", "filippo.io/edwards25519"},
	"token":                    {"ck", "mechanisms", "store", "internal/config", "internal/handle", "internal/locked", "internal/randombytes", "internal/secret", "internal/stripe"},
	"csp":                      {"capi", "ck", "mechanisms", "token", "internal/handle", "internal/secret"},
	"p11shim":                  {"capi", "ck", "token", "csp", "internal/config", "internal/quiet", "layers/calllog"},
	"layers":                   {"ck"},
	"layers/calllog":           {"ck", "layers"},
	"cmd/softcsp":              {"capi", "ck", "csp", "examples/dpapi", "examples/office", "mechanisms", "token", "store", "conformance", "internal/config", "internal/doctor", "internal/pkcs11uri", "internal/softhsm", "internal/keyfile", "internal/mechparam", "internal/x509cert", "layers/calllog", "github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/crypto", "golang.org/x/term", "internal/algorithm/primes", "internal/attrtext", "internal/certinfo"},
	"include":                  {},
	"conformance":              {"include", "ck", "internal/attrtext", "golang.org/x/sys"},
	"bench/compare":            {"ck"},
	"examples/internal/fields": {},
	"examples/office":          {"capi", "ck", "csp", "examples/internal/fields"},
	"examples/dpapi":           {"capi", "csp", "examples/internal/fields", "golang.org/x/crypto"},
	"conformance/clients":      {},
	"conformance/demo":         {"ck", "github.com/miekg/pkcs11", "github.com/xuri/excelize/v2", "github.com/richardlehane/mscfb"},

	algorithms:                       {},
	"internal/algorithm/chacha":      {"internal/algorithm/inparts", "internal/secret", "golang.org/x/crypto"},
	"internal/algorithm/ccm":         {"internal/algorithm/cbcmac", "internal/algorithm/inparts", "internal/secret"},
	"internal/algorithm/gcm":         {"internal/algorithm/inparts", "internal/secret"},
	"internal/algorithm/keywrap":     {"internal/algorithm/pkcs7"},
	"internal/algorithm/lms":         {"internal/algorithm/shake", "golang.org/x/crypto"},
	"internal/algorithm/modular":     {"filippo.io"},
	"internal/algorithm/p256":        {"internal/algorithm/rfc6979", "filippo.io"},
	"internal/algorithm/rawrsa":      {"internal/algorithm/modular", "internal/secret", "filippo.io"},
	"internal/algorithm/rfc6979":     {"internal/secret", "filippo.io"},
	"internal/algorithm/weierstrass": {"internal/algorithm/modular", "internal/algorithm/rfc6979", "filippo.io", "github.com/decred/dcrd/dcrec/secp256k1"},
	"internal/algorithm/mldsa":       {"internal/algorithm/shake", "github.com/cloudflare/circl"},
	"internal/algorithm/salsa":       {"golang.org/x/crypto"},
	"internal/algorithm/slhdsa":      {"internal/algorithm/shake"},
}

// owners are imports that few packages or files may have, tests included.
var owners = map[string][]string{
	"C":                       {"p11shim"},
	"unsafe":                  {"p11shim", "store/sharedcounter.go", "internal/quiet"}, // the mapped generation word needs atomic access; signals that are taken back
	"go.etcd.io/bbolt":        {"store"},
	"github.com/miekg/pkcs11": {"conformance", "conformance/demo"},
}

// A pkg is what go list tells of a package.
type pkg struct {
	ImportPath, Dir                              string
	GoFiles, CgoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports           []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,CgoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports", module+"...")
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// standard reports whether a path is of the standard library, whose paths begin without a domain.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// among reports whether path is one of allowed, or below one that is a module of others or ends in "/...".
func among(path string, allowed []string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		parent, below := strings.CutSuffix(module+a, "/...")
		return path == module+a || path == a || !standard(a) && strings.HasPrefix(path, a+"/") || below && strings.HasPrefix(path, parent+"/")
	})
}

// nameOf is what a package of the module is called in the table.
func nameOf(path string) string {
	if path+"/" == module {
		return root
	}
	return strings.TrimPrefix(path, module)
}

// ruleOf returns the row of a package.
func ruleOf(name string) (allowed []string, ok bool) {
	if allowed, ok = rules[name]; !ok && among(module+name, []string{algorithms}) {
		return rules[algorithms], true
	}
	return allowed, ok
}

func TestImports(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range packages(t) {
		name := nameOf(p.ImportPath)
		seen[name] = true
		allowed, ok := ruleOf(name)
		if !ok {
			t.Errorf("package %s has no rule", name)
		}
		for _, path := range p.Imports {
			if !standard(path) && !among(path, allowed) {
				t.Errorf("%s imports %s", name, path)
			}
		}
		for _, file := range slices.Concat(p.GoFiles, p.CgoFiles, p.TestGoFiles, p.XTestGoFiles) {
			checkOwners(t, name, p.Dir, file)
		}
	}
	for name := range rules {
		if !seen[name] && name != algorithms {
			t.Errorf("there is no package %s", name)
		}
	}
}

// TestAlgorithms sees that the packages of algorithms know nothing of this module but each other, how secrets are erased and how tests measure
// times, their tests included: they speak no PKCS #11.
func TestAlgorithms(t *testing.T) {
	n := 0
	for _, p := range packages(t) {
		if !among(p.ImportPath, []string{algorithms}) {
			continue
		}
		n++
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if strings.HasPrefix(path, module) && !among(path, []string{algorithms, "internal/secret", "internal/timetest"}) {
				t.Errorf("%s imports %s", p.ImportPath, path)
			}
		}
	}
	if n == 0 {
		t.Error("there are no algorithms")
	}
}

// checkOwners sees that a file imports nothing that belongs to others.
func checkOwners(t *testing.T, name, dir, file string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Imports {
		path := strings.Trim(i.Path.Value, "\"")
		o, owned := owners[path]
		if owned && !slices.Contains(o, name) && !slices.Contains(o, name+"/"+file) {
			t.Errorf("%s/%s imports %s, which only %v may", name, file, path, o)
		}
	}
}

// TestRules sees that the table itself points one way.
func TestRules(t *testing.T) {
	state := make(map[string]int)
	var visit func(name string)
	visit = func(name string) {
		switch state[name] {
		case 1:
			t.Errorf("%s imports itself", name)
		case 0:
			state[name] = 1
			for _, next := range rules[name] {
				if _, ours := rules[next]; ours {
					visit(next)
				}
			}
			state[name] = 2
		}
	}
	for name := range rules {
		visit(name)
	}
}
