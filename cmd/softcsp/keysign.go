package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// A signing is what key sign or key verify was asked for.
type signing struct {
	target    *target
	mechanism choiceOfMechanism
	pss, raw  bool
	in        string
	out       string // of key sign
	verify    bool
	signature string // of key verify: a file
	publicKey string // of key verify: a file with a key, in the place of one of the token
}

const signHelp = `The usual mechanism is that of the key's type:

  RSA             PKCS#1 v1.5 with SHA-256, or with the --hash that is given; with --pss PSS
  EC, DSA         ECDSA or DSA with SHA-256 or --hash
  Ed25519, Ed448  EdDSA of the file as it is; with --hash sha512 Ed25519ph, with --hash shake256 Ed448ph
  ML-DSA          the file as it is; with --hash HashML-DSA
  SLH-DSA         the file as it is; with --hash HashSLH-DSA

--mechanism takes any other. Its parameter is made of the flags for it, and of --parameter FIELD=VALUE with the names
that PKCS#11 gives the fields.

A signature of an EC or DSA key is DER-encoded, as OpenSSL and X.509 have it; --raw is the one of PKCS#11: r and s,
one behind the other.

The file, or standard input ("-"), may be of any size: it is hashed part by part. EdDSA, ML-DSA and SLH-DSA without
--hash read it more than once, so it is kept in memory there, and is at most 1 GiB long.`

func keySign(a *app) *cobra.Command {
	x := &signing{target: newTarget("key")}
	c := &cobra.Command{
		Use:   "sign --label LABEL FILE",
		Short: "Sign a file with a private key of the token",
		Long:  "Signs a file with a private key, and writes the signature to --out or standard output.\n\n" + signHelp,
		Example: `  softcsp key sign --label server --pin-file user.pin --out report.sig report.pdf
  openssl dgst -sha256 -verify server.pem -signature report.sig report.pdf`,
		Args: exactly(1, "one file, or - for standard input"),
	}
	a.addPublicOut(c, &x.out, "-", "`file` to write, \"-\" for standard output")
	return x.addTo(a, c, func(s *session) error { return x.sign(s) })
}

func keyVerify(a *app) *cobra.Command {
	x := &signing{target: newTarget("key"), verify: true}
	c := &cobra.Command{
		Use:   "verify --label LABEL --signature SIGNATURE FILE",
		Short: "Verify the signature of a file with a public key",
		Long: `Verifies the signature of a file. The public key is one of the token, or the other half of a private key that is
named, or with --public-key the one in a file (a public key or a certificate, PEM or DER). The exit code is 0 for a
good signature, and 1 for any other.

` + signHelp,
		Example: "  softcsp key verify --label server --signature report.sig report.pdf",
		Args:    exactly(1, "one file, or - for standard input"),
	}
	c.Flags().StringVarP(&x.signature, "signature", "s", "", "`file` with the signature")
	c.Flags().StringVar(&x.publicKey, "public-key", "", "`file` with the public key, instead of one of the token")
	return x.addTo(a, c, func(s *session) error { return x.check(s) })
}

// addTo gives a command what both verbs have: flags, and what checks them and calls f.
func (x *signing) addTo(a *app, c *cobra.Command, f func(*session) error) *cobra.Command {
	need := ck.CKF_SIGN
	if x.verify {
		need = ck.CKF_VERIFY
	}
	x.mechanism.add(a, c, need, "hash", "mgf", "salt-len", "context", "hedge")
	c.Flags().BoolVar(&x.pss, "pss", false, "RSA-PSS, for an RSA key")
	c.Flags().BoolVar(&x.raw, "raw", false, "r and s as PKCS#11 has them, for an EC or DSA key")
	x.target.addTo(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		x.in = args[0]
		switch {
		case x.verify && x.signature == "":
			return usage(c, errors.New("give --signature: the file with the signature"))
		case x.publicKey != "" && x.target.object.given():
			return usage(c, errors.New("give --public-key, or a key of the token, not both"))
		case x.pss && x.mechanism.name != "":
			return usage(c, errors.New("give --pss or --mechanism, not both"))
		case x.publicKey != "":
			return a.apart(f)
		}
		if err := x.target.need(); err != nil {
			return usage(c, err)
		}
		if err := a.notForTerminal(x.out); err != nil {
			return usage(c, err)
		}
		if x.verify {
			return a.onPublic(x.target, f)
		}
		return a.on(x.target, f)
	}
	return c
}

// apart calls f with a session with a token in memory, for what needs none of the user's.
func (a *app) apart(f func(*session) error) error {
	s, err := a.scratch()
	if err != nil {
		return err
	}
	defer s.client.close()
	return f(s)
}

// onPublic calls f with a session with the token that is meant. The user logs in only where the object cannot be seen otherwise.
func (a *app) onPublic(t *target, f func(*session) error) error {
	if err := t.resolve(); err != nil {
		return err
	}
	return a.with(t.token, func(s *session) error {
		list, err := s.matching(t.object, ck.CKO_PUBLIC_KEY)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			if err := s.login(ck.CKU_USER, t.pin); err != nil {
				return err
			}
		}
		return f(s)
	})
}

// signFamilies are the usual mechanisms of types of keys: without a hash, and the names of those with one. RSA, EC and DSA hash with SHA-256 where
// nothing is said.
var signFamilies = map[ck.KeyType]struct {
	pure   ck.MechanismType // 0 where a hash is taken
	hashed string           // with % for the hash
}{
	ck.CKK_RSA:        {0, "CKM_%_RSA_PKCS"},
	ck.CKK_EC:         {0, "CKM_ECDSA_%"},
	ck.CKK_DSA:        {0, "CKM_DSA_%"},
	ck.CKK_EC_EDWARDS: {ck.CKM_EDDSA, "CKM_EDDSA"},
	ck.CKK_ML_DSA:     {ck.CKM_ML_DSA, "CKM_HASH_ML_DSA_%"},
	ck.CKK_SLH_DSA:    {ck.CKM_SLH_DSA, "CKM_HASH_SLH_DSA_%"},
	ck.CKK_HSS:        {ck.CKM_HSS, ""},
	ck.CKK_XMSS:       {ck.CKM_XMSS, ""},
	ck.CKK_XMSSMT:     {ck.CKM_XMSSMT, ""},
}

// usual returns the mechanism that signs with a key of a type, where none is named. A hash that is in its name is no longer one of its parameter.
func (x *signing) usual(kind ck.KeyType) (ck.MechanismType, error) {
	family, ok := signFamilies[kind]
	if !ok {
		return 0, fmt.Errorf("a key of type %s does not sign", word("CKK_", kind))
	}
	if x.pss && kind != ck.CKK_RSA {
		return 0, misuse("--pss is for RSA keys; the key is of type %s", word("CKK_", kind))
	}
	name, given := x.mechanism.flags["hash"]
	switch {
	case !given && family.pure != 0:
		return family.pure, nil
	case !given:
		name = "sha256"
	case family.hashed == "":
		return 0, misuse("--hash: a key of type %s has a hash of its own", word("CKK_", kind))
	}
	h, err := hashNamed("hash", name)
	if err != nil {
		return 0, err
	}
	text := strings.Replace(family.hashed, "%", h.in, 1)
	if x.pss {
		text += "_PSS"
	}
	m, ok := ck.ParseMechanismType(text)
	if !ok {
		return 0, misuse("--hash %s: PKCS#11 has no signatures of keys of type %s with it", name, word("CKK_", kind))
	}
	if m != family.pure {
		delete(x.mechanism.flags, "hash")
	}
	return m, nil
}

// prepare finds the mechanism for a key.
func (x *signing) prepare(s *session, key ck.ObjectHandle, f ck.Function) (kind ck.KeyType, mech *ck.Mechanism, err error) {
	if kind, err = s.keyType(key); err != nil {
		return 0, nil, err
	}
	m, err := x.mechanism.mechanism()
	if err != nil {
		return 0, nil, err
	}
	if m == 0 {
		if m, err = x.usual(kind); err != nil {
			return 0, nil, err
		}
	}
	if err := x.checkPreHash(s, key, m); err != nil {
		return 0, nil, err
	}
	if x.raw && !pairs(kind) {
		return 0, nil, misuse("--raw is for EC and DSA keys; signatures of a key of type %s have one form", word("CKK_", kind))
	}
	mech, err = s.mechanism(key, m, &x.mechanism, f)
	return kind, mech, err
}

// oidEd448 is id-Ed448 of RFC 8410 in the AlgorithmIdentifier of a key.
var oidEd448 = []byte{0x30, 5, 6, 3, 0x2b, 0x65, 0x71}

// checkPreHash sees that the hash of Ed25519ph or Ed448ph is the one that RFC 8032 fixes: the parameter of CKM_EDDSA says no more than that there is one.
func (x *signing) checkPreHash(s *session, key ck.ObjectHandle, m ck.MechanismType) error {
	name, given := x.mechanism.flags["hash"]
	if !given || m != ck.CKM_EDDSA {
		return nil
	}
	info, err := s.publicKeyInfo(key)
	if err != nil {
		return err
	}
	scheme, want := "Ed25519ph", "sha512"
	if bytes.Contains(info, oidEd448) {
		scheme, want = "Ed448ph", "shake256"
	}
	if h, err := hashNamed("hash", name); err != nil {
		return err
	} else if h.name != want {
		return misuse("--hash is %q, but %s hashes with %s", name, scheme, want)
	}
	return nil
}

// sign signs the file.
func (x *signing) sign(s *session) error {
	key, err := s.one(x.target.object, ck.CKO_PRIVATE_KEY)
	if err != nil {
		if list, _ := s.matching(x.target.object, ck.CKO_SECRET_KEY); len(list) > 0 {
			return fmt.Errorf("%w\na secret key makes a MAC: softcsp key mac", err)
		}
		return err
	}
	kind, mech, err := x.prepare(s, key, ck.C_SignInit)
	if err != nil {
		return err
	}
	in, err := s.app.read(x.in)
	if err != nil {
		return err
	}
	defer in.Close()
	k := signer{s: s, key: key, mech: mech, der: pairs(kind) && !x.raw}
	sig, err := k.sign(in, in.size)
	if err != nil {
		return err
	}
	return s.app.writePublic(x.out, func(w io.Writer) error {
		_, err := w.Write(sig)
		return err
	})
}
