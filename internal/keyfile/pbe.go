package keyfile

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/rc4"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"hash"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/scrypt"

	"github.com/softcsp/softcsp/internal/algorithm/md2"
	"github.com/softcsp/softcsp/internal/algorithm/pbkdf"
	"github.com/softcsp/softcsp/internal/algorithm/rc2"
)

// What the passwords of one file may cost together: repetitions of a hash, and for scrypt what is about as much, and memory in bytes. Files of honest
// programs are far from these; OWASP's advice of 2023 is 600,000 repetitions.
const (
	maxCost         = 20_000_000
	maxScryptMemory = 256 << 20
)

// spend counts what a derivation costs.
func (r *reader) spend(repetitions int) error {
	if repetitions < 1 || repetitions > r.costs {
		return fmt.Errorf("the password would have to be hashed %d times, which is more than honest programs ask for", repetitions)
	}
	r.costs -= repetitions
	return nil
}

// A scheme is an algorithm that encrypts with a password, read from its AlgorithmIdentifier.
type scheme struct {
	// derive makes the key, and the IV where that comes from the password, too.
	derive func(r *reader, password []byte) (key, iv []byte, err error)
	cipher *pbeCipher
	iv     []byte // as the parameters have it
	rc2    uint   // effective bits
}

// A pbeCipher is a cipher of password-based encryption.
type pbeCipher struct {
	oid   asn1.ObjectIdentifier                             // of PBES2, nil where it is not used there
	key   int                                               // length in bytes
	block func(key []byte, s *scheme) (cipher.Block, error) // nil of RC4
}

var (
	desCipher  = &pbeCipher{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 7}, 8, func(k []byte, _ *scheme) (cipher.Block, error) { return des.NewCipher(k) }}
	des3Cipher = &pbeCipher{asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}, 24, func(k []byte, _ *scheme) (cipher.Block, error) { return des.NewTripleDESCipher(k) }}
	des2Cipher = &pbeCipher{nil, 16, func(k []byte, _ *scheme) (cipher.Block, error) {
		return des.NewTripleDESCipher(append(bytes.Clone(k), k[:8]...))
	}}
	rc2Cipher = &pbeCipher{asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 2}, 16, newRC2}
	rc2Short  = &pbeCipher{nil, 5, newRC2}
	rc2Old    = &pbeCipher{nil, 8, newRC2}
	rc4Cipher = &pbeCipher{nil, 16, nil}
	rc4Short  = &pbeCipher{nil, 5, nil}
	aes256    = aesCipher(42, 32)

	// pbes2Ciphers are those of RFC 8018, appendix B.2.
	pbes2Ciphers = []*pbeCipher{aesCipher(2, 16), aesCipher(22, 24), aes256, des3Cipher, desCipher, rc2Cipher}
)

func aesCipher(n, size int) *pbeCipher {
	return &pbeCipher{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, n}, size, func(k []byte, _ *scheme) (cipher.Block, error) { return aes.NewCipher(k) }}
}

func newRC2(key []byte, s *scheme) (cipher.Block, error) {
	bits := s.rc2
	if bits == 0 {
		bits = uint(len(key)) * 8
	}
	return rc2.NewCipher(key, bits)
}

// Identifiers of PKCS #5 (RFC 8018), and of scrypt (RFC 7914).
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidPBMAC1 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
)

// hmacs are the pseudorandom functions of PBKDF2: RFC 8018, appendix B.1.
var hmacs = []struct {
	oid     asn1.ObjectIdentifier
	newHash func() hash.Hash
}{
	{hmacOID(7), sha1.New}, // the default
	{hmacOID(6), md5.New}, {hmacOID(8), sha256.New224}, {hmacOID(9), sha256.New}, {hmacOID(10), sha512.New384}, {hmacOID(11), sha512.New},
	{hmacOID(12), sha512.New512_224}, {hmacOID(13), sha512.New512_256},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 14}, func() hash.Hash { return sha3.New256() }},
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 16}, func() hash.Hash { return sha3.New512() }},
}

func hmacOID(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 2, n} }

func findHMAC(oid asn1.ObjectIdentifier) func() hash.Hash {
	for _, h := range hmacs {
		if h.oid.Equal(oid) {
			return h.newHash
		}
	}
	return nil
}

// pbes1 are the schemes whose identifiers name everything: RFC 8018, appendix A.3, and RFC 7292, appendix C.
var pbes1 = []struct {
	oid    asn1.ObjectIdentifier
	hash   func() hash.Hash
	cipher *pbeCipher
}{
	{pkcs5OID(1), md2.New, desCipher}, {pkcs5OID(3), md5.New, desCipher}, {pkcs5OID(10), sha1.New, desCipher},
	{pkcs5OID(4), md2.New, rc2Old}, {pkcs5OID(6), md5.New, rc2Old}, {pkcs5OID(11), sha1.New, rc2Old},
	{pkcs12OID(1, 1), nil, rc4Cipher}, {pkcs12OID(1, 2), nil, rc4Short}, {pkcs12OID(1, 3), nil, des3Cipher},
	{pkcs12OID(1, 4), nil, des2Cipher}, {pkcs12OID(1, 5), nil, rc2Cipher}, {pkcs12OID(1, 6), nil, rc2Short},
}

func pkcs5OID(n int) asn1.ObjectIdentifier { return asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, n} }

func pkcs12OID(arcs ...int) asn1.ObjectIdentifier {
	return append(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12}, arcs...)
}

// readScheme reads an AlgorithmIdentifier, whose sequence is open.
func readScheme(algorithm cryptobyte.String) (*scheme, error) {
	var oid asn1.ObjectIdentifier
	var params cryptobyte.String
	if !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return nil, errDER
	}
	if oid.Equal(oidPBES2) {
		return readPBES2(algorithm)
	}
	for _, p := range pbes1 {
		if !p.oid.Equal(oid) {
			continue
		}
		var salt cryptobyte.String
		var iterations int
		if !algorithm.ReadASN1(&params, der.SEQUENCE) || !params.ReadASN1(&salt, der.OCTET_STRING) || !params.ReadASN1Integer(&iterations) {
			return nil, errDER
		}
		derive := pbkdf1(p.hash, salt, iterations)
		if p.hash == nil {
			derive = pkcs12KDF(p.cipher, salt, iterations)
		}
		return &scheme{derive: derive, cipher: p.cipher}, nil
	}
	return nil, fmt.Errorf("it is encrypted in a way that is not known: algorithm %v", oid)
}

// pbkdf1 makes both parts, of eight bytes, at once: RFC 8018, section 6.1.
func pbkdf1(h func() hash.Hash, salt []byte, iterations int) func(*reader, []byte) ([]byte, []byte, error) {
	return func(r *reader, password []byte) (key, iv []byte, err error) {
		key, iv = make([]byte, 8), make([]byte, 8)
		if err = r.spend(iterations); err == nil {
			new(pbkdf.Work).PBKDF1(key, iv, h(), password, salt, iterations)
		}
		return key, iv, err
	}
}

// pkcs12KDF makes key and IV as RFC 7292, appendix B, does, with SHA-1.
func pkcs12KDF(c *pbeCipher, salt []byte, iterations int) func(*reader, []byte) ([]byte, []byte, error) {
	return func(r *reader, password []byte) (key, iv []byte, err error) {
		if err := r.spend(iterations); err != nil {
			return nil, nil, err
		}
		if err := r.spend(iterations); err != nil { // twenty bytes at a time
			return nil, nil, err
		}
		wide := bmpString(password)
		defer clear(wide)
		key, iv = make([]byte, c.key), make([]byte, 8)
		work := new(pbkdf.Work)
		work.PKCS12(key, sha1.New, pbkdf.PKCS12Key, wide, salt, iterations)
		work.PKCS12(iv, sha1.New, pbkdf.PKCS12IV, wide, salt, iterations)
		return key, iv, nil
	}
}

// bmpString is a password as PKCS #12 hashes it, in UTF-16 with two zeros at its end: RFC 7292, appendix B.1. nil stands for no password at all,
// which some programs tell from an empty one. A password that is not in UTF-8 is taken for Latin-1, as OpenSSL does.
func bmpString(password []byte) []byte {
	if password == nil {
		return nil
	}
	wide := make([]byte, 0, 2*len(password)+2)
	for rest := password; len(rest) > 0; {
		c, n := rune(rest[0]), 1
		if utf8.Valid(password) {
			c, n = utf8.DecodeRune(rest)
		}
		rest = rest[n:]
		if high, low := utf16.EncodeRune(c); high != utf8.RuneError {
			wide = append(wide, byte(high>>8), byte(high))
			c = low
		}
		wide = append(wide, byte(c>>8), byte(c))
	}
	return append(wide, 0, 0)
}

// readPBES2 reads the parameters of PBES2: RFC 8018, appendix A.4.
func readPBES2(in cryptobyte.String) (*scheme, error) {
	var params, kdf, encryption, ivs cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&params, der.SEQUENCE) || !params.ReadASN1(&kdf, der.SEQUENCE) || !params.ReadASN1(&encryption, der.SEQUENCE) ||
		!encryption.ReadASN1ObjectIdentifier(&oid) {
		return nil, errDER
	}
	s := new(scheme)
	for _, c := range pbes2Ciphers {
		if c.oid.Equal(oid) {
			s.cipher = c
		}
	}
	switch {
	case s.cipher == nil:
		return nil, fmt.Errorf("it is encrypted with a cipher that is not known here: %v", oid)
	case s.cipher == rc2Cipher: // RFC 8018, appendix B.2.3
		var body cryptobyte.String
		var version int
		if !encryption.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1Integer(&version) || !body.ReadASN1(&ivs, der.OCTET_STRING) {
			return nil, errDER
		}
		s.rc2 = map[int]uint{160: 40, 120: 64, 58: 128}[version]
	case !encryption.ReadASN1(&ivs, der.OCTET_STRING):
		return nil, errDER
	}
	s.iv = ivs
	keyFrom, err := readKDF(kdf)
	if err != nil {
		return nil, err
	}
	s.derive = func(r *reader, password []byte) (key, iv []byte, err error) {
		key, err = keyFrom(r, password, s.cipher.key)
		return key, s.iv, err
	}
	return s, nil
}

// A kdf makes a key of n bytes from a password.
type kdf func(r *reader, password []byte, n int) ([]byte, error)

// readKDF reads an AlgorithmIdentifier, whose sequence is open.
func readKDF(in cryptobyte.String) (kdf, error) {
	var oid asn1.ObjectIdentifier
	var params, salt cryptobyte.String
	if !in.ReadASN1ObjectIdentifier(&oid) || !in.ReadASN1(&params, der.SEQUENCE) || !params.ReadASN1(&salt, der.OCTET_STRING) {
		return nil, errDER
	}
	switch {
	case oid.Equal(oidPBKDF2):
		return readPBKDF2(salt, params)
	case oid.Equal(oidScrypt):
		return readScrypt(salt, params)
	}
	return nil, fmt.Errorf("its key comes from the password in a way that is not known: algorithm %v", oid)
}

// readPBKDF2 reads what follows the salt: RFC 8018, appendix A.2.
func readPBKDF2(salt []byte, params cryptobyte.String) (kdf, error) {
	var iterations int
	if !params.ReadASN1Integer(&iterations) || params.PeekASN1Tag(der.INTEGER) && !params.SkipASN1(der.INTEGER) {
		return nil, errDER
	}
	prf := sha1.New
	if !params.Empty() {
		var algorithm cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !params.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) {
			return nil, errDER
		}
		if prf = findHMAC(oid); prf == nil {
			return nil, fmt.Errorf("its key comes from the password by a function that is not known: %v", oid)
		}
	}
	return func(r *reader, password []byte, n int) ([]byte, error) {
		for done := 0; done < n; done += prf().Size() {
			if err := r.spend(iterations); err != nil {
				return nil, err
			}
		}
		key := make([]byte, n)
		new(pbkdf.Work).PBKDF2(key, hmac.New(prf, password), salt, iterations)
		return key, nil
	}, nil
}

// readScrypt reads what follows the salt: RFC 7914, section 7.1.
func readScrypt(salt []byte, params cryptobyte.String) (kdf, error) {
	var n, blocks, parallel int
	if !params.ReadASN1Integer(&n) || !params.ReadASN1Integer(&blocks) || !params.ReadASN1Integer(&parallel) {
		return nil, errDER
	}
	return func(r *reader, password []byte, size int) ([]byte, error) {
		if n < 2 || blocks < 1 || parallel < 1 || n > maxScryptMemory/128/blocks || parallel > maxScryptMemory/128/blocks || r.spend(n*blocks*parallel) != nil {
			return nil, fmt.Errorf("scrypt with N=%d, r=%d and p=%d is more than honest programs ask for", n, blocks, parallel)
		}
		return scrypt.Key(password, salt, n, blocks, parallel, size)
	}, nil
}

// decrypt decrypts with a password. What does not come out as a sequence is ErrPassword.
func (s *scheme) decrypt(r *reader, password, data []byte) ([]byte, error) {
	key, iv, err := s.derive(r, password)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	plain := bytes.Clone(data)
	if s.cipher.block == nil {
		c, err := rc4.NewCipher(key)
		if err != nil {
			return nil, err
		}
		c.XORKeyStream(plain, plain)
	} else {
		block, err := s.cipher.block(key, s)
		if err != nil {
			return nil, err
		}
		size := block.BlockSize()
		if len(iv) != size || len(plain) == 0 || len(plain)%size != 0 {
			return nil, errDER
		}
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, plain)
		fill := int(plain[len(plain)-1])
		if fill == 0 || fill > size || !bytes.Equal(plain[len(plain)-fill:], bytes.Repeat([]byte{byte(fill)}, fill)) {
			clear(plain)
			return nil, ErrPassword
		}
		plain = plain[:len(plain)-fill]
	}
	encoded, ok := toDER(plain)
	if !ok || &encoded[0] != &plain[0] {
		clear(plain) // what is in BER was copied
	}
	if !ok {
		return nil, ErrPassword
	}
	return encoded, nil
}

// readEncrypted reads an EncryptedPrivateKeyInfo (RFC 5958, section 3).
func (r *reader) readEncrypted(content []byte) error {
	s, data, err := readEncryptedInfo(content)
	if err != nil {
		return err
	}
	password, err := r.askPassword()
	if err != nil {
		return err
	}
	plain, err := s.decrypt(r, password, data)
	if err != nil {
		return err
	}
	defer clear(plain)
	return r.addPrivate(plain, "")
}

func readEncryptedInfo(content []byte) (*scheme, []byte, error) {
	in := cryptobyte.String(content)
	var body, algorithm, data cryptobyte.String
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1(&algorithm, der.SEQUENCE) || !body.ReadASN1(&data, der.OCTET_STRING) {
		return nil, nil, errDER
	}
	s, err := readScheme(algorithm)
	return s, data, err
}

// iterations of PBKDF2 for files that are written: OWASP's advice for HMAC-SHA-256. OpenSSL and GnuTLS read them. scrypt
// costs an attacker more, and fewer programs read it.
const iterations = 600_000

// encrypt makes an EncryptedPrivateKeyInfo by PBES2 with PBKDF2, HMAC-SHA-256 and AES-256 in CBC mode.
func encrypt(info, password []byte) ([]byte, error) {
	salt, iv := make([]byte, 16), make([]byte, aes.BlockSize)
	rand.Read(salt)
	rand.Read(iv)
	key := make([]byte, aes256.key)
	defer clear(key)
	new(pbkdf.Work).PBKDF2(key, hmac.New(sha256.New, password), salt, iterations)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	fill := aes.BlockSize - len(info)%aes.BlockSize
	data := append(append(make([]byte, 0, len(info)+fill), info...), bytes.Repeat([]byte{byte(fill)}, fill)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)
	var kdf, encryption cryptobyte.Builder
	kdf.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1OctetString(salt)
		b.AddASN1Uint64(iterations)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(hmacOID(9))
			b.AddASN1NULL()
		})
	})
	encryption.AddASN1OctetString(iv)
	var out cryptobyte.Builder
	out.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidPBES2)
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				addAlgorithm(b, oidPBKDF2, kdf.BytesOrPanic())
				addAlgorithm(b, aes256.oid, encryption.BytesOrPanic())
			})
		})
		b.AddASN1OctetString(data)
	})
	return out.Bytes()
}
