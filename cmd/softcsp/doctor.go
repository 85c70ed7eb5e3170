package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/doctor"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
)

const doctorHelp = `Looks at this machine as a program does that loads the library, and tells what is ok, what to know (note), and what does not
work or is not safe (problem): the configuration and where it comes from, variables, the token directory and the ways to
it, each token as far as can be seen without its PIN, who has its lock, the limits of the process, what the kernel
refuses, the library and its version, p11-kit, OpenSSL's configuration, and mistakes that people make with programs that
are here. Each finding says why it matters and what to type. It changes nothing.

Problems come first, then notes. What is ok is counted, and told with --verbose; so are notes where there is a problem. Where
there is none it shows what to paste for the programs that are here, with the library's path and the token's URI: of the token
that --token names, or of the only one. --no-lines leaves that out, --verbose has it beside problems, too, and --quiet tells
problems alone. As long as there is no token there is nothing to paste.

It sees what the user sees who calls it, with the variables and limits of this shell. For a service, call it as the
service's user and with its environment.

It exits with 0 if there is no problem, with 5 if a token is damaged, with 1 for any other problem, and with 4 if there is
no token that --token names.`

func doctorCommand(a *app) *cobra.Command {
	var module string
	var noLines bool
	var t choice
	c := &cobra.Command{
		Use:     "doctor",
		Short:   "Find what keeps tokens from working on this machine",
		Long:    doctorHelp,
		Example: "  softcsp doctor\n  sudo -u www-data softcsp doctor --conf /etc/nginx/softcsp.toml",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			m := a.machine(module)
			d := diagnosis{Findings: doctor.Look(m)}
			meant, missing := a.anyToken(t, d.Findings)
			if !noLines && missing == nil && !a.quiet && (a.verbose || a.json || !d.has(doctor.Problem)) {
				d.Clients = a.linesForInstalled(m.Library, meant)
			}
			if err := a.showDiagnosis(d); err != nil {
				return err
			}
			return missing
		},
	}
	t.add(c.Flags())
	c.Flags().StringVarP(&module, "module", "m", "", "library `file`, instead of the one that is found")
	c.Flags().BoolVar(&noLines, "no-lines", false, "leave out what to paste for programs")
	return lists(a, c)
}

// machine is what the doctor looks at.
func (a *app) machine(module string) *doctor.Machine {
	m := &doctor.Machine{
		ByHand: a.conf != "", Library: module, Libraries: libraryPlaces(), Version: thisVersion(),
		Getenv: config.Getenv, Environ: os.Environ(), Program: program, UID: os.Geteuid(),
	}
	m.LibraryThere = true
	if module == "" {
		m.Library, m.LibraryThere = libraryPath()
	} else if path, err := filepath.Abs(module); err == nil {
		m.Library = path // as programs want it that are told of it
	}
	m.Config, m.ConfigError = a.settings()
	if m.ConfigError == nil {
		for name, why := range m.Config.Why {
			m.Config.Why[name] = strings.ReplaceAll(why, "pReserved", "the command line")
		}
	}
	return m
}

// anyToken is the token that lines are shown for: the one that is meant, or the only one, or else one that stands for any, or none where there is
// none. One that is meant and not there is an error.
func (a *app) anyToken(t choice, found []doctor.Finding) (tok, error) {
	other := someToken
	if t.name != "" && !pkcs11uri.Is(t.name) {
		other.info.Label = t.name
	}
	if slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.State == doctor.Problem && f.Area == "tokens" }) {
		return other, nil // what is wrong has been told, and may keep us waiting
	}
	switch cfg, err := a.settings(); {
	case err != nil:
		return other, nil
	case absent(cfg.TokenDir) != "":
		return tok{}, nil // nothing is made
	}
	silent := *a
	silent.verbose = false // which shows more findings here, and no calls
	c, err := silent.open()
	if err != nil {
		return other, nil // as the findings tell
	}
	defer c.close()
	meant, err := c.pick(t)
	switch {
	case err == nil:
		return meant, nil
	case t.name != "":
		return other, err
	case exitCode(err) == exitNotFound:
		return tok{}, nil // as a finding tells
	}
	return other, nil
}

// A diagnosis is what the doctor says.
type diagnosis struct {
	Findings []doctor.Finding `json:"findings"`
	Clients  []clientLines    `json:"clients,omitempty"`
}

// has reports whether there is a finding in a state.
func (d *diagnosis) has(s doctor.State) bool {
	return slices.ContainsFunc(d.Findings, func(f doctor.Finding) bool { return f.State == s })
}

func (a *app) showDiagnosis(d diagnosis) error {
	counts := make(map[doctor.State]int)
	damaged := false
	for _, f := range d.Findings {
		counts[f.State]++
		damaged = damaged || f.Damaged
	}
	if a.json {
		if err := a.show(d, nil, nil); err != nil {
			return err
		}
	} else if err := a.writeDiagnosis(d); err != nil {
		return err
	}
	switch n := counts[doctor.Problem]; {
	case n == 0:
		return nil
	case damaged:
		return &failure{exitDamaged, fmt.Errorf("%s, and a token is damaged", plural(n, "problem"))}
	default:
		return fmt.Errorf("%s and %s", plural(n, "problem"), plural(counts[doctor.Note], "note"))
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// writeDiagnosis writes findings as a table whose last column is wrapped on a terminal, then the lines of clients.
func (a *app) writeDiagnosis(d diagnosis) error {
	first := 0
	for _, name := range doctor.Areas() {
		first = max(first, len(name))
	}
	stateWidth := len(doctor.Problem.String())
	indent := stateWidth + first + 2*len(gap)
	room := 0
	if w := width(a.out); w > 0 {
		room = max(w-indent, 24)
	}
	var b strings.Builder
	ok, notes := 0, 0
	short := d.has(doctor.Problem) && !a.verbose // notes would hide it
	for _, f := range d.Findings {
		if f.State == doctor.OK {
			ok++
		}
		if f.State == doctor.OK && !a.verbose || f.State != doctor.Problem && a.quiet {
			continue
		}
		if f.State == doctor.Note && short {
			notes++
			continue
		}
		state := fmt.Sprintf("%-*s", stateWidth, f.State)
		if f.State == doctor.Problem {
			state = a.bold(a.out, state)
		}
		fmt.Fprintf(&b, "%s%s%-*s%s%s\n", state, gap, first, f.Area, gap, hang(f.What, room, indent))
		writeMore(&b, "why: ", f.Why, room, indent)
		writeMore(&b, "do:  ", f.Do, room, indent)
	}
	if notes > 0 {
		fmt.Fprintf(&b, "%-*s%s%s, which --verbose shows\n", stateWidth, doctor.Note, gap, plural(notes, "finding"))
	}
	if !a.verbose && !a.quiet {
		fmt.Fprintf(&b, "%-*s%s%s, which --verbose shows\n", stateWidth, doctor.OK, gap, plural(ok, "finding"))
	}
	for _, c := range d.Clients { // not indented: a here-document would not end
		fmt.Fprintf(&b, "\n%s\n%s\n", a.bold(a.out, "# "+c.Client), c.Lines)
	}
	_, err := io.WriteString(a.out, b.String())
	return err
}

// writeMore writes what a finding says beside itself. Lines that begin with a tab are to be pasted, and never broken.
func writeMore(b *strings.Builder, head, text string, room, indent int) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		typed, paste := strings.CutPrefix(line, "\t")
		if !paste {
			typed = hang(line, max(room-len(head), 0), indent+len(head))
		}
		fmt.Fprintf(b, "%*s%s%s\n", indent, "", head, typed)
		head = strings.Repeat(" ", len(head))
	}
}

// hang breaks text into lines of room characters, all but the first indented. Room 0 is for what is no terminal: one line.
func hang(text string, room, indent int) string {
	if room <= 0 {
		return text
	}
	var b strings.Builder
	n := 0
	for i, word := range strings.Fields(text) {
		w := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case n+1+w > room:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			n = 0
		default:
			b.WriteByte(' ')
			n++
		}
		b.WriteString(word)
		n += w
	}
	return b.String()
}
