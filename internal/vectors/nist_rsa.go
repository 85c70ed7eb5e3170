package vectors

import (
	"bufio"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// rsaKey is the public key of a stanza, and the private one where it is there.
func (r *nistReader) rsaKey() (public, private *Key) {
	public = RSAPublic(r.bytes("n"), r.bytes("e"))
	if r.has("d") && r.fields["d"] != "" {
		private = (&rsaParts{N: r.bytes("n"), E: r.bytes("e"), D: r.bytes("d")}).private(false)
	}
	return public, private
}

func (r *nistReader) shaAlg() *hashNames {
	h, err := hashNamed(strings.Replace(r.fields["SHAAlg"], "SHA", "SHA-", 1))
	r.keep(err)
	return h
}

func nistPKCS1(s *Suite, r *nistReader) {
	public, _ := r.rsaKey()
	h := r.shaAlg()
	if r.err != nil {
		return
	}
	c := Case{At: r.at, Does: Verify, Mechanism: h.pkcs, Public: public, In: r.bytes("Msg"), Out: fill(r.bytes("S"), len(public.Value(ck.CKA_MODULUS)))}
	if r.has("Result") && !r.passed() {
		c.Refused = BadSignature
	}
	s.add(c)
}

// x931Trailers end what X9.31 signs, by the hash.
var x931Trailers = map[ck.MechanismType][]byte{ck.CKM_SHA_1: {0x33, 0xcc}, ck.CKM_SHA256: {0x34, 0xcc}, ck.CKM_SHA384: {0x36, 0xcc}, ck.CKM_SHA512: {0x35, 0xcc}}

// nistX931 hashes for CKM_RSA_X9_31, and lets the mechanism hash where there is one.
func nistX931(s *Suite, r *nistReader) {
	public, private := r.rsaKey()
	h := r.shaAlg()
	if r.err != nil {
		return
	}
	c := Case{At: r.at, Does: Verify, Mechanism: ck.CKM_RSA_X9_31, Public: public, Out: fill(r.bytes("S"), len(public.Value(ck.CKA_MODULUS))),
		In: append(h.of(r.bytes("Msg")), x931Trailers[h.digest]...)}
	switch {
	case r.has("Result") && !r.passed():
		c.Refused = BadSignature
	case private != nil:
		c.Does, c.Key = Sign|Verify, private
	}
	s.add(c)
	if h.digest == ck.CKM_SHA_1 {
		c.Mechanism, c.In = ck.CKM_SHA1_RSA_X9_31, r.bytes("Msg")
		s.add(c)
	}
}

// nistPSS takes the length of the salt from the salt, or from what the head of the file says of it.
func nistPSS(s *Suite, r *nistReader) {
	public, _ := r.rsaKey()
	h := r.shaAlg()
	if r.err != nil {
		return
	}
	salt := 20 // SigGenPSS of FIPS 186-2
	switch {
	case strings.HasSuffix(s.Name, "SigGenPSS_186-3.rsp"):
		salt = 0
	case strings.Contains(s.Name, "SigVer"):
		salt = len(r.bytes("SaltVal"))
	}
	c := Case{At: r.at, Does: Verify, Mechanism: h.pss, Public: public, Param: []any{h.digest, h.mask, salt}, In: r.bytes("Msg"), Out: fill(r.bytes("S"), len(public.Value(ck.CKA_MODULUS)))}
	if r.has("Result") && !r.passed() {
		c.Refused = BadSignature
	}
	s.add(c)
}

func nistLabel(s *Suite, r *nistReader) {
	value := r.bytes("KEY")
	parsed, err := x509.ParsePKCS8PrivateKey(value)
	if _, ok := parsed.(*rsa.PrivateKey); err != nil || !ok {
		r.keep(fmt.Errorf("no RSA key: %w", err))
		return
	}
	h, err := hashNamed(strings.Replace(r.fields["OAEPDigest"], "SHA", "SHA-", 1))
	if r.keep(err); err != nil {
		return
	}
	s.add(Case{At: r.at, Does: Decrypt, Mechanism: ck.CKM_RSA_PKCS_OAEP, Key: &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_RSA, PKCS8: value},
		Param: []any{h.digest, h.mask, ck.CKZ_DATA_SPECIFIED, Pointed(r.bytes("OAEPLabel"))}, In: r.bytes("Output"), Out: r.bytes("Input")})
}

// A laboratory reads the form of RSA Laboratories: names in comments, and lines of digits below.
type laboratory struct {
	s       *Suite
	values  map[string][]byte
	key     *Key
	public  *Key
	started bool
	at      string
}

var laboratoryHashes = regexp.MustCompile(`oaep-(sha\d+)-(sha\d+)`)

// rsaLaboratories reads files of encryption and signature, with PKCS #1 1.5 or 2.1.
func rsaLaboratories(s *Suite, in io.Reader) error {
	l := &laboratory{s: s, values: make(map[string][]byte)}
	name, digits := "", ""
	scan := bufio.NewScanner(in)
	scan.Buffer(nil, 1<<20)
	finish := func() error {
		if digits == "" {
			return nil
		}
		text := strings.ReplaceAll(digits, " ", "")
		if len(text)%2 != 0 {
			text = "0" + text
		}
		b, err := hex.DecodeString(text)
		if digits = ""; err != nil {
			return fmt.Errorf("%s: %s: %w", l.at, name, err)
		}
		return l.value(name, b)
	}
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		if comment, ok := strings.CutPrefix(line, "#"); ok {
			if err := finish(); err != nil {
				return err
			}
			name, l.at = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(comment), ":")), fmt.Sprintf("%s:%d", s.Name, n)
			switch name {
			case "public key":
				l.started = true
				clear(l.values)
			case "private key":
				l.public = RSAPublic(l.values["modulus"], l.values["exponent"])
			}
			continue
		}
		if l.started && line != "" && !strings.HasPrefix(line, "=") {
			digits += line
		}
	}
	if err := finish(); err != nil {
		return err
	}
	return scan.Err()
}

// value takes a value, and makes a case of the last of each example.
func (l *laboratory) value(name string, b []byte) error {
	if name == "message to be signed" || name == "message to be encrypted" {
		name = "message"
	}
	l.values[name] = b
	switch name {
	case "coefficient":
		v := l.values
		l.key = (&rsaParts{N: v["modulus"], E: v["public exponent"], D: v["exponent"], P: v["prime 1"], Q: v["prime 2"],
			DP: v["prime exponent 1"], DQ: v["prime exponent 2"], QI: v["coefficient"]}).private(true)
	case "encryption":
		return l.encryption(b)
	case "signature":
		return l.signature(b)
	}
	return nil
}

func (l *laboratory) encryption(b []byte) error {
	size := len(l.key.Value(ck.CKA_MODULUS))
	c := Case{At: l.at, Does: Decrypt, Mechanism: ck.CKM_RSA_PKCS, Key: l.key, In: l.values["message"], Out: fill(b, size)}
	hash, mask := "SHA-1", "SHA-1"
	if m := laboratoryHashes.FindStringSubmatch(l.s.Name); m != nil { // the mask stands first
		mask, hash = strings.Replace(m[1], "sha", "SHA-", 1), strings.Replace(m[2], "sha", "SHA-", 1)
	}
	if !strings.Contains(l.s.Name, "15") {
		h, err := hashNamed(hash)
		if err != nil {
			return err
		}
		g, err := hashNamed(mask)
		if err != nil {
			return err
		}
		c.Mechanism, c.Param = ck.CKM_RSA_PKCS_OAEP, []any{h.digest, g.mask, ck.CKZ_DATA_SPECIFIED, Pointed(nil)}
	}
	l.s.Total++
	l.s.add(c)
	return nil
}

func (l *laboratory) signature(b []byte) error {
	c := Case{At: l.at, Does: Sign | Verify, Mechanism: ck.CKM_SHA1_RSA_PKCS, Key: l.key, Public: l.public, In: l.values["message"], Out: fill(b, len(l.key.Value(ck.CKA_MODULUS)))}
	if !strings.Contains(l.s.Name, "15") {
		c.Does, c.Mechanism, c.Param = Verify, ck.CKM_SHA1_RSA_PKCS_PSS, []any{uint(ck.CKM_SHA_1), ck.CKG_MGF1_SHA1, len(l.values["salt"])}
	}
	l.s.Total++
	l.s.add(c)
	return nil
}
