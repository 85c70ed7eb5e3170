package token

import (
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// The attribute tables of the key types, from section 6 and from "PKCS #11 Historical Mechanisms".

// variableKey is the table of the key types whose length the application chooses. The versions of the standard give CKA_VALUE_LEN the
// footnotes 2,3 or 2,3,6. Here it has 2,3, because some mechanisms of C_UnwrapKey need it: with the raw cipher modes the result
// can be longer than the key.
var variableKey = tablePart{"secret key of variable length", []attribute{
	{ck.CKA_VALUE, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
	{ck.CKA_VALUE_LEN, lengthOf, notCreate | mustGenerate, 0},
}}

// fixedKey is the table of the key types with one length, DES, DES2, DES3, SEED, IDEA and CDMF. They have no CKA_VALUE_LEN, but a template of
// C_DeriveKey or C_UnwrapKey may give both type and length if they agree: sections 5.18.4 and 6.43.
var fixedKey = tablePart{"secret key of fixed length", []attribute{
	{ck.CKA_VALUE, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
	{ck.CKA_VALUE_LEN, lengthOf, notCreate | notGenerate | notUnwrap | templateOnly, 0},
}}

// fixedKeyWithLength is the table of the key types with one length that do have a CKA_VALUE_LEN. The standard says 2,3 of it; a template
// for C_GenerateKey that leaves it out leaves nothing open.
var fixedKeyWithLength = tablePart{"secret key of one length", []attribute{
	{ck.CKA_VALUE, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
	{ck.CKA_VALUE_LEN, lengthOf, notCreate, 0},
}}

// derivedSessionKey is what CKM_SOFTCSP_CRYPT_DERIVE_KEY leaves in a key. No application sees CKA_SOFTCSP_BASE_HASH, from which a later
// derivation can change the key: it is as secret as the value.
var derivedSessionKey = tablePart{"key of CryptDeriveKey", []attribute{
	{ck.CKA_SOFTCSP_ALGID, ulong, notCreate | notGenerate | notUnwrap | optional, 0},
	{ck.CKA_SOFTCSP_SALT, octets, notCreate | notGenerate | notUnwrap | optional, 0},
	{ck.CKA_SOFTCSP_EFFECTIVE_BITS, ulong, notCreate | notGenerate | notUnwrap | optional, 0},
	{ck.CKA_SOFTCSP_PERMISSIONS, ulong, notCreate | notGenerate | notUnwrap | optional, 0},
	{ck.CKA_SOFTCSP_PROVIDER, ulong, notCreate | notGenerate | notUnwrap | optional, 0},
	{mechanisms.CKA_SOFTCSP_BASE_HASH, octets, notCreate | notGenerate | notUnwrap | concealed | optional | internal, 0},
}}

// fixedTypesWithLength are the types of keys of one length that have CKA_VALUE_LEN all the same.
var fixedTypesWithLength = []ck.KeyType{ck.CKK_CHACHA20, ck.CKK_SALSA20, ck.CKK_POLY1305, ck.CKK_CAST128}

// lengthPartOf is the part of the table of a type of secret keys that says what CKA_VALUE_LEN is.
func lengthPartOf(t ck.KeyType) tablePart {
	if slices.Contains(fixedTypesWithLength, t) {
		return fixedKeyWithLength
	}
	if _, fixed := mechanisms.Size(t); fixed {
		return fixedKey
	}
	return variableKey
}

// A class and a key or certificate type choose a table.
type objectType struct {
	class   ck.ObjectClass
	subtype uint
}

// tables are the objects there can be.
var tables = allTables()

func allTables() map[objectType]*attributeTable {
	list := []*attributeTable{
		newTable(ck.CKO_DATA, 0, storageObject, dataObject),
		newTable(ck.CKO_CERTIFICATE, uint(ck.CKC_X_509), storageObject, certificate, x509),
		newTable(ck.CKO_CERTIFICATE, uint(ck.CKC_X_509_ATTR_CERT), storageObject, certificate, attributeCertificate),
		newTable(ck.CKO_CERTIFICATE, uint(ck.CKC_WTLS), storageObject, certificate, wtls),
		newTable(ck.CKO_OTP_KEY, uint(ck.CKK_HOTP), storageObject, keyObject, secretKey, otpKey),
		newTable(ck.CKO_TRUST, 0, storageObject, trust),
		newTable(ck.CKO_PROFILE, 0, storageObject, profile),
		newTable(ck.CKO_HW_FEATURE, uint(ck.CKH_CLOCK), storageObject, hardwareFeature, clockObject),
		newTable(ck.CKO_MECHANISM, 0, storageObject, mechanismObject),
	}
	for _, t := range mechanisms.SecretKeyTypes() {
		list = append(list, newTable(ck.CKO_SECRET_KEY, uint(t), storageObject, keyObject, secretKey, lengthPartOf(t), derivedSessionKey))
	}
	list = append(append(list, pairTables()...), domainTables()...)
	m := make(map[objectType]*attributeTable, len(list))
	for _, t := range list {
		m[objectType{t.class, t.subtype}] = t
	}
	return m
}

// subtypeAttribute returns the attribute that tells the type within a class, and whether the class has one.
func subtypeAttribute(class ck.ObjectClass) (ck.AttributeType, bool) {
	switch class {
	case ck.CKO_CERTIFICATE:
		return ck.CKA_CERTIFICATE_TYPE, true
	case ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY, ck.CKO_DOMAIN_PARAMETERS:
		return ck.CKA_KEY_TYPE, true
	case ck.CKO_HW_FEATURE:
		return ck.CKA_HW_FEATURE_TYPE, true
	}
	return 0, false
}
