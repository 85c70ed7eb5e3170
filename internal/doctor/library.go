package doctor

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// machines are the processors of ELF by Go's names of them.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "386": elf.EM_386, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390}

// A module is what the file of a PKCS#11 module says of itself.
type module struct {
	cryptoki bool   // it exports C_GetFunctionList
	softcsp  bool   // it is softcsp's: it exports the functions of CryptoAPI, too
	version  string // of softcsp, "" before 0.4
}

// errOther is a library for another processor.
var errOther = errors.New("it is for another processor")

// readModule reads a library as a file: nothing is loaded.
func readModule(file string) (module, error) {
	f, err := elf.Open(file)
	if err != nil {
		return module{}, err
	}
	defer f.Close()
	if f.Machine != machines[runtime.GOARCH] {
		return module{}, fmt.Errorf("%w: %v", errOther, f.Machine)
	}
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return module{}, err
	}
	exports := func(name string) bool {
		return slices.ContainsFunc(symbols, func(s elf.Symbol) bool { return s.Name == name && s.Section != elf.SHN_UNDEF })
	}
	return module{exports("C_GetFunctionList"), exports("CryptDeriveKey"), noteOf(f)}, nil
}

// noteOf reads the note in which the library has its version: p11shim/version.c.
func noteOf(f *elf.File) string {
	s := f.Section(".note.softcsp")
	if s == nil {
		return ""
	}
	b, err := s.Data()
	const header = 12
	if err != nil || len(b) < header {
		return ""
	}
	name := int(f.ByteOrder.Uint32(b))
	size := int(f.ByteOrder.Uint32(b[4:]))
	at := header + (name+3)&^3
	if name < 0 || size < 0 || name > len(b) || size > len(b) || at+size > len(b) {
		return ""
	}
	return string(bytes.TrimRight(b[at:at+size], "\x00"))
}

func lookLibrary(m *Machine, r *report) {
	if !m.LibraryThere {
		r.problem("there is no libsoftcsp.so in any of the usual places", "programs have nothing to load", "make install, install the package, or tell where it is:\n\tsoftcsp doctor --module FILE")
		return
	}
	mod, err := readModule(m.Library)
	switch {
	case err != nil:
		r.problem(fmt.Sprintf("%s: %v", m.Library, err), "no program can load it", "install the library for this machine anew")
		return
	case !mod.cryptoki:
		r.problem(m.Library+" exports no C_GetFunctionList", "it is no PKCS#11 module", "name the right file:\n\tsoftcsp doctor --module FILE")
		return
	case !mod.softcsp:
		r.note(m.Library+" is a module of somebody else's", "what is said here of softcsp does not hold of it", "")
		return
	}
	m.lookVersion(r, mod)
	lookLoader(m, r)
	lookLibraryFile(m, r)
	for _, other := range m.Libraries {
		lookOtherLibrary(m, r, other, mod)
	}
	lookLoaded(m, r)
	if r.worst() == OK {
		r.ok("%s, version %s", m.Library, mod.version)
	}
}

func (m *Machine) lookVersion(r *report, mod module) {
	switch {
	case mod.version == "":
		r.note(fmt.Sprintf("%s does not tell its version: it is older than 0.4", m.Library), fmt.Sprintf("the command is %s: they may disagree on what a token file or a setting means", m.Version), "install library and command of one version")
	case mod.version != m.Version:
		r.problem(fmt.Sprintf("%s is version %s, and the command is %s", m.Library, mod.version, m.Version), "the older of the two may not read what the newer has written, and refuses settings that it does not know", "install library and command of one version")
	}
}

// lookLoader finds a machine whose C library is not the one that the library needs.
func lookLoader(m *Machine, r *report) {
	glibc, _ := filepath.Glob(m.system("/lib*/ld-linux*.so.*"))
	musl, _ := filepath.Glob(m.system("/lib/ld-musl-*.so.1"))
	if len(glibc) == 0 && len(musl) > 0 {
		r.problem("the C library of this machine is musl", "the library needs glibc, and cannot be loaded", "use a system or an image with glibc")
	}
}

// lookLibraryFile looks who can change the library: everything that a program keeps secret is theirs.
func lookLibraryFile(m *Machine, r *report) {
	var st unix.Stat_t
	if unix.Stat(m.Library, &st) != nil {
		return
	}
	mode := st.Mode & 0o7777
	why := "whoever changes the library has the PINs and the keys of all who load it"
	switch {
	case mode&0o022 != 0:
		r.problem(fmt.Sprintf("others may write to %s (mode %04o)", m.Library, mode), why, "\tchmod go-w "+quote(m.Library))
	case st.Uid != 0 && int(st.Uid) != m.UID:
		r.note(fmt.Sprintf("%s belongs to %s", m.Library, userName(st.Uid)), why, "\tchown root "+quote(m.Library))
	}
	if mode&0o004 == 0 {
		r.note(fmt.Sprintf("%s cannot be read by all (mode %04o)", m.Library, mode), "programs of other users cannot load it", "\tchmod a+r "+quote(m.Library))
	}
	var fs unix.Statfs_t
	if unix.Statfs(m.Library, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
		r.problem(m.Library+" is on a file system that is mounted noexec", "no program can load it", "install it elsewhere:\n\tmake install PREFIX=/usr")
	}
}

// lookOtherLibrary tells of a second library that is not the same.
func lookOtherLibrary(m *Machine, r *report, file string, mod module) {
	a, err := os.Stat(m.Library)
	b, err2 := os.Stat(file)
	if err != nil || err2 != nil || os.SameFile(a, b) {
		return
	}
	other, err := readModule(file)
	if err != nil || other.version == mod.version {
		return
	}
	version := other.version
	if version == "" {
		version = "older than 0.4"
	}
	r.note(fmt.Sprintf("there is another library, %s (%s)", file, version), "programs that are told of it use another version than those that load "+m.Library, "remove the one that is not wanted, and look at the lines of each program")
}

// lookLoaded finds programs that run with a library that has been replaced since.
func lookLoaded(m *Machine, r *report) {
	maps, _ := filepath.Glob(m.system("/proc/[0-9]*/maps"))
	for _, file := range maps {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it ended, or is another user's
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasSuffix(strings.TrimSpace(line), "/"+filepath.Base(m.Library)+" (deleted)") {
				continue
			}
			pid := filepath.Base(filepath.Dir(file))
			name := m.read("/proc/" + pid + "/comm")
			r.note(fmt.Sprintf("process %s (%s) runs with a library that was replaced since", pid, name), "it goes on with the old version until it is started anew", "start it anew")
			break
		}
	}
}

// lookP11Kit looks whether p11-kit knows the library.
func lookP11Kit(m *Machine, r *report) {
	if m.Program("p11-kit") == "" && !exists(m.system("/usr/share/p11-kit")) {
		return
	}
	dirs := []string{m.system("/usr/share/p11-kit/modules"), m.system("/etc/pkcs11/modules")}
	if home := m.Getenv("HOME"); m.UID != 0 && home != "" {
		dirs = append(dirs, filepath.Join(home, ".config/pkcs11/modules"))
	}
	var found []string
	for _, dir := range dirs {
		files, _ := filepath.Glob(filepath.Join(dir, "*.module"))
		for _, file := range files {
			text, _ := os.ReadFile(file)
			if strings.Contains(string(text), "softcsp") {
				found = append(found, file)
				lookModuleFile(m, r, file, string(text))
			}
		}
	}
	switch {
	case len(found) == 0:
		r.note("p11-kit does not know the library: no file in "+strings.Join(dirs, " or ")+" names it", "programs that take modules from p11-kit (GnuTLS, GNOME, wpa_supplicant, curl with GnuTLS) do not see its tokens",
			m.p11kitLines())
	case len(found) > 1:
		r.note(strings.Join(found, " and ")+" both name it", "programs see each token twice", "remove one of the files")
	case r.worst() == OK:
		r.ok("%s", found[0])
	}
}

// p11kitLines tell p11-kit of the library: for one user, or by root, whose own directory it does not read, for all.
func (m *Machine) p11kitLines() string {
	dir := "~/.config/pkcs11/modules"
	if m.UID == 0 {
		dir = "/etc/pkcs11/modules"
	}
	return fmt.Sprintf("\tmkdir -p %[1]s\n\techo %s > %[1]s/softcsp.module", dir, quote("module: "+m.Library))
}

// lookModuleFile looks at one of p11-kit's files: pkcs11.conf(5).
func lookModuleFile(m *Machine, r *report, file, text string) {
	set := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && !strings.HasPrefix(key, "#") {
			set[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	path := set["module"]
	switch {
	case path == "":
		r.problem(file+" has no line \"module:\"", "p11-kit passes it over", "write in it:\n\tmodule: "+m.Library)
	case !filepath.IsAbs(path):
		r.note(fmt.Sprintf("%s names %s without a directory", file, path), "p11-kit looks for it in its own directory of modules alone (pkg-config --variable=p11_module_path p11-kit-1)", "write in it:\n\tmodule: "+m.Library)
	case !exists(path):
		r.problem(fmt.Sprintf("%s names %s, which is not there", file, path), "p11-kit passes it over without a word", "write in it:\n\tmodule: "+m.Library)
	default:
		lookOtherModule(m, r, file, path)
	}
	if said := set["x-init-reserved"]; said != "" {
		r.note(fmt.Sprintf("%s says x-init-reserved: %s", file, said), "a text there is a configuration of its own: programs that come by way of p11-kit read neither the file nor the settings that are told here", "conf='FILE' in it reads a file, too")
	}
}

func lookOtherModule(m *Machine, r *report, file, path string) {
	a, err := os.Stat(path)
	b, err2 := os.Stat(m.Library)
	if err == nil && err2 == nil && !os.SameFile(a, b) {
		r.note(fmt.Sprintf("%s names %s, and the library here is %s", file, path, m.Library), "programs that come by way of p11-kit load another file than this one", "if that is not meant so, write in it:\n\tmodule: "+m.Library)
	}
}
