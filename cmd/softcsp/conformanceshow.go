package main

import (
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

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

// showConformance writes the failures, with the section and what was expected, and a summary by area.
func (a *app) showConformance(r conformanceReport, details bool) error {
	failed, failures := 0, 0
	for _, x := range r.Results {
		failures += len(x.Failures)
		if len(x.Failures) > 0 {
			failed++
		}
	}
	if a.json {
		if err := a.show(r, nil, nil); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "%s\n%s\n\n", r.Module, r.About)
		a.writeFailures(r, details)
		if err := a.writeSummary(r); err != nil {
			return err
		}
	}
	if failures == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d checks failed, with %s", failed, len(r.Results), plural(failures, "failure"))
}

// few is how many failures of one check are shown without --details.
const few = 5

func (a *app) writeFailures(r conformanceReport, details bool) {
	for _, x := range r.Results {
		for i, f := range x.Failures {
			if i == few && !details {
				fmt.Fprintf(a.out, "%s: and %d more; see them with --details\n", x.Name, len(x.Failures)-few)
				break
			}
			where := x.Name
			if f.Line > 0 {
				where += fmt.Sprintf(":%d", f.Line)
			}
			fmt.Fprintf(a.out, "%s: %s", where, f.Text)
			if f.Section != "" {
				fmt.Fprintf(a.out, " (section %s)", f.Section)
			}
			if f.Kind != conformance.Wrong {
				fmt.Fprintf(a.out, " [%s]", f.Kind)
			}
			fmt.Fprintf(a.out, "\n    %s\n", f.Call)
		}
		if details {
			for _, why := range slices.Sorted(maps.Keys(x.NotRun)) {
				fmt.Fprintf(a.out, "%s: %s not tried: %s\n", x.Name, plural(x.NotRun[why], "line"), why)
			}
		}
	}
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
			for _, n := range x.NotRun {
				row.notRun += n
			}
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
	return a.show(r, []string{"AREA", "CHECKS", "PASSED", "FAILED", "NOT TRIED"}, text)
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
		t := junitText{Message: f.Text, Type: string(f.Kind), Text: f.Call}
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
