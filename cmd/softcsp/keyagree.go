package main

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/mechparam"
	"github.com/softcsp/softcsp/mechanisms"
)

// An agreement is what key agree was asked for.
type agreement struct {
	target     *target
	mechanism  choiceOfMechanism
	peer       string
	hkdf, salt string
	info       string // of HKDF: taken from the flags of the mechanism
	secret     newSecret
}

func keyAgree(a *app) *cobra.Command {
	x := &agreement{target: newTarget("key")}
	c := &cobra.Command{
		Use:   "agree --label LABEL --peer FILE",
		Short: "Agree on a secret with the public key of another side",
		Long: `Agrees on a secret (Diffie-Hellman) with a private key of the token and the public key of another side, which is in a
file: a public key or a certificate, PEM or DER. Keys of elliptic curves, X25519, X448 and Diffie-Hellman do that.

With --derive-label the secret becomes a key of the token, of the --type that is given. With --print or --secret-out
it is shown instead.

Without more the key is what both sides agree on, or the end of it where --type is shorter. What two programs share is
better made of it by a key derivation function: --kdf is the one of ANSI X9.63 with a hash, --hkdf is HKDF (RFC 5869)
with one. --info says what the key is for, to both; --salt is for HKDF.`,
		Example: `  softcsp key agree --label mine --peer theirs.pem --hkdf sha256 --info text:session --type aes:256 \
      --derive-label session --pin-file user.pin
  softcsp key agree --label mine --peer theirs.pem --print --pin-file user.pin`,
		Args: exactly(0, ""),
	}
	f := c.Flags()
	f.StringVar(&x.peer, "peer", "", "`file` with the public key of the other side")
	f.StringVar(&x.hkdf, "hkdf", "", "`hash` of HKDF, which makes the key of the secret")
	f.StringVar(&x.salt, "salt", "", "`salt` of HKDF: "+bytesUsage)
	x.mechanism.add(a, c, ck.CKF_DERIVE, "kdf", "info")
	_ = c.RegisterFlagCompletionFunc("hkdf", cobra.FixedCompletions(hashWords(), cobra.ShellCompDirectiveNoFileComp))
	x.secret.addTo(a, c)
	x.target.addTo(c)
	c.RunE = func(*cobra.Command, []string) error {
		if err := x.check(); err != nil {
			return usage(c, err)
		}
		return a.on(x.target, x.run)
	}
	return c
}

// check tells what is wrong on the command line.
func (x *agreement) check() error {
	_, kdf := x.mechanism.flags["kdf"]
	info, hasInfo := x.mechanism.flags["info"]
	if x.hkdf != "" {
		x.info = info
		delete(x.mechanism.flags, "info")
	}
	switch {
	case x.peer == "":
		return errors.New("give --peer: the file with the public key of the other side")
	case x.hkdf != "" && kdf:
		return errors.New("give --kdf or --hkdf, not both")
	case x.hkdf == "" && x.salt != "":
		return errors.New("--salt is for --hkdf")
	case x.hkdf == "" && !kdf && hasInfo:
		return errors.New("--info is for --hkdf or --kdf")
	}
	return errors.Join(x.target.need(), x.secret.check())
}

// agreements are the usual mechanisms of types of keys.
var agreements = map[ck.KeyType]ck.MechanismType{
	ck.CKK_EC: ck.CKM_ECDH1_DERIVE, ck.CKK_EC_MONTGOMERY: ck.CKM_ECDH1_DERIVE, ck.CKK_DH: ck.CKM_DH_PKCS_DERIVE, ck.CKK_X9_42_DH: ck.CKM_X9_42_DH_DERIVE,
}

// run agrees on the secret.
func (x *agreement) run(s *session) error {
	key, err := s.one(x.target.object, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return err
	}
	if err := x.secret.vacant(s); err != nil {
		return err
	}
	public, err := x.publicValue(s, key)
	if err != nil {
		return err
	}
	mech, err := x.prepare(s, key, public)
	if err != nil {
		return err
	}
	if x.hkdf != "" {
		if key, mech, err = x.extract(s, key, mech); err != nil {
			return err
		}
	}
	template, err := x.secret.template(x.least())
	if err != nil {
		return err
	}
	made, err := s.derive(key, mech, template)
	if err != nil {
		return err
	}
	return x.secret.hand(s, made)
}

// least is how long a key is that a function makes, where --type does not say.
func (x *agreement) least() uint {
	name := x.hkdf
	if kdf := x.mechanism.flags["kdf"]; kdf != "" && kdf != "none" {
		name = kdf
	}
	h, err := hashNamed("kdf", name)
	if err != nil {
		return 0
	}
	return h.size
}

// prepare makes the mechanism.
func (x *agreement) prepare(s *session, key ck.ObjectHandle, public []byte) (*ck.Mechanism, error) {
	kind, err := s.keyType(key)
	if err != nil {
		return nil, err
	}
	m, err := x.mechanism.mechanism()
	if err != nil {
		return nil, err
	}
	if m == 0 {
		var ok bool
		if m, ok = agreements[kind]; !ok {
			return nil, fmt.Errorf("a key of type %s does not agree on secrets", word("CKK_", kind))
		}
	}
	form, values, err := x.mechanism.form(m, ck.C_DeriveKey)
	if err != nil {
		return nil, err
	}
	if form == nil {
		return nil, fmt.Errorf("%v does not take the public key of another side", m)
	}
	for _, name := range []string{"pPublicData", "bytes"} {
		if f := mechparam.Find(form, name); f != nil && !values.Has(name) {
			values.SetBytes(name, public)
		}
	}
	if err := s.completeParameter(key, m, form, &values); err != nil {
		return nil, err
	}
	p, err := mechparam.Make(form, values)
	return &ck.Mechanism{Type: m, Param: p}, err
}

// publicValue reads the other side's public key, as mechanisms take it: a point or a number. It must be one of the same group.
func (x *agreement) publicValue(s *session, key ck.ObjectHandle) ([]byte, error) {
	info, err := s.app.readPublicKey(x.peer)
	if err != nil {
		return nil, err
	}
	ours, err := s.publicKeyInfo(key)
	if err != nil {
		return nil, err
	}
	kind, theirs, err := mechanisms.UnmarshalPublic(info)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", x.peer, err)
	}
	ourKind, our, err := mechanisms.UnmarshalPublic(ours)
	if err != nil {
		return nil, explain("reading the public key", err)
	}
	value, same := []byte(nil), kind == ourKind && len(theirs) == len(our)
	for i := 0; same && i < len(our); i++ {
		switch t := theirs[i].Type; t {
		case ck.CKA_VALUE, ck.CKA_EC_POINT:
			value = theirs[i].Value
			if t == ck.CKA_EC_POINT {
				if _, err := asn1.Unmarshal(theirs[i].Value, &value); err != nil {
					return nil, fmt.Errorf("%s: %w", x.peer, err)
				}
			}
		default:
			same = t == our[i].Type && bytes.Equal(theirs[i].Value, our[i].Value)
		}
	}
	if !same {
		return nil, fmt.Errorf("%s: the other side's key is of another type, curve or group than the one %s", x.peer, x.target.object)
	}
	return value, nil
}

// extract makes a secret of a session of what both sides agree on, and the mechanism that makes the key of that by HKDF.
func (x *agreement) extract(s *session, key ck.ObjectHandle, mech *ck.Mechanism) (ck.ObjectHandle, *ck.Mechanism, error) {
	hkdf := choiceOfMechanism{flags: map[string]string{"hash": x.hkdf, "salt": x.salt, "info": x.info}}
	next, err := s.mechanism(key, ck.CKM_HKDF_DERIVE, &hkdf, ck.C_DeriveKey)
	if err != nil {
		return 0, nil, err
	}
	secret, err := s.derive(key, mech, []ck.Attribute{
		classIs(ck.CKO_SECRET_KEY), {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))}, yes(ck.CKA_TOKEN, false), yes(ck.CKA_DERIVE, true),
	})
	return secret, next, err
}

// derive derives a key.
func (s *session) derive(base ck.ObjectHandle, mech *ck.Mechanism, template []ck.Attribute) (key ck.ObjectHandle, err error) {
	err = s.DeriveKey(s.handle, mech, base, template, &key)
	if errors.Is(err, ck.CKR_TEMPLATE_INCONSISTENT) {
		return 0, fmt.Errorf("deriving with %v: %w", mech.Type, err)
	}
	return key, explainUse("deriving", mech.Type, err)
}
