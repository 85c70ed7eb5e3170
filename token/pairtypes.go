package token

import (
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// The attribute tables of key pairs, from section 6 and from "PKCS #11 Historical Mechanisms".

// rsaPublic and rsaPrivate are section 6.1. Of CKA_PUBLIC_EXPONENT of a private key the versions of the standard say 4,6 or
// 1,4,6; without it the primes have to be there, from which it follows.
var (
	rsaPublic = tablePart{"RSA public key", []attribute{
		{ck.CKA_MODULUS, octets, mustCreate | notGenerate, 0},
		{ck.CKA_MODULUS_BITS, ulong, notCreate | mustGenerate, 0},
		{ck.CKA_PUBLIC_EXPONENT, octets, mustCreate, 0},
	}}
	rsaPrivate = tablePart{"RSA private key", []attribute{
		{ck.CKA_MODULUS, octets, mustCreate | notGenerate | notUnwrap, 0},
		{ck.CKA_PUBLIC_EXPONENT, octets, notGenerate | notUnwrap, 0},
		{ck.CKA_PRIVATE_EXPONENT, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
		{ck.CKA_PRIME_1, octets, notGenerate | notUnwrap | concealed, 0},
		{ck.CKA_PRIME_2, octets, notGenerate | notUnwrap | concealed, 0},
		{ck.CKA_EXPONENT_1, octets, notGenerate | notUnwrap | concealed, 0},
		{ck.CKA_EXPONENT_2, octets, notGenerate | notUnwrap | concealed, 0},
		{ck.CKA_COEFFICIENT, octets, notGenerate | notUnwrap | concealed, 0},
	}}
)

// ecPublic and ecPrivate are section 6.3, of all curves.
var (
	ecPublic = tablePart{"elliptic curve public key", []attribute{
		{ck.CKA_EC_PARAMS, octets, mustCreate | mustGenerate, 0},
		{ck.CKA_EC_POINT, octets, mustCreate | notGenerate, 0},
	}}
	ecPrivate = tablePart{"elliptic curve private key", []attribute{
		{ck.CKA_EC_PARAMS, octets, mustCreate | notGenerate | notUnwrap, 0},
		{ck.CKA_VALUE, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
	}}
)

// Tables of keys over the integers modulo a prime.
var (
	dsaPublic = tablePart{"DSA public key", []attribute{
		{ck.CKA_PRIME, octets, mustCreate | mustGenerate, 0},
		{ck.CKA_SUBPRIME, octets, mustCreate | mustGenerate, 0},
		{ck.CKA_BASE, octets, mustCreate | mustGenerate, 0},
		{ck.CKA_VALUE, octets, mustCreate | notGenerate, 0},
	}}
	dsaPrivate = tablePart{"DSA private key", []attribute{
		{ck.CKA_PRIME, octets, mustCreate | notGenerate | notUnwrap, 0},
		{ck.CKA_SUBPRIME, octets, mustCreate | notGenerate | notUnwrap, 0},
		{ck.CKA_BASE, octets, mustCreate | notGenerate | notUnwrap, 0},
		{ck.CKA_VALUE, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
	}}
	dhPublic = tablePart{"Diffie-Hellman public key", []attribute{
		{ck.CKA_PRIME, octets, mustCreate | mustGenerate, 0},
		{ck.CKA_BASE, octets, mustCreate | mustGenerate, 0},
		{ck.CKA_VALUE, octets, mustCreate | notGenerate, 0},
	}}
	dhPrivate = tablePart{"Diffie-Hellman private key", []attribute{
		{ck.CKA_PRIME, octets, mustCreate | notGenerate | notUnwrap, 0},
		{ck.CKA_BASE, octets, mustCreate | notGenerate | notUnwrap, 0},
		{ck.CKA_VALUE, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
		{ck.CKA_VALUE_BITS, ulong, notCreate | notUnwrap, 0},
	}}
)

// The tables of the algorithms whose keys have a parameter set. With a private key CKA_SEED or CKA_VALUE has to be specified;
// the token computes the value from the seed.
var (
	parameterPublic = tablePart{"public key with a parameter set", []attribute{
		{ck.CKA_PARAMETER_SET, ulong, mustCreate | mustGenerate, 0},
		{ck.CKA_VALUE, octets, mustCreate | notGenerate, 0},
	}}
	seedPrivate = tablePart{"private key with a parameter set and a seed", []attribute{
		{ck.CKA_PARAMETER_SET, ulong, mustCreate | notGenerate | notUnwrap, 0},
		{ck.CKA_SEED, octets, notGenerate | notUnwrap | concealed | optional, 0},
		{ck.CKA_VALUE, octets, notGenerate | notUnwrap | concealed | valueOrSeed, 0},
	}}
)

// Tables of domain parameters. In those of DSA CKA_PRIME and CKA_SUBPRIME do not have footnote 4, which the standard gives
// them: CKM_DSA_FIPS_G_GEN takes them from the template. The standard has no CKA_SUBPRIME_BITS there, of which its text speaks.
var (
	dsaDomain = tablePart{"DSA domain parameters", []attribute{
		{ck.CKA_PRIME, octets, mustCreate, 0},
		{ck.CKA_SUBPRIME, octets, mustCreate, 0},
		{ck.CKA_BASE, octets, mustCreate | notGenerate, 0},
		{ck.CKA_PRIME_BITS, ulong, notCreate | mustGenerate, 0},
		{ck.CKA_SUBPRIME_BITS, ulong, notCreate, 0},
	}}
	dhDomain = tablePart{"Diffie-Hellman domain parameters", []attribute{
		{ck.CKA_PRIME, octets, mustCreate | notGenerate, 0},
		{ck.CKA_BASE, octets, mustCreate | notGenerate, 0},
		{ck.CKA_PRIME_BITS, ulong, notCreate | mustGenerate, 0},
	}}
	x942Domain = tablePart{"X9.42 Diffie-Hellman domain parameters", []attribute{
		{ck.CKA_PRIME, octets, mustCreate | notGenerate, 0},
		{ck.CKA_BASE, octets, mustCreate | notGenerate, 0},
		{ck.CKA_SUBPRIME, octets, mustCreate | notGenerate, 0},
		{ck.CKA_PRIME_BITS, ulong, notCreate | mustGenerate, 0},
		{ck.CKA_SUBPRIME_BITS, ulong, notCreate | mustGenerate, 0},
	}}
)

// domainTables are the tables of domain parameters.
func domainTables() []*attributeTable {
	return []*attributeTable{
		newTable(ck.CKO_DOMAIN_PARAMETERS, uint(ck.CKK_DSA), storageObject, domainParameters, dsaDomain),
		newTable(ck.CKO_DOMAIN_PARAMETERS, uint(ck.CKK_DH), storageObject, domainParameters, dhDomain),
		newTable(ck.CKO_DOMAIN_PARAMETERS, uint(ck.CKK_X9_42_DH), storageObject, domainParameters, x942Domain),
	}
}

// parameterPrivate is of the algorithms whose keys have no seed.
var parameterPrivate = tablePart{"private key with a parameter set", []attribute{
	{ck.CKA_PARAMETER_SET, ulong, mustCreate | notGenerate | notUnwrap, 0},
	{ck.CKA_VALUE, octets, mustCreate | notGenerate | notUnwrap | concealed, 0},
}}

// hssPublic is section 6.65. The other attributes repeat what the value begins with.
var hssPublic = tablePart{"HSS public key", []attribute{
	{ck.CKA_HSS_LEVELS, ulong, notCreate | notGenerate, 0},
	{ck.CKA_HSS_LMS_TYPE, ulong, notCreate | notGenerate, 0},
	{ck.CKA_HSS_LMOTS_TYPE, ulong, notCreate | notGenerate, 0},
	{ck.CKA_VALUE, octets, mustCreate | notGenerate, 0},
}}

// A pairTable is the tables of a type of key pairs: of its public and of its private keys. HSS, XMSS and XMSSMT have no private ones.
type pairTable struct {
	t               ck.KeyType
	public, private tablePart
}

// pairTypes are those of key pairs.
var pairTypes = []pairTable{
	{ck.CKK_RSA, rsaPublic, rsaPrivate},
	{ck.CKK_DSA, dsaPublic, dsaPrivate},
	{ck.CKK_DH, dhPublic, dhPrivate},
	{ck.CKK_EC, ecPublic, ecPrivate},
	{ck.CKK_X9_42_DH, dsaPublic, dsaPrivate},
	{ck.CKK_EC_EDWARDS, ecPublic, ecPrivate},
	{ck.CKK_EC_MONTGOMERY, ecPublic, ecPrivate},
	{ck.CKK_ML_KEM, parameterPublic, seedPrivate},
	{ck.CKK_ML_DSA, parameterPublic, seedPrivate},
	{ck.CKK_SLH_DSA, parameterPublic, parameterPrivate},
	{ck.CKK_HSS, hssPublic, tablePart{}},
	{ck.CKK_XMSS, parameterPublic, tablePart{}},
	{ck.CKK_XMSSMT, parameterPublic, tablePart{}},
}

// pairTables are the tables of the types that package mechanisms can check.
func pairTables() (list []*attributeTable) {
	known := mechanisms.PairTypes()
	for _, p := range pairTypes {
		if slices.Contains(known, p.t) {
			list = append(list, newTable(ck.CKO_PUBLIC_KEY, uint(p.t), storageObject, keyObject, publicKey, p.public))
			if p.private.rows != nil {
				list = append(list, newTable(ck.CKO_PRIVATE_KEY, uint(p.t), storageObject, keyObject, privateKey, p.private))
			}
		}
	}
	return list
}
