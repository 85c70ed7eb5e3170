package softcsp

import (
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"iter"

	"github.com/softcsp/softcsp/ck"
)

// Certificate finds a certificate.
func (t *Token) Certificate(name string) (*x509.Certificate, error) {
	o, err := t.find(name, ck.CKO_CERTIFICATE)
	if err != nil {
		return nil, err
	}
	return t.certificate(o)
}

// Certificates returns the X.509 certificates of the token. It ends with the first error; one that Go cannot read is passed over.
func (t *Token) Certificates() iter.Seq2[*x509.Certificate, error] {
	return all(t, ck.CKO_CERTIFICATE, t.certificate)
}

func (t *Token) certificate(o ck.ObjectHandle) (*x509.Certificate, error) {
	v, err := t.attributes(o, ck.CKA_VALUE)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(v[0])
	if err != nil {
		return nil, fmt.Errorf("softcsp: a certificate: %w: %w", errors.ErrUnsupported, err)
	}
	return c, nil
}

// ImportCertificate puts a certificate into the token, beside the key that it is for if that is there: it has the ID of the key then.
func (t *Token) ImportCertificate(c *x509.Certificate, label string) error {
	id := c.SubjectKeyId
	if keys, err := t.search([]ck.Attribute{
		ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), {Type: ck.CKA_PUBLIC_KEY_INFO, Value: c.RawSubjectPublicKeyInfo},
	}); err != nil {
		return err
	} else if len(keys) > 0 {
		v, err := t.attributes(keys[0], ck.CKA_ID)
		if err != nil {
			return err
		}
		id = v[0]
	}
	if len(id) == 0 {
		sum := sha1.Sum(c.RawSubjectPublicKeyInfo)
		id = sum[:]
	}
	serial, err := asn1.Marshal(c.SerialNumber)
	if err != nil {
		return failed("importing a certificate", err)
	}
	err = t.do(func(s ck.SessionHandle) error {
		_, err := t.module.CreateObject(s, []ck.Attribute{
			ulong(ck.CKA_CLASS, ck.CKO_CERTIFICATE), ulong(ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509), flag(ck.CKA_TOKEN, true), flag(ck.CKA_PRIVATE, false),
			{Type: ck.CKA_LABEL, Value: []byte(label)}, {Type: ck.CKA_ID, Value: id}, {Type: ck.CKA_SUBJECT, Value: c.RawSubject},
			{Type: ck.CKA_ISSUER, Value: c.RawIssuer}, {Type: ck.CKA_SERIAL_NUMBER, Value: serial}, {Type: ck.CKA_VALUE, Value: c.Raw},
		})
		return err
	})
	if err != nil {
		return failed("importing a certificate", err)
	}
	return nil
}

// DeleteCertificate deletes a certificate, and leaves its key.
func (t *Token) DeleteCertificate(c *x509.Certificate) error {
	list, err := t.search([]ck.Attribute{ulong(ck.CKA_CLASS, ck.CKO_CERTIFICATE), {Type: ck.CKA_VALUE, Value: c.Raw}})
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("%w: the certificate of %s is not in token %q", ErrNotFound, c.Subject, t.info.Label)
	}
	return t.do(func(s ck.SessionHandle) error {
		for _, o := range list {
			if err := t.module.DestroyObject(s, o); err != nil {
				return failed("deleting a certificate", err)
			}
		}
		return nil
	})
}

// TLSCertificate returns the key with its certificate, the one that is valid longest if there are several, and with the certificates of
// its issuers that are in the token, for [tls.Config].
func (k *PrivateKey) TLSCertificate() (tls.Certificate, error) {
	var known []*x509.Certificate
	var leaf *x509.Certificate
	for c, err := range k.token.Certificates() {
		if err != nil {
			return tls.Certificate{}, err
		}
		known = append(known, c)
		if bytes.Equal(c.RawSubjectPublicKeyInfo, k.information) && (leaf == nil || c.NotAfter.After(leaf.NotAfter)) {
			leaf = c
		}
	}
	if leaf == nil {
		return tls.Certificate{}, fmt.Errorf("%w: no certificate for the private key %q in token %q", ErrNotFound, k.label, k.token.info.Label)
	}
	chain := tls.Certificate{PrivateKey: k, Leaf: leaf}
	if rsa, err := k.Decrypter(); err == nil { // as the oldest key exchange needs
		chain.PrivateKey = rsa
	}
	for c := leaf; c != nil && len(chain.Certificate) < longestChain; c = issuer(c, known) {
		chain.Certificate = append(chain.Certificate, c.Raw)
	}
	return chain, nil
}

// longestChain ends chains that lead in circles.
const longestChain = 10

// issuer returns the certificate that another one was signed with. The root signs itself, and clients have it: it is in no chain.
func issuer(c *x509.Certificate, known []*x509.Certificate) *x509.Certificate {
	for _, i := range known {
		if bytes.Equal(i.RawSubject, c.RawIssuer) && !bytes.Equal(i.RawSubject, i.RawIssuer) && c.CheckSignatureFrom(i) == nil {
			return i
		}
	}
	return nil
}
