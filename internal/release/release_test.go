package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// goProgram is a program of Go that is there: the go command.
func goProgram(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSBOM(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var b strings.Builder
	if err := run(&b, []string{"sbom", "1.2.3", goProgram(t)}); err != nil {
		t.Fatal(err)
	}
	var d spdx
	if err := json.Unmarshal([]byte(b.String()), &d); err != nil {
		t.Fatal(err)
	}
	if d.Version != "SPDX-2.3" || d.Creation.Created != "2023-11-14T22:13:20Z" || !strings.Contains(d.Namespace, "/1.2.3/") {
		t.Errorf("the document is %s of %s, %s", d.Version, d.Creation.Created, d.Namespace)
	}
	known := make(map[string]bool)
	for _, p := range d.Packages {
		known[p.ID] = true
		if p.Name == "std" && p.Declared != "BSD-3-Clause" {
			t.Errorf("Go has the licence %s", p.Declared)
		}
	}
	if len(known) < 2 || len(known) != len(d.Packages) {
		t.Errorf("%d packages, %d identifiers", len(d.Packages), len(known))
	}
	for _, r := range d.Relationships {
		if r.From != d.ID && !known[r.From] || !known[r.To] {
			t.Errorf("%s %s %s", r.From, r.Type, r.To)
		}
	}
}

func TestCopyright(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	var b strings.Builder
	if err := run(&b, []string{"copyright", "../../LICENSE", goProgram(t)}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\nFiles: *\nCopyright: 2026 The softcsp authors\nLicense: MIT\n MIT License\n .\n", "\nFiles: std/*\nCopyright: 2009 The Go Authors.\nLicense: BSD-3-Clause\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, &b)
		}
	}
	b.Reset()
	if err := run(&b, []string{"changelog", "softcsp", "1.2.3-1", "A <a@example.org>"}); err != nil || !strings.HasSuffix(b.String(), " -- A <a@example.org>  Tue, 14 Nov 2023 22:13:20 +0000\n") {
		t.Errorf("%v\n%s", err, &b)
	}
}

func TestRefused(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	for _, args := range [][]string{{}, {"sbom", "1.2.3"}, {"other", "a", "b"}, {"sbom", "1.2.3", "main.go"}, {"copyright", "missing", goProgram(t)}} {
		if err := run(new(strings.Builder), args); err == nil {
			t.Errorf("%q succeeded", args)
		}
	}
	os.Unsetenv("SOURCE_DATE_EPOCH")
	if err := run(new(strings.Builder), []string{"sbom", "1.2.3", goProgram(t)}); err == nil {
		t.Error("a bill without a time")
	}
}

// TestLicences tells the licences of Go's modules apart, which each module that is required here has.
func TestLicences(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{if and .Dir (not .Main)}}{{.Path}}{{end}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]int)
	for path := range strings.FieldsSeq(string(out)) {
		text, err := licenceOf(component{Path: path})
		if err != nil || licenceName(text) == "" {
			t.Errorf("%s: %v", path, err)
		}
		seen[licenceName(text)]++
	}
	if seen["MIT"] == 0 || seen["BSD-3-Clause"] == 0 || seen["Apache-2.0"] == 0 {
		t.Errorf("licences: %v", seen)
	}
}
