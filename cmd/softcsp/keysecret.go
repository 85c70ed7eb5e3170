package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// A newSecret is the flags that say what becomes of a secret that two sides come to share: a key of the token, or bytes that are shown.
type newSecret struct {
	label, id, kind string
	extractable     bool
	print           bool
	out             string
}

// addTo gives a command the flags.
func (n *newSecret) addTo(a *app, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&n.label, "derive-label", "", "`label` of the new secret key, which is kept in the token")
	f.StringVar(&n.id, "derive-id", "", "CKA_ID of the new key in `hex` digits")
	f.BoolVar(&n.extractable, "extractable", false, "the new key may leave the token")
	f.BoolVar(&n.print, "print", false, "print the secret in hex digits instead of keeping it")
	f.StringVar(&n.out, "secret-out", "", "`file` to write the secret's bytes to instead of keeping it (mode 0600)")
	a.guard(c, &n.out, a.checkVacant)
	n.addType(c)
	lists(a, c)
}

// addType gives a command the flag --type.
func (n *newSecret) addType(c *cobra.Command) {
	c.Flags().StringVar(&n.kind, "type", "generic", "`type` of the new key, and its bits: generic, generic:256, aes:256, hmac:256, chacha20, …")
	_ = c.RegisterFlagCompletionFunc("type", cobra.FixedCompletions([]string{"generic", "generic:256", "aes:128", "aes:256", "hmac:256", "chacha20"}, cobra.ShellCompDirectiveNoFileComp))
}

// kept reports whether the secret stays in the token.
func (n *newSecret) kept() bool { return n.label != "" || n.id != "" }

// check tells what is wrong on the command line.
func (n *newSecret) check() error {
	shown := n.print || n.out != ""
	switch {
	case !n.kept() && !shown:
		return errors.New("give --derive-label to keep the secret in the token, or --print or --secret-out to see it")
	case n.kept() && shown:
		return errors.New("--print and --secret-out show a secret that is not kept: leave them or --derive-label out")
	}
	_, _, err := n.keyType()
	if err != nil {
		return err
	}
	if _, err := hex.DecodeString(n.id); err != nil {
		return fmt.Errorf("--derive-id: %q is not an even number of hex digits", n.id)
	}
	return nil
}

// keyType reads TYPE or TYPE:BITS. The length is in bytes, 0 where it is not given or follows from the type.
func (n *newSecret) keyType() (ck.KeyType, uint, error) {
	name, bits, given := strings.Cut(n.kind, ":")
	kind, err := secretType(name)
	if err != nil {
		return 0, 0, err
	}
	size, fixed := mechanisms.Size(kind)
	if !given {
		if kind == ck.CKK_AES {
			return 0, 0, errors.New("--type: say how long an AES key is: aes:128, aes:192 or aes:256")
		}
		return kind, 0, nil
	}
	b, err := strconv.ParseUint(bits, 10, 20)
	if err != nil || b == 0 || b%8 != 0 || fixed && uint(b) != 8*size {
		return 0, 0, fmt.Errorf("--type: keys of type %s do not have %q bits", name, bits)
	}
	if fixed {
		return kind, 0, nil
	}
	return kind, uint(b) / 8, nil
}

// template is the template of the new key. least is how long it is, in bytes, where --type does not say, 0 for all that there is.
func (n *newSecret) template(least uint) ([]ck.Attribute, error) {
	kind, size, err := n.keyType()
	if err != nil {
		return nil, err
	}
	t := []ck.Attribute{
		classIs(ck.CKO_SECRET_KEY), {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(kind))},
		yes(ck.CKA_TOKEN, n.kept()), yes(ck.CKA_SENSITIVE, n.kept() && !n.extractable), yes(ck.CKA_EXTRACTABLE, !n.kept() || n.extractable),
	}
	if _, fixed := mechanisms.Size(kind); size == 0 && !fixed {
		size = least
	}
	if size > 0 {
		t = append(t, ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(size)})
	}
	uses := []ck.AttributeType{ck.CKA_ENCRYPT, ck.CKA_DECRYPT}
	if kind == ck.CKK_GENERIC_SECRET || strings.HasSuffix(kind.String(), "_HMAC") || kind == ck.CKK_HKDF {
		uses = []ck.AttributeType{ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_DERIVE}
	}
	for _, u := range []ck.AttributeType{ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_SIGN, ck.CKA_VERIFY, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_DERIVE} {
		t = append(t, yes(u, slices.Contains(uses, u)))
	}
	if n.label != "" {
		t = append(t, ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(n.label)})
	}
	if id, err := hex.DecodeString(n.id); err == nil && len(id) > 0 {
		t = append(t, ck.Attribute{Type: ck.CKA_ID, Value: id})
	}
	return t, nil
}

// vacant sees that no secret key has the label and the id yet.
func (n *newSecret) vacant(s *session) error {
	if !n.kept() {
		return nil
	}
	k := objectChoice{what: "key", label: n.label, id: n.id}
	list, err := s.matching(k, ck.CKO_SECRET_KEY)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("there is a key %s already", k)
	}
	return err
}

// hand gives the secret to whom it is for: the user is shown the key that is kept, or its bytes.
func (n *newSecret) hand(s *session, key ck.ObjectHandle) error {
	if n.kept() {
		return s.showNew([]ck.ObjectHandle{key})
	}
	value, err := s.attribute(key, ck.CKA_VALUE)
	if err != nil {
		return explain("reading the secret", err)
	}
	defer clear(value)
	if n.out != "" {
		return s.app.write(n.out, func(w io.Writer) error {
			_, err := w.Write(value)
			return err
		})
	}
	text := hex.EncodeToString(value)
	return s.app.show(map[string]string{"secret": text}, nil, [][]string{{text}})
}
