package mechanisms

import (
	"crypto/cipher"
	"crypto/rc4"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/rc2"
	"github.com/softcsp/softcsp/internal/algorithm/rc5"
	"github.com/softcsp/softcsp/internal/secret"
)

var (
	rc2Keys = []ck.KeyType{ck.CKK_RC2}
	rc4Keys = []ck.KeyType{ck.CKK_RC4}
	rc5Keys = []ck.KeyType{ck.CKK_RC5}
)

// rc2Rows are RC2 (RFC 2268). Its sizes are in bits: of keys, and effective ones.
var rc2Rows = withLeaksKey([]Mechanism{
	sizesInBits(keyGen(ck.CKM_RC2_KEY_GEN, ck.CKK_RC2)),
	zeroFilled(blockRow(ck.CKM_RC2_ECB, rc2Keys, 1, rc2.MaxEffectiveBits, ecb(keyedRC2))),
	zeroFilled(blockRow(ck.CKM_RC2_CBC, rc2Keys, 1, rc2.MaxEffectiveBits, cbc(keyedRC2, ivField, false))),
	blockRow(ck.CKM_RC2_CBC_PAD, rc2Keys, 1, rc2.MaxEffectiveBits, cbc(keyedRC2, ivField, true)),
	streamRow(ck.CKM_SOFTCSP_RC2_CFB8, rc2Keys, 1, rc2.MaxEffectiveBits, cfb(keyedRC2, ivField, 1)),
}, rc2LeaksKey)

// rc2LeaksKey reports whether RC2 with the effective bits of a parameter gives the key away. With few of them it is a cipher with a short key,
// which can be found by trying, and tells the last bytes of the real key. With a byte more each time the whole key comes out. 40 bits were
// what export law left of a long key: that number alone is allowed, for keys of 128 bits and more.
func rc2LeaksKey(k *Key, p ck.Param, _ bool) bool {
	bits, length := p.Ulong(), uint(len(k.Value))
	if bits == 0 || bits == k.EffectiveBits || 8*length < guessableBits {
		return false // the bits that CryptDeriveKey gave the key, or a key so short that it can be guessed anyway
	}
	return bits < min(8*length, rc2FullBits) && !(bits == rc2ExportBits && 8*length >= rc2FullBits)
}

const (
	rc2ExportBits = 40
	rc2FullBits   = 128

	guessableBits = 80 // fewer can be found by trying anyway
)

// rc5LeaksKey reports whether RC5 with the rounds and the words of a parameter gives the key away. Without rounds RC5 only adds key words to the
// data.
func rc5LeaksKey(k *Key, p ck.Param, _ bool) bool {
	word, rounds := p.Ulong(), p.Ulong()
	if 8*len(k.Value) < guessableBits {
		return false
	}
	return rounds < rc5Rounds || word < 4
}

// rc5Rounds is how many rounds RFC 2040 has RC5 make at least, with words of 32 bits.
const rc5Rounds = 12

// withLeaksKey gives rows the column.
func withLeaksKey(rows []Mechanism, tells func(*Key, ck.Param, bool) bool) []Mechanism {
	for i := range rows {
		if rows[i].Generate == nil {
			rows[i].LeaksKey = tells
		}
	}
	return rows
}

// rc4Rows are RC4. Its sizes are in bits.
var rc4Rows = []Mechanism{
	sizesInBits(keyGen(ck.CKM_RC4_KEY_GEN, ck.CKK_RC4)),
	{Type: ck.CKM_RC4, Keys: rc4Keys, Min: 8, Max: 2048, Encrypt: beginRC4, Decrypt: beginRC4},
}

// rc5Rows are RC5 (RFC 2040). Its sizes are in bytes.
var rc5Rows = withLeaksKey([]Mechanism{
	keyGen(ck.CKM_RC5_KEY_GEN, ck.CKK_RC5),
	zeroFilled(blockRow(ck.CKM_RC5_ECB, rc5Keys, 0, rc5.MaxKeySize, ecb(keyedRC5))),
	zeroFilled(blockRow(ck.CKM_RC5_CBC, rc5Keys, 0, rc5.MaxKeySize, cbc(keyedRC5, ivPointer, false))),
	blockRow(ck.CKM_RC5_CBC_PAD, rc5Keys, 0, rc5.MaxKeySize, cbc(keyedRC5, ivPointer, true)),
}, rc5LeaksKey)

// rcMACRows are CBC-MAC with RC2 and RC5.
var rcMACRows = append(
	withLeaksKey(blockMACRows(ck.CKM_RC2_MAC, ck.CKM_RC2_MAC_GENERAL, rc2Keys, 1, rc2.MaxEffectiveBits, keyedRC2), rc2LeaksKey),
	withLeaksKey(blockMACRows(ck.CKM_RC5_MAC, ck.CKM_RC5_MAC_GENERAL, rc5Keys, 0, rc5.MaxKeySize, keyedRC5), rc5LeaksKey)...)

// keyedRC2 reads the effective bits, with which CK_RC2_PARAMS and CK_RC2_CBC_PARAMS begin. 0 stands for those of a key
// that has its own.
func keyedRC2(k *Key, p *ck.Param) (cipher.Block, error) {
	bits := p.Ulong()
	if bits == 0 {
		bits = k.EffectiveBits
	}
	if bits == 0 || bits > rc2.MaxEffectiveBits {
		return nil, ck.FieldError("ulEffectiveBits")
	}
	return preparedWith(k, ck.CKM_RC2_ECB, expansion{bits, 0}, func(k *Key) (cipher.Block, error) { return newRC2(salted(k), bits) })
}

func newRC2(key []byte, effective uint) (cipher.Block, error) {
	b, err := rc2.NewCipher(key, effective)
	if err != nil {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	return b, nil
}

// rc2Default makes RC2 with all bits of the key effective.
func rc2Default(value []byte) (cipher.Block, error) { return newRC2(value, 8*uint(len(value))) }

// saltedKeyLen is the length in bytes of what the Microsoft providers key RC2 and RC4 with where there is a salt.
const saltedKeyLen = 16

// salted returns what the cipher is keyed with: the value, and the salt of a key that has one.
func salted(k *Key) []byte {
	if len(k.Salt) == 0 {
		return k.Value
	}
	key := append(make([]byte, 0, len(k.Value)+len(k.Salt)), k.Value...)
	key = append(key, k.Salt...)
	return key[:min(len(key), saltedKeyLen)]
}

func beginRC4(k *Key, p *ck.Param) (Cipher, error) {
	if err := p.None(); err != nil {
		return nil, err
	}
	form, err := k.Prepared(ck.CKM_RC4, prepareRC4)
	if err != nil {
		return nil, err
	}
	c := newStream(nil)
	secret.Do(func() {
		state := *form.(*rc4.Cipher)
		c.stream = &state
	})
	return c, nil
}

func prepareRC4(k *Key) (form any, err error) {
	secret.Do(func() { form, err = rc4.NewCipher(salted(k)) })
	if err != nil {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	return form, nil
}

// keyedRC5 reads the word size in bytes and the number of rounds, with which CK_RC5_PARAMS and CK_RC5_CBC_PARAMS begin.
func keyedRC5(k *Key, p *ck.Param) (cipher.Block, error) {
	word, rounds := p.Ulong(), p.Ulong()
	if rounds > rc5.MaxRounds || word != 2 && word != 4 && word != 8 {
		return nil, ck.FieldError("ulWordsize or ulRounds")
	}
	if len(k.Value) > rc5.MaxKeySize {
		return nil, ck.CKR_KEY_SIZE_RANGE
	}
	return preparedWith(k, ck.CKM_RC5_ECB, expansion{word, rounds}, func(k *Key) (cipher.Block, error) {
		return rc5.NewCipher(k.Value, word, rounds)
	})
}

// An expansion is what the parameter of an operation tells of how the key is expanded.
type expansion [2]uint

// An expandedCipher is a key expanded in one way.
type expandedCipher struct {
	expansion
	cipher.Block
}

// preparedWith returns the cipher of k for an expansion. The one that the key was first used with is prepared, and nearly always the same is
// asked for again; for another the cipher is made anew.
func preparedWith(k *Key, id ck.MechanismType, s expansion, newCipher func(*Key) (cipher.Block, error)) (cipher.Block, error) {
	expand := func(k *Key) (form any, err error) {
		secret.Do(func() {
			var b cipher.Block
			if b, err = newCipher(k); err == nil {
				form = &expandedCipher{s, b}
			}
		})
		return form, err
	}
	form, err := k.Prepared(id, expand)
	if err == nil && form.(*expandedCipher).expansion != s {
		form, err = expand(k)
	}
	if err != nil {
		return nil, err
	}
	return form.(*expandedCipher).Block, nil
}
