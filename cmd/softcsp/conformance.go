package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/conformance"
)

const conformanceHelp = `Holds a PKCS#11 module, of whomever, against the standard: it loads the module into processes of its own, calls its
functions, and tells which answers are not those of PKCS#11, with the section that says so. What the module need not have,
a mechanism or a function of a later version, is not asked for. A module that crashes or does not return has failed a
check, and the others go on. It needs a C compiler, for the program that loads the module.

Modules of softcsp and SoftHSM2 get an empty place for tokens, and nothing of the machine's is touched. Of any other
module, --token names the token to use:

  without it, or with --read-only, only what makes nothing is tried;
  with it and the user PIN also what makes session objects, which are gone afterwards;
  with --init and both PINs also what makes tokens. The token is INITIALISED, many times, and all that is in it is lost.

What wants several tokens, or tries wrong PINs, which could lock one, is tried only in places of its own.

With --all lines count, too, that have been tried with softcsp alone: a failure may be a matter of opinion there.

A line is shown for each check as it ends:

  pass    whatever was tried of it was answered as PKCS#11 has it
  FAIL    something was not: what was called, what came, what was wanted, and
          the section of PKCS#11 3.2 with what it says, in our words
  absent  nothing of it was tried: it takes mechanisms or functions that the
          module does not have and need not have, or a token (--token, --init)

It exits with 0 if no check failed, with 1 if one did, with 3 if the token does not take the PIN, and with 4 if there is no
such module.`

// A conformanceRun is the flags of conformance.
type conformanceRun struct {
	module, token, pattern, junit string
	reserved                      string
	names                         []string
	initialise, readOnly, all     bool
	list, details                 bool
	timeout                       time.Duration
	pin, so                       *secretSource
}

func conformanceCommand(a *app) *cobra.Command {
	r := &conformanceRun{pin: userPIN(), so: soPIN()}
	r.pin.isPIN, r.so.isPIN = false, false // the module may be another one, with PINs of other lengths
	c := &cobra.Command{
		Use:   "conformance --module FILE",
		Short: "Hold a PKCS#11 module against the standard",
		Long:  conformanceHelp,
		Example: `  softcsp conformance --module /usr/lib/softhsm/libsofthsm2.so --run 'digest|sessions' --junit report.xml
  softcsp conformance --module ./mine.so --check wrap --details`,
		Args: exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			return a.conformance(c, r)
		},
	}
	f := c.Flags()
	f.StringVarP(&r.module, "module", "m", "", "module `file` to load")
	f.StringVarP(&r.token, "token", "t", "", "`label` of the token to use, for modules that get no place of their own")
	f.StringVar(&r.reserved, "reserved", "", "`text` at pReserved of C_Initialize, for modules that take their settings there")
	f.BoolVar(&r.initialise, "init", false, "initialise that token, many times: all that is in it is lost")
	f.BoolVar(&r.readOnly, "read-only", false, "try only what makes nothing")
	f.BoolVar(&r.all, "all", false, "count lines that have been tried with softcsp alone, too")
	f.StringSliceVar(&r.names, "check", nil, "run this check only, by its `name`; can be given several times")
	f.StringVar(&r.pattern, "run", "", "run the checks only whose names match a regular `expression`")
	f.BoolVar(&r.list, "list", false, "list the checks, and run none")
	f.BoolVar(&r.details, "details", false, "show each failure, and what was not tried and why")
	f.StringVar(&r.junit, "junit", "", "write the results to `file`, in the form of JUnit")
	f.DurationVar(&r.timeout, "timeout", 20*time.Second, "`time` after which a call is taken not to return")
	r.pin.add(f)
	r.so.add(f)
	for _, flag := range []string{"run", "check"} {
		_ = c.RegisterFlagCompletionFunc(flag, completeCheck)
	}
	return lists(a, c)
}

func completeCheck(*cobra.Command, []string, string) (words []string, _ cobra.ShellCompDirective) {
	for _, x := range conformance.Checks() {
		words = append(words, x.Name+"\t"+x.Title)
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// conformance runs the checks that are asked for.
func (a *app) conformance(c *cobra.Command, r *conformanceRun) error {
	checks, err := r.choose()
	switch {
	case err != nil:
		return usage(c, err)
	case r.list:
		return a.showChecksThere(checks)
	case r.module == "":
		return usage(c, errors.New("give --module: the PKCS#11 module to load"))
	case r.initialise && (r.token == "" || r.readOnly):
		return usage(c, errors.New("--init initialises the token that --token names, and does not go with --read-only"))
	}
	dir, err := os.MkdirTemp("", "softcsp-conformance")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := a.moduleToTry(r, dir)
	if err != nil {
		return err
	}
	about, err := m.Probe()
	if err != nil {
		return fmt.Errorf("%s cannot be used: %w", r.module, err)
	}
	if !m.HasToken() {
		a.note("no slot has a token: what needs one is not tried, or fails")
	}
	report := conformanceReport{Module: m.Path, About: about}
	if err := a.runChecks(r, m, checks, &report); err != nil {
		return err
	}
	if r.junit != "" {
		if err := report.writeJUnit(r.junit); err != nil {
			return err
		}
	}
	return a.showConformance(report)
}

// runChecks runs checks, and writes a line for each as it ends.
func (a *app) runChecks(r *conformanceRun, m *conformance.Module, checks []conformance.Check, report *conformanceReport) error {
	rows := &checkRows{app: a, details: r.details}
	for _, c := range checks {
		rows.width = max(rows.width, len(c.Name))
	}
	if err := rows.begin(report); err != nil {
		return err
	}
	for i, check := range checks {
		result := conformance.Result{Check: check}
		if why := r.leaves(m, check); why != "" {
			result.NotRun = map[string]int{why: 1}
		} else {
			_ = a.waiting(fmt.Sprintf("check %d of %d, %s", i+1, len(checks), check.Name), func() error {
				result = m.Run(check)
				return nil
			})
		}
		report.Results = append(report.Results, result)
		if err := rows.add(&result); err != nil {
			return err
		}
		if r.token != "" && result.Refused() {
			return &failure{exitPIN, fmt.Errorf("the token %q does not take the PIN; nothing more is tried, so that it is not locked", r.token)}
		}
	}
	return nil
}

// choose returns the checks whose names match.
func (r *conformanceRun) choose() ([]conformance.Check, error) {
	re, err := regexp.Compile(r.pattern)
	if err != nil {
		return nil, fmt.Errorf("--run: %w", err)
	}
	var list []conformance.Check
	all := conformance.Checks()
	for _, name := range r.names {
		if !slices.ContainsFunc(all, func(c conformance.Check) bool { return c.Name == name }) {
			return nil, fmt.Errorf("--check: there is no check %q; see softcsp conformance --list", name)
		}
	}
	for _, c := range all {
		if re.MatchString(c.Name) && (len(r.names) == 0 || slices.Contains(r.names, c.Name)) {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("--run: no check has a name that matches %q; see softcsp conformance --list", r.pattern)
	}
	return list, nil
}

// leaves says why a check is left out, "" where it is run.
func (r *conformanceRun) leaves(m *conformance.Module, c conformance.Check) string {
	if r.readOnly && c.Makes != conformance.Nothing {
		return "makes " + string(c.Makes)
	}
	return m.May(c)
}

// moduleToTry builds the program that loads the module, and reads the PINs.
func (a *app) moduleToTry(r *conformanceRun, dir string) (*conformance.Module, error) {
	path, err := filepath.Abs(r.module)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, notFound("--module: %v", err)
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		if _, err := exec.LookPath("cc"); err != nil {
			return nil, errors.New("there is no C compiler, which is needed for the program that loads the module: apt-get install gcc libc6-dev")
		}
	}
	m := &conformance.Module{Path: path, All: r.all, Timeout: r.timeout, Reserved: r.reserved, Token: r.token, Init: r.initialise}
	if m.Driver, err = conformance.BuildDriver(dir); err != nil {
		return nil, err
	}
	if r.token == "" {
		place, kind := conformance.FreshPlace(path)
		m.Place, m.Fresh = place, place != nil
		if kind == "softcsp" { // it is to have all of it
			m.Kind = kind
		}
		return m, nil
	}
	if r.readOnly {
		return m, nil
	}
	pin, err := r.pin.read(a)
	if err != nil {
		return nil, err
	}
	m.UserPIN = string(pin)
	if r.initialise {
		so, err := r.so.read(a)
		if err != nil {
			return nil, err
		}
		m.SOPIN = string(so)
	}
	return m, nil
}

// showChecksThere lists checks.
func (a *app) showChecksThere(checks []conformance.Check) error {
	var rows [][]string
	for _, c := range checks {
		rows = append(rows, []string{c.Name, c.Area, strings.Join(c.Sections, " "), string(c.Makes), c.Title})
	}
	return a.show(checks, []string{"CHECK", "AREA", "SECTIONS", "MAKES", "WHAT"}, rows)
}
