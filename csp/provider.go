package csp

import (
	"strings"

	"github.com/softcsp/softcsp/capi"
)

// A namedProvider is a provider as programs name it: a row of the table of mechanisms under one of its names.
type namedProvider struct {
	name string
	typ  uint32
	*capi.Provider
}

// providers are all of them, in the order of CryptEnumProviders. The last two are further names.
var providers = func() (all []namedProvider) {
	rows := capi.Providers()
	for _, n := range [...]int{1, 2, 3, 4, 0} {
		all = append(all, namedProvider{rows[n].Name, rows[n].Type, rows[n]})
	}
	return append(all, namedProvider{capi.MS_ENH_RSA_AES_PROV_P, capi.PROV_RSA_AES, rows[4]}, namedProvider{"softcsp", capi.PROV_RSA_AES, rows[0]})
}()

// providerTypes are the types, in the order of CryptEnumProviderTypes, with their names and first defaults.
var providerTypes = []struct {
	typ      uint32
	name     string
	fallback string
}{
	{capi.PROV_RSA_FULL, "RSA Full (Signature and Key Exchange)", capi.MS_STRONG_PROV},
	{capi.PROV_RSA_AES, "RSA Full and AES", capi.MS_ENH_RSA_AES_PROV},
}

// maxProviderType is the greatest type that there can be.
const maxProviderType = 999

// findProvider finds a provider by its name, as CryptAcquireContext does: without regard to case.
func findProvider(name string) *namedProvider {
	for i := range providers {
		if strings.EqualFold(providers[i].name, name) {
			return &providers[i]
		}
	}
	return nil
}

// selectProvider finds the provider of a call of CryptAcquireContext. "" is the default of the type.
func (s *System) selectProvider(name string, typ uint32) (*namedProvider, error) {
	if typ == 0 || typ > maxProviderType {
		return nil, capi.NTE_BAD_PROV_TYPE
	}
	if name == "" {
		var err error
		if name, err = s.DefaultProvider(typ, capi.CRYPT_USER_DEFAULT); err != nil {
			return nil, err
		}
	}
	p := findProvider(name)
	switch {
	case p == nil:
		return nil, capi.NTE_KEYSET_NOT_DEF
	case p.typ != typ:
		return nil, capi.NTE_PROV_TYPE_NO_MATCH
	}
	return p, nil
}

// CheckProvider tells whether AcquireContext would find a provider, before anything else that is wrong with its arguments.
func (s *System) CheckProvider(name string, typ uint32) error {
	_, err := s.selectProvider(name, typ)
	return err
}

// EnumProviders is CryptEnumProviders: the name and the type of the provider with an index, ERROR_NO_MORE_ITEMS past the last.
func EnumProviders(index uint32) (name string, typ uint32, err error) {
	if index >= uint32(len(providers)-1) { // "softcsp" is short for another
		return "", 0, capi.ERROR_NO_MORE_ITEMS
	}
	return providers[index].name, providers[index].typ, nil
}

// EnumProviderTypes is CryptEnumProviderTypes: the name and the number of the type with an index.
func EnumProviderTypes(index uint32) (name string, typ uint32, err error) {
	if index >= uint32(len(providerTypes)) {
		return "", 0, capi.ERROR_NO_MORE_ITEMS
	}
	return providerTypes[index].name, providerTypes[index].typ, nil
}

// DefaultProvider is CryptGetDefaultProvider. flags are CRYPT_MACHINE_DEFAULT or CRYPT_USER_DEFAULT, between which there is no
// difference: what SetDefaultProvider sets lasts as long as the process.
func (s *System) DefaultProvider(typ, flags uint32) (string, error) {
	if flags&^(capi.CRYPT_MACHINE_DEFAULT|capi.CRYPT_USER_DEFAULT) != 0 {
		return "", capi.NTE_BAD_FLAGS
	}
	if typ == 0 || typ > maxProviderType {
		return "", capi.NTE_BAD_PROV_TYPE
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if name, ok := s.defaultProviders[typ]; ok {
		return name, nil
	}
	for _, t := range providerTypes {
		if t.typ == typ {
			return t.fallback, nil
		}
	}
	return "", capi.NTE_PROV_TYPE_NOT_DEF
}

// SetDefaultProvider is CryptSetProviderEx. CRYPT_DELETE_DEFAULT goes back to what the default was at first.
func (s *System) SetDefaultProvider(name string, typ, flags uint32) error {
	if flags&^(capi.CRYPT_MACHINE_DEFAULT|capi.CRYPT_USER_DEFAULT|capi.CRYPT_DELETE_DEFAULT) != 0 {
		return capi.NTE_BAD_FLAGS
	}
	if typ == 0 || typ > maxProviderType {
		return capi.NTE_BAD_PROV_TYPE
	}
	if flags&capi.CRYPT_DELETE_DEFAULT != 0 {
		s.mu.Lock()
		delete(s.defaultProviders, typ)
		s.mu.Unlock()
		return nil
	}
	p := findProvider(name)
	switch {
	case p == nil:
		return capi.NTE_BAD_PROVIDER
	case p.typ != typ:
		return capi.NTE_PROV_TYPE_NO_MATCH
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.defaultProviders[typ] = p.name
	return nil
}

// A rsaRange is the least, default and greatest length of an RSA key in bits.
type rsaRange struct{ min, def, max uint32 }

// rsaLengths returns the lengths that a provider has for a kind of pairs. The Base provider exchanges keys with short ones.
func (p *namedProvider) rsaLengths(algid capi.AlgID) rsaRange {
	switch {
	case p.Number != 1:
		return rsaRange{384, 1024, 16384}
	case algid == capi.CALG_RSA_KEYX:
		return rsaRange{384, 512, 1024}
	}
	return rsaRange{384, 512, 16384}
}

// An EnumAlg is a row of PP_ENUMALGS_EX.
type EnumAlg struct {
	ALGID             capi.AlgID
	Default, Min, Max uint32 // key lengths in bits, without parity bits
	Protocols         uint32
	Name, LongName    string
}

// hashNames are the hashes as PP_ENUMALGS names them.
var hashNames = []EnumAlg{
	{ALGID: capi.CALG_SHA1, Default: 160, Name: "SHA-1", LongName: "Secure Hash Algorithm (SHA-1)"},
	{ALGID: capi.CALG_MD2, Default: 128, Name: "MD2", LongName: "Message Digest 2 (MD2)"},
	{ALGID: capi.CALG_MD4, Default: 128, Name: "MD4", LongName: "Message Digest 4 (MD4)"},
	{ALGID: capi.CALG_MD5, Default: 128, Name: "MD5", LongName: "Message Digest 5 (MD5)"},
	{ALGID: capi.CALG_SSL3_SHAMD5, Default: 288, Name: "SSL3 SHAMD5", LongName: "SSL3 SHAMD5"},
	{ALGID: capi.CALG_MAC, Name: "MAC", LongName: "Message Authentication Code"},
	{ALGID: capi.CALG_RSA_SIGN, Name: "RSA_SIGN", LongName: "RSA Signature"},
	{ALGID: capi.CALG_RSA_KEYX, Name: "RSA_KEYX", LongName: "RSA Key Exchange"},
	{ALGID: capi.CALG_HMAC, Name: "HMAC", LongName: "Hugo's MAC (HMAC)"},
	{ALGID: capi.CALG_SHA_256, Default: 256, Name: "SHA-256", LongName: "Secure Hash Algorithm (SHA-256)"},
	{ALGID: capi.CALG_SHA_384, Default: 384, Name: "SHA-384", LongName: "Secure Hash Algorithm (SHA-384)"},
	{ALGID: capi.CALG_SHA_512, Default: 512, Name: "SHA-512", LongName: "Secure Hash Algorithm (SHA-512)"},
}

// longNames are the long names of ciphers.
var longNames = map[capi.AlgID]string{
	capi.CALG_RC2: "RSA Data Security's RC2", capi.CALG_RC4: "RSA Data Security's RC4", capi.CALG_RC5: "RSA Data Security's RC5",
	capi.CALG_DES: "Data Encryption Standard (DES)", capi.CALG_3DES_112: "Two Key Triple DES", capi.CALG_3DES: "Three Key Triple DES",
	capi.CALG_AES_128: "Advanced Encryption Standard (AES-128)", capi.CALG_AES_192: "Advanced Encryption Standard (AES-192)",
	capi.CALG_AES_256: "Advanced Encryption Standard (AES-256)",
}

// algorithms lists what the provider offers.
func (p *namedProvider) algorithms() (list []EnumAlg) {
	for _, a := range p.Ciphers {
		bits := func(n int) uint32 {
			if a.HasParity() {
				n = n / 8 * 7
			}
			return uint32(n)
		}
		list = append(list, EnumAlg{a.ID, bits(a.Default), bits(a.Min), bits(a.Max), 0, a.Name, longNames[a.ID]})
	}
	for _, h := range hashNames {
		h.Min, h.Max = h.Default, h.Default
		switch h.ALGID {
		case capi.CALG_RSA_SIGN, capi.CALG_RSA_KEYX:
			r := p.rsaLengths(h.ALGID)
			h.Min, h.Default, h.Max, h.Protocols = r.min, r.def, r.max, capi.CRYPT_FLAG_SIGNING|capi.CRYPT_FLAG_IPSEC
		case capi.CALG_SSL3_SHAMD5, capi.CALG_MAC, capi.CALG_HMAC:
		default:
			h.Protocols = capi.CRYPT_FLAG_SIGNING
		}
		if h.ALGID&capi.ALG_CLASS_MASK != capi.CALG_MD2&capi.ALG_CLASS_MASK || p.Offers(h.ALGID) {
			list = append(list, h)
		}
	}
	return list
}
