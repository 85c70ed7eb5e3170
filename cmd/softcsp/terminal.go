package main

import (
	"io"
	"unicode"
	"unicode/utf8"
)

// errBinary refuses to write what is no text to a terminal, which could take it for commands.
func errBinary() error {
	return misuse("that is not text, and standard output is a terminal: name a file with --out, or send it to another program with |")
}

// notForTerminal refuses a terminal as the place for what is never text, before anything is asked for.
func (a *app) notForTerminal(out string) error {
	if out == "-" && width(a.out) > 0 {
		return errBinary()
	}
	return nil
}

// A textOnly writes text to a terminal, and refuses all else: whole calls, so that nothing of it is shown.
type textOnly struct {
	to      io.Writer
	pending []byte // the beginning of a character
}

// Write implements io.Writer.
func (t *textOnly) Write(b []byte) (int, error) {
	text := append(t.pending, b...)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if last := text[len(text)-back:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				whole -= back
			}
			break
		}
	}
	if !isText(text[:whole]) {
		return 0, errBinary()
	}
	t.pending = append([]byte(nil), text[whole:]...)
	if _, err := t.to.Write(text[:whole]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close says whether all was text.
func (t *textOnly) Close() error {
	if len(t.pending) > 0 {
		return errBinary()
	}
	return nil
}

// isText reports whether bytes are text that a terminal shows as it is.
func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
		b = b[n:]
	}
	return true
}
