package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
)

// A derivationFromKey is what key derive was asked for where it derives from a key of the token, by a mechanism of PKCS#11.
type derivationFromKey struct {
	base, other string // labels or URIs
	mechanism   choiceOfMechanism
	secret      newSecret
}

// addTo gives a command the flags, but for those that derivations from a password have too.
func (x *derivationFromKey) addTo(a *app, c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&x.base, "base", "", "`label` or URI of the key to derive from, instead of a password")
	f.StringVar(&x.other, "other", "", "`label` or URI of a second key: of CKM_CONCATENATE_BASE_AND_KEY")
	x.secret.addType(c)
	x.mechanism.add(a, c, ck.CKF_DERIVE, "salt", "info", "iv", "data")
	complete(f, "base", "key")
	complete(f, "other", "key")
}

// take takes what flags say that derivations from a password have too, and tells what is wrong on the command line.
func (x *derivationFromKey) take(d *derivation) error {
	x.secret.label, x.secret.id, x.secret.extractable, x.secret.print = d.key().label, d.key().id, d.exportable, d.print
	if d.hash != "" {
		x.mechanism.flags["hash"] = d.hash
	}
	switch {
	case d.algorithm != "" || d.dataFile != "" || d.password.given():
		return errors.New("--base derives from a key: leave --algorithm, --data-file and the password out")
	case !x.secret.kept() && !x.secret.print:
		return errors.New("give --label to keep the key in the token, or --print to see it")
	}
	return x.secret.check()
}

// secretKey returns the one secret key of a label or URI.
func (s *session) secretKey(what, name string) (ck.ObjectHandle, error) {
	k := objectChoice{what: what, label: name}
	if pkcs11uri.Is(name) {
		k.label, k.uri = "", name
	}
	return s.one(k, ck.CKO_SECRET_KEY)
}

// run derives the key.
func (x *derivationFromKey) run(s *session) error {
	if err := x.secret.vacant(s); err != nil {
		return err
	}
	base, err := s.secretKey("base key", x.base)
	if err != nil {
		return err
	}
	m, err := x.mechanism.mechanism()
	if err != nil {
		return err
	}
	if m == 0 {
		m = ck.CKM_HKDF_DERIVE
	}
	if x.other != "" {
		other, err := s.secretKey("other key", x.other)
		if err != nil {
			return err
		}
		x.mechanism.fields = append(x.mechanism.fields, fmt.Sprintf("value=%d", uint(other)))
	}
	mech, err := s.mechanism(base, m, &x.mechanism, ck.C_DeriveKey)
	if err != nil {
		return err
	}
	least := uint(0)
	switch m {
	case ck.CKM_HKDF_DERIVE, ck.CKM_SHAKE_128_KEY_DERIVATION, ck.CKM_SHAKE_256_KEY_DERIVATION: // which give any length
		least = 32
	}
	template, err := x.secret.template(least)
	if err != nil {
		return err
	}
	key, err := s.derive(base, mech, template)
	switch {
	case errors.Is(err, ck.CKR_TEMPLATE_INCONSISTENT):
		return fmt.Errorf("%w\na key that %v makes is for no more than its base key, and leaves the token only if that does", err, m)
	case err != nil:
		return err
	}
	return x.secret.hand(s, key)
}
