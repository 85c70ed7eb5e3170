package main

import (
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/softcsp/softcsp/ck"
)

// The shell completes labels: those of tokens after --token and where a verb takes the name of a token, those of objects after --label,
// --id and --uri of a verb that finds objects.

// completes is the annotation of a flag whose values the shell completes. It says what they are of.
const completes = "softcsp_completes"

// complete has the shell complete a flag of f with what there is of a kind: "token", or what an objectChoice calls its objects.
func complete(f *pflag.FlagSet, flag, what string) {
	_ = f.SetAnnotation(flag, completes, []string{what}) // fails for a flag that there is not, which a test would not complete
}

// completeFlags registers what complete has asked for, for all commands below c.
func (a *app) completeFlags(c *cobra.Command) {
	for _, sub := range c.Commands() {
		a.completeFlags(sub)
	}
	c.Flags().VisitAll(func(f *pflag.Flag) {
		for _, what := range f.Annotations[completes] {
			_ = c.RegisterFlagCompletionFunc(f.Name, func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
				if what == "token" {
					return a.completeTokens()
				}
				return a.completeObjects(c, f.Name, what)
			})
		}
	})
}

// completeTokens returns the labels of the tokens there are, with their serial numbers; of tokens with one label the serial numbers.
func (a *app) completeTokens() (words []string, _ cobra.ShellCompDirective) {
	a.quiet = true
	c, err := a.open()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer c.close()
	list, _, _ := c.tokens()
	labels := make(map[string]int, len(list))
	for _, t := range list {
		labels[t.info.Label]++
	}
	for _, t := range list {
		if labels[t.info.Label] == 1 {
			words = appendWord(words, t.info.Label, t.info.SerialNumber)
		} else {
			words = appendWord(words, t.info.SerialNumber, t.info.Label)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// mostWords is how many objects the shell is told of.
const mostWords = 1000

// completeObjects returns what a flag can be to name an object of the token that the command line names so far. Private objects are
// among them where the PIN need not be asked for.
func (a *app) completeObjects(c *cobra.Command, flag, what string) (words []string, _ cobra.ShellCompDirective) {
	a.quiet = true
	var t choice
	if f := c.Flag("token"); f != nil {
		t.name = f.Value.String()
	}
	pin := userPIN()
	if f := c.Flag("pin-file"); f != nil && f.Value.String() != "-" {
		pin.file = f.Value.String()
	}
	_ = a.with(t, func(s *session) error {
		// A wrong PIN must not be tried with each key that is pressed: it is locked after ten.
		infos, _ := s.infos()
		if i := infos[s.token.info.SerialNumber]; i.UserTries == i.MaxTries && pin.given() {
			_ = s.login(ck.CKU_USER, pin)
		}
		list, err := s.matching(objectChoice{what: what}, classesOf[what]...)
		for _, o := range list[:min(len(list), mostWords)] {
			words = s.appendName(words, o, flag)
		}
		return err
	})
	return merged(words), cobra.ShellCompDirectiveNoFileComp
}

// merged sorts words, and makes one of those that are alike: both halves of a pair have one label.
func merged(words []string) (list []string) {
	slices.Sort(words)
	last := ""
	for _, w := range words {
		word, about, _ := strings.Cut(w, "\t")
		switch n := len(list) - 1; {
		case n < 0 || word != last:
			list = append(list, w)
		case !strings.Contains(list[n], about):
			list[n] += ", " + about
		}
		last = word
	}
	return list
}

// classesOf are the classes of what an objectChoice calls its objects, nil for any.
var classesOf = map[string][]ck.ObjectClass{
	"key":         {ck.CKO_SECRET_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY, ck.CKO_OTP_KEY},
	"certificate": {ck.CKO_CERTIFICATE},
}

// appendName appends what a flag can be to name an object, if the object has that, and what it is.
func (s *session) appendName(words []string, o ck.ObjectHandle, flag string) []string {
	r, err := s.object(o)
	if err != nil {
		return words
	}
	about := strings.ReplaceAll(strings.TrimSpace(r.Type+" "+r.Class), "-", " ")
	switch flag {
	case "id":
		return appendWord(words, r.ID, strings.TrimSpace(about+" "+r.Label))
	case "uri":
		return appendWord(words, r.URI, about)
	}
	return appendWord(words, r.Label, about)
}

// appendWord appends a word as shells are told it, unless it is empty, or one that nobody types.
func appendWord(words []string, word, about string) []string {
	if word == "" || strings.ContainsFunc(word, unicode.IsControl) {
		return words
	}
	return append(words, word+"\t"+strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, about))
}
