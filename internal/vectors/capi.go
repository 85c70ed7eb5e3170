package vectors

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
)

// MaybeHex is bytes that stand in hexadecimal in JSON. null and a missing field are nil, "" is not.
type MaybeHex []byte

// UnmarshalJSON implements json.Unmarshaler.
func (h *MaybeHex) UnmarshalJSON(data []byte) error {
	var s *string
	if err := json.Unmarshal(data, &s); err != nil || s == nil {
		return err
	}
	b, err := hex.DecodeString(*s)
	*h = append(make([]byte, 0, len(b)), b...)
	return err
}

// Number is a number of CryptoAPI that stands in JSON as "0x00006602".
type Number uint32

// UnmarshalJSON implements json.Unmarshaler.
func (n *Number) UnmarshalJSON(data []byte) error {
	u, err := strconv.ParseUint(strings.Trim(string(data), `"`), 0, 32)
	*n = Number(u)
	return err
}

// Lines reads a file of JSON objects, one a line. A name that ends in .gz is compressed.
func Lines[T any](fsys fs.FS, name string) (all []T, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v T
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, len(all)+1, err)
		}
		all = append(all, v)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no vectors", name)
	}
	return all, nil
}

// CAPIProvider is the number of a provider that a vector names.
var CAPIProvider = map[string]uint{"softcsp": 0, "base": 1, "strong": 2, "enhanced": 3, "aes": 4}

// A Wine is a line of testdata/cryptderivekey/wine-vectors.jsonl.gz: a call of CryptDeriveKey, and what came of it.
type Wine struct {
	ID        string   `json:"vector_id"`
	Plaintext MaybeHex `json:"plaintext_hex"`
	Request   struct {
		Scenario  string
		Provider  string
		Hash      Number   `json:"hash_algid"`
		Base      MaybeHex `json:"base_data_hex"`
		Chunk     int      `json:"feed_chunk_bytes"`
		Cipher    Number   `json:"cipher_algid"`
		Flags     Number   `json:"dwflags"`
		HashValue MaybeHex `json:"set_hash_value_hex"`
		MACKey    MaybeHex `json:"mac_key_hex"`
		MACCipher Number   `json:"mac_key_algid"`
		HMACInner Number   `json:"hmac_inner_hash_algid"`
	}
	Result struct {
		CreateHashError string   `json:"create_hash_error_name"`
		DeriveOK        bool     `json:"derive_ok"`
		DeriveError     string   `json:"derive_error_name"`
		HashValue       MaybeHex `json:"hash_value_hex"`
		Key             MaybeHex `json:"key_hex"`
		Default         MaybeHex `json:"ct_default_hex"`
		ECB             MaybeHex `json:"ct_ecb_hex"`
		CBC             MaybeHex `json:"ct_cbc_hex"`
		CFB             MaybeHex `json:"ct_cfb_hex"`
		Params          struct {
			KeyLen      uint     `json:"KP_KEYLEN_bits"`
			Effective   uint     `json:"KP_EFFECTIVE_KEYLEN_bits"`
			Block       uint     `json:"KP_BLOCKLEN_bits"`
			Mode        uint32   `json:"KP_MODE"`
			Permissions Number   `json:"KP_PERMISSIONS"`
			IVLen       uint     `json:"KP_IV_len_bytes"`
			Salt        MaybeHex `json:"KP_SALT_hex"`
		} `json:"key_params"`
	}
	Differences []struct {
		Field      string
		Windows    any
		Confidence string
	} `json:"windows_differences"`
	// OnWindows says that the key is not Wine's: Windows puts no salt into it, so that Wine's ciphertexts are not those of
	// Windows.
	OnWindows bool `json:"-"`
}

// WineVectors reads the vectors of a file, with the answers of Windows where a test on Windows shows that they differ.
func WineVectors(fsys fs.FS, name string) ([]Wine, error) {
	all, err := Lines[Wine](fsys, name)
	for i := range all {
		if err == nil {
			err = all[i].asWindows()
		}
	}
	return all, err
}

// Error is the error that the derivation ends in, "" for none. The hash objects that a provider refuses to make are
// refused when a key is derived, where there is no CryptCreateHash.
func (v *Wine) Error() string {
	if v.Result.CreateHashError != "" {
		return v.Result.CreateHashError
	}
	return v.Result.DeriveError
}

// asWindows changes what Wine gave into what Windows gives.
func (v *Wine) asWindows() (err error) {
	for _, d := range v.Differences {
		if !strings.HasPrefix(d.Confidence, "windows_test") {
			continue
		}
		length, _ := d.Windows.(float64)
		text, _ := d.Windows.(string)
		switch d.Field {
		case "result.key_hex":
			if v.Result.Key, err = hex.DecodeString(text); err != nil {
				return fmt.Errorf("%s: %w", v.ID, err)
			}
		case "result.key_params.KP_SALT": // of AES keys: there, and empty
			v.Result.Params.Salt = MaybeHex{}
		case "result.key_params.KP_SALT_len_bytes":
			// What follows the key in the hash value, and zeros where that is too short.
			salt := make([]byte, int(length))
			copy(salt, v.Result.HashValue[len(v.Result.Key):])
			if len(salt) != 0 && !bytes.HasPrefix(salt, v.Result.Params.Salt) {
				return fmt.Errorf("%s: Wine's salt %x does not begin the salt %x", v.ID, v.Result.Params.Salt, salt)
			}
			v.Result.Params.Salt, v.OnWindows = salt, len(salt) == 0
		default:
			return fmt.Errorf("%s: unknown difference %s", v.ID, d.Field)
		}
	}
	return nil
}

// A WindowsFact is a line of testdata/cryptderivekey/windows-facts.jsonl.
type WindowsFact struct {
	ID           string `json:"fact_id"`
	Kind         string
	Providers    []string
	Provider     string
	Hash         Number   `json:"hash_algid"`
	Base         MaybeHex `json:"base_data_hex"`
	Cipher       Number   `json:"cipher_algid"`
	Bits         uint     `json:"key_length_bits_requested"`
	Flags        Number   `json:"flags_low16"`
	Mode         string
	Plaintext    MaybeHex `json:"plaintext_hex"`
	Ciphertext   MaybeHex `json:"expected_ciphertext_hex"`
	Exported     MaybeHex `json:"expected_exported_key_hex"`
	Salt         MaybeHex `json:"expected_salt_hex"`
	Error        string   `json:"expected_error_name"`
	SetEffective uint     `json:"set_effective_keylen_bits"`
	SaltLen      int      `json:"expected_salt_length_bytes"`
	SaltContents string   `json:"expected_salt"`
	KeyLen       uint     `json:"key_length_bytes"`
	Key          MaybeHex `json:"expected_key_hex"`
	Expected     MaybeHex `json:"expected_hex"`
}

// DWFlags are the flags of the call.
func (f *WindowsFact) DWFlags() uint { return f.Bits<<16 | uint(f.Flags) }

// EffectiveBits are the effective bits to encrypt with at a provider, of a key of n bits: those that the fact sets, but
// the Base provider refuses to set any and uses 40.
func (f *WindowsFact) EffectiveBits(provider string, n uint) uint {
	switch {
	case f.SetEffective != 0 && provider == "base":
		return 40
	case f.SetEffective != 0:
		return f.SetEffective
	}
	return n
}

// A DPAPIFact is a line of testdata/cryptderivekey/dpapi-facts.jsonl.
type DPAPIFact struct {
	Source     string
	Hash       Number   `json:"hash_algid"`
	Cipher     Number   `json:"cipher_algid"`
	HashValue  MaybeHex `json:"hash_value_hex"`
	RawKey     MaybeHex `json:"expected_key_hex"`
	OddParity  MaybeHex `json:"expected_key_odd_parity_hex"`
	Ciphertext MaybeHex `json:"ciphertext_hex"`
	SHA256     string   `json:"plaintext_sha256"`
}

// Key is the key as Windows exports it.
func (f *DPAPIFact) Key() []byte {
	if f.OddParity != nil {
		return f.OddParity
	}
	return f.RawKey
}

// An OfficeFact is a line of testdata/office/office-facts.jsonl.
type OfficeFact struct {
	File         string
	Password     string
	HeaderSalt   MaybeHex `json:"salt_hex"`
	Spins        int      `json:"spin_count"`
	Cipher       Number   `json:"header_alg_id"`
	Hash         Number   `json:"header_alg_id_hash"`
	Base         MaybeHex `json:"base_data_hex"`
	Bits         uint     `json:"key_length_bits_requested"`
	Provider     string
	Key          MaybeHex   `json:"expected_key_hex"` // of a 40-bit key with its salt
	BlockKeys    []MaybeHex `json:"block_keys_hex"`
	BlockSize    int        `json:"block_size_bytes"`
	Verifier     MaybeHex   `json:"expected_verifier_hex"`
	VerifierHash MaybeHex   `json:"expected_verifier_hash_hex"`
	EncVerifier  MaybeHex   `json:"encrypted_verifier_hex"`
	EncHash      MaybeHex   `json:"encrypted_verifier_hash_hex"`
	Package      string     `json:"decrypted_package_sha256"`
	HasText      bool       `json:"decrypted_text_contains_this_is_a_test"`
}
