package conformance

import (
	"bytes"
	_ "embed" // for driverSource
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	headers "github.com/softcsp/softcsp/include"
)

// A header is what the driver needs to know of a Cryptoki header: names, in the order in which they are declared. Their
// values, offsets and sizes are for the C compiler to say.
type header struct {
	macros  []string
	structs []structure
	funcs   []prototype
	lists   map[string]string // function list structure: its body
}

type structure struct {
	name   string
	fields [][2]string // name and type
}

type prototype struct {
	name   string
	params []string // "CK_BYTE_PTR pData", blanks removed from the type
}

var (
	macroRE  = regexp.MustCompile(`(?m)^#define ((?:CK[A-Z]|CALG|CRYPT|NTE|ERROR|HP|KP)_\w+|CK_(?:TRUE|FALSE|INVALID_HANDLE|UNAVAILABLE_INFORMATION|EFFECTIVELY_INFINITE)) +\S`)
	structRE = regexp.MustCompile(`\bstruct\s+(\w*)\s*\{([^{}]*)\}\s*(\w*)`)
	fieldRE  = regexp.MustCompile(`^(.*?)(\w+)\s*(?:\[[^\]]*\])?$`)
	protoRE  = regexp.MustCompile(`\bCK_RV\s+(C_\w+)\s*\(([^;{}]*?)\)\s*;`)
	blankRE  = regexp.MustCompile(`\s+`)
)

// preprocess runs the C preprocessor over the headers of dir that there are.
func preprocess(dir string, args ...string) (string, error) {
	var src, stderr bytes.Buffer
	for _, h := range headerFiles(dir) {
		fmt.Fprintf(&src, "#include \"%s\"\n", h)
	}
	cmd := exec.Command(compiler(), append(args, "-E", "-P", "-I"+dir, "-xc", "-")...)
	cmd.Stdin, cmd.Stderr = &src, &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s (apt-get install gcc libc6-dev): %w: %s", compiler(), err, &stderr)
	}
	return string(out), nil
}

func headerFiles(dir string) []string {
	var have []string
	for _, h := range []string{"cryptoki.h", "softcsp.h"} {
		if _, err := os.Stat(filepath.Join(dir, h)); err == nil {
			have = append(have, h)
		}
	}
	return have
}

// readHeader reads the headers in dir.
func readHeader(dir string) (*header, error) {
	macros, err := preprocess(dir, "-dM")
	if err != nil {
		return nil, err
	}
	text, err := preprocess(dir)
	if err != nil {
		return nil, err
	}
	h := &header{lists: map[string]string{}}
	for _, m := range macroRE.FindAllStringSubmatch(macros, -1) {
		h.macros = append(h.macros, m[1])
	}
	for _, m := range structRE.FindAllStringSubmatch(text, -1) {
		name := m[1]
		if name == "" {
			name = m[3]
		}
		if strings.HasPrefix(name, "CK_FUNCTION_LIST") {
			h.lists[name] = m[2]
		} else if strings.HasPrefix(name, "CK_") {
			h.structs = append(h.structs, structure{name, fields(m[2])})
		}
	}
	for _, m := range protoRE.FindAllStringSubmatch(text, -1) {
		h.funcs = append(h.funcs, prototype{m[1], params(m[2])})
	}
	if len(h.funcs) < 68 || len(h.structs) < 10 || len(h.macros) < 100 {
		return nil, errors.New("the Cryptoki header was not understood")
	}
	return h, nil
}

func fields(body string) (list [][2]string) {
	for f := range strings.SplitSeq(body, ";") {
		if m := fieldRE.FindStringSubmatch(strings.TrimSpace(f)); m != nil && m[1] != "" {
			list = append(list, [2]string{m[2], blankRE.ReplaceAllString(m[1], "")})
		}
	}
	return list
}

func params(list string) (params []string) {
	for p := range strings.SplitSeq(list, ",") {
		m := fieldRE.FindStringSubmatch(strings.TrimSpace(p))
		if m == nil || m[2] == "void" {
			continue
		}
		if m[1] == "" { // a type without a name
			m[1], m[2] = m[2], "_"
		}
		params = append(params, blankRE.ReplaceAllString(m[1], "")+" "+m[2])
	}
	return params
}

// listed returns the first function list that has a function and the version of that list, 24 for 2.40.
func (h *header) listed(name string) (list string, since int) {
	re := regexp.MustCompile(`\b` + name + `\s*[;)]`)
	for _, l := range []struct {
		name  string
		since int
	}{{"CK_FUNCTION_LIST", 24}, {"CK_FUNCTION_LIST_3_0", 30}, {"CK_FUNCTION_LIST_3_2", 32}} {
		if re.MatchString(h.lists[l.name]) {
			return l.name, l.since
		}
	}
	return "", 0
}

// tables writes p11tables.h: the header's names, for the C compiler to fill in.
func (h *header) tables(dir string) []byte {
	var b bytes.Buffer
	for _, f := range headerFiles(dir) {
		fmt.Fprintf(&b, "#include \"%s\"\n", f)
	}
	b.WriteString("#include <stddef.h>\n\nstatic const struct { const char *name; unsigned long value; } consts[] = {\n")
	for _, m := range h.macros {
		fmt.Fprintf(&b, "\t{ \"%s\", (unsigned long)(%s) },\n", m, m)
	}
	b.WriteString("};\n\nstatic const struct { const char *of, *name, *type; size_t offset, size, whole; } fields[] = {\n")
	for _, s := range h.structs {
		for _, f := range s.fields {
			fmt.Fprintf(&b, "\t{ \"%s\", \"%s\", \"%s\", offsetof(%s, %s), sizeof(((%s *)0)->%s), sizeof(%s) },\n",
				s.name, f[0], f[1], s.name, f[0], s.name, f[0], s.name)
		}
	}
	b.WriteString("};\n\nstatic const struct { const char *name; long offset; int since; const char *params; } functions[] = {\n")
	for _, f := range h.funcs {
		offset := "-1"
		list, since := h.listed(f.name)
		if list != "" {
			offset = fmt.Sprintf("offsetof(%s, %s)", list, f.name)
		}
		fmt.Fprintf(&b, "\t{ \"%s\", %s, %d, \"%s\" },\n", f.name, offset, since, strings.Join(f.params, ","))
	}
	b.WriteString("};\n")
	return b.Bytes()
}

// buildDriver compiles driver/p11drive.c against the headers in include and returns the program's path.
func buildDriver(include, work string) (string, error) {
	h, err := readHeader(include)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(work, "p11tables.h"), h.tables(include), 0o644); err != nil {
		return "", err
	}
	source := filepath.Join(work, "p11drive.c")
	if err := os.WriteFile(source, driverSource, 0o644); err != nil {
		return "", err
	}
	prog := filepath.Join(work, "p11drive")
	return prog, compile(prog, source, "-I"+work, "-I"+include)
}

//go:embed driver/p11drive.c
var driverSource []byte

// BuildDriver compiles the program that loads modules into dir, with the C compiler of the machine, and returns its path.
func BuildDriver(dir string) (string, error) {
	headers, err := fs.Sub(headers.Headers, "softcsp")
	if err != nil {
		return "", err
	}
	copied := filepath.Join(dir, "include")
	if err := os.CopyFS(copied, headers); err != nil {
		return "", err
	}
	return buildDriver(copied, dir)
}
