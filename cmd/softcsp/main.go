// Command softcsp makes and looks after the tokens of softcsp, derives keys as CryptDeriveKey does, and uses them.
//
// Commands are a noun, then a verb. The verbs of token are in token.go, or in files whose names begin with token (tokencheck.go), and so
// are those of other nouns. Each verb has its name in the table below, and a script in testdata.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is set by the linker to the newest version of the changelog.
var version string

// programVersion is the version: without the linker's, as go install builds, that of the module.
func programVersion(info *debug.BuildInfo) string {
	switch {
	case version != "":
		return version
	case info != nil && strings.HasPrefix(info.Main.Version, "v"):
		return info.Main.Version[1:]
	}
	return "devel"
}

// thisVersion is the version of this program.
func thisVersion() string {
	info, _ := debug.ReadBuildInfo()
	return programVersion(info)
}

// A noun is what a command is about, with its verbs.
type noun struct {
	name, short string
	verbs       []func(*app) *cobra.Command
}

// nouns are all commands of two words.
var nouns = []noun{
	{"token", "Make, list, check, back up and delete tokens", []func(*app) *cobra.Command{
		tokenInit, tokenList, tokenShow, tokenCheck, tokenRename, tokenDelete, tokenPIN, tokenBackup, tokenRestore, tokenCompact, tokenUpgrade,
	}},
	{"object", "Look after all that is in a token", []func(*app) *cobra.Command{
		objectList, objectShow, objectCreate, objectExport, objectSet, objectDelete,
	}},
	{"key", "Make, look after and use keys", []func(*app) *cobra.Command{
		keyGenerate, keyList, keyShow, keySet, keyCopy, keyDelete, keyRandom,
		keyImport, keyExport, keyWrap, keyUnwrap, keyDerive, keyEncrypt, keyDecrypt, keySign, keyVerify, keyMAC, keyAgree, keyEncapsulate, keyDecapsulate,
		keyCSR, keyCertificate,
	}},
	{"cert", "Look after certificates", []func(*app) *cobra.Command{certImport, certExport, certList, certShow, certSet, certDelete}},
	{"mechanism", "Show what the library can do", []func(*app) *cobra.Command{mechanismList}},
}

// singles are the commands of one word.
var singles = []func(*app) *cobra.Command{importSoftHSM, doctorCommand, conformanceCommand, openOffice, unprotect, where, showVersion, man}

// An app is one run of the program: where it reads and writes, and the flags that every command has.
type app struct {
	in       *os.File
	out, err io.Writer

	conf, tokenDir string
	json           bool
	quiet, verbose bool
	args           []string // the command line

	force  bool          // replace the file of --out
	inputs []os.FileInfo // the files that were read
}

const about = `softcsp looks after software tokens: sealed files that keep keys, which programs use through PKCS#11. Its
C_DeriveKey, and "softcsp key derive" here, make a key from a password as CryptDeriveKey of Windows does.

Begin with "softcsp token init --label NAME", then "softcsp key generate". "softcsp where" names the library that programs load, with lines to paste
for them; "softcsp doctor" finds what would keep them from working.

A PIN or password is never an argument. It is read from a file, a file descriptor or an environment variable, or asked
for on the terminal. The newline at the end of a file is not part of it.

Exit codes: 0 done; 1 it failed; 2 the command line is wrong; 3 a PIN or password is wrong, or the PIN is locked; 4 there is no such token or
object; 5 a token file is damaged, was tampered with, or is none.`

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "softcsp",
		Short:         "Look after software tokens, and derive keys as CryptDeriveKey does",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noVerb,
		RunE:          help,
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.PersistentFlags().StringVar(&a.conf, "conf", "", "configuration `file`, instead of the one that is found")
	root.PersistentFlags().StringVar(&a.tokenDir, "tokendir", "", "token `directory`, instead of the configured one")
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "say nothing beside the answer and errors")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "say on standard error what the token is asked, and what it answers")
	root.SetFlagErrorFunc(a.flagError)
	for _, n := range nouns {
		c := &cobra.Command{Use: n.name, Short: n.short, Args: noVerb, RunE: help}
		for _, v := range n.verbs {
			c.AddCommand(v(a))
		}
		root.AddCommand(c)
	}
	for _, s := range singles {
		root.AddCommand(s(a))
	}
	root.SetHelpCommand(helpCommand(a))
	a.completeFlags(root)
	return root
}

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

// flagError is the error of a flag that there is not. Where the command is not complete, the word that is no command comes first.
func (a *app) flagError(c *cobra.Command, err error) error {
	if c.HasSubCommands() {
		words := a.args
		for _, name := range strings.Fields(c.CommandPath())[1:] {
			words = words[slices.Index(words, name)+1:]
		}
		i := slices.IndexFunc(words, func(w string) bool { return !strings.HasPrefix(w, "-") })
		if i >= 0 && !slices.ContainsFunc(c.Commands(), func(sub *cobra.Command) bool { return sub.Name() == words[i] }) {
			return noVerb(c, words[i:])
		}
	}
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		if near := nearFlag(c, name); near != "" {
			err = fmt.Errorf("%w; did you mean --%s?", err, near)
		}
	}
	return usage(c, err)
}

// nearFlag is the flag that somebody may have meant: one that begins so, as --pin-file for --pin, or is written nearly so.
func nearFlag(c *cobra.Command, name string) string {
	words := &cobra.Command{SuggestionsMinimumDistance: 2}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		words.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	near := words.SuggestionsFor(name)
	if len(near) == 0 {
		return ""
	}
	slices.SortStableFunc(near, func(a, b string) int { // those that begin so first, and of them those from a file
		begins := func(s string) int {
			switch {
			case s == name+"-file":
				return 0
			case strings.HasPrefix(s, name):
				return 1
			}
			return 2
		}
		return begins(a) - begins(b)
	})
	return near[0]
}

// singleDash finds a long flag with one dash, which would be taken for a short one with a value: -label=x for --label=x.
func singleDash(root *cobra.Command, args []string) error {
	c, rest, err := root.Find(args)
	if err != nil {
		return nil
	}
	for _, word := range rest {
		name, _, _ := strings.Cut(strings.TrimPrefix(word, "-"), "=")
		switch {
		case word == "--":
			return nil
		case len(name) > 1 && strings.HasPrefix(word, "-") && c.Flag(name) != nil:
			return usage(c, fmt.Errorf("%s has one dash: write -%[1]s", word))
		}
	}
	return nil
}

// noVerb refuses a word after a noun that is none of its verbs.
func noVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	c.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("%q is not a command of %q", args[0], c.CommandPath())
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		text += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage(c, errors.New(text))
}

// exactly returns a check that a command has n arguments, which names describes.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == n:
			return nil
		case n == 0:
			return usage(c, fmt.Errorf("%q is one argument too many; a secret is never an argument", args[0]))
		case len(args) > n:
			return usage(c, fmt.Errorf("%q is one argument too many: want %s", args[n], names))
		}
		return usage(c, fmt.Errorf("want %s", names))
	}
}

// run runs the program and returns its exit code.
func (a *app) run(args []string) int {
	a.args = args
	root := newRoot(a)
	root.SetArgs(args)
	err := singleDash(root, args)
	if err == nil {
		err = root.Execute()
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(a.err, "softcsp:", err)
	return exitCode(err)
}

func main() {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(a.run(os.Args[1:]))
}
