package token

import (
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

func TestPermits(t *testing.T) {
	day := func(s string) func() time.Time {
		return func() time.Time {
			d, err := time.Parse(time.RFC3339, s)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	during := day("2026-03-01T12:00:00Z")
	never := func() time.Time { t.Error("the time was asked for"); return time.Time{} }
	plain := built(t, creating(with(aesKey, ck.CKA_ENCRYPT, false)))
	listed := built(t, creating(with(aesKey, ck.CKA_ALLOWED_MECHANISMS, append(ck.UlongValue(uint(ck.CKM_AES_CBC)), ck.UlongValue(uint(ck.CKM_AES_GCM))...))))
	dated := built(t, creating(with(aesKey, ck.CKA_START_DATE, "20260201", ck.CKA_END_DATE, "20260401")))
	from := built(t, creating(with(aesKey, ck.CKA_START_DATE, "20260201")))
	until := built(t, creating(with(aesKey, ck.CKA_END_DATE, "20260401")))
	public, _ := built(t, creating(with(aesKey, ck.CKA_PRIVATE, false))).encode()
	unread, err := decode(public, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unread.release()
	for _, c := range []struct {
		what string
		o    *Object
		use  ck.AttributeType
		m    ck.MechanismType
		now  func() time.Time
		want ck.RV
	}{
		{"allowed", plain, ck.CKA_DECRYPT, ck.CKM_AES_ECB, never, ck.CKR_OK},
		{"not for that", plain, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, never, ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"not for that by default", plain, ck.CKA_DERIVE, ck.CKM_AES_ECB, never, ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"not for public keys", plain, ck.CKA_VERIFY_RECOVER, ck.CKM_AES_ECB, never, ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"first in the list", listed, ck.CKA_DECRYPT, ck.CKM_AES_CBC, never, ck.CKR_OK},
		{"last in the list", listed, ck.CKA_ENCRYPT, ck.CKM_AES_GCM, during, ck.CKR_OK},
		{"not in the list", listed, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, never, ck.CKR_MECHANISM_INVALID},
		{"no key", built(t, creating(certificateTemplate)), ck.CKA_ENCRYPT, ck.CKM_AES_ECB, never, ck.CKR_KEY_HANDLE_INVALID},
		{"sealed", unread, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, never, ck.CKR_USER_NOT_LOGGED_IN},
		{"during", dated, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, during, ck.CKR_OK},
		{"first moment", dated, ck.CKA_SIGN, ck.CKM_AES_ECB, day("2026-02-01T00:00:00Z"), ck.CKR_OK},
		{"last moment", dated, ck.CKA_WRAP, ck.CKM_AES_ECB, day("2026-04-01T23:59:59Z"), ck.CKR_OK},
		{"before", dated, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, day("2026-01-31T23:59:59Z"), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"after", dated, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, day("2026-04-02T00:00:00Z"), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"elsewhere it is still yesterday", dated, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, day("2026-04-01T23:00:00-02:00"), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"decrypting what is old", dated, ck.CKA_DECRYPT, ck.CKM_AES_ECB, never, ck.CKR_OK},
		{"verifying what is old", dated, ck.CKA_VERIFY, ck.CKM_AES_ECB, never, ck.CKR_OK},
		{"unwrapping what is old", dated, ck.CKA_UNWRAP, ck.CKM_AES_ECB, never, ck.CKR_OK},
		{"no end", from, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, day("2099-01-01T00:00:00Z"), ck.CKR_OK},
		{"no end, before", from, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, day("1999-01-01T00:00:00Z"), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
		{"no start", until, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, day("1999-01-01T00:00:00Z"), ck.CKR_OK},
		{"no start, after", until, ck.CKA_ENCRYPT, ck.CKM_AES_ECB, day("2099-01-01T00:00:00Z"), ck.CKR_KEY_FUNCTION_NOT_PERMITTED},
	} {
		want(t, c.what, c.o.permits(&keyUse{purpose: c.use, row: mechanisms.Lookup(c.m)}, c.now), c.want)
	}
}

func TestAllowsWrapping(t *testing.T) {
	extractable := func(pairs ...any) *Object {
		return built(t, creating(with(with(aesKey, ck.CKA_EXTRACTABLE, true), pairs...)))
	}
	plain := built(t, creating(aesKey))
	trusted := built(t, &request{how: byCreate, template: with(aesKey, ck.CKA_TRUSTED, true), isSO: true})
	choosy := built(t, creating(with(aesKey, ck.CKA_WRAP_TEMPLATE, rows(ck.CKA_LABEL, "yes", ck.CKA_KEY_TYPE, ck.CKK_AES))))
	reader := built(t, creating(with(aesKey, ck.CKA_WRAP_TEMPLATE, rows(ck.CKA_VALUE, value16))))
	for _, c := range []struct {
		what         string
		with, target *Object
		want         ck.RV
	}{
		{"extractable", plain, extractable(), ck.CKR_OK},
		{"not extractable", plain, plain, ck.CKR_KEY_UNEXTRACTABLE},
		{"trusted only, not trusted", plain, extractable(ck.CKA_WRAP_WITH_TRUSTED, true), ck.CKR_KEY_NOT_WRAPPABLE},
		{"trusted only, trusted", trusted, extractable(ck.CKA_WRAP_WITH_TRUSTED, true), ck.CKR_OK},
		{"as the template says", choosy, extractable(ck.CKA_LABEL, "yes"), ck.CKR_OK},
		{"not as the template says", choosy, extractable(ck.CKA_LABEL, "no"), ck.CKR_KEY_HANDLE_INVALID},
		{"a template that asks for the value", reader, extractable(ck.CKA_SENSITIVE, true), ck.CKR_KEY_HANDLE_INVALID},
	} {
		want(t, c.what, c.target.mayBeWrapped(&keyUse{wrappedBy: c.with, wrapRow: mechanisms.Lookup(ck.CKM_AES_KEY_WRAP)}, false), c.want)
	}
}

func TestCertificates(t *testing.T) {
	x := func(pairs ...any) []ck.Attribute {
		return append(rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509), rows(pairs...)...)
	}
	w := func(pairs ...any) []ck.Attribute {
		return append(rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_WTLS), rows(pairs...)...)
	}
	a := func(pairs ...any) []ck.Attribute {
		return append(rows(ck.CKA_CLASS, ck.CKO_CERTIFICATE, ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509_ATTR_CERT), rows(pairs...)...)
	}
	hashes := []any{ck.CKA_HASH_OF_SUBJECT_PUBLIC_KEY, "h", ck.CKA_HASH_OF_ISSUER_PUBLIC_KEY, "h"}
	for _, c := range []struct {
		what     string
		template []ck.Attribute
		want     ck.RV
	}{
		{"X.509", certificateTemplate, ck.CKR_OK},
		{"no subject", x(ck.CKA_VALUE, "v"), ck.CKR_TEMPLATE_INCOMPLETE},
		{"no value", x(ck.CKA_SUBJECT, "s"), ck.CKR_TEMPLATE_INCOMPLETE},
		{"empty value without URL", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, ""), ck.CKR_TEMPLATE_INCOMPLETE},
		{"empty value with URL", x(append(hashes, ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "", ck.CKA_URL, "u")...), ck.CKR_OK},
		{"URL without hashes", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "", ck.CKA_URL, "u"), ck.CKR_TEMPLATE_INCOMPLETE},
		{"check value", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "certificate", ck.CKA_CHECK_VALUE, []byte{0x73, 0x5a, 0xd5}), ck.CKR_OK},
		{"wrong check value", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "certificate", ck.CKA_CHECK_VALUE, "abc"), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"trusted", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "v", ck.CKA_TRUSTED, true), ck.CKR_ATTRIBUTE_READ_ONLY},
		{"category 3", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "v", ck.CKA_CERTIFICATE_CATEGORY, 3), ck.CKR_OK},
		{"category 4", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "v", ck.CKA_CERTIFICATE_CATEGORY, 4), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"security domain 4", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "v", ck.CKA_JAVA_MIDP_SECURITY_DOMAIN, 4), ck.CKR_ATTRIBUTE_VALUE_INVALID},
		{"dates in disorder", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "v", ck.CKA_START_DATE, "20260102", ck.CKA_END_DATE, "20260101"), ck.CKR_TEMPLATE_INCONSISTENT},
		{"a key's attribute", x(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "v", ck.CKA_SENSITIVE, true), ck.CKR_ATTRIBUTE_TYPE_INVALID},
		{"WTLS", w(ck.CKA_SUBJECT, "s", ck.CKA_VALUE, "v"), ck.CKR_OK},
		{"WTLS, empty subject with value", w(ck.CKA_SUBJECT, "", ck.CKA_VALUE, "v"), ck.CKR_TEMPLATE_INCOMPLETE},
		{"WTLS, empty subject with URL", w(append(hashes, ck.CKA_SUBJECT, "", ck.CKA_VALUE, "", ck.CKA_URL, "u")...), ck.CKR_OK},
		{"attribute certificate", a(ck.CKA_OWNER, "o", ck.CKA_VALUE, "v"), ck.CKR_OK},
		{"attribute certificate without owner", a(ck.CKA_VALUE, "v"), ck.CKR_TEMPLATE_INCOMPLETE},
		{"attribute certificate without value", a(ck.CKA_OWNER, "o"), ck.CKR_TEMPLATE_INCOMPLETE},
	} {
		o, err := build(creating(c.template))
		want(t, c.what, err, c.want)
		if err == nil {
			o.release()
		}
	}
}
