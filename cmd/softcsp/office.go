package main

import (
	"errors"
	"io"
	"os"

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
		Long: `Opens an Office document with ECMA-376 standard encryption (.docx, .xlsx, .pptx of Office 2007) or RC4 CryptoAPI
encryption (.doc, .xls, .ppt of Office 2002 to 2003). Its key is one of CryptDeriveKey; it is derived and used in a token in
memory, and no token of yours is needed.

The result goes to --out, which is written whole or not at all, or to standard output.`,
		Example: "  softcsp open-office --password-file password -o plain.docx sealed.docx",
		Args:    exactly(1, "one file, or - for standard input"),
		RunE: func(_ *cobra.Command, args []string) error {
			file, err := a.readAll(args[0])
			if err != nil {
				return err
			}
			secret, err := password.read(a)
			if err != nil {
				return err
			}
			defer clear(secret)
			plain, err := openDocument(file, string(secret))
			if err != nil {
				return err
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
	c.Flags().StringVarP(&out, "out", "o", "-", "`file` to write, \"-\" for standard output")
	password.add(c.Flags())
	return c
}

// readAll reads a file, or standard input for "-".
func (a *app) readAll(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.in)
	}
	return os.ReadFile(name)
}

// openDocument opens a document with keys of a context that needs no token.
func openDocument(file []byte, password string) (plain []byte, err error) {
	ctx, err := csp.AcquireContext("", capi.MS_ENH_RSA_AES_PROV, capi.PROV_RSA_AES, capi.CRYPT_VERIFYCONTEXT)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ctx.Release(0)) }()
	return office.Open(file, password, office.CSP{Context: ctx})
}
