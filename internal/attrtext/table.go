package attrtext

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// A row is an attribute: how its values are written, and which words stand for its numbers.
type row struct {
	Type   ck.AttributeType
	form   Form
	words  *words
	secret bool // can be the secret of a key
}

// words are those that the standard has for the numbers of an attribute: a function each way, or a list that begins with the word for 0.
type words struct {
	name func(uint) string
	find func(string) (uint, bool)
	list []string
}

// number writes a number.
func (r *row) number(n uint) string {
	switch {
	case n == ck.UnavailableInformation:
		return unavailable
	case r.words != nil && r.words.name != nil:
		return r.words.name(n)
	case r.words != nil && n < uint(len(r.words.list)) && r.words.list[n] != "":
		return r.words.list[n]
	}
	return strconv.FormatUint(uint64(n), 10)
}

// unavailable stands where the token has no answer: for the mechanism that generated a key which was not generated, say.
const unavailable = "CK_UNAVAILABLE_INFORMATION"

// parse reads a number.
func (r *row) parse(text string) (uint, error) {
	if n, err := strconv.ParseUint(text, 0, 64); err == nil {
		return uint(n), nil
	}
	if text == unavailable {
		return ck.UnavailableInformation, nil
	}
	word := strings.ToUpper(strings.ReplaceAll(text, "-", "_"))
	switch {
	case r.words == nil:
		return 0, fmt.Errorf("%q is not a number", text)
	case r.words.find != nil:
		if n, ok := r.words.find(word); ok {
			return n, nil
		}
		return 0, fmt.Errorf("%q is neither a number nor a name of the standard", text)
	}
	for i, known := range r.words.list {
		if known != "" && (word == known || strings.HasSuffix(known, "_"+word)) {
			return uint(i), nil
		}
	}
	return 0, fmt.Errorf("%q is neither a number nor one of %s", text, strings.Join(r.words.list, ", "))
}

// The words of the standard.
var (
	classes = &words{
		name: func(n uint) string { return ck.ObjectClass(n).String() },
		find: func(s string) (uint, bool) { n, ok := ck.ParseObjectClass(s); return uint(n), ok },
	}
	keyTypes = &words{
		name: func(n uint) string { return ck.KeyType(n).String() },
		find: func(s string) (uint, bool) { n, ok := ck.ParseKeyType(s); return uint(n), ok },
	}
	mechanisms = &words{
		name: func(n uint) string { return ck.MechanismType(n).String() },
		find: func(s string) (uint, bool) { n, ok := ck.ParseMechanismType(s); return uint(n), ok },
	}
	profiles     = &words{name: func(n uint) string { return ck.ProfileID(n).String() }, find: none}
	features     = &words{name: func(n uint) string { return ck.HardwareFeature(n).String() }, find: none}
	certificates = &words{list: []string{"CKC_X_509", "CKC_X_509_ATTR_CERT", "CKC_WTLS"}}
	categories   = &words{list: []string{"CK_CERTIFICATE_CATEGORY_UNSPECIFIED", "CK_CERTIFICATE_CATEGORY_TOKEN_USER",
		"CK_CERTIFICATE_CATEGORY_AUTHORITY", "CK_CERTIFICATE_CATEGORY_OTHER_ENTITY"}}
	domains = &words{list: []string{"CK_SECURITY_DOMAIN_UNSPECIFIED", "CK_SECURITY_DOMAIN_MANUFACTURER",
		"CK_SECURITY_DOMAIN_OPERATOR", "CK_SECURITY_DOMAIN_THIRD_PARTY"}}
	trusts       = &words{list: []string{"CKT_TRUST_UNKNOWN", "CKT_TRUSTED", "CKT_TRUST_ANCHOR", "CKT_NOT_TRUSTED", "CKT_TRUST_MUST_VERIFY_TRUST"}}
	formats      = &words{list: []string{"CK_OTP_FORMAT_DECIMAL", "CK_OTP_FORMAT_HEXADECIMAL", "CK_OTP_FORMAT_ALPHANUMERIC", "CK_OTP_FORMAT_BINARY"}}
	requirements = &words{list: []string{"CK_OTP_PARAM_IGNORED", "CK_OTP_PARAM_OPTIONAL", "CK_OTP_PARAM_MANDATORY"}}
)

// none is of names of which no object that people make has one.
func none(string) (uint, bool) { return 0, false }

// rows is the table. A test of package token holds it against the attributes that the token knows.
var rows = []row{
	{Type: ck.CKA_CLASS, form: Number, words: classes},
	{Type: ck.CKA_KEY_TYPE, form: Number, words: keyTypes},
	{Type: ck.CKA_CERTIFICATE_TYPE, form: Number, words: certificates},
	{Type: ck.CKA_HW_FEATURE_TYPE, form: Number, words: features},
	{Type: ck.CKA_MECHANISM_TYPE, form: Number, words: mechanisms},
	{Type: ck.CKA_PROFILE_ID, form: Number, words: profiles},
	{Type: ck.CKA_LABEL, form: Text},
	{Type: ck.CKA_ID},
	{Type: ck.CKA_UNIQUE_ID, form: Text},
	{Type: ck.CKA_APPLICATION, form: Text},
	{Type: ck.CKA_OBJECT_ID},

	{Type: ck.CKA_TOKEN, form: Bool},
	{Type: ck.CKA_PRIVATE, form: Bool},
	{Type: ck.CKA_MODIFIABLE, form: Bool},
	{Type: ck.CKA_COPYABLE, form: Bool},
	{Type: ck.CKA_DESTROYABLE, form: Bool},
	{Type: ck.CKA_TRUSTED, form: Bool},
	{Type: ck.CKA_SENSITIVE, form: Bool},
	{Type: ck.CKA_EXTRACTABLE, form: Bool},
	{Type: ck.CKA_ALWAYS_SENSITIVE, form: Bool},
	{Type: ck.CKA_NEVER_EXTRACTABLE, form: Bool},
	{Type: ck.CKA_WRAP_WITH_TRUSTED, form: Bool},
	{Type: ck.CKA_ALWAYS_AUTHENTICATE, form: Bool},
	{Type: ck.CKA_LOCAL, form: Bool},

	{Type: ck.CKA_ENCRYPT, form: Bool},
	{Type: ck.CKA_DECRYPT, form: Bool},
	{Type: ck.CKA_SIGN, form: Bool},
	{Type: ck.CKA_VERIFY, form: Bool},
	{Type: ck.CKA_SIGN_RECOVER, form: Bool},
	{Type: ck.CKA_VERIFY_RECOVER, form: Bool},
	{Type: ck.CKA_WRAP, form: Bool},
	{Type: ck.CKA_UNWRAP, form: Bool},
	{Type: ck.CKA_DERIVE, form: Bool},
	{Type: ck.CKA_ENCAPSULATE, form: Bool},
	{Type: ck.CKA_DECAPSULATE, form: Bool},
	{Type: ck.CKA_ALLOWED_MECHANISMS, form: Mechanisms},
	{Type: ck.CKA_WRAP_TEMPLATE, form: Template},
	{Type: ck.CKA_UNWRAP_TEMPLATE, form: Template},
	{Type: ck.CKA_DERIVE_TEMPLATE, form: Template},
	{Type: ck.CKA_ENCAPSULATE_TEMPLATE, form: Template},
	{Type: ck.CKA_DECAPSULATE_TEMPLATE, form: Template},
	{Type: ck.CKA_START_DATE, form: Date},
	{Type: ck.CKA_END_DATE, form: Date},
	{Type: ck.CKA_KEY_GEN_MECHANISM, form: Number, words: mechanisms},
	{Type: ck.CKA_OBJECT_VALIDATION_FLAGS, form: Number},

	{Type: ck.CKA_SUBJECT, form: Name},
	{Type: ck.CKA_ISSUER, form: Name},
	{Type: ck.CKA_SERIAL_NUMBER},
	{Type: ck.CKA_OWNER},
	{Type: ck.CKA_AC_ISSUER},
	{Type: ck.CKA_ATTR_TYPES},
	{Type: ck.CKA_CERTIFICATE_CATEGORY, form: Number, words: categories},
	{Type: ck.CKA_JAVA_MIDP_SECURITY_DOMAIN, form: Number, words: domains},
	{Type: ck.CKA_URL, form: Text},
	{Type: ck.CKA_HASH_OF_SUBJECT_PUBLIC_KEY},
	{Type: ck.CKA_HASH_OF_ISSUER_PUBLIC_KEY},
	{Type: ck.CKA_HASH_OF_CERTIFICATE},
	{Type: ck.CKA_NAME_HASH_ALGORITHM, form: Number, words: mechanisms},
	{Type: ck.CKA_TRUST_SERVER_AUTH, form: Number, words: trusts},
	{Type: ck.CKA_TRUST_CLIENT_AUTH, form: Number, words: trusts},
	{Type: ck.CKA_TRUST_CODE_SIGNING, form: Number, words: trusts},
	{Type: ck.CKA_TRUST_EMAIL_PROTECTION, form: Number, words: trusts},
	{Type: ck.CKA_TRUST_IPSEC_IKE, form: Number, words: trusts},
	{Type: ck.CKA_TRUST_TIME_STAMPING, form: Number, words: trusts},
	{Type: ck.CKA_TRUST_OCSP_SIGNING, form: Number, words: trusts},

	{Type: ck.CKA_OTP_FORMAT, form: Number, words: formats},
	{Type: ck.CKA_OTP_LENGTH, form: Number},
	{Type: ck.CKA_OTP_USER_FRIENDLY_MODE, form: Bool},
	{Type: ck.CKA_OTP_CHALLENGE_REQUIREMENT, form: Number, words: requirements},
	{Type: ck.CKA_OTP_TIME_REQUIREMENT, form: Number, words: requirements},
	{Type: ck.CKA_OTP_COUNTER_REQUIREMENT, form: Number, words: requirements},
	{Type: ck.CKA_OTP_PIN_REQUIREMENT, form: Number, words: requirements},
	{Type: ck.CKA_OTP_COUNTER},
	{Type: ck.CKA_OTP_TIME, form: Text},
	{Type: ck.CKA_OTP_USER_IDENTIFIER, form: Text},
	{Type: ck.CKA_OTP_SERVICE_IDENTIFIER, form: Text},
	{Type: ck.CKA_OTP_SERVICE_LOGO},
	{Type: ck.CKA_OTP_SERVICE_LOGO_TYPE, form: Text},

	{Type: ck.CKA_MODULUS_BITS, form: Number},
	{Type: ck.CKA_PRIME_BITS, form: Number},
	{Type: ck.CKA_SUBPRIME_BITS, form: Number},
	{Type: ck.CKA_VALUE_BITS, form: Number},
	{Type: ck.CKA_VALUE_LEN, form: Number},
	{Type: ck.CKA_CHECK_VALUE},
	{Type: ck.CKA_PARAMETER_SET, form: Number},
	{Type: ck.CKA_HSS_LEVELS, form: Number},
	{Type: ck.CKA_HSS_LMS_TYPE, form: Number},
	{Type: ck.CKA_HSS_LMOTS_TYPE, form: Number},
	{Type: ck.CKA_SOFTCSP_ALGID, form: Number},
	{Type: ck.CKA_SOFTCSP_PROVIDER, form: Number},
	{Type: ck.CKA_SOFTCSP_EFFECTIVE_BITS, form: Number},
	{Type: ck.CKA_SOFTCSP_PERMISSIONS, form: Number},
	{Type: ck.CKA_SOFTCSP_SALT},

	{Type: ck.CKA_MODULUS},
	{Type: ck.CKA_PUBLIC_EXPONENT},
	{Type: ck.CKA_PRIME},
	{Type: ck.CKA_SUBPRIME},
	{Type: ck.CKA_BASE},
	{Type: ck.CKA_EC_PARAMS},
	{Type: ck.CKA_EC_POINT},
	{Type: ck.CKA_PUBLIC_KEY_INFO},
	{Type: ck.CKA_PRIVATE_EXPONENT, secret: true},
	{Type: ck.CKA_PRIME_1, secret: true},
	{Type: ck.CKA_PRIME_2, secret: true},
	{Type: ck.CKA_EXPONENT_1, secret: true},
	{Type: ck.CKA_EXPONENT_2, secret: true},
	{Type: ck.CKA_COEFFICIENT, secret: true},
	{Type: ck.CKA_SEED, secret: true},
	{Type: ck.CKA_VALUE, secret: true},
}
