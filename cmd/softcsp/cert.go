package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/certinfo"
)

func certList(a *app) *cobra.Command {
	selected := certNoun.selection()
	c := &cobra.Command{
		Use:   "list",
		Short: "List the certificates of a token",
		Long: `Lists the certificates of a token: whose they are, who issued them, until when they are valid, the SHA-256 hash of the DER encoding,
and whether there is a key of the same id. No PIN is needed for those that are public, as certificates are.`,
		Example: "  softcsp cert list",
		Args:    exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := selected.check(); err != nil {
				return usage(c, err)
			}
			return a.see(selected.target, func(s *session) error {
				list, bad, err := s.survey(selected)
				if err != nil {
					return err
				}
				s.noteNone(selected, len(list)+len(bad))
				return errors.Join(s.showCertificates(list), s.passedOver(bad))
			})
		},
	}
	selected.addTo(c)
	selected.addLogin(c)
	return lists(a, c)
}

// showCertificates lists certificates.
func (s *session) showCertificates(list []ck.ObjectHandle) error {
	rows, err := s.rows(list)
	if err != nil {
		return err
	}
	text := make([][]string, len(rows))
	for i, r := range rows {
		text[i] = []string{r.Label, r.Subject, r.Issuer, r.End, r.ID, r.Fingerprint, r.URI}
	}
	return s.app.show(rows, []string{"LABEL", "SUBJECT", "ISSUER", "NOT AFTER", "ID", "FINGERPRINT", "URI"}, text)
}

// An exportation is what cert export was asked for.
type exportation struct {
	format, out string
	chain       bool
	selected    *selection
}

func certExport(a *app) *cobra.Command {
	x := &exportation{selected: certNoun.selection()}
	c := &cobra.Command{
		Use:   "export --label LABEL",
		Short: "Write a certificate to a file",
		Long: `Writes a certificate as PEM or DER to a file, or to standard output. --chain writes after it the certificates of its issuers, as far as
they are in the token: as web servers want them.`,
		Example: "  softcsp cert export --label web --chain --out web.pem",
		Args:    exactly(0, ""),
	}
	c.Flags().StringVar(&x.format, "format", "pem", "`format`: pem or der")
	a.addOut(c, &x.out, "-", "`file` to write, \"-\" for standard output")
	c.Flags().BoolVar(&x.chain, "chain", false, "write the certificates of the issuers, too")
	x.selected.addTo(c)
	x.selected.addLogin(c)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"pem", "der"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(*cobra.Command, []string) error {
		err := errors.Join(x.selected.need(), x.selected.check(), checkFormat(&x.format))
		switch {
		case err != nil:
		case x.format == "der" && x.chain:
			err = errors.New("--chain writes several certificates, which is for --format pem")
		}
		if err != nil {
			return usage(c, err)
		}
		return a.see(x.selected.target, x.run)
	}
	return c
}

// run writes the certificate, and its chain.
func (x *exportation) run(s *session) error {
	list, err := s.single(x.selected)
	if err != nil {
		return err
	}
	raw, err := s.attribute(list[0], ck.CKA_VALUE)
	if err != nil {
		return explain("reading the certificate", err)
	}
	if len(raw) == 0 {
		return fmt.Errorf("the certificate is not in the token, but at %s", s.textOf(list[0], ck.CKA_URL))
	}
	chain := [][]byte{raw}
	if x.chain {
		if chain, err = s.chain(raw); err != nil {
			return err
		}
	}
	return s.app.write(x.out, func(w io.Writer) error {
		for _, c := range chain {
			if x.format == "der" {
				_, err := w.Write(c)
				return err
			}
			if err := pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: c}); err != nil {
				return err
			}
		}
		return nil
	})
}

// maxChain is how many certificates a chain has at most.
const maxChain = 32

// chain returns a certificate and those of its issuers, as far as they are in the token.
func (s *session) chain(raw []byte) (chain [][]byte, err error) {
	for len(chain) < maxChain {
		chain = append(chain, raw)
		c, err := certinfo.Parse(raw)
		if err != nil || bytes.Equal(c.Subject, c.Issuer) {
			return chain, nil
		}
		list, err := s.find(classIs(ck.CKO_CERTIFICATE), ck.Attribute{Type: ck.CKA_SUBJECT, Value: c.Issuer})
		if err != nil {
			return nil, explain("looking for the issuer", err)
		}
		if len(list) == 0 {
			s.app.note("the chain ends before %s, who is not in the token", certinfo.CommonName(c.Issuer))
			return chain, nil
		}
		if raw, err = s.attribute(list[0], ck.CKA_VALUE); err != nil {
			return nil, explain("reading the certificate", err)
		}
	}
	return chain, nil
}
