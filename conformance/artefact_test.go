package conformance

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exported returns the functions and data that a library exports.
func exported(t *testing.T, path string) (names []string, lib *elf.File) {
	t.Helper()
	lib, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lib.Close() })
	symbols, err := lib.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && elf.ST_BIND(s.Info) != elf.STB_LOCAL && elf.ST_TYPE(s.Info) != elf.STT_SECTION {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names, lib
}

// TestExports holds the library's symbols against the headers: every function, and nothing else.
func TestExports(t *testing.T) {
	only(t)
	h, err := readHeader(include)
	if err != nil {
		t.Fatal(err)
	}
	names, _ := exported(t, module.path)
	var declared []string
	for _, f := range h.funcs {
		declared = append(declared, f.name)
	}
	wincrypt := wincryptFunctions(t)
	for _, name := range append(declared, wincrypt...) {
		if i := slices.Index(names, name); i >= 0 {
			names = slices.Delete(names, i, i+1)
		} else {
			t.Errorf("a header declares %s, and the library does not export it", name)
		}
	}
	if len(names) != 0 {
		t.Errorf("the library exports %v, which no header declares", names)
	}
	if len(wincrypt) != 41 {
		t.Errorf("wincrypt.h declares %d functions, not 41", len(wincrypt))
	}
	if len(h.funcs) != 104 {
		t.Errorf("the header declares %d functions; PKCS#11 3.2 has 104", len(h.funcs))
	}
}

// TestNeeds holds what the library asks of the loader: libc alone, and never to be unloaded, because a Go runtime in it goes
// on running.
func TestNeeds(t *testing.T) {
	only(t)
	_, lib := exported(t, module.path)
	libs, err := lib.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range libs {
		if !strings.HasPrefix(l, "libc.so.") {
			t.Errorf("the library needs %s", l)
		}
	}
	flags, err := lib.DynValue(elf.DT_FLAGS_1)
	if err != nil || len(flags) == 0 || elf.DynFlag1(flags[0])&elf.DF_1_NODELETE == 0 {
		t.Errorf("DT_FLAGS_1 %#x is without NODELETE (%v)", flags, err)
	}
	for _, s := range lib.Sections {
		if s.Name == ".debug_info" {
			t.Error("the library carries debugging information")
		}
	}
	for _, p := range lib.Progs {
		if p.Type == elf.PT_GNU_STACK && p.Flags&elf.PF_X != 0 {
			t.Error("the library asks for an executable stack")
		}
	}
}

// TestHeaders compiles each header alone, as C and as C++, with every warning an error.
func TestHeaders(t *testing.T) {
	t.Parallel()
	headers, err := filepath.Glob(filepath.Join(include, "*.h"))
	if err != nil || len(headers) == 0 {
		t.Fatalf("no headers in %s: %v", include, err)
	}
	compilers := [][]string{
		{need(t, "gcc", "apt-get install gcc"), "-std=c99", "-xc"},
		{need(t, "gcc", "apt-get install gcc"), "-std=gnu17", "-xc"},
		{need(t, "g++", "apt-get install g++"), "-std=c++11", "-xc++"},
	}
	for _, h := range headers {
		for _, c := range compilers {
			t.Run(filepath.Base(h)+c[1], func(t *testing.T) {
				src := filepath.Join(t.TempDir(), "alone.c")
				text := "#include \"" + h + "\"\n#include \"" + h + "\"\nint main(void) { return 0; }\n"
				if err := os.WriteFile(src, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				args := append(c[1:], "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"+include, src)
				if out, err := exec.Command(c[0], args...).CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

// TestHeaderNumbers lets the C compiler check sizes that programs built with other headers rely on.
func TestHeaderNumbers(t *testing.T) {
	h, err := StartHost(driver, module.path)
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{
		"CK_INFO": 88, "CK_SLOT_INFO": 112, "CK_TOKEN_INFO": 208, "CK_SESSION_INFO": 32, "CK_MECHANISM": 24, "CK_ATTRIBUTE": 24,
		"CK_MECHANISM_INFO": 24, "CK_C_INITIALIZE_ARGS": 48, "CK_VERSION": 2, "CK_GCM_PARAMS": 48, "CK_AES_CTR_PARAMS": 24,
		"CK_RC2_CBC_PARAMS": 16, "CK_RC5_CBC_PARAMS": 32, "CK_RC5_PARAMS": 16, "CK_DATE": 8, "CK_INTERFACE": 24,
		"CK_AES_CBC_ENCRYPT_DATA_PARAMS": 32, "CK_DES_CBC_ENCRYPT_DATA_PARAMS": 24, "CK_KEY_DERIVATION_STRING_DATA": 16,
	} {
		if got := h.tables.sizes[name]; got != size {
			t.Errorf("%s is of %d bytes, not %d", name, got, size)
		}
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
