package token

import (
	"crypto/subtle"
	"fmt"
	"math/bits"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// anyUse is the purpose of what needs no permission.
const anyUse = ck.AttributeType(ck.UnavailableInformation)

// permits tells whether a key may be used for a purpose (CKA_ENCRYPT and so on) with a mechanism.
//
// The standard gives CKA_START_DATE and CKA_END_DATE no meaning and leaves it to the application to restrict a key. This
// token restricts what protects new data, encryption, signatures, wrapping and derivation, to the days from one to the
// other, in UTC, and lets keys decrypt, verify and unwrap what is old: NIST SP 800-57 part 1, section 5.3.5, tells apart
// the originator's usage period and the recipient's. Outside of it the key is CKR_KEY_FUNCTION_NOT_PERMITTED.
func (o *Object) permits(use ck.AttributeType, m ck.MechanismType, now func() time.Time) error {
	switch {
	case !o.table.isKey():
		return ck.CKR_KEY_HANDLE_INVALID
	case o.missing:
		return ck.CKR_USER_NOT_LOGGED_IN
	case use != anyUse && !o.flag(use):
		return ck.CKR_KEY_FUNCTION_NOT_PERMITTED
	case o.set&o.table.restricting == 0:
		return nil
	case !o.allows(m):
		return ck.CKR_MECHANISM_INVALID
	}
	switch use {
	case ck.CKA_DECRYPT, ck.CKA_VERIFY, ck.CKA_VERIFY_RECOVER, ck.CKA_UNWRAP, ck.CKA_DECAPSULATE, anyUse:
		return nil
	}
	return o.current(now())
}

// allows tells whether CKA_ALLOWED_MECHANISMS has the mechanism. An empty list is none.
func (o *Object) allows(m ck.MechanismType) bool {
	v := o.bytes(ck.CKA_ALLOWED_MECHANISMS)
	if v == nil {
		return true
	}
	return listed(v, m)
}

// current tells whether the key is between its dates.
func (o *Object) current(now time.Time) error {
	start, err := ck.Date(o.bytes(ck.CKA_START_DATE))
	if err != nil {
		return err
	}
	end, err := ck.Date(o.bytes(ck.CKA_END_DATE))
	if err != nil {
		return err
	}
	if !start.IsZero() && now.Before(start) || !end.IsZero() && !now.Before(end.AddDate(0, 0, 1)) {
		return fmt.Errorf("%w: outside of CKA_START_DATE and CKA_END_DATE", ck.CKR_KEY_FUNCTION_NOT_PERMITTED)
	}
	return nil
}

// allowsWrapping tells whether a wrapping key may wrap the key target by a mechanism: section 5.18.3.
func (o *Object) allowsWrapping(target *Object, row *mechanisms.Mechanism, strict bool) error {
	if err := o.standing().mayWrap(target.standing(), row, strict); err != nil {
		return err
	}
	template := o.bytes(ck.CKA_WRAP_TEMPLATE)
	if len(template) == 0 {
		return nil
	}
	rows, err := ck.ParseTemplate(nil, template)
	if err != nil {
		return err
	}
	if !target.matches(rows) {
		return fmt.Errorf("%w: CKA_WRAP_TEMPLATE", ck.CKR_KEY_HANDLE_INVALID)
	}
	return nil
}

// consistent checks what an object's attributes must be to each other.
func (d *draft) consistent(r *request) error {
	n := 0
	for s := d.set; s != 0; s &= s - 1 {
		if n += len(d.v[bits.TrailingZeros64(s)]); n > maxBlob {
			return errTooLarge
		}
	}
	if r.how < byDerive && d.flag(ck.CKA_ALWAYS_AUTHENTICATE) && d.bits>>rowPrivate&1 == 0 {
		// Section 4.10. A derivation decides for itself: CRYPT_USER_PROTECTED goes with any key.
		return wrong(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_ALWAYS_AUTHENTICATE)
	}
	if d.set&d.t.restricting != 0 {
		if err := d.dates(); err != nil {
			return err
		}
	}
	var err error
	switch {
	case d.t.isSecret() && r.how < byCopy:
		if err = d.secretKey(r.how); err == nil && d.t.class == ck.CKO_OTP_KEY {
			err = d.otp()
		}
	case d.t.class == ck.CKO_CERTIFICATE:
		if err = d.certificate(); err == nil && r.how == byCreate && d.t.subtype == uint(ck.CKC_X_509) {
			err = d.fromCertificate()
		}
	case d.t.class == ck.CKO_TRUST:
		err = d.trust(r.how)
	case (d.t.isPair() || d.t.class == ck.CKO_DOMAIN_PARAMETERS) && (r.how == byCreate || r.how == byUnwrap || r.how == byDerive || r.how >= byCopy && d.informs()):
		err = d.pair(r.how)
	}
	if err != nil {
		return err
	}
	return d.checked()
}

// dates checks that CKA_END_DATE does not come before CKA_START_DATE.
func (d *draft) dates() error {
	start, err := ck.Date(d.bytes(ck.CKA_START_DATE))
	if err != nil {
		return err
	}
	end, err := ck.Date(d.bytes(ck.CKA_END_DATE))
	if err != nil {
		return err
	}
	if !start.IsZero() && !end.IsZero() && end.Before(start) {
		return wrong(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_END_DATE)
	}
	return nil
}

// bytes returns the value of a row that has one.
func (d *draft) bytes(t ck.AttributeType) []byte {
	if i := d.t.find(t); i >= 0 {
		return d.v[i]
	}
	return nil
}

// secretKey checks the value of a secret key and CKA_VALUE_LEN.
func (d *draft) secretKey(how origin) error {
	value := d.v[d.t.value]
	if len(value) == 0 {
		if d.seen>>d.t.value&1 == 0 {
			return wrong(ck.CKR_TEMPLATE_INCOMPLETE, ck.CKA_VALUE)
		}
		return wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_VALUE)
	}
	if err := mechanisms.ValidValue(ck.KeyType(d.t.subtype), value); err != nil {
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
			return wrong(ck.CKR_WRAPPED_KEY_LEN_RANGE, ck.CKA_VALUE_LEN)
		}
		return wrong(ck.CKR_TEMPLATE_INCONSISTENT, ck.CKA_VALUE_LEN)
	}
	return nil
}

// checked compares a CKA_CHECK_VALUE that somebody gave with the right one: section 4.11.
func (d *draft) checked() error {
	given := d.bytes(ck.CKA_CHECK_VALUE)
	if len(given) == 0 {
		return nil
	}
	if subtle.ConstantTimeCompare(given, checkValue(d.t, d.bytes(ck.CKA_VALUE))) != 1 {
		return wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CKA_CHECK_VALUE)
	}
	return nil
}

// certificate checks what the tables of certificates ask for, and the ranges of their numbers.
func (d *draft) certificate() error {
	value, url := len(d.bytes(ck.CKA_VALUE)) != 0, len(d.bytes(ck.CKA_URL)) != 0
	for i := range d.t.rows {
		row := &d.t.rows[i]
		if d.set>>i&1 != 0 {
			if (row.Type == ck.CKA_CERTIFICATE_CATEGORY || row.Type == ck.CKA_JAVA_MIDP_SECURITY_DOMAIN) && number(d.v[i]) > 3 {
				return wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, row.Type)
			}
			continue
		}
		switch r := row.rule; {
		case r.has(valueOrURL) && !url, r.has(urlOrValue) && !value, r.has(withURL) && url, r.has(withValue) && value:
			return wrong(ck.CKR_TEMPLATE_INCOMPLETE, row.Type)
		}
	}
	return nil
}

// trust checks what a trust object says: values that there are, and of which certificate it is that anything is trusted.
func (d *draft) trust(how origin) error {
	trusts := false
	for i := range d.t.rows {
		if t := d.t.rows[i].Type; t < ck.CKA_TRUST_SERVER_AUTH || t > ck.CKA_TRUST_OCSP_SIGNING || d.set>>i&1 == 0 {
			continue
		}
		switch number(d.v[i]) {
		case ck.CKT_TRUST_UNKNOWN, ck.CKT_NOT_TRUSTED:
		case ck.CKT_TRUSTED, ck.CKT_TRUST_ANCHOR, ck.CKT_TRUST_MUST_VERIFY_TRUST:
			trusts = true
		default:
			return wrong(ck.CKR_ATTRIBUTE_VALUE_INVALID, d.t.rows[i].Type)
		}
	}
	missing := d.t.having(toTrust) &^ d.set
	if !trusts || missing == 0 {
		return nil
	}
	rv := ck.CKR_TEMPLATE_INCOMPLETE
	if how >= byCopy {
		rv = ck.CKR_TEMPLATE_INCONSISTENT
	}
	return wrong(rv, d.t.rows[bits.TrailingZeros64(missing)].Type)
}
