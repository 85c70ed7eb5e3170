package token

import "github.com/softcsp/softcsp/ck"

// The attribute tables of section 4, a variable for each table of the standard. testdata/attributes.golden prints them in
// its notation.
//
// These are the defaults that the standard leaves to the token (footnote 9), and the places where the tables differ from the
// standard's, with the reasons:
//
//   - A key is not extractable unless its template says otherwise, so that it cannot be read either, and a private key is
//     sensitive. Applications that were written for SoftHSM2 count on that.
//   - The purposes of a key (CKA_ENCRYPT and so on) are permitted unless its template says otherwise, except CKA_DERIVE, for
//     which the standard has a default. This too is what SoftHSM2 and NSS do.
//   - Secret keys, private keys and data objects are private if the user is logged in. All other objects are public.
//   - The list of allowed mechanisms and the three kinds of templates cannot be changed, since they have no footnote 8. Nor
//     can CKA_APPLICATION, CKA_OBJECT_ID and CKA_VALUE of data objects.
//   - CKA_COPYABLE has footnote 12, because the text says so.
//   - Secret keys have CKA_ALWAYS_AUTHENTICATE as private keys do: CKM_SOFTCSP_CRYPT_DERIVE_KEY can set it.
//   - CKA_OBJECT_VALIDATION_FLAGS cannot be set, and is 0: the token has no validations.

// storageObject is sections 4.2 and 4.4, "Common attributes" and "Storage objects".
var storageObject = tablePart{"storage", []attribute{
	{ck.CKA_CLASS, classOf, mustCreate, 0},
	{ck.CKA_UNIQUE_ID, uniqueID, notCreate | notGenerate | notUnwrap, 0},
	{ck.CKA_TOKEN, boolean, copyOnly, 0},
	{ck.CKA_PRIVATE, boolean, defaulted | copyOnly, 0},
	{ck.CKA_MODIFIABLE, boolean, copyOnly, 1},
	{ck.CKA_LABEL, octets, modifiable, 0},
	{ck.CKA_COPYABLE, boolean, staysFalse, 1},
	{ck.CKA_DESTROYABLE, boolean, copyOnly, 1},
}}

// dataObject is section 4.5.
var dataObject = tablePart{"data", []attribute{
	{ck.CKA_APPLICATION, octets, 0, 0},
	{ck.CKA_OBJECT_ID, octets, 0, 0},
	{ck.CKA_VALUE, octets, 0, 0},
	{ck.CKA_VALUE_LEN, lengthOf, notCreate | notGenerate | notUnwrap | templateOnly, 0}, // CKM_HKDF_DATA
}}

// certificate is section 4.6.2.
var certificate = tablePart{"certificate", []attribute{
	{ck.CKA_CERTIFICATE_TYPE, subtypeOf, mustCreate, 0},
	{ck.CKA_TRUSTED, boolean, soOnly, 0},
	{ck.CKA_CERTIFICATE_CATEGORY, ulong, 0, uint(ck.CK_CERTIFICATE_CATEGORY_UNSPECIFIED)},
	{ck.CKA_CHECK_VALUE, checkOf, 0, 0},
	{ck.CKA_START_DATE, date, 0, 0},
	{ck.CKA_END_DATE, date, 0, 0},
	{ck.CKA_PUBLIC_KEY_INFO, octets, 0, 0},
}}

// x509 is section 4.6.3. The attributes that its text lets be modified have footnote 8.
var x509 = tablePart{"X.509 certificate", []attribute{
	{ck.CKA_SUBJECT, octets, mustCreate, 0},
	{ck.CKA_ID, octets, modifiable, 0},
	{ck.CKA_ISSUER, octets, modifiable, 0},
	{ck.CKA_SERIAL_NUMBER, octets, modifiable, 0},
	{ck.CKA_VALUE, octets, mustCreate | valueOrURL, 0},
	{ck.CKA_URL, octets, urlOrValue, 0},
	{ck.CKA_HASH_OF_SUBJECT_PUBLIC_KEY, octets, withURL, 0},
	{ck.CKA_HASH_OF_ISSUER_PUBLIC_KEY, octets, withURL, 0},
	{ck.CKA_JAVA_MIDP_SECURITY_DOMAIN, ulong, 0, uint(ck.CK_SECURITY_DOMAIN_UNSPECIFIED)},
	{ck.CKA_NAME_HASH_ALGORITHM, ulong, 0, uint(ck.CKM_SHA_1)},
}}

// wtls is section 4.6.4.
var wtls = tablePart{"WTLS certificate", []attribute{
	{ck.CKA_SUBJECT, octets, mustCreate | withValue, 0},
	{ck.CKA_ISSUER, octets, modifiable, 0},
	{ck.CKA_VALUE, octets, mustCreate | valueOrURL, 0},
	{ck.CKA_URL, octets, urlOrValue, 0},
	{ck.CKA_HASH_OF_SUBJECT_PUBLIC_KEY, octets, withURL, 0},
	{ck.CKA_HASH_OF_ISSUER_PUBLIC_KEY, octets, withURL, 0},
	{ck.CKA_NAME_HASH_ALGORITHM, ulong, 0, uint(ck.CKM_SHA_1)},
}}

// attributeCertificate is section 4.6.5.
var attributeCertificate = tablePart{"X.509 attribute certificate", []attribute{
	{ck.CKA_OWNER, octets, mustCreate, 0},
	{ck.CKA_AC_ISSUER, octets, modifiable, 0},
	{ck.CKA_SERIAL_NUMBER, octets, modifiable, 0},
	{ck.CKA_ATTR_TYPES, octets, modifiable, 0},
	{ck.CKA_VALUE, octets, mustCreate, 0},
}}

// trust is section 4.7. Its table says of CKA_NAME_HASH_ALGORITHM both that it must be given and that its default is SHA-1: here it has
// the default. The footnotes let nothing be changed, but the text has such objects modifiable by default: here the attributes CKA_TRUST_*
// can be changed.
var trust = tablePart{"trust", []attribute{
	{ck.CKA_ISSUER, octets, mustCreate, 0},
	{ck.CKA_SERIAL_NUMBER, octets, mustCreate, 0},
	{ck.CKA_HASH_OF_CERTIFICATE, octets, toTrust, 0},
	{ck.CKA_NAME_HASH_ALGORITHM, ulong, 0, uint(ck.CKM_SHA_1)},
	{ck.CKA_TRUST_SERVER_AUTH, ulong, modifiable, ck.CKT_TRUST_UNKNOWN},
	{ck.CKA_TRUST_CLIENT_AUTH, ulong, modifiable, ck.CKT_TRUST_UNKNOWN},
	{ck.CKA_TRUST_CODE_SIGNING, ulong, modifiable, ck.CKT_TRUST_UNKNOWN},
	{ck.CKA_TRUST_EMAIL_PROTECTION, ulong, modifiable, ck.CKT_TRUST_UNKNOWN},
	{ck.CKA_TRUST_IPSEC_IKE, ulong, modifiable, ck.CKT_TRUST_UNKNOWN},
	{ck.CKA_TRUST_TIME_STAMPING, ulong, modifiable, ck.CKT_TRUST_UNKNOWN},
	{ck.CKA_TRUST_OCSP_SIGNING, ulong, modifiable, ck.CKT_TRUST_UNKNOWN},
}}

// The objects that no application makes: sections 4.3, 4.13 and 4.14. They have the attributes of storage objects, too, because
// applications ask any object for its label, or whether it may be changed.
var (
	profile         = tablePart{"profile", []attribute{{ck.CKA_PROFILE_ID, ulong, 0, 0}}}
	hardwareFeature = tablePart{"hardware feature", []attribute{{ck.CKA_HW_FEATURE_TYPE, subtypeOf, mustCreate, 0}}}
	clockObject     = tablePart{"clock", []attribute{{ck.CKA_VALUE, clock, 0, 0}}}
	mechanismObject = tablePart{"mechanism", []attribute{{ck.CKA_MECHANISM_TYPE, ulong, 0, 0}}}
)

// domainParameters is section 4.12.
var domainParameters = tablePart{"domain parameters", []attribute{
	{ck.CKA_KEY_TYPE, subtypeOf, mustCreate, 0},
	{ck.CKA_LOCAL, boolean, notCreate | notGenerate, 0},
}}

// keyObject is section 4.8.
var keyObject = tablePart{"key", []attribute{
	{ck.CKA_KEY_TYPE, subtypeOf, mustCreate | mustUnwrap, 0},
	{ck.CKA_ID, octets, modifiable, 0},
	{ck.CKA_START_DATE, date, modifiable, 0},
	{ck.CKA_END_DATE, date, modifiable, 0},
	{ck.CKA_DERIVE, boolean, modifiable, 0},
	{ck.CKA_LOCAL, boolean, notCreate | notGenerate | notUnwrap, 0},
	{ck.CKA_KEY_GEN_MECHANISM, genMechanism, notCreate | notGenerate | notUnwrap, 0},
	{ck.CKA_ALLOWED_MECHANISMS, mechanismArray, 0, 0},
	{ck.CKA_OBJECT_VALIDATION_FLAGS, ulong, notCreate | notGenerate | notUnwrap | defaulted | staysFalse, 0},
}}

// publicKey is section 4.9.
var publicKey = tablePart{"public key", []attribute{
	{ck.CKA_SUBJECT, octets, modifiable, 0},
	{ck.CKA_ENCRYPT, boolean, modifiable | defaulted, 1},
	{ck.CKA_VERIFY, boolean, modifiable | defaulted, 1},
	{ck.CKA_VERIFY_RECOVER, boolean, modifiable | defaulted, 1},
	{ck.CKA_WRAP, boolean, modifiable | defaulted, 1},
	{ck.CKA_ENCAPSULATE, boolean, modifiable | defaulted, 1},
	{ck.CKA_TRUSTED, boolean, soOnly, 0},
	{ck.CKA_WRAP_TEMPLATE, templateArray, 0, 0},
	{ck.CKA_ENCAPSULATE_TEMPLATE, templateArray, 0, 0},
	{ck.CKA_PUBLIC_KEY_INFO, octets, 0, 0},
	{roleWrapping, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{roleWrappingTrusted, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{roleNotWrapping, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
}}

// privateKey is section 4.10.
var privateKey = tablePart{"private key", []attribute{
	{ck.CKA_SUBJECT, octets, modifiable, 0},
	{ck.CKA_SENSITIVE, boolean, modifiable | defaulted | staysTrue, 1},
	{ck.CKA_DECRYPT, boolean, modifiable | defaulted, 1},
	{ck.CKA_SIGN, boolean, modifiable | defaulted, 1},
	{ck.CKA_SIGN_RECOVER, boolean, modifiable | defaulted, 1},
	{ck.CKA_UNWRAP, boolean, modifiable | defaulted, 1},
	{ck.CKA_DECAPSULATE, boolean, modifiable | defaulted, 1},
	{ck.CKA_EXTRACTABLE, boolean, modifiable | defaulted | staysFalse, 0},
	{ck.CKA_ALWAYS_SENSITIVE, boolean, notCreate | notGenerate | notUnwrap, 0},
	{ck.CKA_NEVER_EXTRACTABLE, boolean, notCreate | notGenerate | notUnwrap, 0},
	{ck.CKA_WRAP_WITH_TRUSTED, boolean, staysTrue, 0},
	{ck.CKA_UNWRAP_TEMPLATE, templateArray, 0, 0},
	{ck.CKA_DECAPSULATE_TEMPLATE, templateArray, 0, 0},
	{ck.CKA_DERIVE_TEMPLATE, templateArray, 0, 0},
	{ck.CKA_ALWAYS_AUTHENTICATE, boolean, 0, 0},
	{ck.CKA_PUBLIC_KEY_INFO, octets, modifiable, 0},
	{importedBefore2, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{roleWrapping, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{roleWrappingTrusted, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{roleNotWrapping, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{staysInside, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
}}

// secretKey is section 4.11.
var secretKey = tablePart{"secret key", []attribute{
	{ck.CKA_SENSITIVE, boolean, modifiable | staysTrue, 0},
	{ck.CKA_ENCRYPT, boolean, modifiable | defaulted, 1},
	{ck.CKA_DECRYPT, boolean, modifiable | defaulted, 1},
	{ck.CKA_SIGN, boolean, modifiable | defaulted, 1},
	{ck.CKA_VERIFY, boolean, modifiable | defaulted, 1},
	{ck.CKA_WRAP, boolean, modifiable | defaulted, 1},
	{ck.CKA_UNWRAP, boolean, modifiable | defaulted, 1},
	{ck.CKA_EXTRACTABLE, boolean, modifiable | defaulted | staysFalse, 0},
	{ck.CKA_ALWAYS_SENSITIVE, boolean, notCreate | notGenerate | notUnwrap, 0},
	{ck.CKA_NEVER_EXTRACTABLE, boolean, notCreate | notGenerate | notUnwrap, 0},
	{ck.CKA_CHECK_VALUE, checkOf, 0, 0},
	{ck.CKA_WRAP_WITH_TRUSTED, boolean, staysTrue, 0},
	{ck.CKA_TRUSTED, boolean, soOnly, 0},
	{ck.CKA_WRAP_TEMPLATE, templateArray, 0, 0},
	{ck.CKA_UNWRAP_TEMPLATE, templateArray, 0, 0},
	{ck.CKA_DERIVE_TEMPLATE, templateArray, 0, 0},
	{ck.CKA_ALWAYS_AUTHENTICATE, boolean, 0, 0},
	{importedBefore2, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{sensitiveByDefaultBefore2, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{roleWrapping, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{roleWrappingTrusted, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{roleNotWrapping, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{staysInside, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{knownBytes, ulong, notCreate | notGenerate | notUnwrap | internal, 0},
	{hasBytesOfKey, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{wasTrusted, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
	{makerKnowsValue, boolean, notCreate | notGenerate | notUnwrap | internal, 0},
}}

// Values of CKA_CLASS.
var (
	secretKeyClass  = ck.UlongValue(uint(ck.CKO_SECRET_KEY))
	publicKeyClass  = ck.UlongValue(uint(ck.CKO_PUBLIC_KEY))
	privateKeyClass = ck.UlongValue(uint(ck.CKO_PRIVATE_KEY))
	otpKeyClass     = ck.UlongValue(uint(ck.CKO_OTP_KEY))
	domainClass     = ck.UlongValue(uint(ck.CKO_DOMAIN_PARAMETERS))
	dataClass       = ck.UlongValue(uint(ck.CKO_DATA))
)
