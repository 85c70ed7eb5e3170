package token

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"math/bits"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// checkConsistency checks the attributes of an object against each other, and adds those that follow from others.
func (d *draft) checkConsistency(r *request) error {
	n := 0
	for s := d.present; s != 0; s &= s - 1 {
		if n += len(d.values[bits.TrailingZeros64(s)]); n > maxBlob {
			return errTooLarge
		}
	}
	if r.how < byDerive && d.flag(ck.CKA_ALWAYS_AUTHENTICATE) && d.bools>>rowPrivate&1 == 0 {
		// Section 4.10. A derivation is exempt, because CKM_SOFTCSP_CRYPT_DERIVE_KEY can set the attribute of public objects, too.
		return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_ALWAYS_AUTHENTICATE)
	}
	if d.present&d.table.restricting != 0 {
		if err := d.checkDates(); err != nil {
			return err
		}
	}
	var err error
	switch {
	case d.table.isSecret() && r.how < byCopy:
		if err = d.checkSecretKey(r.how); err == nil && d.table.class == ck.CKO_OTP_KEY {
			err = d.completeOTP()
		}
	case d.table.class == ck.CKO_CERTIFICATE:
		if err = d.checkCertificate(); err == nil && r.how == byCreate && d.table.subtype == uint(ck.CKC_X_509) {
			err = d.fillFromCertificate()
		}
	case d.table.class == ck.CKO_TRUST:
		err = d.checkTrust(r.how)
	case (d.table.isAsymmetric() || d.table.class == ck.CKO_DOMAIN_PARAMETERS) && (r.how == byCreate || r.how == byUnwrap || r.how == byDerive || r.how >= byCopy && d.changesPublicKeyInfo()):
		err = d.completePair(r.how)
	}
	if err != nil {
		return err
	}
	return d.checkCheckValue()
}

// checkDates checks that CKA_END_DATE does not come before CKA_START_DATE.
func (d *draft) checkDates() error {
	start, err := ck.Date(d.bytes(ck.CKA_START_DATE))
	if err != nil {
		return err
	}
	end, err := ck.Date(d.bytes(ck.CKA_END_DATE))
	if err != nil {
		return err
	}
	if !start.IsZero() && !end.IsZero() && end.Before(start) {
		return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_END_DATE)
	}
	return nil
}

// checkSecretKey checks the value of a secret key and CKA_VALUE_LEN.
func (d *draft) checkSecretKey(how createdBy) error {
	value := d.values[d.table.value]
	if len(value) == 0 {
		if d.decided>>d.table.value&1 == 0 {
			return attributeError(ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_VALUE)
		}
		return attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE)
	}
	if err := mechanisms.ValidValue(ck.KeyType(d.table.subtype), value); err != nil {
		switch how {
		case byCreate:
			return fmt.Errorf("%w: CKA_VALUE: %v", ck.CKR_ATTRIBUTE_VALUE_INVALID, err)
		case byUnwrap:
			return fmt.Errorf("%w: %v", ck.CKR_WRAPPED_KEY_LEN_RANGE, err) // section 5.18.4
		}
		return err
	}
	if v := d.bytes(ck.CKA_VALUE_LEN); v != nil && number(v) != uint(len(value)) {
		if how == byUnwrap {
			return attributeError(ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CKA_VALUE_LEN)
		}
		return attributeError(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_VALUE_LEN)
	}
	return nil
}

// checkCheckValue compares the CKA_CHECK_VALUE of a template with the right one: section 4.11.
func (d *draft) checkCheckValue() error {
	given := d.bytes(ck.CKA_CHECK_VALUE)
	if len(given) == 0 {
		return nil
	}
	if subtle.ConstantTimeCompare(given, checkValue(d.table, d.bytes(ck.CKA_VALUE))) != 1 {
		return attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_CHECK_VALUE)
	}
	return nil
}

// checkCertificate checks what the tables of certificates ask for, and the ranges of their numbers.
func (d *draft) checkCertificate() error {
	value, url := len(d.bytes(ck.CKA_VALUE)) != 0, len(d.bytes(ck.CKA_URL)) != 0
	for i := range d.table.rows {
		row := &d.table.rows[i]
		if d.present>>i&1 != 0 {
			if (row.Type == ck.CKA_CERTIFICATE_CATEGORY || row.Type == ck.CKA_JAVA_MIDP_SECURITY_DOMAIN) && number(d.values[i]) > 3 {
				return attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, row.Type)
			}
			continue
		}
		switch r := row.rule; {
		case r.has(valueOrURL) && !url, r.has(urlOrValue) && !value, r.has(withURL) && url, r.has(withValue) && value:
			return attributeError(ck.CKR_TEMPLATE_INCOMPLETE, row.Type)
		}
	}
	return nil
}

// checkTrust checks a trust object: its CKA_TRUST_* attributes have values that are defined, and where one of them trusts the
// certificate, the certificate's hash is given.
func (d *draft) checkTrust(how createdBy) error {
	trusts := false
	for i := range d.table.rows {
		if t := d.table.rows[i].Type; t < ck.CKA_TRUST_SERVER_AUTH || t > ck.CKA_TRUST_OCSP_SIGNING || d.present>>i&1 == 0 {
			continue
		}
		switch number(d.values[i]) {
		case ck.CKT_TRUST_UNKNOWN, ck.CKT_NOT_TRUSTED:
		case ck.CKT_TRUSTED, ck.CKT_TRUST_ANCHOR, ck.CKT_TRUST_MUST_VERIFY_TRUST:
			trusts = true
		default:
			return attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, d.table.rows[i].Type)
		}
	}
	missing := d.table.rowsWith(toTrust) &^ d.present
	if !trusts || missing == 0 {
		return nil
	}
	rv := ck.CKR_TEMPLATE_INCOMPLETE
	if how >= byCopy {
		rv = ck.CKR_TEMPLATE_INCONSISTENT
	}
	return attributeError(rv, d.table.rows[bits.TrailingZeros64(missing)].Type)
}

// completePair checks the attributes of a public or private key, and adds those that follow from them.
func (d *draft) completePair(how createdBy) error {
	added, err := mechanisms.Complete(d.table.class, ck.KeyType(d.table.subtype), d.bytes)
	if err != nil {
		if how == byUnwrap {
			return errors.Join(ck.CKR_WRAPPED_KEY_INVALID, err)
		}
		return err
	}
	for _, a := range added {
		i := d.table.find(a.Type)
		if len(d.values[i]) == 0 {
			err = d.put(i, a.Value)
		} else if !d.hasValue(i, a.Value) {
			err = attributeError(ck.CKR_ATTRIBUTE_VALUE_INVALID, a.Type) // section 4.10
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// changesPublicKeyInfo reports whether the template of a copy or a change has CKA_PUBLIC_KEY_INFO, which has to be that of the key.
func (d *draft) changesPublicKeyInfo() bool {
	i := d.table.find(ck.CKA_PUBLIC_KEY_INFO)
	return i >= 0 && d.decided>>i&1 != 0
}
