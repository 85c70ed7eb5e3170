package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/softcsp/softcsp/conformance"
)

// A conformanceReport is what came of all checks.
type conformanceReport struct {
	Module  string               `json:"module"`
	About   string               `json:"about"`
	Results []conformance.Result `json:"results"`
}

// areas returns the names of the areas in the order of their first check's section.
func (r conformanceReport) areas() []string {
	first := make(map[string]string)
	for _, x := range r.Results {
		key := "9"
		if len(x.Sections) > 0 {
			key = x.Sections[0]
			if parts := strings.SplitN(key, ".", 3); len(parts) > 1 && len(parts[1]) == 1 {
				key = parts[0] + ".0" + parts[1]
			}
		}
		if f, ok := first[x.Area]; !ok || key < f {
			first[x.Area] = key
		}
	}
	return slices.SortedFunc(maps.Keys(first), func(a, b string) int { return strings.Compare(first[a]+a, first[b]+b) })
}

// checkRows writes what came of checks, one after the other.
type checkRows struct {
	*app
	details bool
	width   int // of the longest name
}

// begin says which module it is.
func (w *checkRows) begin(r *conformanceReport) error {
	if w.json {
		return nil
	}
	_, err := fmt.Fprintf(w.out, "%s\n%s\n\n", r.Module, r.About)
	return err
}

// few is how many failures of one check are shown without --details.
const few = 5

// add writes the row of a check, its failures, and why something was not tried if details are wanted.
func (w *checkRows) add(r *conformance.Result) error {
	state := outcome(r)
	if w.json || w.quiet && state != checkFailed {
		return nil
	}
	counts := []string{fmt.Sprintf("%d passed", r.Passed)}
	if n := len(r.Failures); n > 0 {
		counts = append(counts, fmt.Sprintf("%d failed", n))
	}
	if n := r.Absent(); n > 0 {
		counts = append(counts, fmt.Sprintf("%d not tried", n))
	}
	said := strings.Join(counts, ", ")
	if reasons := slices.Sorted(maps.Keys(r.NotRun)); state == checkAbsent && len(reasons) == 1 {
		said = reasons[0]
	}
	word := fmt.Sprintf("%-6s", state)
	if state == checkFailed {
		word = w.bold(w.out, word)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s%-*s%s%s\n", word, gap, w.width, r.Name, gap, said)
	for i, f := range r.Failures {
		if i == few && !w.details {
			fmt.Fprintf(&b, "    and %d more; see them with --check %s --details\n", len(r.Failures)-few, r.Name)
			break
		}
		writeFailure(&b, r.Name, f)
	}
	if w.details {
		for _, why := range slices.Sorted(maps.Keys(r.NotRun)) {
			fmt.Fprintf(&b, "    %s not tried: %s\n", plural(r.NotRun[why], "line"), why)
		}
	}
	_, err := io.WriteString(w.out, b.String())
	return err
}

// What comes of a check.
const (
	checkPassed = "pass"
	checkFailed = "FAIL"
	checkAbsent = "absent"
)

const checkLegend = `pass    what was tried of it was answered as PKCS#11 has it
FAIL    something was not
absent  nothing was tried: what it takes is not there, and need not be`

func outcome(r *conformance.Result) string {
	switch {
	case len(r.Failures) > 0:
		return checkFailed
	case r.Passed == 0:
		return checkAbsent
	}
	return checkPassed
}

// writeFailure writes what was called, what came, and what the standard says.
func writeFailure(b *strings.Builder, check string, f conformance.Failure) {
	where := check
	if f.Line > 0 {
		where += fmt.Sprintf(":%d", f.Line)
	}
	fmt.Fprintf(b, "    %s: %s\n", where, f.Text)
	fmt.Fprintf(b, "        call: %s\n", f.Call)
	if len(f.Also) > 0 {
		fmt.Fprintf(b, "        so with: %s\n", strings.Join(f.Also, " "))
	}
	if f.Section != "" {
		fmt.Fprintf(b, "        section %s: %s\n", f.Section, f.Says)
	} else {
		fmt.Fprintf(b, "        asked for: %s\n", f.Says)
	}
	if f.Said != "" {
		fmt.Fprintf(b, "        it wrote: %s\n", strings.ReplaceAll(printable(f.Said), "\n", "\n                  "))
	}
}

// printable is text that a module has written, without what a terminal obeys.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if c != '\n' && !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, text)
}

// showConformance writes a summary by area and in all, or everything as JSON.
func (a *app) showConformance(r conformanceReport) error {
	count := make(map[string]int)
	failures := 0
	for _, x := range r.Results {
		count[outcome(&x)]++
		failures += len(x.Failures)
	}
	if a.json {
		if err := a.show(r, nil, nil); err != nil {
			return err
		}
	} else {
		if err := a.writeSummary(r); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "\n%s: %d passed, %d failed, %d absent\n", plural(len(r.Results), "check"), count[checkPassed], count[checkFailed], count[checkAbsent])
		if !a.quiet {
			fmt.Fprintln(a.out, "\n"+checkLegend)
		}
	}
	if failures == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d checks failed, with %s", count[checkFailed], len(r.Results), plural(failures, "failure"))
}

// An areaRow is an area in the summary.
type areaRow struct{ checks, passed, failures, notRun int }

func (a *app) writeSummary(r conformanceReport) error {
	rows := make(map[string]*areaRow)
	total := new(areaRow)
	for _, x := range r.Results {
		if rows[x.Area] == nil {
			rows[x.Area] = new(areaRow)
		}
		for _, row := range []*areaRow{rows[x.Area], total} {
			row.checks++
			row.passed += x.Passed
			row.failures += len(x.Failures)
			row.notRun += x.Absent()
		}
	}
	var text [][]string
	add := func(name string, row *areaRow) {
		text = append(text, []string{name, fmt.Sprint(row.checks), fmt.Sprint(row.passed), fmt.Sprint(row.failures), fmt.Sprint(row.notRun)})
	}
	for _, name := range r.areas() {
		add(name, rows[name])
	}
	add("all", total)
	fmt.Fprintln(a.out)
	return a.show(r, []string{"AREA", "CHECKS", "LINES PASSED", "FAILED", "NOT TRIED"}, text)
}

// The elements of JUnit's reports, as far as programs that read them agree on what they are.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string      `xml:"name,attr"`
		Class   string      `xml:"classname,attr"`
		Time    string      `xml:"time,attr"`
		Failure []junitText `xml:"failure"`
		Error   []junitText `xml:"error"`
		Skipped *junitText  `xml:"skipped"`
	}
	junitText struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// writeJUnit writes a report: an area is a suite, a check a case. A crash is an error.
func (r conformanceReport) writeJUnit(file string) error {
	all := junitSuites{Name: r.Module}
	for _, area := range r.areas() {
		s := junitSuite{Name: area}
		for _, x := range r.Results {
			if x.Area == area {
				s.add(junitOf(x))
			}
		}
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
		all.Suites = append(all.Suites, s)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, slices.Concat([]byte(xml.Header), text, []byte("\n")), 0o644)
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	switch {
	case len(c.Error) > 0:
		s.Errors++
	case len(c.Failure) > 0:
		s.Failures++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func junitOf(x conformance.Result) junitCase {
	c := junitCase{Name: x.Name, Class: "pkcs11." + strings.ReplaceAll(x.Area, " ", "_"), Time: fmt.Sprintf("%.3f", x.Took.Seconds())}
	for _, f := range x.Failures {
		t := junitText{Message: f.Text, Type: string(f.Kind), Text: "call: " + f.Call + "\nasked for: " + f.Says}
		if len(f.Also) > 0 {
			t.Text += "\nso with: " + strings.Join(f.Also, " ")
		}
		if f.Said != "" {
			t.Text += "\nit wrote: " + printable(f.Said)
		}
		if f.Section != "" {
			t.Message += " (PKCS#11, section " + f.Section + ")"
		}
		if f.Kind == conformance.Wrong {
			c.Failure = append(c.Failure, t)
		} else {
			c.Error = append(c.Error, t)
		}
	}
	if x.Passed == 0 && len(x.Failures) == 0 {
		c.Skipped = &junitText{Message: strings.Join(slices.Sorted(maps.Keys(x.NotRun)), "; ")}
	}
	return c
}
