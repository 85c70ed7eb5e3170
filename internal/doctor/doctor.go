// Package doctor looks at a machine as a program does that loads the library, and finds what keeps the library from working there, or from
// being safe: settings, rights, locks, limits, the kernel, the library's own file, and how other programs are told of it.
//
// It looks and changes nothing. What it finds it tells in three sentences: what there is, why it matters, and what to do.
package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/internal/config"
)

// A State says how bad a finding is.
type State int

// The states.
const (
	OK      State = iota
	Note          // something to know, that can be meant so
	Problem       // something that does not work, or is not safe
)

var stateNames = [...]string{"ok", "note", "problem"}

func (s State) String() string { return stateNames[s] }

// MarshalText implements encoding.TextMarshaler.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Finding is what one look has found.
type Finding struct {
	Area  string `json:"area"`
	State State  `json:"state"`
	What  string `json:"what"`
	Why   string `json:"why,omitempty"`
	// Do is what to change or to type. Its lines that begin with a tab are for a shell or a file, and stand as they are.
	Do string `json:"do,omitempty"`
	// Damaged says that it is about a token file with faults.
	Damaged bool `json:"damaged,omitempty"`
}

// A Machine is what is looked at.
type Machine struct {
	// Config is what is in force, and ConfigError why nothing is.
	Config      *config.Config
	ConfigError error
	// ByHand says that the configuration was named on the command line.
	ByHand bool
	// Library is the library that programs are to load, and LibraryThere whether there is one. Libraries are all places where one can be.
	Library      string
	LibraryThere bool
	Libraries    []string
	// Version is that of the command.
	Version string
	// Getenv reads the environment, Environ lists it.
	Getenv  func(string) string
	Environ []string
	// Program finds a program, "" where there is none.
	Program func(string) string
	// UID is the user that programs run as: this process's.
	UID int
	// Root stands before the names of the system's own files, so that tests can make theirs. It is "" otherwise.
	Root string
}

// An area is some looks that belong together.
type area struct {
	name string
	look func(*Machine, *report)
}

// areas are all of them, in the order in which they are told.
var areas = []area{
	{"configuration", lookConfiguration},
	{"environment", lookEnvironment},
	{"token directory", lookPlace},
	{"other directories", lookElsewhere},
	{"tokens", lookTokens},
	{"state directory", lookState},
	{"limits", lookLimits},
	{"kernel", lookKernel},
	{"confinement", lookConfinement},
	{"library", lookLibrary},
	{"p11-kit", lookP11Kit},
	{"openssl", lookOpenSSL},
	{"programs", lookPrograms},
}

// Areas returns the names of what is looked at.
func Areas() []string {
	var names []string
	for _, a := range areas {
		names = append(names, a.name)
	}
	return names
}

// Look looks at everything, and tells problems first, then notes, then what is ok. An area in which there is nothing to see has no finding.
func Look(m *Machine) []Finding {
	var all []Finding
	for _, a := range areas {
		r := &report{area: a.name}
		a.look(m, r)
		all = append(all, r.list...)
	}
	slices.SortStableFunc(all, func(a, b Finding) int { return int(b.State - a.State) })
	return all
}

// A report is the findings of an area.
type report struct {
	area string
	list []Finding
}

func (r *report) add(s State, what, why, do string) *Finding {
	r.list = append(r.list, Finding{Area: r.area, State: s, What: what, Why: why, Do: do})
	return &r.list[len(r.list)-1]
}

func (r *report) ok(format string, args ...any) { r.add(OK, fmt.Sprintf(format, args...), "", "") }

func (r *report) note(what, why, do string) { r.add(Note, what, why, do) }

func (r *report) problem(what, why, do string) *Finding { return r.add(Problem, what, why, do) }

// worst is the worst state of the report.
func (r *report) worst() State {
	s := OK
	for _, f := range r.list {
		s = max(s, f.State)
	}
	return s
}

// system is the name of one of the system's files.
func (m *Machine) system(name string) string { return filepath.Join(m.Root, name) }

// read returns a file of the system, "" where there is none.
func (m *Machine) read(name string) string {
	text, err := os.ReadFile(m.system(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// quote makes a path a word of a shell.
func quote(path string) string {
	if path != "" && strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=@%:") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
