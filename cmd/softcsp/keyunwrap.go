package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// maxWrapped is more than any wrapped key has, in bytes.
const maxWrapped = 1 << 20

func keyUnwrap(a *app) *cobra.Command {
	x := &wrapping{target: newTarget("key")}
	c := &cobra.Command{
		Use:   "unwrap --label LABEL --with WRAPPINGKEY --type TYPE FILE",
		Short: "Take a wrapped key into the token",
		Long: `Takes a key that was wrapped, by softcsp key wrap or by another program, into the token, where alone it is decrypted. --type
says what it is, because the bytes do not: aes, generic, … or aes:256 where the mechanism does not tell the length; rsa, ec,
ed25519, ml-dsa, … of a private key, which comes with its public key. "-" is standard input.

The key is sensitive. It does not leave the token again, unless --extractable says so, and then only wrapped.

` + wrapHelp,
		Example: `  softcsp key unwrap --label payments --with transport --type aes --pin-file user.pin payments.wrapped
  softcsp key unwrap --label signer --with mine --type rsa --pin-file user.pin signer.wrapped`,
		Args: exactly(1, "one file, or - for standard input"),
	}
	f := c.Flags()
	x.target.object.add(f)
	x.addTo(a, c, ck.CKF_UNWRAP)
	f.StringVar(&x.keyType, "type", "", "`type` of the wrapped key: aes, aes:256, generic, …, rsa, ec, ed25519, x25519, dsa, ml-dsa, …")
	f.StringVar(&x.usage, "usage", "", "what the key is for, `words` with commas: "+usageWords()+" (default: what is usual for its type)")
	f.BoolVar(&x.extractable, "extractable", false, "the key may leave the token again, wrapped")
	x.target.addToken(c)
	_ = c.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(slices.Concat(typeNames(false), typeNames(true)), cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(_ *cobra.Command, args []string) error {
		x.in = args[0]
		if err := x.checkUnwrap(); err != nil {
			return usage(c, err)
		}
		return a.on(x.target, x.unwrap)
	}
	return lists(a, c)
}

// checkUnwrap finds what is wrong with the command line before anything is asked for.
func (x *wrapping) checkUnwrap() error {
	switch {
	case x.with == "":
		return errors.New("give --with: the label or the URI of the key that unwraps")
	case x.keyType == "":
		return errors.New("give --type: what the wrapped key is, such as aes or rsa")
	case x.target.object.label == "":
		return errors.New("give --label: what the key is to be called")
	}
	if _, err := usagesOf(x.usage, ck.CKK_RSA); err != nil {
		return err
	}
	if _, err := x.target.object.template(); err != nil {
		return err
	}
	_, _, _, err := x.unwrapped()
	return err
}

// unwrapped reads --type: the class, the type, and the length in bytes of a secret key, 0 where that is not said.
func (x *wrapping) unwrapped() (ck.ObjectClass, ck.KeyType, uint, error) {
	name, bits, given := strings.Cut(strings.ToLower(x.keyType), ":")
	if row := namedType(name, true); row != nil {
		return ck.CKO_PRIVATE_KEY, row.makes(), 0, nil // what follows the colon is in the wrapped key, too
	}
	t, err := secretType(name)
	if err != nil {
		return 0, 0, 0, notAWord("--type", x.keyType, slices.Concat(typeNames(false), typeNames(true)), seeTypes)
	}
	if x.usage == "" {
		x.usage = usualUse(name)
	}
	if !given {
		return ck.CKO_SECRET_KEY, t, 0, nil
	}
	n, err := strconv.ParseUint(bits, 10, 20)
	if err != nil || n%8 != 0 || mechanisms.ValidValue(t, make([]byte, n/8)) != nil {
		return 0, 0, 0, fmt.Errorf("--type: keys of type %s do not have %q bits", name, bits)
	}
	return ck.CKO_SECRET_KEY, t, uint(n) / 8, nil
}

// unwrap makes the key, and the public key of a private one, or nothing.
func (x *wrapping) unwrap(s *session) error {
	class, t, size, err := x.unwrapped()
	if err != nil {
		return err
	}
	id, err := hex.DecodeString(x.target.object.id)
	if err != nil {
		return err
	}
	named := naming{x.target.object.label, id}
	if err := s.isFree(class, named); err != nil {
		return err
	}
	wrapped, err := s.app.readSmall(x.in, maxWrapped)
	if err != nil {
		return err
	}
	key, err := s.one(x.other(), ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY)
	if err != nil {
		return err
	}
	mech, err := x.mechanismFor(s, key, ck.C_UnwrapKey, s.longerThanModulus(key, wrapped))
	if err != nil {
		return err
	}
	template, err := x.template(class, t, size, named)
	if err != nil {
		return err
	}
	made, err := s.UnwrapKey(s.handle, mech, key, wrapped, template)
	if err != nil {
		return s.explainUnwrap(key, mech.Type, err)
	}
	if class == ck.CKO_SECRET_KEY {
		return s.showNew([]ck.ObjectHandle{made})
	}
	public, err := x.publicHalf(s, made, named)
	if err != nil {
		_ = s.DestroyObject(s.handle, made) // the first error counts
		return err
	}
	return s.showNew([]ck.ObjectHandle{made, public})
}

// longerThanModulus reports whether what an RSA key has wrapped is more than one of its ciphertexts: an AES key that it encrypts, and more.
func (s *session) longerThanModulus(key ck.ObjectHandle, wrapped []byte) bool {
	n, err := s.attribute(key, ck.CKA_MODULUS)
	return err == nil && len(wrapped) > len(n)
}

// template is the template of the unwrapped key.
func (x *wrapping) template(class ck.ObjectClass, t ck.KeyType, size uint, n naming) ([]ck.Attribute, error) {
	template := []ck.Attribute{
		classIs(class), {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(t))}, {Type: ck.CKA_LABEL, Value: []byte(n.label)},
		yes(ck.CKA_TOKEN, true), yes(ck.CKA_PRIVATE, true), yes(ck.CKA_SENSITIVE, true), yes(ck.CKA_EXTRACTABLE, x.extractable),
	}
	if size > 0 {
		template = append(template, ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(size)})
	}
	if len(n.id) == 0 && class == ck.CKO_SECRET_KEY {
		n.id = make([]byte, randomID)
		rand.Read(n.id)
	}
	if len(n.id) > 0 {
		template = append(template, ck.Attribute{Type: ck.CKA_ID, Value: n.id})
	}
	purposes, err := usageTemplate(x.usage, class, t)
	return append(template, purposes...), err
}

// publicHalf makes the public key of a private one that was unwrapped, and gives both the same id.
func (x *wrapping) publicHalf(s *session, private ck.ObjectHandle, n naming) (ck.ObjectHandle, error) {
	info, err := s.publicKeyInfo(private)
	if err != nil {
		return 0, err
	}
	if len(n.id) == 0 {
		if n.id, err = keyIdentifier(info); err != nil {
			return 0, err
		}
		if err := s.isFree(ck.CKO_PRIVATE_KEY, naming{id: n.id}); err != nil {
			return 0, err
		}
		if err := s.SetAttributeValue(s.handle, private, []ck.Attribute{{Type: ck.CKA_ID, Value: n.id}}); err != nil {
			return 0, explain("naming the private key", err)
		}
	}
	t, attrs, err := mechanisms.UnmarshalPublic(info)
	if err != nil {
		return 0, explain("reading the public key", err)
	}
	purposes, err := usageTemplate(x.usage, ck.CKO_PUBLIC_KEY, t)
	if err != nil {
		return 0, err
	}
	template := append(attrs, classIs(ck.CKO_PUBLIC_KEY), ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(t))},
		ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(n.label)}, ck.Attribute{Type: ck.CKA_ID, Value: n.id}, yes(ck.CKA_TOKEN, true), yes(ck.CKA_PRIVATE, false))
	o, err := s.CreateObject(s.handle, append(template, purposes...))
	return o, explain("making the public key", err)
}

// explainUnwrap says why a key is not unwrapped.
func (s *session) explainUnwrap(key ck.ObjectHandle, m ck.MechanismType, err error) error {
	tried := fmt.Sprintf("unwrapping with %v", m)
	if ck.Code(err) == ck.CKR_KEY_FUNCTION_NOT_PERMITTED && !s.flag(key, ck.CKA_UNWRAP) {
		return fmt.Errorf("%s: %w\nthe key is not made for unwrapping: its CKA_UNWRAP is false", tried, err)
	}
	if _, known := unwrapHints[ck.Code(err)]; known {
		return explainBy(unwrapHints, tried, err)
	}
	return explainUse("unwrapping", m, err)
}
