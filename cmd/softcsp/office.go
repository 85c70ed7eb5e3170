package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/csp"
	"github.com/softcsp/softcsp/examples/office"
)

func openOffice(a *app) *cobra.Command {
	var out string
	password := &secretSource{what: "password", flag: "password"}
	c := &cobra.Command{
		Use:   "open-office FILE",
		Short: "Open an Office document that a password protects",
		Long: `Opens an Office document that a password protects, whichever of these encryptions it has:

  ECMA-376 agile      .docx, .xlsx, .pptx of Office 2010 and later
  ECMA-376 standard   .docx, .xlsx, .pptx of Office 2007
  RC4 CryptoAPI       .doc, .xls, .ppt of Office 2002 to 2003

The keys of the last two are those of CryptDeriveKey. Those of agile encryption are not, and the command says so; a document
with it is opened only if it is as it was encrypted. The keys are derived and used in a token in memory, and no token of yours
is needed.

The result goes to --out, which is written whole or not at all, or to standard output. A wrong password is exit code 3.`,
		Example: "  softcsp open-office --password-file password -o plain.docx sealed.docx",
		Args:    exactly(1, "one file, or - for standard input"),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := a.readAll(args[0])
			if err != nil {
				return err
			}
			if bytes.HasPrefix(file, []byte(zipBegins)) {
				return fmt.Errorf("%s is not encrypted: programs open it as it is", nameOfFile(args[0]))
			}
			secret, err := password.read(a)
			if err != nil {
				return err
			}
			defer clear(secret)
			plain, err := a.openDocument(file, string(secret))
			switch {
			case errors.Is(err, office.ErrPassword):
				return &failure{exitPIN, fmt.Errorf("%s: the password is wrong", nameOfFile(args[0]))}
			case err != nil:
				return &ofOffice{nameOfFile(args[0]), err}
			}
			if office.SealedProperties(file) {
				a.note("title, author and other properties of the document stay encrypted")
			}
			return a.write(out, func(w io.Writer) error {
				_, err := w.Write(plain)
				return err
			})
		},
	}
	a.addOut(c, &out, "-", "`file` to write, \"-\" for standard output")
	password.add(c.Flags())
	return c
}

// zipBegins is what a ZIP file begins with (APPNOTE, section 4.3.7): a document of Office 2007 and later is one if it is not encrypted.
const zipBegins = "PK\x03\x04"

// nameOfFile is what a file is called in messages, "-" being standard input.
func nameOfFile(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// An ofOffice is an error of package office, told with the name of the file and without that of the package.
type ofOffice struct {
	file string
	err  error
}

// Error implements error.
func (e *ofOffice) Error() string {
	return e.file + ": " + strings.ReplaceAll(e.err.Error(), "office: ", "")
}

func (e *ofOffice) Unwrap() error { return e.err }

// readAll reads a file, or standard input for "-".
func (a *app) readAll(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.in)
	}
	return os.ReadFile(name)
}

// openDocument opens a document with keys that are derived and used in a token in memory.
func (a *app) openDocument(file []byte, password string) ([]byte, error) {
	plain, err := withContext(func(c *csp.Context) ([]byte, error) { return office.Open(file, password, office.CSP{Context: c}) })
	if !errors.Is(err, office.ErrAgile) {
		return plain, err
	}
	a.note("this is agile encryption: its key is derived in the token too, but not as CryptDeriveKey does")
	s, err := a.scratch()
	if err != nil {
		return nil, err
	}
	defer s.client.close()
	return office.OpenAgile(file, password, office.Session{Cryptoki: s.Cryptoki, Handle: s.handle})
}

// withContext calls f with a context of CryptoAPI that has all algorithms and needs no token.
func withContext(f func(*csp.Context) ([]byte, error)) (b []byte, err error) {
	ctx, err := csp.AcquireContext("", capi.MS_ENH_RSA_AES_PROV, capi.PROV_RSA_AES, capi.CRYPT_VERIFYCONTEXT)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ctx.Release(0)) }()
	return f(ctx)
}
