package mechanisms

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// A hexBytes is bytes written as hexadecimal digits; null is nil.
type hexBytes []byte

func (h *hexBytes) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil || s == nil {
		return err
	}
	v, err := hex.DecodeString(*s)
	*h = append(make([]byte, 0, len(v)), v...)
	return err
}

// A hexNumber is a number written as "0x00006602".
type hexNumber uint32

func (h *hexNumber) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseUint(strings.Trim(string(b), `"`), 0, 32)
	*h = hexNumber(n)
	return err
}

// readLines reads a file of JSON objects, one a line.
func readLines[T any](t *testing.T, name string) (all []T) {
	t.Helper()
	f, err := os.Open("../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// A wineVector is a line of wine-vectors.jsonl.gz.
type wineVector struct {
	ID        string   `json:"vector_id"`
	Plaintext hexBytes `json:"plaintext_hex"`
	Request   struct {
		Scenario   string
		Provider   string
		Hash       hexNumber `json:"hash_algid"`
		Base       hexBytes  `json:"base_data_hex"`
		Chunk      int       `json:"feed_chunk_bytes"`
		Cipher     hexNumber `json:"cipher_algid"`
		Flags      hexNumber `json:"dwflags"`
		HashValue  hexBytes  `json:"set_hash_value_hex"`
		MACKey     hexBytes  `json:"mac_key_hex"`
		MACCipher  hexNumber `json:"mac_key_algid"`
		HMACInner  hexNumber `json:"hmac_inner_hash_algid"`
		ProviderID int       `json:"-"`
	}
	Result struct {
		CreateHashOK   *bool     `json:"create_hash_ok"`
		CreateHashName string    `json:"create_hash_error_name"`
		DeriveOK       *bool     `json:"derive_ok"`
		DeriveError    hexNumber `json:"derive_error"`
		DeriveName     string    `json:"derive_error_name"`
		HashValue      hexBytes  `json:"hash_value_hex"`
		Key            hexBytes  `json:"key_hex"`
		Default        hexBytes  `json:"ct_default_hex"`
		ECB            hexBytes  `json:"ct_ecb_hex"`
		CBC            hexBytes  `json:"ct_cbc_hex"`
		CFB            hexBytes  `json:"ct_cfb_hex"`
		Params         struct {
			KeyLen      uint      `json:"KP_KEYLEN_bits"`
			Effective   uint      `json:"KP_EFFECTIVE_KEYLEN_bits"`
			Block       uint      `json:"KP_BLOCKLEN_bits"`
			Mode        uint32    `json:"KP_MODE"`
			Permissions hexNumber `json:"KP_PERMISSIONS"`
			IVLen       uint      `json:"KP_IV_len_bytes"`
			Salt        hexBytes  `json:"KP_SALT_hex"`
		} `json:"key_params"`
	}
	Windows []struct {
		Field      string
		Windows    any
		Confidence string
	} `json:"windows_differences"`
}

var providerNumbers = map[string]uint{"softcsp": 0, "base": 1, "strong": 2, "enhanced": 3, "aes": 4}

// asWindows changes what Wine gave into what Windows gives, where a test on Windows shows that. It reports whether the
// ciphertexts that Wine gave are still right: not where Wine put a salt into the key that Windows does not put there.
func (v *wineVector) asWindows(t *testing.T) (ciphertexts bool) {
	ciphertexts = true
	for _, w := range v.Windows {
		if !strings.HasPrefix(w.Confidence, "windows_test") {
			continue
		}
		switch w.Field {
		case "result.key_hex":
			key, err := hex.DecodeString(w.Windows.(string))
			if err != nil {
				t.Fatal(err)
			}
			v.Result.Key = key
		case "result.key_params.KP_SALT": // of AES keys: there, and empty
			v.Result.Params.Salt = hexBytes{}
		case "result.key_params.KP_SALT_len_bytes":
			salt := make([]byte, int(w.Windows.(float64)))
			if len(salt) == 0 {
				ciphertexts = false
			} else {
				copy(salt, v.Result.HashValue[len(v.Result.Key):])
				if !bytes.HasPrefix(salt, v.Result.Params.Salt) {
					t.Errorf("%s: Wine's salt %x does not begin the salt %x", v.ID, v.Result.Params.Salt, salt)
				}
			}
			v.Result.Params.Salt = salt
		default:
			t.Errorf("%s: unknown difference %s", v.ID, w.Field)
		}
	}
	return ciphertexts
}

// cbcMAC computes the value of a CALG_MAC object: the last block of the padded data in CBC mode.
func cbcMAC(t *testing.T, algid hexNumber, key, data []byte) []byte {
	t.Helper()
	var block cipher.Block
	var err error
	switch algid {
	case CALG_DES:
		block, err = des.NewCipher(key)
	case CALG_AES_128:
		block, err = aes.NewCipher(key)
	default:
		t.Fatalf("no MAC with %#x", algid)
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

// hashObject makes the hash object of a vector and finishes it.
func (v *wineVector) hashObject(t *testing.T) (*Hash, []byte) {
	t.Helper()
	r := &v.Request
	var h *Hash
	switch r.Hash {
	case CALG_MAC:
		value := cbcMAC(t, r.MACCipher, r.MACKey, r.Base)
		return &Hash{Name: "MAC", ALGID: CALG_MAC, Size: len(value)}, value
	case CALG_HMAC:
		h = HMACHash(HashByALGID(uint32(r.HMACInner)), r.MACKey)
	default:
		h = HashByALGID(uint32(r.Hash))
	}
	if h == nil {
		t.Fatalf("%s: no hash %#x", v.ID, r.Hash)
	}
	if r.HashValue != nil {
		return h, r.HashValue
	}
	f := h.New()
	for data := r.Base; len(data) > 0; {
		n := len(data)
		if r.Chunk != 0 {
			n = min(n, r.Chunk)
		}
		f.Write(data[:n])
		data = data[n:]
	}
	return h, f.Sum(nil)
}

// capiParam makes a CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS.
func capiParam(provider, hash, algid, flags uint) *ck.Param {
	b := make([]byte, 0, 32)
	for _, u := range []uint{provider, hash, algid, flags} {
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
