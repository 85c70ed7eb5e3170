package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/term"
)

// confirmed asks on the terminal whether something is to be done to what, unless yes says so already.
func (a *app) confirmed(yes bool, what, question string) error {
	if yes {
		return nil
	}
	if !term.IsTerminal(int(a.in.Fd())) {
		return misuse("%s\nthere is no terminal to ask on whether to go on: say --yes", what)
	}
	fmt.Fprintf(a.err, "%s\n%s [y/N] ", what, question)
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if answer = strings.ToLower(strings.TrimSpace(answer)); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return errors.New("nothing was done")
}
