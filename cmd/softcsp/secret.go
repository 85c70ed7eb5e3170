package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// A secretSource is where a PIN or a password comes from: the flags of one secret.
type secretSource struct {
	what     string // "user PIN", for prompts and errors
	flag     string // "pin"
	fallback string // the environment variable that is read without being named, "" for none
	confirm  bool   // a prompt asks twice
	isPIN    bool   // of a token of softcsp, which takes PINs of some lengths only

	file, env string
	fd        descriptor
}

// descriptorType is the type of flags that name a file descriptor.
const descriptorType = "number"

// A descriptor is the value of a flag that names a file descriptor.
type descriptor struct {
	number int
	given  bool
}

// Set implements pflag.Value.
func (d *descriptor) Set(s string) (err error) {
	d.given = true
	d.number, err = strconv.Atoi(s)
	if err == nil && d.number < 0 {
		err = errors.New("a file descriptor is not negative")
	}
	return err
}

// Type implements pflag.Value.
func (d *descriptor) Type() string { return descriptorType }

// String implements pflag.Value.
func (d *descriptor) String() string {
	if !d.given {
		return ""
	}
	return strconv.Itoa(d.number)
}

func (s *secretSource) add(f *pflag.FlagSet) {
	f.StringVar(&s.file, s.flag+"-file", "", "`file` with the "+s.what+"; \"-\" is standard input")
	f.Var(&s.fd, s.flag+"-fd", "file descriptor `number` to read the "+s.what+" from")
	env := "environment variable `name` that holds the " + s.what
	if s.fallback != "" {
		env += " (default " + s.fallback + ", if it is set)"
	}
	f.StringVar(&s.env, s.flag+"-env", "", env)
}

// given reports whether the secret can be had without asking.
func (s *secretSource) given() bool {
	return s.file != "" || s.fd.given || s.env != "" || s.fallback != "" && os.Getenv(s.fallback) != ""
}

// A PIN has so many bytes: section 5.6 of PKCS#11 leaves it to the token, and this is what C_GetTokenInfo says of it.
const (
	minPIN = 4
	maxPIN = 255
)

// read returns the secret, which the caller wipes. What no PIN of a token can be is refused here: the token would count a try.
func (s *secretSource) read(a *app) ([]byte, error) {
	b, err := s.readAny(a)
	if err != nil || !s.isPIN {
		return b, err
	}
	is := ""
	switch {
	case len(b) == 0:
		is = "empty"
	case len(b) < minPIN:
		is = "too short"
	case len(b) > maxPIN:
		is = "too long"
	default:
		return b, nil
	}
	clear(b)
	return nil, misuse("the %s is %s: a PIN has %d to %d bytes%s", s.what, is, minPIN, maxPIN, s.from())
}

// from says where the secret was read, behind what is wrong with it; nothing where it was typed.
func (s *secretSource) from() string {
	switch {
	case s.file != "" && s.file != "-":
		return fmt.Sprintf(" (--%s-file %s)", s.flag, s.file)
	case s.env != "":
		return fmt.Sprintf(" (--%s-env %s)", s.flag, s.env)
	case s.file == "" && !s.fd.given && s.fallback != "" && os.Getenv(s.fallback) != "":
		return " (" + s.fallback + ")"
	}
	return ""
}

// readAny reads a secret of any length.
func (s *secretSource) readAny(a *app) ([]byte, error) {
	n := 0
	for _, given := range []bool{s.file != "", s.fd.given, s.env != ""} {
		if given {
			n++
		}
	}
	switch {
	case n > 1:
		return nil, misuse("the %s is given in more than one way: choose one of --%s-file, --%[2]s-fd and --%[2]s-env", s.what, s.flag)
	case s.file == "-":
		return line(a.in)
	case s.file != "":
		f, err := os.Open(s.file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.what, err)
		}
		defer f.Close()
		return line(f)
	case s.fd.given:
		b, err := line(os.NewFile(uintptr(s.fd.number), "file descriptor "+s.fd.String()))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.what, err)
		}
		return b, nil
	case s.env != "":
		v, ok := os.LookupEnv(s.env)
		if !ok {
			return nil, misuse("--%s-env: there is no environment variable %s", s.flag, s.env)
		}
		return []byte(v), nil
	}
	if s.fallback != "" {
		if v := os.Getenv(s.fallback); v != "" {
			return []byte(v), nil
		}
	}
	return s.ask(a)
}

// readGiven is read for a verb that does without the secret where that cannot be had without asking: then it is nil.
func (s *secretSource) readGiven(a *app) ([]byte, error) {
	if !s.given() {
		return nil, nil
	}
	return s.read(a)
}

// noteSame tells where the security officer and the user get the same PIN.
func (a *app) noteSame(so, user []byte) {
	if bytes.Equal(so, user) {
		a.note("the user PIN is that of the security officer, too: whoever uses keys can then also set PINs")
	}
}

// ask asks for the secret on the terminal, without echo.
func (s *secretSource) ask(a *app) ([]byte, error) {
	fd := int(a.in.Fd())
	if !term.IsTerminal(fd) {
		return nil, misuse("the %s is needed and there is no terminal to ask on: use --%s-file, --%[2]s-fd or --%[2]s-env", s.what, s.flag)
	}
	first, err := a.prompt(fd, s.what)
	if err != nil || !s.confirm {
		return first, err
	}
	second, err := a.prompt(fd, s.what+", again")
	if err != nil {
		return nil, err
	}
	defer clear(second)
	if !bytes.Equal(first, second) {
		clear(first)
		return nil, misuse("%s: the two are not the same", s.what)
	}
	return first, nil
}

func (a *app) prompt(fd int, what string) ([]byte, error) {
	fmt.Fprintf(a.err, "%s%s: ", strings.ToUpper(what[:1]), what[1:])
	b, err := term.ReadPassword(fd)
	fmt.Fprintln(a.err)
	return b, err
}

// maxSecret is more than any PIN or password needs, in bytes.
const maxSecret = 1 << 16

// line reads all there is, and takes one newline off its end.
func line(r io.Reader) ([]byte, error) {
	b := make([]byte, maxSecret+1) // one that does not grow, and so leaves no copies behind
	n, err := io.ReadFull(r, b)
	switch {
	case err == nil:
		clear(b)
		return nil, errors.New("that is too long for a PIN or password")
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		clear(b)
		return nil, err
	}
	b = bytes.TrimSuffix(b[:n], []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r")), nil
}

// userPIN and soPIN are the PINs of a token.
func userPIN() *secretSource {
	return &secretSource{what: "user PIN", flag: "pin", fallback: "SOFTCSP_PIN", isPIN: true}
}

func soPIN() *secretSource {
	return &secretSource{what: "security officer PIN", flag: "so-pin", fallback: "SOFTCSP_SO_PIN", isPIN: true}
}
