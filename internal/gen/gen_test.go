package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

func mustLoad(t *testing.T) *table {
	t.Helper()
	tab, err := load()
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestTable(t *testing.T) {
	tab := mustLoad(t)
	seen := map[string]bool{}
	once := func(name string) {
		if seen[name] {
			t.Errorf("%s stands twice", name)
		}
		seen[name] = true
	}
	for _, s := range tab.sections {
		for _, c := range s.rows {
			once(c.name)
			if s.vendor != strings.Contains(c.name, "SOFTCSP") {
				t.Errorf("%s is in the wrong part", c.name)
			}
		}
	}
	versions := map[string]int{}
	for _, f := range tab.functions {
		once(f.name)
		versions[f.version]++
		if _, err := params(f); !answeredInC[f.name] && signaturesByHand[strings.TrimPrefix(f.name, "C_")] == "" && err != nil {
			t.Error(err)
		}
	}
	if versions["2.0"] != 68 || versions["3.0"] != 24 || versions["3.2"] != 12 || len(tab.functions) != 104 {
		t.Errorf("functions: %v", versions)
	}
	for _, ty := range tab.types {
		once(ty.name)
	}
	for name := range entriesByHand {
		if !seen[name] {
			t.Errorf("%s is written by hand and is no function", name)
		}
	}
	for _, names := range []map[string]string{signaturesByHand, notes} {
		for name := range names {
			if !seen["C_"+name] {
				t.Errorf("%s is no function", name)
			}
		}
	}
}

func TestTableIsRead(t *testing.T) {
	for _, bad := range []string{"CKR_OK", "CKR_OK 0x1 0x2", "CKR_OK one", "CKR_OK 0x100000000"} {
		tab := &table{sections: []section{{}}}
		if tab.constantRow()(bad) == nil {
			t.Errorf("%q is a constant", bad)
		}
	}
	if (&table{}).functionRow("  CK_ULONG n") == nil || (&table{}).typeRow("  CK_ULONG n") == nil || (&table{}).constantRow()("CKR_OK 0x0") == nil {
		t.Error("a row stands before what it belongs to")
	}
}

// TestGenerated fails when what is committed is not what the table gives.
func TestGenerated(t *testing.T) {
	tab := mustLoad(t)
	for _, o := range outputs {
		want, err := generate(tab, o.path, o.write)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := os.ReadFile(filepath.Join(root, o.path))
		if err != nil {
			t.Error(err)
		} else if !bytes.Equal(got, want) {
			t.Errorf("%s is not up to date: run go run ./internal/gen", o.path)
		}
	}
}

// miekg returns a file of the miekg/pkcs11 module, which carries the headers of version 2.40, without comments.
func miekg(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.Command("go", "mod", "download", "-json", "github.com/miekg/pkcs11")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := regexp.MustCompile(`"Dir": "(.*)"`).FindSubmatch(out)
	if dir == nil {
		t.Fatalf("no directory in %s", out)
	}
	text, err := os.ReadFile(filepath.Join(string(dir[1]), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAll(text, []byte(" ")))
}

// mistakes are numbers that the 2.40 header of that module has wrong: versions 3.0 and later gave them to CHACHA20 and its
// neighbours, and these key types the numbers of our table.
var mistakes = map[string]uint64{"CKK_SHA3_224_HMAC": 0x33, "CKK_SHA3_256_HMAC": 0x34, "CKK_SHA3_384_HMAC": 0x35, "CKK_SHA3_512_HMAC": 0x36}

func TestConstantsAgainstHeader(t *testing.T) {
	ours := map[string]uint64{"CK_TRUE": 1, "CK_FALSE": 0, "CK_EFFECTIVELY_INFINITE": 0, "CK_INVALID_HANDLE": 0}
	for _, s := range mustLoad(t).sections {
		for _, c := range s.rows {
			ours[c.name] = c.number
		}
	}
	theirs, checked := map[string]uint64{}, 0
	for _, m := range regexp.MustCompile(`(?m)^#define\s+(CK[A-Z]?_\w+)[ \t]+(\S.*?)\s*$`).FindAllStringSubmatch(miekg(t, "pkcs11t.h"), -1) {
		n, ok := number(m[2], theirs)
		if !ok {
			if m[1] != "CK_UNAVAILABLE_INFORMATION" {
				t.Errorf("cannot read %s", m[0])
			}
			continue
		}
		theirs[m[1]] = n
		got, ok := ours[m[1]]
		switch wrong, mistaken := mistakes[m[1]]; {
		case !ok:
			t.Errorf("%s is missing", m[1])
		case mistaken && (n != wrong || got == n):
			t.Errorf("%s: %#x, no longer mistaken", m[1], n)
		case !mistaken && got != n:
			t.Errorf("%s: %#x, the header has %#x", m[1], got, n)
		}
		checked++
	}
	if checked < 700 {
		t.Errorf("only %d constants were read", checked)
	}
}

// number reads the value of a #define: numbers and names, joined by |.
func number(text string, names map[string]uint64) (uint64, bool) {
	var n uint64
	for _, part := range strings.Split(strings.Trim(text, "()"), "|") {
		part = strings.TrimSuffix(strings.TrimSpace(part), "UL")
		v, err := strconv.ParseUint(part, 0, 64)
		if named, ok := names[part]; ok {
			v, err = named, nil
		}
		if err != nil {
			return 0, false
		}
		n |= v
	}
	return n, true
}

// sameInC compares what C knows of two arguments.
func sameInC(a, b argument) bool { return a.typ == b.typ && a.name == b.name }

func TestFunctionsAgainstHeader(t *testing.T) {
	tab := mustLoad(t)
	all := regexp.MustCompile(`(?s)CK_PKCS11_FUNCTION_INFO\((\w+)\).*?\((.*?)\);`).FindAllStringSubmatch(miekg(t, "pkcs11f.h"), -1)
	if len(all) != 68 {
		t.Fatalf("%d functions were read", len(all))
	}
	for i, m := range all {
		f := tab.functions[i]
		if f.name != m[1] {
			t.Fatalf("function %d: %s, the header has %s", i, f.name, m[1])
		}
		var theirs []argument
		for _, a := range strings.Split(m[2], ",") {
			typ, name, _ := strings.Cut(strings.Join(strings.Fields(a), " "), " ")
			theirs = append(theirs, argument{typ: typ, name: strings.Replace(name, "pRserved", "pReserved", 1)})
		}
		if !slices.EqualFunc(f.args, theirs, sameInC) {
			t.Errorf("%s: %v, the header has %v", f.name, f.args, theirs)
		}
	}
}

func TestStructuresAgainstHeader(t *testing.T) {
	ours := map[string][]argument{}
	for _, ty := range mustLoad(t).types {
		ours[ty.name] = ty.fields
	}
	all := regexp.MustCompile(`(?s)typedef struct \w+\s*\{(.*?)\}\s*(\w+)\s*;`).FindAllStringSubmatch(miekg(t, "pkcs11t.h"), -1)
	if len(all) < 60 {
		t.Fatalf("only %d structures were read", len(all))
	}
	for _, m := range all {
		var theirs []argument
		for _, field := range strings.Split(m[1], ";") {
			if f := strings.Fields(field); len(f) == 2 {
				theirs = append(theirs, argument{typ: f[0], name: f[1]})
			} else if len(f) != 0 {
				t.Errorf("%s: cannot read %q", m[2], field)
			}
		}
		if !slices.EqualFunc(ours[m[2]], theirs, sameInC) {
			t.Errorf("%s: %v, the header has %v", m[2], ours[m[2]], theirs)
		}
	}
}

// TestVendorStructures holds the structures of our own against the header that is written by hand.
func TestVendorStructures(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "include/softcsp/softcsp.h"))
	if err != nil {
		t.Fatal(err)
	}
	plain := regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAll(text, []byte(" "))
	theirs := map[string][]argument{}
	for _, m := range regexp.MustCompile(`(?s)typedef struct \w+\s*\{(.*?)\}\s*(\w+)\s*;`).FindAllStringSubmatch(string(plain), -1) {
		for _, field := range strings.Split(m[1], ";") {
			if f := strings.Fields(field); len(f) == 2 {
				theirs[m[2]] = append(theirs[m[2]], argument{typ: f[0], name: f[1]})
			}
		}
	}
	ours := 0
	for _, ty := range mustLoad(t).types {
		if ty.vendor && strings.Contains(ty.name, "SOFTCSP") {
			ours++
			if !slices.EqualFunc(ty.fields, theirs[ty.name], sameInC) {
				t.Errorf("%s: %v, the header has %v", ty.name, ty.fields, theirs[ty.name])
			}
		}
	}
	if ours != len(theirs) || ours == 0 {
		t.Errorf("%d structures, the header has %d", ours, len(theirs))
	}
}

// TestSecrecy sees that the table says of all bytes that a function takes or gives what they are.
func TestSecrecy(t *testing.T) {
	for _, f := range mustLoad(t).functions {
		for _, a := range f.args {
			bytes := a.typ == "CK_BYTE_PTR" || a.typ == "CK_UTF8CHAR_PTR"
			switch a.note {
			case "pin", "secret", "public":
				if !bytes {
					t.Errorf("%s: %s is no bytes, and %s", f.name, a.name, a.note)
				}
			default:
				if bytes || a.note != "" {
					t.Errorf("%s: %s is %q", f.name, a.name, a.note)
				}
			}
		}
	}
}

// TestLayout compares where the fields of the structures are with what the C compiler says.
func TestLayout(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a compiler")
	}
	if _, err := exec.LookPath("gcc"); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	forms, err := mustLoad(t).forms()
	if err != nil {
		t.Fatal(err)
	}
	var c strings.Builder
	c.WriteString("#include \"include/softcsp/softcsp.h\"\n#define AT(s, f, n) _Static_assert(offsetof(s, f) == n, #s \".\" #f);\n#define SIZE(s, n) _Static_assert(sizeof(s) == n, #s);\n")
	structures := 0
	for _, l := range forms {
		if strings.HasSuffix(l.name, "]") || strings.HasSuffix(l.name, "_2_30") {
			continue
		}
		structures++
		fmt.Fprintf(&c, "SIZE(%s, %d)\n", l.name, l.size)
		for _, f := range l.fields {
			if f.name != "value" {
				fmt.Fprintf(&c, "AT(%s, %s, %d)\n", l.name, f.name, f.offset)
			}
		}
	}
	cmd := exec.Command("gcc", "-x", "c", "-std=c11", "-fsyntax-only", "-")
	cmd.Dir, cmd.Stdin = root, strings.NewReader(c.String())
	if out, err := cmd.CombinedOutput(); err != nil || structures < 80 {
		t.Errorf("%d structures: %v\n%s", structures, err, out)
	}
}

// TestHeaderCompiles compiles the header alone, as C and as C++.
func TestHeaderCompiles(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a compiler")
	}
	for _, args := range [][]string{{"gcc", "-std=c99"}, {"gcc", "-std=c17"}, {"g++", "-x", "c++", "-std=c++11"}} {
		if _, err := exec.LookPath(args[0]); err != nil {
			if os.Getenv("CI") == "true" {
				t.Error(err)
			}
			t.Logf("not checked: %v", err)
			continue
		}
		args = append(args, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "include/softcsp/cryptoki.h")
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// TestVendorHeader holds our own constants against the header that is written by hand.
func TestVendorHeader(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "include/softcsp/softcsp.h"))
	if err != nil {
		t.Fatal(err)
	}
	theirs := map[string]uint64{}
	for _, m := range regexp.MustCompile(`(?m)^#define (CK[AKM]_SOFTCSP_\w+) (\w+)UL`).FindAllStringSubmatch(string(text), -1) {
		if theirs[m[1]], err = strconv.ParseUint(m[2], 0, 32); err != nil {
			t.Error(err)
		}
	}
	ours := 0
	for _, s := range mustLoad(t).sections {
		for _, c := range s.rows {
			if s.vendor {
				ours++
				if n, ok := theirs[c.name]; !ok || n != c.number {
					t.Errorf("%s is %#x in constants.txt, and %#x in include/softcsp/softcsp.h", c.name, c.number, n)
				}
			}
		}
	}
	if ours == 0 || ours != len(theirs) {
		t.Errorf("%d constants, the header has %d", ours, len(theirs))
	}
}
