package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/x509cert"
)

// A request is what key csr was asked for.
type request struct {
	target    *target
	signature certSignature
	subject   string
	names     []string
	usages    usageFlags
	format    string
	out       string
}

// A certSignature is the flags that say how a certificate or request is signed.
type certSignature struct {
	hash string
	pss  bool
}

func (x *certSignature) addTo(c *cobra.Command) {
	c.Flags().StringVar(&x.hash, "hash", "", "`hash` of the signature (default sha256; EdDSA, ML-DSA and SLH-DSA have none)")
	c.Flags().BoolVar(&x.pss, "pss", false, "RSA-PSS, for an RSA key")
	_ = c.RegisterFlagCompletionFunc("hash", cobra.FixedCompletions(x509cert.Hashes(), cobra.ShellCompDirectiveNoFileComp))
}

// A usageFlags is the flags that say what a certificate is for.
type usageFlags struct{ key, extended []string }

func (x *usageFlags) addTo(c *cobra.Command) {
	c.Flags().StringSliceVar(&x.key, "usage", nil, "`uses` of the key: digitalSignature, keyEncipherment, keyAgreement, …")
	c.Flags().StringSliceVar(&x.extended, "eku", nil, "`purposes` of the certificate: serverAuth, clientAuth, codeSigning, emailProtection, … or OIDs")
	_ = c.RegisterFlagCompletionFunc("usage", cobra.FixedCompletions(x509cert.Usages(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("eku", cobra.FixedCompletions(x509cert.Purposes(), cobra.ShellCompDirectiveNoFileComp))
}

// extensions are those of the flags that were given.
func (x *usageFlags) extensions() (list []x509cert.Extension, err error) {
	if len(x.key) > 0 {
		e, err := x509cert.KeyUsage(x.key)
		if err != nil {
			return nil, misuse("--usage: %w", err)
		}
		list = append(list, e)
	}
	if len(x.extended) > 0 {
		e, err := x509cert.ExtKeyUsage(x.extended)
		if err != nil {
			return nil, misuse("--eku: %w", err)
		}
		list = append(list, e)
	}
	return list, nil
}

const (
	sanUsage     = "further `name`: DNS:host, IP:address, email:address or URI:uri; may be given several times"
	subjectUsage = "`name`, as OpenSSL writes it: /C=DE/O=Example/CN=host"
)

func keyCSR(a *app) *cobra.Command {
	x := &request{target: newTarget("key")}
	c := &cobra.Command{
		Use:   "csr --label LABEL --subject /CN=NAME",
		Short: "Make a request for a certificate of a key (PKCS#10)",
		Long: `Makes a request for a certificate, signed with the private key, which a certification authority makes a certificate
of: also "softcsp key certificate --csr". Every type of key that signs will do. The name is written as OpenSSL's -subj
has it: /C=DE/O=Example/CN=host, with a backslash before a slash or plus within a value.

Web servers are known by --san, which may be given several times, and not by their subject.`,
		Example: "  softcsp key csr --label server --subject /CN=www.example.org --san www.example.org --pin-file user.pin --out server.csr",
		Args:    exactly(0, ""),
	}
	c.Flags().StringVar(&x.subject, "subject", "", subjectUsage)
	c.Flags().StringArrayVar(&x.names, "san", nil, sanUsage)
	x.usages.addTo(c)
	x.signature.addTo(c)
	a.addFormat(c, &x.format, &x.out)
	x.target.addTo(c)
	c.RunE = func(*cobra.Command, []string) error {
		if x.subject == "" {
			return usage(c, errors.New("give --subject: the name, /CN=host say"))
		}
		if err := errors.Join(x.target.need(), checkFormat(&x.format)); err != nil {
			return usage(c, err)
		}
		return a.on(x.target, x.run)
	}
	return c
}

func (a *app) addFormat(c *cobra.Command, format, out *string) {
	c.Flags().StringVar(format, "format", "pem", "`form`: pem or der")
	a.addPublicOut(c, out, "-", "`file` to write, \"-\" for standard output")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"pem", "der"}, cobra.ShellCompDirectiveNoFileComp))
}

func checkFormat(format *string) (err error) {
	*format, err = oneOf("format", *format, "pem", "der")
	return err
}

// run makes the request.
func (x *request) run(s *session) error {
	subject, err := x509cert.ParseName(x.subject)
	if err != nil {
		return misuse("--subject: %w", err)
	}
	extensions, err := x.usages.extensions()
	if err != nil {
		return err
	}
	if len(x.names) > 0 {
		e, err := x509cert.SubjectAltName(x.names, x.subject == "/")
		if err != nil {
			return misuse("--san: %w", err)
		}
		extensions = append(extensions, e)
	}
	key, err := s.one(x.target.object, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return err
	}
	info, err := s.publicKeyInfo(key)
	if err != nil {
		return err
	}
	tbs, err := x509cert.RequestToBeSigned(subject, info, extensions)
	if err != nil {
		return err
	}
	how, algorithm, err := x.signature.signer(s, key)
	if err != nil {
		return err
	}
	raw, err := how.sealed(tbs, algorithm)
	if err != nil {
		return err
	}
	return s.app.writeX509(x.out, x.format, "CERTIFICATE REQUEST", raw)
}

// writeX509 writes DER, or PEM of a type.
func (a *app) writeX509(out, format, kind string, raw []byte) error {
	if format == "pem" {
		raw = pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw})
	}
	return a.writePublic(out, func(w io.Writer) error {
		_, err := w.Write(raw)
		return err
	})
}

// certFamilies are the families of signatures of types of keys, those with a hash.
var certFamilies = map[ck.KeyType]x509cert.Family{ck.CKK_RSA: x509cert.RSA, ck.CKK_EC: x509cert.ECDSA, ck.CKK_DSA: x509cert.DSA}

// signer returns what signs certificates with a key, and the AlgorithmIdentifier.
func (x *certSignature) signer(s *session, key ck.ObjectHandle) (*signer, []byte, error) {
	kind, err := s.keyType(key)
	if err != nil {
		return nil, nil, err
	}
	info, err := s.publicKeyInfo(key)
	if err != nil {
		return nil, nil, err
	}
	algorithm, err := x.algorithm(kind, info)
	if err != nil {
		return nil, nil, err
	}
	how := signing{pss: x.pss, mechanism: choiceOfMechanism{flags: make(map[string]string)}}
	if x.hash != "" {
		how.mechanism.flags["hash"] = x.hash
	}
	_, mech, err := how.prepare(s, key, ck.C_SignInit)
	return &signer{s: s, key: key, mech: mech, der: pairs(kind)}, algorithm, err
}

// algorithm returns the AlgorithmIdentifier of signatures with a key.
func (x *certSignature) algorithm(kind ck.KeyType, info []byte) ([]byte, error) {
	family, hashed := certFamilies[kind]
	if !hashed {
		if _, signs := signFamilies[kind]; !signs {
			return nil, fmt.Errorf("a key of type %s does not sign: it gets a certificate of another key, with --issuer-key", word("CKK_", kind))
		}
		if x.hash != "" {
			return nil, misuse("--hash: certificates that a key of type %s signs are not hashed before", word("CKK_", kind))
		}
		return x509cert.OwnAlgorithm(info)
	}
	hash := "sha256"
	if x.hash != "" {
		h, err := hashNamed("hash", x.hash)
		if err != nil {
			return nil, err
		}
		hash = h.name
	}
	if x.pss {
		family = x509cert.PSS
	}
	algorithm, ok := x509cert.Algorithm(family, hash)
	if !ok {
		return nil, misuse("--hash: certificates are not signed with %s; there are %s", hash, strings.Join(x509cert.Hashes(), ", "))
	}
	return algorithm, nil
}

// sealed signs.
func (k *signer) sealed(tbs, algorithm []byte) ([]byte, error) {
	sig, err := k.sign(bytes.NewReader(tbs), int64(len(tbs)))
	if err != nil {
		return nil, err
	}
	return x509cert.Sealed(tbs, algorithm, sig)
}

// verifyRequest sees that who asks for a certificate has the key.
func (s *session) verifyRequest(name string, r *x509cert.Request) error {
	key, err := s.publicObject(r.PublicKey, ck.CKA_VERIFY)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	kind, err := s.keyType(key)
	if err != nil {
		return err
	}
	how := signing{mechanism: choiceOfMechanism{flags: make(map[string]string)}, verify: true}
	family, hash, hashed := x509cert.FindAlgorithm(r.Algorithm)
	want := certFamilies[kind]
	if family == x509cert.PSS {
		how.pss, family = true, x509cert.RSA
	}
	own, err := x509cert.OwnAlgorithm(r.PublicKey)
	switch {
	case hashed && family == want:
		how.mechanism.flags["hash"] = hash
	case hashed || err != nil || !slices.Equal(own, r.Algorithm):
		return fmt.Errorf("%s is signed with an algorithm that softcsp does not verify, or that is not one of its key", name)
	}
	_, mech, err := how.prepare(s, key, ck.C_VerifyInit)
	if err != nil {
		return err
	}
	sig, err := s.plainSignature(key, kind, r.Signature)
	if err != nil {
		return fmt.Errorf("%s: its signature %w", name, err)
	}
	return s.verify(key, mech, name, bytes.NewReader(r.Signed), int64(len(r.Signed)), sig)
}
