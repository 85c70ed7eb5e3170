package vectors

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// nistCipher is a cipher whose parameter is the IV, if it has one.
func nistCipher(m ck.MechanismType) func(*Suite, *nistReader) {
	return func(s *Suite, r *nistReader) {
		c := Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: m, Key: Secret(KeyTypeOf(m), r.bytes("KEY")), In: r.bytes("PLAINTEXT"), Out: r.bytes("CIPHERTEXT")}
		if r.has("IV") {
			c.Param = []any{r.bytes("IV")}
		}
		if m.String() == "CKM_CAST128_ECB" && len(r.bytes("KEY")) != 16 {
			s.omit("PKCS #11's CAST-128 keys of less than 128 bits are not implemented")
			return
		}
		s.add(c)
	}
}

// nistCFB1 has messages in bits: those of whole bytes are run.
func nistCFB1(s *Suite, r *nistReader) {
	pack := func(name string) (b []byte) {
		text := r.fields[name]
		for i := range len(text) / 8 {
			var v byte
			for _, bit := range text[8*i : 8*i+8] {
				v = v<<1 | byte(bit-'0')
			}
			b = append(b, v)
		}
		return b
	}
	if len(r.fields["PLAINTEXT"])%8 != 0 {
		s.omit("messages of a few bits: those of C_Encrypt are of bytes")
		return
	}
	s.add(Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: ck.CKM_AES_CFB1, Key: Secret(ck.CKK_AES, r.bytes("KEY")), Param: []any{r.bytes("IV")},
		In: pack("PLAINTEXT"), Out: pack("CIPHERTEXT")})
}

func nistCTR(s *Suite, r *nistReader) {
	s.add(Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: ck.CKM_AES_CTR, Key: Secret(ck.CKK_AES, r.bytes("KEY")), Param: []any{128, r.bytes("IV")},
		In: r.bytes("PLAINTEXT"), Out: r.bytes("CIPHERTEXT")})
}

// nistDES3 reads the key as one, which stands three times, or as three.
func nistDES3(s *Suite, r *nistReader) {
	mode := path.Base(path.Dir(s.Name))
	if mode == "CFB" {
		mode = regexp.MustCompile(`CFB\d+`).FindString(path.Base(s.Name))
	}
	m := map[string]ck.MechanismType{"CBC": ck.CKM_DES3_CBC, "ECB": ck.CKM_DES3_ECB, "OFB": ck.CKM_DES_OFB64, "CFB8": ck.CKM_DES_CFB8, "CFB64": ck.CKM_DES_CFB64}[mode]
	key := slices.Concat(r.bytes("KEY1"), r.bytes("KEY2"), r.bytes("KEY3"))
	if r.has("KEYs") {
		key = slices.Concat(r.bytes("KEYs"), r.bytes("KEYs"), r.bytes("KEYs"))
	}
	c := Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: m, Key: Secret(ck.CKK_DES3, key), In: r.bytes("PLAINTEXT"), Out: r.bytes("CIPHERTEXT")}
	if mode != "ECB" {
		c.Param = []any{r.bytes("IV")}
	}
	s.add(c)
}

func nistGCM(s *Suite, r *nistReader) {
	c := Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: ck.CKM_AES_GCM, Key: Secret(ck.CKK_AES, r.bytes("Key")), In: r.bytes("PT"),
		Out: slices.Concat(r.bytes("CT"), r.bytes("Tag"))}
	iv := r.bytes("IV")
	c.Param = []any{Pointed(iv), 8 * len(iv), Pointed(r.bytes("AAD")), r.number("Taglen")}
	if r.has("FAIL") {
		c.Does, c.Refused, c.In = Decrypt, BadCiphertext, nil
	}
	s.add(c)
}

// nistCCM says "00" of data of no length.
func nistCCM(s *Suite, r *nistReader) {
	cut := func(name, length string) []byte { return r.bytes(name)[:min(r.number(length), len(r.bytes(name)))] }
	tag := r.number("Tlen")
	ct := r.bytes("CT")
	c := Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: ck.CKM_AES_CCM, Key: Secret(ck.CKK_AES, r.bytes("Key")), Out: ct}
	c.Param = []any{len(ct) - tag, Pointed(r.bytes("Nonce")), Pointed(cut("Adata", "Alen")), tag}
	if strings.HasPrefix(r.fields["Result"], "Fail") {
		c.Does, c.Refused = Decrypt, BadCiphertext
	} else {
		c.In = cut("Payload", "Plen")
	}
	s.add(c)
}

func nistXTS(s *Suite, r *nistReader) {
	if r.number("DataUnitLen")%8 != 0 {
		s.omit("messages of a few bits: those of C_Encrypt are of bytes")
		return
	}
	unit := r.bytes("i")
	if r.has("DataUnitSeqNumber") {
		unit = append(binary.LittleEndian.AppendUint64(nil, uint64(r.number("DataUnitSeqNumber"))), make([]byte, 8)...)
	}
	n := r.number("DataUnitLen") / 8
	s.add(Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: ck.CKM_AES_XTS, Key: Secret(ck.CKK_AES_XTS, r.bytes("Key")), Param: []any{unit},
		In: r.bytes("PT")[:n], Out: r.bytes("CT")[:n]})
}

// nistRC4 tells 16 bytes of the stream at some offset: what comes before is not known.
func nistRC4(s *Suite, r *nistReader) {
	n := r.number("OFFSET")
	s.add(Case{At: r.at, Does: Encrypt, Mechanism: ck.CKM_RC4, Key: Secret(ck.CKK_RC4, r.bytes("KEY")), Unknown: n,
		In: append(make([]byte, n), r.bytes("PLAINTEXT")...), Out: append(make([]byte, n), r.bytes("CIPHERTEXT")...)})
}

func nistChaCha(s *Suite, r *nistReader) {
	s.add(Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: ck.CKM_CHACHA20, Key: Secret(ck.CKK_CHACHA20, r.bytes("KEY")),
		Param: []any{Alone(binary.LittleEndian.AppendUint32(nil, uint32(r.number("INITIAL_BLOCK_COUNTER")))), 32, Alone(r.bytes("NONCE")), 8 * len(r.bytes("NONCE"))},
		In:    r.bytes("PLAINTEXT"), Out: r.bytes("CIPHERTEXT")})
}

func nistChaChaPoly(key, nonce, aad, in, ct, tag string) func(*Suite, *nistReader) {
	return func(s *Suite, r *nistReader) {
		c := Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: ck.CKM_CHACHA20_POLY1305, Key: Secret(ck.CKK_CHACHA20, r.bytes(key)),
			Param: []any{Alone(r.bytes(nonce)), 8 * len(r.bytes(nonce)), Pointed(r.bytes(aad))}, In: r.bytes(in), Out: slices.Concat(r.bytes(ct), r.bytes(tag))}
		if r.has("Result") || r.has("FAILS") {
			c.Does, c.Refused = Decrypt, BadCiphertext
		}
		s.add(c)
	}
}

// nistWrap wraps, and unwraps where the file is about that.
func nistWrap(m ck.MechanismType) func(*Suite, *nistReader) {
	return func(s *Suite, r *nistReader) {
		c := Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: m, Key: Secret(ck.CKK_AES, r.bytes("K")), In: r.bytes("P"), Out: r.bytes("C")}
		if r.has("FAIL") {
			c.Does, c.Refused, c.In = Decrypt, BadCiphertext, nil
		}
		s.add(c)
	}
}

func nistWrapBotan(s *Suite, r *nistReader) {
	s.add(Case{At: r.at, Does: Encrypt | Decrypt, Mechanism: ck.CKM_AES_KEY_WRAP_KWP, Key: Secret(ck.CKK_AES, r.bytes("Key")), In: r.bytes("Input"), Out: r.bytes("Output")})
}

// camelliaECB reads NTT's form: "P No.001 : 80 00 …".
func camelliaECB(s *Suite, in io.Reader) error {
	values := make(map[string][]byte)
	scan := bufio.NewScanner(in)
	for n := 1; scan.Scan(); n++ {
		name, value, ok := strings.Cut(scan.Text(), " : ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(value, " ", ""))
		if err != nil {
			return fmt.Errorf("%s:%d: %w", s.Name, n, err)
		}
		name, _, _ = strings.Cut(name, " ")
		if values[name] = b; name == "C" {
			s.Total++
			s.add(Case{At: fmt.Sprintf("%s:%d", s.Name, n), Does: Encrypt | Decrypt, Mechanism: ck.CKM_CAMELLIA_ECB, Key: Secret(ck.CKK_CAMELLIA, values["K"]), In: values["P"], Out: b})
		}
	}
	return scan.Err()
}

func nistCMAC(s *Suite, r *nistReader) {
	c := Case{At: r.at, Does: Sign | Verify, Mechanism: ck.CKM_AES_CMAC, In: r.bytes("MESSAGE"), Out: r.bytes("OUTPUT")}
	if strings.Contains(s.Name, "3des") {
		c.Mechanism, c.Key = ck.CKM_DES3_CMAC, Secret(ck.CKK_DES3, slices.Concat(r.bytes("KEY1"), r.bytes("KEY2"), r.bytes("KEY3")))
	} else {
		c.Key = Secret(ck.CKK_AES, r.bytes("KEY"))
	}
	s.add(c)
}

func nistPoly1305(s *Suite, r *nistReader) {
	s.add(Case{At: r.at, Does: Sign | Verify, Mechanism: ck.CKM_POLY1305, Key: Secret(ck.CKK_POLY1305, r.bytes("KEY")), In: r.bytes("MSG"), Out: r.bytes("TAG")})
}

// nistHMAC cuts messages to their length, and tags where the RFC does.
func nistHMAC(s *Suite, r *nistReader) {
	m, general, size := ck.MechanismType(ck.CKM_RIPEMD160_HMAC), ck.MechanismType(ck.CKM_RIPEMD160_HMAC_GENERAL), 20
	if strings.Contains(s.Name, "md5") {
		m, general, size = ck.CKM_MD5_HMAC, ck.CKM_MD5_HMAC_GENERAL, 16
	} else if strings.Contains(s.Name, "sha") {
		h, err := hashInName(path.Base(s.Name))
		if r.keep(err); err != nil {
			return
		}
		m, general, size = h.hmac, h.general, h.sum().Size()
	}
	c := Case{At: r.at, Does: Sign | Verify, Mechanism: m, Key: Secret(ck.CKK_GENERIC_SECRET, r.bytes("Key")), In: r.bits("Msg", "Len"), Out: r.bytes("MD")}
	if len(c.Out) < size {
		c.Mechanism, c.Param = general, []any{len(c.Out)}
	}
	s.add(c)
}

func nistHKDF(s *Suite, r *nistReader) {
	h, err := hashNamed(r.fields["Hash"])
	if r.keep(err); err != nil {
		return
	}
	s.hkdf(h, r.at, hkdfTest{IKM: r.bytes("IKM"), Salt: r.bytes("salt"), Info: r.bytes("info"), Size: r.number("L"), OKM: r.bytes("OKM")})
}

func nistPBKDF2(s *Suite, r *nistReader) {
	h, _ := hashNamed("SHA-1")
	text := func(name string) []byte { return []byte(strings.ReplaceAll(r.fields[name], `\0`, "\x00")) }
	t := passwordTest{Password: text("PASSWORD"), Salt: text("SALT"), Iterations: r.number("ITERATIONS"), Key: r.bytes("DERIVED_KEY")}
	c := pbkdf2Case(h, ck.CKK_GENERIC_SECRET, &t, r.number("LENGTH"))
	c.At = r.at
	s.add(c)
}

// nistKBKDF is the counter mode of SP 800-108.
func nistKBKDF(s *Suite, r *nistReader) {
	prf := map[string]ck.MechanismType{
		"CMAC_AES128": ck.CKM_AES_CMAC, "CMAC_AES192": ck.CKM_AES_CMAC, "CMAC_AES256": ck.CKM_AES_CMAC, "CMAC_TDES2": ck.CKM_DES3_CMAC, "CMAC_TDES3": ck.CKM_DES3_CMAC,
		"HMAC_SHA1": ck.CKM_SHA_1_HMAC, "HMAC_SHA224": ck.CKM_SHA224_HMAC, "HMAC_SHA256": ck.CKM_SHA256_HMAC, "HMAC_SHA384": ck.CKM_SHA384_HMAC, "HMAC_SHA512": ck.CKM_SHA512_HMAC,
	}[r.fields["PRF"]]
	t := ck.KeyType(ck.CKK_GENERIC_SECRET)
	switch prf {
	case ck.CKM_AES_CMAC:
		t = ck.CKK_AES
	case ck.CKM_DES3_CMAC:
		if t = ck.CKK_DES3; len(r.bytes("KI")) == 16 {
			t = ck.CKK_DES2
		}
	}
	var width uint
	_, err := fmt.Sscanf(r.fields["RLEN"], "%d_BITS", &width)
	r.keep(err)
	counter := CounterArg(ck.CK_SP800_108_ITERATION_VARIABLE, width)
	fixed := func(name string) KDF108Arg { return KDF108Arg{ck.CK_SP800_108_BYTE_ARRAY, r.bytes(name)} }
	var args []KDF108Arg
	switch r.fields["CTRLOCATION"] {
	case "BEFORE_FIXED":
		args = []KDF108Arg{counter, fixed("FixedInputData")}
	case "AFTER_FIXED":
		args = []KDF108Arg{fixed("FixedInputData"), counter}
	default:
		args = []KDF108Arg{fixed("DataBeforeCtrData"), counter, fixed("DataAfterCtrData")}
	}
	out := r.bytes("KO")
	s.add(Case{At: r.at, Does: Derive, Mechanism: ck.CKM_SP800_108_COUNTER_KDF, Key: Secret(t, r.bytes("KI")), Out: out,
		Param: KDF108Fields(ck.CKM_SP800_108_COUNTER_KDF, prf, nil, args), Template: []ck.Attribute{{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(uint(len(out)))}}})
}

// digestOf is the mechanism of the hash that the name of a file says.
func digestOf(name string) (ck.MechanismType, error) {
	m := regexp.MustCompile(`^SHA(3_|512_)?(\d+)(?:Short|Long|Monte)`).FindStringSubmatch(path.Base(name))
	if m == nil {
		return 0, fmt.Errorf("no hash in the name %q", name)
	}
	full := map[string]string{"3_": "SHA3-", "512_": "SHA-512/", "": "SHA-"}[m[1]] + m[2]
	h, err := hashNamed(full)
	if err != nil {
		return 0, err
	}
	return h.digest, nil
}

// nistHash1 hashes; the name of the mechanism is in the name of the file where it is not given.
func nistHash1(name string) func(*Suite, *nistReader) {
	return func(s *Suite, r *nistReader) {
		m, ok := map[string]ck.MechanismType{"MD5": ck.CKM_MD5, "BLAKE2B": ck.CKM_BLAKE2B_512, "RIPEMD160": ck.CKM_RIPEMD160}[name]
		if !ok {
			var err error
			m, err = digestOf(s.Name)
			r.keep(err)
		}
		s.add(Case{At: r.at, Does: Digest, Mechanism: m, In: r.bits("Msg", "Len"), Out: r.bytes("MD")})
	}
}

func nistMonte(s *Suite, r *nistReader) {
	m, err := digestOf(s.Name)
	r.keep(err)
	c := Monte{At: r.at, Mechanism: m, Three: !strings.Contains(s.Name, "SHA3/"), Value: r.bytes("Seed"), Want: r.bytes("MD")}
	if n := len(s.Monte); n > 0 {
		c.Value = s.Monte[n-1].Want
	}
	s.Monte = append(s.Monte, c)
}

// nistSHAKE derives a key of a key that is the message: CKM_SHAKE_*_KEY_DERIVATION is no more than that.
func nistSHAKE(s *Suite, r *nistReader) {
	msg, out := r.bytes("Msg"), r.bytes("Output")
	if r.has("Len") {
		msg = r.bits("Msg", "Len")
	}
	if len(msg) == 0 {
		s.omit("PKCS #11 has no empty keys")
		return
	}
	m := ck.MechanismType(ck.CKM_SHAKE_128_KEY_DERIVATION)
	if strings.Contains(s.Name, "SHAKE256") {
		m = ck.CKM_SHAKE_256_KEY_DERIVATION
	}
	s.add(Case{At: r.at, Does: Derive, Mechanism: m, Key: Secret(ck.CKK_GENERIC_SECRET, msg), Out: out,
		Template: []ck.Attribute{{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(uint(len(out)))}}})
}
