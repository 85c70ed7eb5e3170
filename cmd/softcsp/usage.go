package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

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
	return usage(c, flagMessage(c, err))
}

// flagTypes say what values the types of flags have.
var flagTypes = map[string]string{
	"bool": "true or false", "int": "a whole number", "uint": "a whole number that is not negative", "stringSlice": "words with commas between them",
	"duration":     "a time, such as 30s or 5m",
	descriptorType: "the number of a file descriptor",
}

// flagMessage says what is wrong with a flag.
func flagMessage(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var bad *pflag.InvalidValueError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown) && unicode.IsDigit(rune((unknown.GetSpecifiedShortnames() + "x")[0])):
		return fmt.Errorf("-%s is no flag, and nothing here is a negative number", unknown.GetSpecifiedShortnames())
	case errors.As(err, &unknown) && len(unknown.GetSpecifiedShortnames()) > 1:
		return fmt.Errorf("unknown flag -%s in -%s", unknown.GetSpecifiedName()[:1], unknown.GetSpecifiedShortnames())
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return fmt.Errorf("unknown flag: -%s", unknown.GetSpecifiedName())
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if near := nearFlag(c, name); near != "" {
			return fmt.Errorf("unknown flag: --%s; did you mean --%s?", name, near)
		}
		return fmt.Errorf("unknown flag: --%s", name)
	case errors.As(err, &bare):
		return fmt.Errorf("--%s needs a value", bare.GetFlag().Name)
	case errors.As(err, &bad) && errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("--%s is %q, which is too large", bad.GetFlag().Name, bad.GetValue())
	case errors.As(err, &bad):
		return fmt.Errorf("--%s is %q, but must be %s", bad.GetFlag().Name, bad.GetValue(), flagTypes[bad.GetFlag().Value.Type()])
	case errors.As(err, &syntax):
		return fmt.Errorf("%q is not a flag", syntax.GetSpecifiedFlag())
	}
	return err
}

// nearFlag is the flag that somebody may have meant: one that begins so, as --pin-file for --pin, or is written nearly so.
func nearFlag(c *cobra.Command, name string) string {
	var words []string
	c.Flags().VisitAll(func(f *pflag.Flag) { words = append(words, f.Name) })
	if slices.Contains(words, name+"-file") {
		return name + "-file"
	}
	near := nearest(name, words)
	if len(near) == 0 {
		return ""
	}
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
	text := fmt.Sprintf("%q is not a command of %q", args[0], c.CommandPath())
	var words []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			words = append(words, sub.Name())
		}
	}
	if verbs := verbsNamed(c, args[0]); len(verbs) > 0 {
		text += "; did you mean " + either(verbs) + "?"
	} else if near := nearest(args[0], words); len(near) > 0 {
		text += "; did you mean " + either(near) + "?"
	}
	return usage(c, errors.New(text))
}

// verbsNamed are the verbs of that name of any noun of the program, each with its noun.
func verbsNamed(root *cobra.Command, name string) (words []string) {
	if root.HasParent() {
		return nil
	}
	for _, noun := range root.Commands() {
		for _, verb := range noun.Commands() {
			if verb.Name() == name && verb.IsAvailableCommand() {
				words = append(words, noun.Name()+" "+name)
			}
		}
	}
	return words
}

// exactly returns a check that a command has n arguments, which names describes.
func exactly(n int, names string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) == n:
			return nil
		case len(args) > n:
			return tooMany(c, args[n], names)
		}
		return usage(c, fmt.Errorf("an argument is missing: want %s", names))
	}
}

// tooMany refuses an argument. Where there is a secret to give, it may have been meant for one.
func tooMany(c *cobra.Command, argument, names string) error {
	text := fmt.Sprintf("%q is one argument too many", argument)
	switch {
	case names != "":
		text += ": want " + names
	case c.Flag("token") != nil && strings.Contains(c.Use, "--label"):
		text += fmt.Sprintf("; what is meant is named with --label %s", shellWord(argument))
	case c.Flag("token") != nil:
		text += fmt.Sprintf("; a token is named with --token %s", shellWord(argument))
	}
	if names == "" && c.Flag("pin-file") != nil {
		text += "; a secret is never an argument"
	}
	return usage(c, errors.New(text))
}
