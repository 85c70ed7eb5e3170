package main

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/store"
)

// initWords are what flags of token init can be.
var initWords = map[string][]string{"kdf": {"interactive", "sensitive", "test"}, "separation": {"strict", "standard"}}

func tokenInit(a *app) *cobra.Command {
	so, user := soPIN(), userPIN()
	so.confirm, user.confirm = true, true
	var name, kdf, separation string
	c := &cobra.Command{
		Use:   "init --label LABEL",
		Short: "Make a token",
		Long: `Makes a token: one sealed file in the token directory, with a PIN for the security officer, who can set a new user PIN,
and a PIN for the user, who can use keys. A PIN has 4 to 255 bytes.

--kdf says what a guess at a PIN costs whoever has the file: interactive takes 19 MiB of memory and 2 passes of
Argon2id, sensitive 64 MiB and 3, and test 64 KiB and 1, which protects nothing and is for labs.

--separation says how far the token's keys are kept apart, for as long as it is not initialised anew: strict keeps off the
known attacks on keys by their own functions, standard does what PKCS#11 asks for.`,
		Example: "  softcsp token init --label lab --so-pin-file so.pin --pin-file user.pin",
		Args:    exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkLabel(name); err != nil {
				return usage(c, fmt.Errorf("--label: %w", err))
			}
			for flag, value := range map[string]*string{"kdf": &kdf, "separation": &separation} {
				if *value == "" {
					continue
				}
				word, err := oneOf(flag, *value, initWords[flag]...)
				if err != nil {
					return usage(c, err)
				}
				*value = word
			}
			return a.initToken(name, kdf, separation, so, user)
		},
	}
	c.Flags().StringVarP(&name, "label", "l", "", "`name` of the token, 32 bytes at most")
	c.Flags().StringVar(&kdf, "kdf", "", "cost of a PIN: `interactive`, sensitive or test (default: the configuration's)")
	c.Flags().StringVar(&separation, "separation", "", "how far keys are kept apart: `strict` or standard (default: the configuration's, else strict)")
	for flag, words := range initWords {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	so.add(c.Flags())
	user.add(c.Flags())
	return lists(a, c)
}

// checkLabel says what is wrong with a token's label. PKCS #11 pads it with blanks, so none at its end is seen again.
func checkLabel(label string) error {
	switch {
	case label == "" || len(label) > labelLen:
		return fmt.Errorf("a token needs a label of 1 to %d bytes, and %q has %d: give --label NAME", labelLen, label, len(label))
	case strings.HasSuffix(label, " "):
		return fmt.Errorf("the label %q ends with a blank, which programs do not see", label)
	case !utf8.ValidString(label) || strings.ContainsFunc(label, unicode.IsControl):
		return fmt.Errorf("the label %q is not text in UTF-8 without control characters", label)
	}
	return nil
}

// initToken makes a token. Both PINs are read before anything is made.
func (a *app) initToken(name, kdf, separation string, so, user *secretSource) error {
	var pairs []string
	if kdf != "" {
		pairs = []string{"kdf", kdf}
	}
	if separation != "" {
		pairs = append(pairs, "key_separation", separation)
	}
	a.makesTokens = true
	c, err := a.open(pairs...)
	if err != nil {
		return err
	}
	defer c.close()
	if store.Volatile(c.cfg) {
		return fmt.Errorf("the store is %q: a token made here would be gone with this command; a program that loads the library makes its own", c.cfg.Store)
	}
	list, free, err := c.tokens()
	if err != nil {
		return err
	}
	if err := c.unused(list, name, tok{}); err != nil {
		return err
	}
	sopin, err := so.read(a)
	if err != nil {
		return err
	}
	defer clear(sopin)
	pin, err := user.read(a)
	if err != nil {
		return err
	}
	defer clear(pin)
	a.noteSame(sopin, pin)
	if err := c.module.MakeToken(free, sopin, pin, label(name)); err != nil {
		return explain("making the token", err)
	}
	t := tok{slot: free}
	if t.info, err = c.GetTokenInfo(free); err != nil {
		return explain("reading the new token", err)
	}
	return a.showMade(c, t)
}

// showMade shows a token that was just made, and a line for each program that may use it.
func (a *app) showMade(c *client, t tok) error {
	infos, err := c.infos()
	if err != nil {
		return explain("reading the new token", err)
	}
	r := c.row(t, infos[t.info.SerialNumber])
	library, there := libraryPath()
	r.Library, r.Clients = library, a.linesFor(library, t)
	err = a.show([]tokenRow{r}, nil, [][]string{
		{"made", fmt.Sprintf("token %q", r.Label)}, {"serial", r.Serial}, {"file", r.File}, {"uri", r.URI}, {"library", library},
	})
	if err != nil || a.json {
		return err
	}
	if !there {
		a.note("that library, which programs load, is not there yet: install it, or see where it is looked for with: softcsp where")
	}
	var b strings.Builder
	for _, l := range a.shortLinesFor(library, t) {
		b.WriteString("# " + l.Client + "\n" + l.Lines + "\n")
	}
	a.note("a line to paste for each program, KEY being the label of a key; more: softcsp where %s\n%s", shellWord(r.Label), strings.TrimSuffix(b.String(), "\n"))
	return nil
}
