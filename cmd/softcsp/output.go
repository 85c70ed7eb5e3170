package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// lists gives a command that lists things the flag --json.
func lists(a *app, c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&a.json, "json", false, "write JSON")
	return c
}

// show writes v as JSON if that is asked for, and the rows of a table otherwise.
func (a *app) show(v any, head []string, rows [][]string) error {
	if a.json {
		e := json.NewEncoder(a.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	if len(rows) == 0 {
		return nil
	}
	if head != nil {
		rows = append([][]string{head}, rows...)
	}
	_, err := io.WriteString(a.out, a.table(head != nil, rows))
	return err
}

// gap stands between two columns.
const gap = "  "

// table lays out rows in columns. On a terminal that is too narrow for a row its last columns stand on lines of their own, indented, with their
// titles, and whole, so that they can be copied. A row of one cell is a line by itself.
func (a *app) table(hasHead bool, rows [][]string) string {
	columns := 0
	for _, r := range rows {
		columns = max(columns, len(r))
	}
	widths := make([]int, columns)
	for _, r := range rows {
		if len(r) == 1 && columns > 1 {
			continue
		}
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	within := columns
	pairs := !hasHead && columns == 2 // names and values: what is too long is left to the terminal
	if room := width(a.out); room > 0 && !pairs {
		for within > 1 && total(widths[:within]) > room {
			within--
		}
	}
	var b strings.Builder
	for i, r := range rows {
		if len(r) == 1 && columns > 1 {
			b.WriteString(r[0] + "\n")
			continue
		}
		var line strings.Builder
		for j, cell := range r[:min(within, len(r))] {
			line.WriteString(cell + strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell)) + gap)
		}
		text := strings.TrimRight(line.String(), " ")
		if i == 0 && hasHead {
			text = a.bold(a.out, text)
		}
		b.WriteString(text + "\n")
		for j := within; j < len(r) && !(i == 0 && hasHead); j++ {
			if r[j] == "" {
				continue
			}
			title := ""
			if hasHead {
				title = strings.ToLower(rows[0][j]) + " "
			}
			b.WriteString("    " + title + r[j] + "\n")
		}
	}
	return b.String()
}

// total is how wide columns are together.
func total(widths []int) int {
	n := 0
	for _, w := range widths {
		n += w + len(gap)
	}
	return n - len(gap)
}

// width is how many characters a line of a terminal has, 0 for what is no terminal.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil || n <= 0 {
		return 80
	}
	return n
}

// bold makes text stand out on a terminal, unless $NO_COLOR is set (no-color.org) or the terminal is a dumb one.
func (a *app) bold(w io.Writer, text string) string {
	if width(w) == 0 || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return text
	}
	return "\x1b[1m" + text + "\x1b[0m"
}

// amount says how many things there are: "1 object", "2 objects".
func amount(n uint64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// note tells the user something that is not part of the answer.
func (a *app) note(format string, args ...any) {
	if a.quiet {
		return
	}
	fmt.Fprintf(a.err, "softcsp: "+format+"\n", args...)
}

// A progress tells on a terminal how far work has come that takes longer than half a second. Elsewhere it is silent.
type progress struct {
	to   io.Writer // nil where nobody looks
	what string
	next time.Time
	last int
}

// progress begins to tell of work.
func (a *app) progress(what string) *progress {
	if a.quiet || width(a.err) == 0 {
		return &progress{}
	}
	return &progress{to: a.err, what: what, next: time.Now().Add(500 * time.Millisecond)}
}

// at says that done of total is done; total is 0 where it is not known.
func (p *progress) at(done, total int64) {
	if p.to == nil || time.Now().Before(p.next) {
		return
	}
	p.next = time.Now().Add(100 * time.Millisecond)
	text := fmt.Sprintf("%s: %d", p.what, done)
	if total > 0 {
		text = fmt.Sprintf("%s: %d of %d (%d%%)", p.what, done, total, 100*done/total)
	}
	fmt.Fprint(p.to, "\r"+text+strings.Repeat(" ", max(0, p.last-len(text))))
	p.last = len(text)
}

// waiting calls f, and tells meanwhile for how long it has been at work.
func (a *app) waiting(what string, f func() error) error {
	telling := a.progress(what + ", seconds")
	defer telling.end()
	done := make(chan error, 1)
	go func() { done <- f() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for seconds := int64(1); ; seconds++ {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			telling.at(seconds, 0)
		}
	}
}

// end takes the line away.
func (p *progress) end() {
	if p.to != nil && p.last > 0 {
		fmt.Fprint(p.to, "\r"+strings.Repeat(" ", p.last)+"\r")
	}
}
