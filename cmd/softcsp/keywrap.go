package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
)

// A wrapping is what key wrap or key unwrap was asked for.
type wrapping struct {
	target    *target
	with      string // the wrapping key: a label or a URI
	peer      string // of key wrap: a file with the public key, instead
	mechanism choiceOfMechanism
	out       string

	in, keyType, usage string // of key unwrap
	extractable        bool
}

const wrapHelp = `The mechanism is the usual one of the wrapping key:

  AES           CKM_AES_KEY_WRAP_KWP (RFC 5649)
  RSA           CKM_RSA_PKCS_OAEP with SHA-256 for a secret key, CKM_RSA_AES_KEY_WRAP for a private key, which is longer
  EC            CKM_ECDH_AES_KEY_WRAP
  X25519, X448  CKM_ECDH_X_AES_KEY_WRAP

or any other with --mechanism. Its parameter is made of the flags for it, and of --parameter FIELD=VALUE with the names that
PKCS#11 gives the fields. An IV is given in hex digits, and is the same for both ways.`

// wrapFlags are the flags of parameters that wrapping mechanisms have.
var wrapFlags = []string{"iv", "aad", "tag-bits", "hash", "mgf", "oaep-label", "kdf", "info"}

func keyWrap(a *app) *cobra.Command {
	x := &wrapping{target: newTarget("key")}
	c := &cobra.Command{
		Use:   "wrap --label LABEL --with WRAPPINGKEY --out FILE",
		Short: "Encrypt a key with another, to travel",
		Long: `Writes a private or secret key encrypted with another key. It never leaves the token in the clear. The wrapping key is an AES key
or a public key of the token, or with --peer the public key in a file: a public key or a certificate of whoever is to have the
key. The key has to be extractable; it may be sensitive. A private key is wrapped as PKCS #8.

` + wrapHelp + `

A token of strict separation wraps sensitive keys with a mechanism that seals, and with a key that has done nothing else; it says so
where it refuses.`,
		Example: `  softcsp key wrap --label payments --with transport --pin-file user.pin --out payments.wrapped
  softcsp key wrap --label payments --peer theirs.pem --pin-file user.pin --out payments.wrapped`,
		Args: exactly(0, ""),
	}
	c.Flags().StringVar(&x.peer, "peer", "", "`file` with the public key to wrap with, instead of a key of the token")
	a.addOut(c, &x.out, "", "`file` to write the wrapped key to, \"-\" for standard output")
	x.addTo(a, c, ck.CKF_WRAP)
	x.target.addTo(c)
	c.RunE = func(*cobra.Command, []string) error {
		err := x.target.need()
		switch {
		case err != nil:
		case x.with == "" && x.peer == "":
			err = errors.New("give --with: the label or the URI of the key to wrap with; or --peer FILE: a public key")
		case x.with != "" && x.peer != "":
			err = errors.New("give --with or --peer, not both")
		case x.out == "":
			err = errors.New("give --out: the file for the wrapped key")
		default:
			err = a.notForTerminal(x.out)
		}
		if err != nil {
			return usage(c, err)
		}
		return a.on(x.target, x.wrap)
	}
	return c
}

// addTo gives a command the flags that both verbs have.
func (x *wrapping) addTo(a *app, c *cobra.Command, need ck.Flags) {
	c.Flags().StringVar(&x.with, "with", "", "label or `URI` of the key that wraps")
	complete(c.Flags(), "with", "key")
	x.mechanism.add(a, c, need, wrapFlags...)
}

// wrap wraps the key.
func (x *wrapping) wrap(s *session) error {
	key, err := s.one(x.target.object, ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY)
	if err != nil {
		return err
	}
	wrappingKey, err := x.wrappingKey(s)
	if err != nil {
		return err
	}
	class, err := s.ulong(key, ck.CKA_CLASS)
	if err != nil {
		return explain("reading the key", err)
	}
	mech, err := x.mechanismFor(s, wrappingKey, ck.C_WrapKey, ck.ObjectClass(class) == ck.CKO_PRIVATE_KEY)
	if err != nil {
		return err
	}
	wrapped, err := growing(make([]byte, 1<<14), func(b *ck.Buffer) error { return s.WrapKey(s.handle, mech, wrappingKey, key, b) })
	if err != nil {
		return s.explainWrap(key, wrappingKey, mech.Type, err)
	}
	return s.app.write(x.out, func(w io.Writer) error {
		_, err := w.Write(wrapped)
		return err
	})
}

// other returns what --with names.
func (x *wrapping) other() objectChoice {
	if pkcs11uri.Is(x.with) {
		return objectChoice{what: "wrapping key", uri: x.with}
	}
	return objectChoice{what: "wrapping key", label: x.with}
}

// wrappingKey finds the key to wrap with: a secret key, or the public half of a pair.
func (x *wrapping) wrappingKey(s *session) (ck.ObjectHandle, error) {
	if x.peer != "" {
		info, err := s.app.readPublicKey(x.peer)
		if err != nil {
			return 0, err
		}
		return s.publicObject(info, ck.CKA_WRAP)
	}
	list, err := s.matching(x.other(), ck.CKO_SECRET_KEY)
	if err != nil || len(list) == 1 {
		return first(list), err
	}
	pairs, err := s.matching(x.other(), ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return 0, err
	}
	if len(list) == 0 && len(pairs) > 0 {
		return s.public(x.other(), ck.CKA_WRAP)
	}
	return s.one(x.other(), ck.CKO_SECRET_KEY, ck.CKO_PUBLIC_KEY)
}

// mechanismFor makes the mechanism: the one that is named, or the usual one of the wrapping key. long says that what is wrapped is too long for OAEP.
func (x *wrapping) mechanismFor(s *session, wrappingKey ck.ObjectHandle, f ck.Function, long bool) (*ck.Mechanism, error) {
	m, err := x.mechanism.mechanism()
	if err != nil {
		return nil, err
	}
	if iv := x.mechanism.flags["iv"]; iv == "random" || iv == "zero" {
		return nil, misuse("--iv is %q, but must be hex digits: a key is unwrapped with the IV that it was wrapped with", iv)
	}
	if m == 0 {
		kind, err := s.keyType(wrappingKey)
		if err != nil {
			return nil, err
		}
		m = usualWrap(kind, long)
		if m == 0 {
			return nil, misuse("a key of type %s has no usual mechanism to wrap with: name one with --mechanism", word("CKK_", kind))
		}
	}
	return s.mechanism(wrappingKey, m, &x.mechanism, f)
}

// usualWrap is the usual mechanism of a type of wrapping keys, 0 where there is none.
func usualWrap(kind ck.KeyType, long bool) ck.MechanismType {
	switch kind {
	case ck.CKK_AES:
		return ck.CKM_AES_KEY_WRAP_KWP
	case ck.CKK_RSA:
		if long {
			return ck.CKM_RSA_AES_KEY_WRAP
		}
		return ck.CKM_RSA_PKCS_OAEP
	case ck.CKK_EC:
		return ck.CKM_ECDH_AES_KEY_WRAP
	case ck.CKK_EC_MONTGOMERY:
		return ck.CKM_ECDH_X_AES_KEY_WRAP
	}
	return 0
}

// explainWrap says why a key is not wrapped.
func (s *session) explainWrap(key, wrappingKey ck.ObjectHandle, m ck.MechanismType, err error) error {
	tried, code := fmt.Sprintf("wrapping with %v", m), ck.Code(err)
	switch _, known := wrapHints[code]; {
	case code == ck.CKR_KEY_NOT_WRAPPABLE && s.flag(key, ck.CKA_WRAP_WITH_TRUSTED) && !s.flag(wrappingKey, ck.CKA_TRUSTED):
		return fmt.Errorf("%s: %w\nthe key's CKA_WRAP_WITH_TRUSTED is true: only keys that the security officer calls trusted wrap it", tried, err)
	case code == ck.CKR_KEY_FUNCTION_NOT_PERMITTED && !s.flag(wrappingKey, ck.CKA_WRAP):
		return fmt.Errorf("%s: %w\nthe wrapping key is not made for wrapping: its CKA_WRAP is false", tried, err)
	case known:
		return explainBy(wrapHints, tried, err)
	}
	return explainUse("wrapping", m, err)
}
