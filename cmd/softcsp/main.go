// Command softcsp makes and looks after the tokens of softcsp, derives keys as CryptDeriveKey does, and uses them.
//
// Commands are a noun, then a verb. The verbs of token are in token.go, or in files whose names begin with token (tokencheck.go), and so
// are those of other nouns. Each verb has its name in the table below, and a script in testdata.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
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

	makesTokens bool // the command makes tokens, and so the directory for them

	force  bool          // replace the file of --out
	inputs []os.FileInfo // the files that were read
}

const about = `softcsp looks after software tokens: sealed files that keep keys, which programs use through PKCS#11. Its
C_DeriveKey, and "softcsp key derive" here, make a key from a password as CryptDeriveKey of Windows does.

Begin with "softcsp token init --label NAME", then "softcsp key generate". "softcsp where" names the library that programs load, with lines to paste
for them; "softcsp doctor" finds what would keep them from working.

A PIN or password is never an argument. It is read from a file, a file descriptor or an environment variable, or asked
for on the terminal. The newline at the end of a file is not part of it.

Exit codes: 0 done; 1 it failed; 2 the command line is wrong, or does not say which of several is meant; 3 a PIN or password is wrong, or the PIN is locked; 4 there is no such token,
object or file; 5 a token file is damaged, was tampered with, or is none.`

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "softcsp",
		Short:         "Look after software tokens, and derive keys as CryptDeriveKey does",
		Long:          about,
		Version:       thisVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noVerb,
		RunE:          help,
	}
	root.SetVersionTemplate("softcsp {{.Version}}\n")
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
	root.SetHelpFunc(showHelp)
	root.SetUsageFunc(showUsage)
	addCompletion(root)
	a.completeFlags(root)
	return root
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
	fmt.Fprintln(a.err, "softcsp:", plainly(err))
	return exitCode(err)
}

func main() {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	os.Exit(a.run(os.Args[1:]))
}
