package token

import (
	"encoding/asn1"

	"github.com/softcsp/softcsp/ck"
)

// An x509Certificate is a certificate as RFC 5280, section 4.1, has it, taken apart as far as its attributes go.
type x509Certificate struct {
	TBS struct {
		Version    int           `asn1:"optional,explicit,default:0,tag:0"`
		Serial     asn1.RawValue // an INTEGER, whatever its length and sign
		Algorithm  asn1.RawValue
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Extensions asn1.RawValue `asn1:"optional"`
	}
	Algorithm asn1.RawValue
	Signature asn1.BitString
}

// fillFromCertificate takes from the value of an X.509 certificate the attributes that its template leaves out (sections 4.6.2 and
// 4.6.3), so that searches find the certificate by them. An attribute of the template stays even where it differs from the value, and a
// value that is no certificate is accepted: applications store both, and the standard leaves it to them. The dates are never filled in.
func (d *draft) fillFromCertificate() error {
	var c x509Certificate
	if rest, err := asn1.Unmarshal(d.bytes(ck.CKA_VALUE), &c); err != nil || len(rest) != 0 || c.TBS.Serial.Tag != asn1.TagInteger {
		return nil
	}
	for _, a := range []ck.Attribute{
		{Type: ck.CKA_ISSUER, Value: c.TBS.Issuer.FullBytes}, {Type: ck.CKA_SERIAL_NUMBER, Value: c.TBS.Serial.FullBytes},
		{Type: ck.CKA_PUBLIC_KEY_INFO, Value: c.TBS.PublicKey.FullBytes},
	} {
		if i := d.table.find(a.Type); d.decided>>i&1 == 0 {
			if err := d.put(i, a.Value); err != nil {
				return err
			}
		}
	}
	return nil
}
