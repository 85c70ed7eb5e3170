package mechanisms

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hmac"
	"encoding/binary"
	"hash"
	"os"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// knownAnswers is the folder of the known answers.
var knownAnswers = os.DirFS("../testdata")

func readLines[T any](t *testing.T, name string) []T {
	t.Helper()
	all, err := vectors.Lines[T](knownAnswers, name)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// cbcMAC computes the value of a CALG_MAC object: the last block of the padded data in CBC mode.
func cbcMAC(t *testing.T, id capi.AlgID, key, data []byte) []byte {
	t.Helper()
	var block cipher.Block
	var err error
	switch id {
	case capi.CALG_DES:
		block, err = des.NewCipher(key)
	case capi.CALG_AES_128:
		block, err = aes.NewCipher(key)
	default:
		t.Fatalf("no MAC with %#x", id)
	}
	if err != nil {
		t.Fatal(err)
	}
	padded := pkcsPad(data, block.BlockSize())
	cipher.NewCBCEncrypter(block, make([]byte, block.BlockSize())).CryptBlocks(padded, padded)
	return padded[len(padded)-block.BlockSize():]
}

func pkcsPad(data []byte, block int) []byte {
	n := block - len(data)%block
	return append(slices.Clone(data), bytes.Repeat([]byte{byte(n)}, n)...)
}

// asDigest is the row of a digest with a hash of CryptoAPI: those that no digest of the token has, too.
func asDigest(h *capi.Hash) *Hash {
	return &Hash{Name: h.Name, CryptoAPI: h, New: h.New, Size: h.Size}
}

// A block64 is a hash that says that its block is 64 bytes: the pads of HMAC are, whatever the hash, as Wine's are for MD2.
type block64 struct{ hash.Hash }

func (block64) BlockSize() int { return 64 }

// hmacHash makes the hash of a CALG_HMAC object by crypto/hmac.
func hmacHash(inner *capi.Hash, key []byte) *capi.Hash {
	padded := func() hash.Hash { return block64{inner.New()} }
	return &capi.Hash{
		ID: capi.CALG_HMAC, Name: "HMAC-" + inner.Name, Size: inner.Size,
		New: func() hash.Hash { return hmac.New(padded, key) },
	}
}

// hashObject makes the hash object of a vector and finishes it.
func hashObject(t *testing.T, v *vectors.Wine) (*Hash, []byte) {
	t.Helper()
	r := &v.Request
	var h *capi.Hash
	switch id := capi.AlgID(r.Hash); id {
	case capi.CALG_MAC:
		value := cbcMAC(t, capi.AlgID(r.MACCipher), r.MACKey, r.Base)
		return asDigest(capi.NewMAC(len(value))), value
	case capi.CALG_HMAC:
		h = hmacHash(capi.HashByID(capi.AlgID(r.HMACInner)), r.MACKey)
	default:
		h = capi.HashByID(id)
	}
	if h == nil {
		t.Fatalf("%s: no hash %#x", v.ID, r.Hash)
	}
	if r.HashValue != nil {
		return asDigest(h), r.HashValue
	}
	f := h.New()
	for chunk := range slices.Chunk(r.Base, cmp.Or(r.Chunk, max(1, len(r.Base)))) {
		f.Write(chunk)
	}
	return asDigest(h), f.Sum(nil)
}

// cryptParam makes a CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS.
func cryptParam[H, C ~int | ~uint | ~uint32](provider uint, hash H, cipher C, flags uint) *ck.Param {
	b := make([]byte, 0, 32)
	for _, u := range []uint{provider, uint(hash), uint(cipher), flags} {
		b = binary.NativeEndian.AppendUint64(b, uint64(u))
	}
	p := ck.NewParam(b, nil)
	return &p
}

// attr returns the value of an attribute that a derivation decided.
func (d *Derived) attr(t ck.AttributeType) ([]byte, bool) {
	for _, a := range d.Attributes {
		if a.Type == t {
			return a.Value, true
		}
	}
	return nil, false
}

func (d *Derived) attrUlong(t *testing.T, a ck.AttributeType) uint {
	t.Helper()
	v, _ := d.attr(a)
	u, err := ck.Ulong(v)
	if err != nil {
		t.Fatalf("%v: %v", a, err)
	}
	return u
}

// key makes the key that d describes, as package token hands it to a mechanism.
func (d *Derived) key(t *testing.T) *Key {
	salt, _ := d.attr(ck.CKA_SOFTCSP_SALT)
	return &Key{
		Class: ck.CKO_SECRET_KEY, Type: d.Type, Value: slices.Clone(d.Value), Salt: slices.Clone(salt),
		EffectiveBits: d.attrUlong(t, ck.CKA_SOFTCSP_EFFECTIVE_BITS),
		Attr: func(a ck.AttributeType) []byte {
			v, _ := d.attr(a)
			return v
		},
	}
}

// modes are the mechanisms of the modes in which vectors encrypt, by key type. A block mode without a mechanism that
// pads gets padded data.
var modes = map[ck.KeyType]map[string]ck.MechanismType{
	ck.CKK_RC2:  {"ECB": ck.CKM_RC2_ECB, "CBC": ck.CKM_RC2_CBC_PAD, "CFB8": ck.CKM_SOFTCSP_RC2_CFB8},
	ck.CKK_RC4:  {"": ck.CKM_RC4, "ECB": ck.CKM_RC4, "CBC": ck.CKM_RC4, "CFB8": ck.CKM_RC4},
	ck.CKK_DES:  {"ECB": ck.CKM_DES_ECB, "CBC": ck.CKM_DES_CBC_PAD, "CFB8": ck.CKM_DES_CFB8},
	ck.CKK_DES2: {"ECB": ck.CKM_DES3_ECB, "CBC": ck.CKM_DES3_CBC_PAD},
	ck.CKK_DES3: {"ECB": ck.CKM_DES3_ECB, "CBC": ck.CKM_DES3_CBC_PAD},
	ck.CKK_AES:  {"ECB": ck.CKM_AES_ECB, "CBC": ck.CKM_AES_CBC_PAD, "CFB8": ck.CKM_AES_CFB8},
}

// crypt encrypts or decrypts data as a session key does in a mode, through the rows of the table; ok is false where there
// is no such mechanism.
func crypt(t *testing.T, k *Key, mode string, effective uint, decrypt bool, data []byte) (out []byte, ok bool) {
	t.Helper()
	m, ok := modes[k.Type][mode]
	if !ok {
		return nil, false
	}
	row := Lookup(m)
	if row == nil {
		t.Fatalf("no mechanism %v", m)
	}
	block := 8
	if k.Type == ck.CKK_AES {
		block = 16
	}
	var param []byte
	if k.Type == ck.CKK_RC2 {
		param = ck.UlongValue(effective)
	}
	if k.Type != ck.CKK_RC4 && mode != "ECB" {
		param = append(param, make([]byte, block)...)
	}
	if k.Type != ck.CKK_RC4 && mode != "CBC" && !decrypt {
		data = pkcsPad(data, block)
	}
	begin := row.Encrypt
	if decrypt {
		begin = row.Decrypt
	}
	p := ck.NewParam(param, nil)
	c, err := begin(k, &p)
	if err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	out = make([]byte, c.WholeLen(len(data)))
	n, err := c.Whole(out, data)
	if err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	return out[:n], true
}
