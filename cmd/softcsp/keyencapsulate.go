package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// An encapsulation is what key encapsulate or key decapsulate was asked for.
type encapsulation struct {
	target    *target
	mechanism choiceOfMechanism
	peer      string // of key encapsulate: a file with the public key
	in        string // of key decapsulate: the ciphertext
	out       string // of key encapsulate: likewise
	secret    newSecret
}

const encapsulateHelp = `The usual mechanism is that of the key's type: ML-KEM, ECDH for keys of elliptic curves, X25519 and X448, and for RSA
a random key that is encrypted with OAEP. --mechanism takes any other. Its parameter is made of the flags for it, and
of --parameter FIELD=VALUE with the names that PKCS#11 gives the fields.

With --derive-label the secret becomes a key of the token, of the --type that is given. With --print or --secret-out
it is shown instead.`

func keyEncapsulate(a *app) *cobra.Command {
	x := &encapsulation{target: newTarget("key")}
	c := &cobra.Command{
		Use:   "encapsulate --label LABEL --out CIPHERTEXT",
		Short: "Make a secret key, and its ciphertext for a public key",
		Long: `Makes a secret key that only who has the private key can have as well, by the ciphertext in --out: key encapsulation.
The public key is one of the token, or the other half of a private key that is named, or with --peer the one in a file
(a public key or a certificate, PEM or DER).

` + encapsulateHelp,
		Example: `  softcsp key encapsulate --peer theirs.pem --out ciphertext --type aes:256 --derive-label session --pin-file user.pin
  softcsp key encapsulate --peer theirs.pem --out ciphertext --print`,
		Args: exactly(0, ""),
	}
	c.Flags().StringVar(&x.peer, "peer", "", "`file` with the public key, instead of one of the token")
	a.addPublicOut(c, &x.out, "", "`file` to write the ciphertext to")
	return x.addTo(a, c, ck.CKF_ENCAPSULATE, func() error {
		switch {
		case x.out == "":
			return errors.New("give --out: the file for the ciphertext")
		case x.peer != "" && x.target.object.given():
			return errors.New("give --peer, or a key of the token, not both")
		case x.peer == "":
			return errors.Join(x.target.need(), a.notForTerminal(x.out))
		}
		return a.notForTerminal(x.out)
	}, x.encapsulate)
}

func keyDecapsulate(a *app) *cobra.Command {
	x := &encapsulation{target: newTarget("key")}
	c := &cobra.Command{
		Use:     "decapsulate --label LABEL CIPHERTEXT",
		Short:   "Get the secret key of a ciphertext, with the private key",
		Long:    "Gets the secret key that was made for the ciphertext in a file, with a private key of the token.\n\n" + encapsulateHelp,
		Example: "  softcsp key decapsulate --label mine --type aes:256 --derive-label session --pin-file user.pin ciphertext",
		Args:    exactly(1, "one file, or - for standard input"),
	}
	return x.addTo(a, c, ck.CKF_DECAPSULATE, x.target.need, x.decapsulate)
}

// addTo gives a command what both verbs have: flags, and what checks them and calls f.
func (x *encapsulation) addTo(a *app, c *cobra.Command, need ck.Flags, check func() error, f func(*session) error) *cobra.Command {
	x.mechanism.add(a, c, need, "hash", "mgf", "oaep-label", "kdf", "info")
	x.secret.addTo(a, c)
	x.target.addTo(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			x.in = args[0]
		}
		if err := errors.Join(check(), x.secret.check()); err != nil {
			return usage(c, err)
		}
		if x.peer != "" && !x.secret.kept() {
			return a.apart(f)
		}
		if need == ck.CKF_ENCAPSULATE && !x.secret.kept() {
			return a.onPublic(x.target, f)
		}
		return a.on(x.target, f)
	}
	return c
}

// encapsulations are the usual mechanisms of types of keys.
var encapsulations = map[ck.KeyType]ck.MechanismType{
	ck.CKK_ML_KEM: ck.CKM_ML_KEM, ck.CKK_RSA: ck.CKM_RSA_PKCS_OAEP, ck.CKK_EC: ck.CKM_ECDH1_DERIVE, ck.CKK_EC_MONTGOMERY: ck.CKM_ECDH1_DERIVE,
	ck.CKK_DH: ck.CKM_DH_PKCS_DERIVE, ck.CKK_X9_42_DH: ck.CKM_X9_42_DH_DERIVE,
}

// prepare makes the mechanism for a key, and the template of the secret.
func (x *encapsulation) prepare(s *session, key ck.ObjectHandle, f ck.Function) (*ck.Mechanism, []ck.Attribute, error) {
	if err := x.secret.vacant(s); err != nil {
		return nil, nil, err
	}
	kind, err := s.keyType(key)
	if err != nil {
		return nil, nil, err
	}
	m, err := x.mechanism.mechanism()
	if err != nil {
		return nil, nil, err
	}
	if m == 0 {
		var ok bool
		if m, ok = encapsulations[kind]; !ok {
			return nil, nil, fmt.Errorf("a key of type %s does not encapsulate", word("CKK_", kind))
		}
	}
	mech, err := s.mechanism(key, m, &x.mechanism, f)
	if err != nil {
		return nil, nil, err
	}
	least := uint(0)
	if _, hashed := x.mechanism.flags["kdf"]; hashed || kind == ck.CKK_RSA && m != ck.CKM_RSA_X_509 && f == ck.C_EncapsulateKey {
		least = 32 // there is no length that follows
	}
	template, err := x.secret.template(least)
	return mech, template, err
}

// encapsulate makes the key and its ciphertext.
func (x *encapsulation) encapsulate(s *session) error {
	key, err := x.public(s)
	if err != nil {
		return err
	}
	mech, template, err := x.prepare(s, key, ck.C_EncapsulateKey)
	if err != nil {
		return err
	}
	var made ck.ObjectHandle
	ciphertext, err := growing(make([]byte, 1<<12), func(b *ck.Buffer) (err error) {
		made, err = s.EncapsulateKey(s.handle, mech, key, template, b)
		return err
	})
	if err != nil {
		return explainUse("encapsulating", mech.Type, err)
	}
	err = s.app.writePublic(x.out, func(w io.Writer) error {
		_, err := w.Write(ciphertext)
		return err
	})
	if err == nil {
		return x.secret.hand(s, made)
	}
	return errors.Join(err, s.DestroyObject(s.handle, made)) // nobody has the other one
}

// public returns the public key.
func (x *encapsulation) public(s *session) (ck.ObjectHandle, error) {
	if x.peer == "" {
		return s.public(x.target.object, ck.CKA_ENCAPSULATE)
	}
	info, err := s.app.readPublicKey(x.peer)
	if err != nil {
		return 0, err
	}
	return s.publicObject(info, ck.CKA_ENCAPSULATE)
}

// decapsulate gets the key of a ciphertext.
func (x *encapsulation) decapsulate(s *session) error {
	key, err := s.one(x.target.object, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return err
	}
	mech, template, err := x.prepare(s, key, ck.C_DecapsulateKey)
	if err != nil {
		return err
	}
	in, err := s.app.read(x.in)
	if err != nil {
		return err
	}
	defer in.Close()
	ciphertext, err := io.ReadAll(io.LimitReader(in, maxSecret))
	if err != nil {
		return err
	}
	made, err := s.DecapsulateKey(s.handle, mech, key, template, ciphertext)
	switch ck.Code(err) {
	case ck.CKR_WRAPPED_KEY_INVALID, ck.CKR_WRAPPED_KEY_LEN_RANGE:
		return fmt.Errorf("decapsulating with %v: %w\n%s is no ciphertext for this key and mechanism, or one of a key of another --type", mech.Type, err, in.name)
	}
	if err != nil {
		return explainUse("decapsulating", mech.Type, err)
	}
	return x.secret.hand(s, made)
}
