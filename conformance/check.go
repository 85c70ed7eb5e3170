package conformance

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// scripts are what is asked of modules, and what they must answer.
//
// Those of testdata/more run against any module as against one that nobody knows, so they have no lines that are for one alone.
//
//go:embed testdata/*.txt testdata/more/*.txt
var scripts embed.FS

// A Check is one script of testdata, or one table of calls, that a module is held against.
type Check struct {
	Name     string   `json:"name"`
	Area     string   `json:"area"`
	Title    string   `json:"title"`
	Sections []string `json:"sections,omitempty"` // of PKCS#11 3.2
	// Makes says what it leaves behind, or does to, a token that it is run with.
	Makes Making `json:"makes"`

	text string // of a script
	more bool   // it is one of testdata/more
	run  func(*Script, *Result) error
}

// A Making is what a check makes.
type Making string

// What checks make, each more than the one before.
const (
	Nothing  Making = "nothing"
	Sessions Making = "session objects" // which are gone with the session
	Tokens   Making = "tokens"          // it initialises tokens, or makes token objects
	Place    Making = "a place"         // it has several tokens, tries wrong PINs or changes them, by which a token can be locked: it wants a place of its own
)

// Checks returns all checks, sorted by name.
func Checks() []Check {
	list := slices.Concat(tableChecks, familyChecks())
	for _, dir := range []string{"testdata", "testdata/more"} {
		files, err := fs.Glob(scripts, dir+"/*.txt")
		if err != nil {
			panic(err) // they are part of the program
		}
		for _, f := range files {
			text, err := scripts.ReadFile(f)
			if err != nil {
				panic(err)
			}
			c := scriptCheck(strings.TrimSuffix(path.Base(f), ".txt"), string(text))
			c.more = dir != "testdata"
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Check) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// scriptCheck is the check that a script is. The comment at its beginning is its title, and names the sections.
func scriptCheck(name, text string) Check {
	var said []string
	for line := range strings.Lines(text) {
		comment, is := strings.CutPrefix(strings.TrimSpace(line), "# ")
		if !is {
			break
		}
		said = append(said, comment)
	}
	about := strings.Join(said, " ")
	c := Check{Name: name, Sections: sectionsIn(about), Makes: makes(text), text: text}
	c.Area = areaOf(c.Sections)
	title := about
	if at := saysRE.FindStringIndex(about); at != nil && at[0] > 0 {
		title = about[:at[0]]
	}
	title, _, _ = strings.Cut(title, ": ")
	title, _, _ = strings.Cut(title, ". ")
	c.Title = strings.TrimRight(title, " .(,")
	return c
}

var (
	makesPlaceRE   = regexp.MustCompile(`\bfreeslot\b|\bC_(?:InitToken|InitPIN|SetPIN)\b|\bCKU_SO\b|wrong-pin`)
	makesTokensRE  = regexp.MustCompile(`\bp11 (?:\w+: )?token\b|CKA_TOKEN=true`)
	makesObjectsRE = regexp.MustCompile(`\bp11 (?:\w+: )?login\b|\bC_(?:Login\w*|CreateObject|CopyObject|Generate\w*|DeriveKey|Unwrap\w*|\w+capsulateKey)\b`)
)

func makes(script string) Making {
	switch {
	case makesPlaceRE.MatchString(script), strings.Count(script, "p11 token ") > 1:
		return Place
	case makesTokensRE.MatchString(script):
		return Tokens
	case makesObjectsRE.MatchString(script):
		return Sessions
	}
	return Nothing
}

// A Kind of failure.
type Kind string

// The kinds.
const (
	Wrong Kind = "wrong" // another answer than the standard's
	Crash Kind = "crash" // the process ended
	Hang  Kind = "hang"  // a call did not return
)

// A Failure is a call that was not answered as it must be.
type Failure struct {
	Kind    Kind   `json:"kind"`
	Line    int    `json:"line,omitempty"` // of the script
	Call    string `json:"call"`
	Section string `json:"section,omitempty"` // of the function in PKCS#11 3.2
	Want    string `json:"want,omitempty"`
	Got     string `json:"got,omitempty"`
	Text    string `json:"text"`
	// Also are further mechanisms with which the same came of the same call.
	Also []string `json:"also,omitempty"`
	// Says is what is asked for there, in our words.
	Says string `json:"says,omitempty"`
	// Said is what the module wrote on its standard output and error before its process ended.
	Said string `json:"said,omitempty"`
}

// A Result is what came of a check.
type Result struct {
	Check
	// Passed are the lines that were answered as they must be.
	Passed   int       `json:"passed"`
	Failures []Failure `json:"failures,omitempty"`
	// NotRun counts the lines that were not tried, by the reason.
	NotRun map[string]int `json:"not_run,omitempty"`
	Took   time.Duration  `json:"took_ns"`

	says string // what the lines at hand are about
}

// Absent is how many lines were not tried.
func (r *Result) Absent() (n int) {
	for _, lines := range r.NotRun {
		n += lines
	}
	return n
}

// Mismatch is the error of a call that returned another code.
type Mismatch struct {
	Function, Got string
	Want          []string
	About         string // an attribute or a thread, where the call alone does not tell
}

func (m *Mismatch) Error() string {
	function := m.Function
	if m.About != "" {
		function += " (" + m.About + ")"
	}
	return fmt.Sprintf("%s returned %s, not %s", function, m.Got, strings.Join(m.Want, " or "))
}

// fail adds a failure.
func (r *Result) fail(line int, call string, err error) {
	call, _, _ = strings.Cut(call, " -> ") // what is wanted is told beside it
	function := functionRE.FindString(call)
	if f := verbFunctions[firstWord(call)]; f != "" {
		function = f
	}
	f := Failure{Kind: Wrong, Line: line, Call: call, Section: SectionOf(function), Text: firstLine(err.Error()), Says: r.says}
	var m *Mismatch
	if errors.As(err, &m) {
		f.Want, f.Got, f.Section = strings.Join(m.Want, " or "), m.Got, SectionOf(m.Function)
	}
	var e *ending
	if errors.As(err, &e) {
		f.Said = lastLines(e.said, 5)
	}
	switch {
	case errors.Is(err, errHung):
		f.Kind = Hang
	case errors.Is(err, errHost):
		f.Kind = Crash
	}
	if f.Says == "" {
		f.Says = r.Title
	}
	if f.Section == "" {
		f.Section = strings.Join(r.Sections, ", ")
	}
	r.Failures = append(r.Failures, f)
}

// Refused reports whether the token did not take the PIN that the check began with.
func (r *Result) Refused() bool {
	return slices.ContainsFunc(r.Failures, func(f Failure) bool {
		begins := vital[firstWord(f.Call)] || strings.HasPrefix(f.Text, "login: ") // of a script, or of a table
		return begins && (f.Got == "CKR_PIN_INCORRECT" || f.Got == "CKR_PIN_LOCKED")
	})
}

func (r *Result) skip(why string) {
	if r.NotRun == nil {
		r.NotRun = make(map[string]int)
	}
	r.NotRun[why]++
}

// verbFunctions are the functions that verbs are about.
var verbFunctions = map[string]string{"get": "C_GetAttributeValue", "find": "C_FindObjects", "await": "C_AsyncComplete", "token": "C_InitToken", "login": "C_Login"}

func firstWord(text string) string {
	word, _, _ := strings.Cut(text, " ")
	return word
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}
