package capi

import "slices"

// A Cipher is a cipher as one provider offers it.
type Cipher struct {
	ID   AlgID
	Name string // as PP_ENUMALGS tells it
	// Min, Default and Max are lengths of keys in bits, parity bits counted.
	Min, Default, Max int
	BlockBits         int    // KP_BLOCKLEN, 0 for a stream cipher
	Mode              uint32 // KP_MODE of a new key, 0 for a stream cipher

	parity       bool // of the DES family: odd parity, and lengths may be asked for without the parity bits
	salted       bool // has a salt: RC2 and RC4
	expandsShort bool // AES: its keys come from the expanded hash value where that has 20 bytes at most, although it would be long enough
}

// KeyBits returns the length in bits of the key that the upper half of dwFlags asks for, 0 being the default. It fails with
// NTE_BAD_FLAGS for ciphers of the DES family, and with NTE_BAD_DATA for others.
func (c *Cipher) KeyBits(asked int) (int, error) {
	switch {
	case asked == 0:
		return c.Default, nil
	case c.parity && (asked == c.Max || asked == c.Max/8*7):
		return c.Max, nil
	case c.parity:
		return 0, NTE_BAD_FLAGS
	case asked < c.Min || asked > c.Max || asked%8 != 0:
		return 0, NTE_BAD_DATA
	}
	return asked, nil
}

// HasParity reports whether the cipher is of the DES family.
func (c *Cipher) HasParity() bool { return c.parity }

// HasSalt reports whether keys of the cipher have a salt.
func (c *Cipher) HasSalt() bool { return c.salted }

// A Provider is a cryptographic service provider: which ciphers and hashes it offers, and its rule for salt.
type Provider struct {
	// Number is the place in [Providers], and ulProvider of CKM_SOFTCSP_CRYPT_DERIVE_KEY.
	Number  uint32
	Name    string // what CryptAcquireContext calls it
	Type    uint32 // PROV_RSA_FULL or PROV_RSA_AES
	Ciphers []Cipher
	Hashes  []AlgID // nil for every hash there is

	// saltLen returns how many bytes of salt CRYPT_CREATE_SALT gives a key of n bytes that is made from a hash value of
	// size bytes. The salt is what follows the key in the hash value, and zeros where that is too short.
	saltLen func(n, size int) int
	// updatesKeys says that CRYPT_UPDATE_KEY is honoured.
	updatesKeys bool
}

// The providers. The sources of each figure are in docs/cryptderivekey.md.
var (
	// Softcsp is no provider of Microsoft's: it offers what any of them does, RC5, keys of any length, and CRYPT_UPDATE_KEY.
	Softcsp = &Provider{
		Number: 0, Name: SOFTCSP_PROV, Type: PROV_RSA_AES, updatesKeys: true,
		Ciphers: ciphers(rcLengths{8, 128, 1024}, rcLengths{8, 128, 2048}, tripleDES, onlyRC5, allAES),
		saltLen: func(n, size int) int { return max(min(size, saltedLen)-n, 0) },
	}
	// MSBase is the one of the years of export control.
	MSBase = &Provider{
		Number: 1, Name: MS_DEF_PROV, Type: PROV_RSA_FULL,
		Ciphers: ciphers(rcLengths{40, 40, 56}, rcLengths{40, 40, 56}),
		Hashes:  oldHashes,
		saltLen: func(int, int) int { return zeroSaltLen },
	}
	// MSStrong is the default of type PROV_RSA_FULL.
	MSStrong = &Provider{
		Number: 2, Name: MS_STRONG_PROV, Type: PROV_RSA_FULL,
		Ciphers: ciphers(rcLengths{40, 128, 128}, rcLengths{40, 128, 128}, tripleDES),
		Hashes:  oldHashes,
		saltLen: fillSalt,
	}
	// MSEnhanced differs from MSStrong in its salts alone.
	MSEnhanced = &Provider{
		Number: 3, Name: MS_ENHANCED_PROV, Type: PROV_RSA_FULL,
		Ciphers: ciphers(rcLengths{40, 128, 128}, rcLengths{40, 128, 128}, tripleDES),
		Hashes:  oldHashes,
		saltLen: func(int, int) int { return 0 },
	}
	// MSEnhancedAES is the one of type PROV_RSA_AES: AES and SHA-2 too.
	MSEnhancedAES = &Provider{
		Number: 4, Name: MS_ENH_RSA_AES_PROV, Type: PROV_RSA_AES,
		Ciphers: ciphers(rcLengths{40, 128, 128}, rcLengths{40, 128, 128}, tripleDES, allAES),
		Hashes:  slices.Concat(oldHashes, []AlgID{CALG_SHA_256, CALG_SHA_384, CALG_SHA_512}),
		saltLen: fillSalt,
	}
)

// providers is the table: a provider's number is its place.
var providers = [...]*Provider{Softcsp, MSBase, MSStrong, MSEnhanced, MSEnhancedAES}

var oldHashes = []AlgID{CALG_MD2, CALG_MD4, CALG_MD5, CALG_SHA1, CALG_SSL3_SHAMD5, CALG_HMAC, CALG_MAC}

// saltedLen is the length of a key together with its salt; zeroSaltLen is the length of the zero salt that a 40-bit key gets to
// reach it. Both are in bytes.
const (
	saltedLen   = 16
	zeroSaltLen = 11
)

// fillSalt makes key and salt 16 bytes together.
func fillSalt(n, _ int) int { return max(saltedLen-n, 0) }

// rcLengths are the least, default and greatest length of an RC2 or RC4 key, in bits.
type rcLengths struct{ min, def, max int }

var (
	tripleDES = []Cipher{
		{ID: CALG_3DES_112, Name: "3DES TWO KEY", Min: 128, Default: 128, Max: 128, BlockBits: 64, Mode: CRYPT_MODE_CBC, parity: true},
		{ID: CALG_3DES, Name: "3DES", Min: 192, Default: 192, Max: 192, BlockBits: 64, Mode: CRYPT_MODE_CBC, parity: true},
	}
	onlyRC5 = []Cipher{
		{ID: CALG_RC5, Name: "RC5", Min: 8, Default: 128, Max: 2040, BlockBits: 64, Mode: CRYPT_MODE_CBC},
	}
	allAES = []Cipher{
		{ID: CALG_AES_128, Name: "AES-128", Min: 128, Default: 128, Max: 128, BlockBits: 128, Mode: CRYPT_MODE_CBC, expandsShort: true},
		{ID: CALG_AES_192, Name: "AES-192", Min: 192, Default: 192, Max: 192, BlockBits: 128, Mode: CRYPT_MODE_CBC, expandsShort: true},
		{ID: CALG_AES_256, Name: "AES-256", Min: 256, Default: 256, Max: 256, BlockBits: 128, Mode: CRYPT_MODE_CBC, expandsShort: true},
	}
)

// ciphers makes a provider's list: RC2, RC4 and DES, which all have, and what more.
func ciphers(rc2, rc4 rcLengths, more ...[]Cipher) []Cipher {
	list := []Cipher{
		{ID: CALG_RC2, Name: "RC2", Min: rc2.min, Default: rc2.def, Max: rc2.max, BlockBits: 64, Mode: CRYPT_MODE_CBC, salted: true},
		{ID: CALG_RC4, Name: "RC4", Min: rc4.min, Default: rc4.def, Max: rc4.max, salted: true},
		{ID: CALG_DES, Name: "DES", Min: 64, Default: 64, Max: 64, BlockBits: 64, Mode: CRYPT_MODE_CBC, parity: true},
	}
	for _, m := range more {
		list = append(list, m...)
	}
	return list
}

// Providers returns all providers, in the order of their numbers.
func Providers() []*Provider { return slices.Clone(providers[:]) }

// ProviderByNumber finds a provider, nil where there is none.
func ProviderByNumber(n uint32) *Provider {
	if n >= uint32(len(providers)) {
		return nil
	}
	return providers[n]
}

// Cipher finds the cipher that p offers as id. An id of the class of SSL's secrets is NTE_FAIL, another unknown one
// NTE_BAD_ALGID.
func (p *Provider) Cipher(id AlgID) (*Cipher, error) {
	for i := range p.Ciphers {
		if p.Ciphers[i].ID == id {
			return &p.Ciphers[i], nil
		}
	}
	if id&ALG_CLASS_MASK == ALG_CLASS_MSG_ENCRYPT {
		return nil, NTE_FAIL
	}
	return nil, NTE_BAD_ALGID
}

// Offers reports whether p makes keys from hash values of a hash; 0 is one that CryptoAPI has no number for.
func (p *Provider) Offers(hash AlgID) bool { return p.Hashes == nil || slices.Contains(p.Hashes, hash) }

// UpdatesKeys reports whether the provider honours CRYPT_UPDATE_KEY.
func (p *Provider) UpdatesKeys() bool { return p.updatesKeys }
