package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// everyCommand calls f with each command there is, nouns and those that are not shown too.
func everyCommand(f func(*cobra.Command)) {
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		f(c)
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(&app{}))
}

// TestHelpFits sees that the help of every command fits on a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	n := 0
	everyCommand(func(c *cobra.Command) {
		n++
		var b strings.Builder
		c.SetOut(&b)
		c.InitDefaultHelpFlag()
		if err := c.Help(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "Usage:\n  softcsp") {
			t.Errorf("%s: %s", c.CommandPath(), b.String())
		}
		for line := range strings.Lines(b.String()) {
			line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "        ")
			if utf8.RuneCountInString(line) > helpWidth {
				t.Errorf("%s: %d characters: %s", c.CommandPath(), utf8.RuneCountInString(line), line)
			}
		}
	})
	if n < 60 {
		t.Errorf("there are %d commands", n)
	}
}

func TestReflowed(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat("word ", 17), " ")
	for _, c := range [][2]string{
		{"", ""},
		{"One\nparagraph.\n\nAnother.", "One paragraph.\n\nAnother."},
		{"List:\n\n  a  b\n  c  d\n\nEnd.", "List:\n\n  a  b\n  c  d\n\nEnd."},
		{long, strings.TrimSuffix(strings.Repeat("word ", 16), " ") + "\nword"},
	} {
		if got := reflowed(c[0]); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}
