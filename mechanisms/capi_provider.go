package mechanisms

import "github.com/softcsp/softcsp/ck"

// Algorithm ids of CryptoAPI (ALG_ID): ciphers that session keys are made for, and hashes that they are made from.
const (
	CALG_DES      = 0x6601
	CALG_RC2      = 0x6602
	CALG_3DES     = 0x6603
	CALG_3DES_112 = 0x6609
	CALG_RC5      = 0x660d
	CALG_AES_128  = 0x660e
	CALG_AES_192  = 0x660f
	CALG_AES_256  = 0x6610
	CALG_RC4      = 0x6801

	CALG_MD2         = 0x8001
	CALG_MD4         = 0x8002
	CALG_MD5         = 0x8003
	CALG_SHA1        = 0x8004
	CALG_MAC         = 0x8005
	CALG_SSL3_SHAMD5 = 0x8008
	CALG_HMAC        = 0x8009
	CALG_SHA_256     = 0x800c
	CALG_SHA_384     = 0x800d
	CALG_SHA_512     = 0x800e

	algClassMask = 7 << 13 // GET_ALG_CLASS
	algClassMsg  = 2 << 13 // ALG_CLASS_MSG_ENCRYPT: master secrets and keys of SSL
)

// Flags of CryptDeriveKey (dwFlags). The upper 16 of the 32 bits are the key length in bits.
const (
	CRYPT_EXPORTABLE     = 0x1
	CRYPT_USER_PROTECTED = 0x2
	CRYPT_CREATE_SALT    = 0x4
	CRYPT_UPDATE_KEY     = 0x8
	CRYPT_NO_SALT        = 0x10
)

// Values of KP_MODE and KP_PERMISSIONS.
const (
	CRYPT_MODE_CBC = 1

	CRYPT_ENCRYPT = 0x1
	CRYPT_DECRYPT = 0x2
	CRYPT_EXPORT  = 0x4
	CRYPT_READ    = 0x8
	CRYPT_WRITE   = 0x10
	CRYPT_MAC     = 0x20
)

// An Algorithm is a cipher as one provider offers it.
type Algorithm struct {
	ALGID     uint32
	Name      string
	Type      ck.KeyType
	Min       uint // key lengths in bits, parity bits counted
	Default   uint
	Max       uint
	BlockBits uint   // KP_BLOCKLEN, 0 for a stream cipher
	Mode      uint32 // KP_MODE of a new key, 0 for a stream cipher

	parity bool // of the DES family: odd parity, and lengths may be asked for without the parity bits
	salted bool // has a salt: RC2 and RC4
	double bool // takes expanded material even where the hash is long enough: AES
}

// KeyBits returns the length of the key that the upper half of dwFlags asks for, 0 being the default.
func (a *Algorithm) KeyBits(asked uint) (uint, error) {
	switch {
	case asked == 0:
		return a.Default, nil
	case a.parity && (asked == a.Max || asked == a.Max/8*7):
		return a.Max, nil
	case a.parity:
		return 0, NTE_BAD_FLAGS
	case asked < a.Min || asked > a.Max || asked%8 != 0:
		return 0, NTE_BAD_DATA
	}
	return asked, nil
}

// A Provider is a row of the table of providers: what one cryptographic service provider offers, and its rule for salt.
type Provider struct {
	Number     uint32 // ulProvider
	Name       string // what CryptAcquireContext calls it
	Type       uint32 // PROV_RSA_FULL or PROV_RSA_AES
	Algorithms []Algorithm
	Hashes     []uint32 // nil for every hash there is

	// createSalt returns how many bytes of salt CRYPT_CREATE_SALT gives a key of n bytes that is made from a hash value
	// of size bytes. The salt is what follows the key in the hash value, and zeros where that is too short.
	createSalt func(n, size int) int
	// updates says that CRYPT_UPDATE_KEY is honoured.
	updates bool
}

// provSoftcsp is the number of softcsp's own provider, and its place in the table.
const provSoftcsp = 0

// Types of providers.
const (
	PROV_RSA_FULL = 1
	PROV_RSA_AES  = 24
)

// providers is the table; a provider's number is its place. The sources of each figure are in docs/cryptderivekey.md.
var providers = [...]Provider{
	{
		Number: provSoftcsp, Name: "softcsp Cryptographic Provider", Type: PROV_RSA_AES, updates: true,
		Algorithms: algorithms(rcLengths{8, 128, 1024}, rcLengths{8, 128, 2048}, tripleDES, onlyRC5, allAES),
		createSalt: func(n, size int) int { return max(min(size, saltedBytes)-n, 0) },
	}, {
		Number: 1, Name: "Microsoft Base Cryptographic Provider v1.0", Type: PROV_RSA_FULL,
		Algorithms: algorithms(rcLengths{40, 40, 56}, rcLengths{40, 40, 56}),
		Hashes:     oldHashes,
		createSalt: func(int, int) int { return zeroSaltBytes },
	}, {
		Number: 2, Name: "Microsoft Strong Cryptographic Provider", Type: PROV_RSA_FULL,
		Algorithms: algorithms(rcLengths{40, 128, 128}, rcLengths{40, 128, 128}, tripleDES),
		Hashes:     oldHashes,
		createSalt: fillSalt,
	}, {
		Number: 3, Name: "Microsoft Enhanced Cryptographic Provider v1.0", Type: PROV_RSA_FULL,
		Algorithms: algorithms(rcLengths{40, 128, 128}, rcLengths{40, 128, 128}, tripleDES),
		Hashes:     oldHashes,
		createSalt: func(int, int) int { return 0 },
	}, {
		Number: 4, Name: "Microsoft Enhanced RSA and AES Cryptographic Provider", Type: PROV_RSA_AES,
		Algorithms: algorithms(rcLengths{40, 128, 128}, rcLengths{40, 128, 128}, tripleDES, allAES),
		Hashes:     append(oldHashes[:len(oldHashes):len(oldHashes)], CALG_SHA_256, CALG_SHA_384, CALG_SHA_512),
		createSalt: fillSalt,
	},
}

var oldHashes = []uint32{CALG_MD2, CALG_MD4, CALG_MD5, CALG_SHA1, CALG_SSL3_SHAMD5, CALG_HMAC, CALG_MAC}

// saltedBytes is the length of a key together with its salt; zeroSaltBytes is the length of the zero salt that a 40-bit
// key gets to reach it.
const (
	saltedBytes   = 16
	zeroSaltBytes = 11
)

// fillSalt makes key and salt 16 bytes together.
func fillSalt(n, _ int) int { return max(saltedBytes-n, 0) }

// rcLengths are the least, default and greatest length of an RC2 or RC4 key, in bits.
type rcLengths struct{ min, def, max uint }

var (
	tripleDES = []Algorithm{
		{ALGID: CALG_3DES_112, Name: "3DES TWO KEY", Type: ck.CKK_DES2, Min: 128, Default: 128, Max: 128, BlockBits: 64, Mode: CRYPT_MODE_CBC, parity: true},
		{ALGID: CALG_3DES, Name: "3DES", Type: ck.CKK_DES3, Min: 192, Default: 192, Max: 192, BlockBits: 64, Mode: CRYPT_MODE_CBC, parity: true},
	}
	onlyRC5 = []Algorithm{
		{ALGID: CALG_RC5, Name: "RC5", Type: ck.CKK_RC5, Min: 8, Default: 128, Max: 2040, BlockBits: 64, Mode: CRYPT_MODE_CBC},
	}
	allAES = []Algorithm{
		{ALGID: CALG_AES_128, Name: "AES-128", Type: ck.CKK_AES, Min: 128, Default: 128, Max: 128, BlockBits: 128, Mode: CRYPT_MODE_CBC, double: true},
		{ALGID: CALG_AES_192, Name: "AES-192", Type: ck.CKK_AES, Min: 192, Default: 192, Max: 192, BlockBits: 128, Mode: CRYPT_MODE_CBC, double: true},
		{ALGID: CALG_AES_256, Name: "AES-256", Type: ck.CKK_AES, Min: 256, Default: 256, Max: 256, BlockBits: 128, Mode: CRYPT_MODE_CBC, double: true},
	}
)

// algorithms makes a provider's list: RC2, RC4 and DES, which all have, and what more.
func algorithms(rc2, rc4 rcLengths, more ...[]Algorithm) []Algorithm {
	list := []Algorithm{
		{ALGID: CALG_RC2, Name: "RC2", Type: ck.CKK_RC2, Min: rc2.min, Default: rc2.def, Max: rc2.max, BlockBits: 64, Mode: CRYPT_MODE_CBC, salted: true},
		{ALGID: CALG_RC4, Name: "RC4", Type: ck.CKK_RC4, Min: rc4.min, Default: rc4.def, Max: rc4.max, salted: true},
		{ALGID: CALG_DES, Name: "DES", Type: ck.CKK_DES, Min: 64, Default: 64, Max: 64, BlockBits: 64, Mode: CRYPT_MODE_CBC, parity: true},
	}
	for _, m := range more {
		list = append(list, m...)
	}
	return list
}

// ProviderByNumber finds a row of the table of providers, nil where there is none.
func ProviderByNumber(n uint32) *Provider {
	if n >= uint32(len(providers)) {
		return nil
	}
	return &providers[n]
}

// Providers returns the table of providers.
func Providers() []Provider { return providers[:] }

// Algorithm finds what p offers as algid. An id of the class of SSL's secrets is NTE_FAIL, another unknown one
// NTE_BAD_ALGID.
func (p *Provider) Algorithm(algid uint32) (*Algorithm, error) {
	for i := range p.Algorithms {
		if p.Algorithms[i].ALGID == algid {
			return &p.Algorithms[i], nil
		}
	}
	if algid&algClassMask == algClassMsg {
		return nil, NTE_FAIL
	}
	return nil, NTE_BAD_ALGID
}

// Offers reports whether p makes keys from hash values of h.
func (p *Provider) Offers(h *Hash) bool {
	if p.Hashes == nil {
		return true
	}
	for _, id := range p.Hashes {
		if id == h.ALGID {
			return true
		}
	}
	return false
}
