package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// helpWidth is how wide help is, in characters.
const helpWidth = 80

func help(c *cobra.Command, _ []string) error { return c.Help() }

// helpCommand is "softcsp help COMMAND".
func helpCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Long:    "Shows what a command does, its flags and an example.",
		Example: "  softcsp help token init",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about, _, err := c.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, sub := range about.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name()+"\t"+sub.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := c.Root().Find(args)
			if err != nil {
				return usage(c.Root(), fmt.Errorf("%q is not a command", args[0]))
			}
			if len(rest) > 0 {
				return noVerb(about, rest)
			}
			about.InitDefaultHelpFlag()
			about.SetOut(a.out)
			return about.Help()
		},
	}
}

// showHelp writes what a command does, and how it is used.
func showHelp(c *cobra.Command, _ []string) {
	text := c.Long
	if text == "" {
		text = c.Short
	}
	fmt.Fprintf(c.OutOrStdout(), "%s\n\n%s", reflowed(text), c.UsageString())
}

// showUsage writes how a command is used, as cobra does, but no wider than a terminal.
func showUsage(c *cobra.Command) error {
	w := c.OutOrStderr()
	fmt.Fprint(w, "Usage:\n")
	if c.Runnable() && !c.HasSubCommands() {
		fmt.Fprintf(w, "%s\n", hanging(strings.Fields(c.UseLine()), "  ", "      "))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "  %s [command]\n", c.CommandPath())
	}
	if c.HasExample() {
		fmt.Fprintf(w, "\nExamples:\n%s", typed(c.Example))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprint(w, "\nAvailable Commands:\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				fmt.Fprintf(w, "  %-*s %s\n", sub.NamePadding(), sub.Name(), sub.Short)
			}
		}
	}
	if c.HasAvailableLocalFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", c.LocalFlags().FlagUsagesWrapped(helpWidth))
	}
	if c.HasAvailableInheritedFlags() {
		fmt.Fprintf(w, "\nGlobal Flags:\n%s", c.InheritedFlags().FlagUsagesWrapped(helpWidth))
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\nUse \"%s [command] --help\" for more information about a command.\n", c.CommandPath())
	}
	return nil
}

// reflowed writes text no wider than help: paragraphs are reflowed anew, and so is what is indented if it is too long.
func reflowed(text string) string {
	var out []string
	var open *block
	flush := func() {
		if open != nil {
			out, open = append(out, open.String()), nil
		}
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, " \n")
		if line == "" {
			flush()
			out = append(out, "")
			continue
		}
		next := newBlock(line)
		goesOn := open != nil && next.indent == open.column && (open.indent == 0 || open.column > open.indent)
		if !goesOn {
			flush()
			open = next
			continue
		}
		open.lines = append(open.lines, line)
	}
	flush()
	return strings.Join(out, "\n")
}

// A block is lines of text that belong together: a paragraph, or a word of a list with what is said of it.
type block struct {
	indent, column int // of the first line, and of those that follow
	lines          []string
}

// newBlock begins a block. What follows a word of a list after two blanks or more is said of it.
func newBlock(line string) *block {
	text := strings.TrimLeft(line, " ")
	b := &block{indent: len(line) - len(text), lines: []string{line}}
	b.column = b.indent
	if head, rest, listed := strings.Cut(text, "  "); listed && b.indent > 0 {
		b.column += len(head) + len("  ") + len(rest) - len(strings.TrimLeft(rest, " "))
	}
	return b
}

// String is the block as it is where it is indented and not too wide.
func (b *block) String() string {
	fits := !slices.ContainsFunc(b.lines, func(line string) bool { return utf8.RuneCountInString(line) > helpWidth })
	if b.indent > 0 && fits || strings.HasPrefix(b.lines[0], "\t") {
		return strings.Join(b.lines, "\n")
	}
	begin := b.lines[0][:b.column]
	words := strings.Fields(b.lines[0][b.column:])
	for _, line := range b.lines[1:] {
		words = append(words, strings.Fields(line)...)
	}
	return hanging(words, begin, strings.Repeat(" ", b.column))
}

// hanging writes words on lines no wider than help, of which the first begins with one text, and those that follow with another.
func hanging(words []string, begin, next string) string {
	var b strings.Builder
	line := begin
	for i, w := range words {
		switch {
		case i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > helpWidth:
			b.WriteString(line + "\n")
			line = next + w
		case i > 0:
			line += " " + w
		default:
			line += w
		}
	}
	return b.String() + line
}

// typed writes the lines of examples so that shells take them: what is too wide goes on, before a flag, on the next line.
func typed(examples string) string {
	const more = ` \`
	var b strings.Builder
	for line := range strings.Lines(examples) {
		line = strings.TrimRight(line, "\n")
		for utf8.RuneCountInString(line) > helpWidth {
			at := strings.LastIndex(line[:helpWidth-len(more)+1], " -")
			if at <= len("      ") {
				break // there is no flag
			}
			b.WriteString(line[:at] + more + "\n")
			line = "      " + line[at+1:]
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// addCompletion adds cobra's command that writes completions, with arguments that are checked as those of all commands are.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() != "completion" {
			continue
		}
		c.Args, c.RunE = noVerb, help
		for _, shell := range c.Commands() {
			shell.Args = exactly(0, "")
			shell.Long = strings.ReplaceAll(shell.Long, "\t", "  ") // tabs are too wide
		}
	}
}
