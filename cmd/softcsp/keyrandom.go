package main

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
)

// randomForms are how random bytes are written. What a form writes at the end is closed with it.
var randomForms = map[string]func(io.Writer) io.WriteCloser{
	"raw":    func(w io.Writer) io.WriteCloser { return plain{w} },
	"hex":    func(w io.Writer) io.WriteCloser { return oneLine{hex.NewEncoder(w), w} },
	"base64": func(w io.Writer) io.WriteCloser { return oneLine{base64.NewEncoder(base64.StdEncoding, w), w} },
}

// plain writes bytes as they are.
type plain struct{ io.Writer }

// Close implements io.Closer.
func (plain) Close() error { return nil }

// oneLine ends what an encoder writes with a newline.
type oneLine struct {
	io.Writer
	to io.Writer
}

// Close implements io.Closer.
func (l oneLine) Close() error {
	var err error
	if c, ok := l.Writer.(io.Closer); ok {
		err = c.Close()
	}
	_, err2 := io.WriteString(l.to, "\n")
	return errors.Join(err, err2)
}

func keyRandom(a *app) *cobra.Command {
	form, out := "", "-"
	c := &cobra.Command{
		Use:   "random BYTES",
		Short: "Write random bytes",
		Long: `Writes as many random bytes as are asked for, from the generator that makes keys (C_GenerateRandom). No token and no PIN are needed.

--format is hex, base64 or raw; by default hex on standard output, and raw in a file. The file has mode 0600.`,
		Example: "  softcsp key random 16\n  softcsp key random 32 --out master.key",
		Args:    exactly(1, "how many bytes"),
	}
	c.Flags().StringVar(&form, "format", "", "`form` of the bytes: raw, hex or base64 (default hex, and raw with --out)")
	a.addOut(c, &out, "-", "`file` to write, \"-\" for standard output")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"raw", "hex", "base64"}, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(_ *cobra.Command, args []string) error {
		n, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil || n < 1 {
			return usage(c, fmt.Errorf("%q is not a number of bytes", args[0]))
		}
		switch {
		case form == "" && out == "-":
			form = "hex"
		case form == "":
			form = "raw"
		}
		if form, err = oneOf("format", form, "raw", "hex", "base64"); err != nil {
			return usage(c, err)
		}
		s, err := a.scratch()
		if err != nil {
			return err
		}
		defer s.client.close()
		return a.write(out, func(w io.Writer) error {
			e := randomForms[form](w)
			return errors.Join(s.random(n, e), e.Close())
		})
	}
	return c
}

// random writes n random bytes.
func (s *session) random(n int64, w io.Writer) error {
	telling := s.app.progress("random bytes")
	defer telling.end()
	part := make([]byte, min(n, 1<<16))
	defer clear(part)
	for done := int64(0); done < n; {
		b := part[:min(n-done, int64(len(part)))]
		if err := s.GenerateRandom(s.handle, b); err != nil {
			return explain("making random bytes", err)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		done += int64(len(b))
		telling.at(done, n)
	}
	return nil
}
