package keyfile

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"hash"
	"strings"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/pbkdf"
)

// PKCS #12 is RFC 7292. software.sslmate.com/src/go-pkcs12 reads keys of the types that crypto/x509 knows, and one of them; here are all keys of
// the file, of every type, and their names.

// Identifiers of what a file has in it.
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag        = pkcs12OID(10, 1, 1)
	oidShroudedBag   = pkcs12OID(10, 1, 2)
	oidCertBag       = pkcs12OID(10, 1, 3)
	oidSecretBag     = pkcs12OID(10, 1, 5)
	oidSafeContents  = pkcs12OID(10, 1, 6)
	oidX509          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 22, 1}
	oidFriendlyName  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 20}
)

// digests are the hashes of the MAC.
var digests = []struct {
	oid     asn1.ObjectIdentifier
	newHash func() hash.Hash
}{
	{asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, sha1.New}, {asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 5}, md5.New},
	{sha2OID(1), sha256.New}, {sha2OID(2), sha512.New384}, {sha2OID(3), sha512.New}, {sha2OID(4), sha256.New224},
}

func sha2OID(n int) asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, n}
}

// explicit0 and implicit0 are the tags [0] of what is whole in them, and of bytes.
var (
	explicit0 = der.Tag(0).ContextSpecific().Constructed()
	implicit0 = der.Tag(0).ContextSpecific()
)

// readPKCS12 reads a PFX (section 4).
func (r *reader) readPKCS12(content []byte) error {
	r.found("PKCS #12")
	in := cryptobyte.String(content)
	var body, mac cryptobyte.String
	var version int
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1Integer(&version) || version != 3 {
		return errDER
	}
	kind, safe, err := readContentInfo(&body)
	if err != nil {
		return err
	}
	var authenticated cryptobyte.String
	if !kind.Equal(oidData) || !safe.ReadASN1(&authenticated, der.OCTET_STRING) {
		return errors.New("the file is signed or encrypted for certificates, not with a password")
	}
	if !body.Empty() {
		if !body.ReadASN1(&mac, der.SEQUENCE) {
			return errDER
		}
		if err := r.checkMAC(mac, authenticated); err != nil {
			return err
		}
	}
	var list cryptobyte.String
	encoded, ok := toDER(authenticated)
	if authenticated = encoded; !ok || !authenticated.ReadASN1(&list, der.SEQUENCE) {
		return errDER
	}
	for !list.Empty() {
		kind, content, err := readContentInfo(&list)
		if err != nil {
			return err
		}
		if err := r.readSafe(kind, content); err != nil {
			return err
		}
	}
	return nil
}

// readContentInfo reads a ContentInfo of PKCS #7 (RFC 2315, section 7).
func readContentInfo(in *cryptobyte.String) (kind asn1.ObjectIdentifier, content cryptobyte.String, err error) {
	var body cryptobyte.String
	if !in.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&kind) || !body.ReadASN1(&content, explicit0) {
		return nil, nil, errDER
	}
	return kind, content, nil
}

// passwordThat finds the password of the file that fits: none or an empty one, or the one that is asked for.
func (r *reader) passwordThat(fits func(password []byte) (bool, error)) error {
	if !r.asked {
		for _, empty := range [][]byte{nil, {}} {
			ok, err := fits(empty)
			if err != nil {
				return err
			}
			if ok {
				r.password, r.asked = empty, true
				return nil
			}
		}
	}
	password, err := r.askPassword()
	if err != nil {
		return err
	}
	ok, err := fits(password)
	if err == nil && !ok {
		err = ErrPassword
	}
	return err
}

// checkMAC finds the password by the MacData, whose sequence is open, over the AuthenticatedSafe.
func (r *reader) checkMAC(mac cryptobyte.String, safe []byte) error {
	var info, algorithm, sum, salt cryptobyte.String
	var oid asn1.ObjectIdentifier
	iterations := 1
	if !mac.ReadASN1(&info, der.SEQUENCE) || !info.ReadASN1(&algorithm, der.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!info.ReadASN1(&sum, der.OCTET_STRING) || !mac.ReadASN1(&salt, der.OCTET_STRING) || !mac.Empty() && !mac.ReadASN1Integer(&iterations) {
		return errDER
	}
	keyed, err := macOf(oid, algorithm, salt, iterations)
	if err != nil {
		return err
	}
	return r.passwordThat(func(password []byte) (bool, error) {
		h, err := keyed(r, password)
		if err != nil {
			return false, err
		}
		h.Write(safe)
		return hmac.Equal(h.Sum(nil), sum), nil
	})
}

// macOf returns what makes the keyed hash of a file: HMAC with a key by the function of PKCS #12 (RFC 7292, appendix B.4), or PBMAC1 (RFC 9579).
func macOf(oid asn1.ObjectIdentifier, params cryptobyte.String, salt []byte, iterations int) (func(*reader, []byte) (hash.Hash, error), error) {
	if oid.Equal(oidPBMAC1) {
		var body, derivation, algorithm cryptobyte.String
		var prf asn1.ObjectIdentifier
		if !params.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1(&derivation, der.SEQUENCE) || !body.ReadASN1(&algorithm, der.SEQUENCE) ||
			!algorithm.ReadASN1ObjectIdentifier(&prf) {
			return nil, errDER
		}
		newHash := findHMAC(prf)
		keyFrom, err := readKDF(derivation)
		if newHash == nil || err != nil {
			return nil, errors.New("the file is authenticated in a way that is not known")
		}
		return func(r *reader, password []byte) (hash.Hash, error) {
			key, err := keyFrom(r, password, newHash().Size())
			defer clear(key)
			return hmac.New(newHash, key), err
		}, nil
	}
	for _, d := range digests {
		if d.oid.Equal(oid) {
			return func(r *reader, password []byte) (hash.Hash, error) {
				if err := r.spend(iterations); err != nil {
					return nil, err
				}
				wide, key := bmpString(password), make([]byte, d.newHash().Size())
				defer clear(wide)
				defer clear(key)
				new(pbkdf.Work).PKCS12(key, d.newHash, pbkdf.PKCS12MAC, wide, salt, iterations)
				return hmac.New(d.newHash, key), nil
			}, nil
		}
	}
	return nil, errors.New("the file is authenticated with a hash that is not known")
}

// readSafe reads one of the contents of an AuthenticatedSafe.
func (r *reader) readSafe(kind asn1.ObjectIdentifier, content cryptobyte.String) error {
	var bags, body, info, algorithm, data cryptobyte.String
	switch {
	case kind.Equal(oidData):
		if !content.ReadASN1(&bags, der.OCTET_STRING) {
			return errDER
		}
		return r.readBags(bags, maxNested)
	case !kind.Equal(oidEncryptedData):
		return errors.New("a part of the file is encrypted for certificates, not with a password")
	}
	var version int
	if !content.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1Integer(&version) || !body.ReadASN1(&info, der.SEQUENCE) ||
		!info.ReadASN1ObjectIdentifier(&kind) || !info.ReadASN1(&algorithm, der.SEQUENCE) || !readPieces(&info, &data) {
		return errDER
	}
	s, err := readScheme(algorithm)
	if err != nil {
		return err
	}
	plain, err := r.decryptSafe(s, data)
	if err != nil {
		return err
	}
	defer clear(plain)
	return r.readBags(plain, maxNested)
}

// readPieces reads bytes with the tag [0], which BER may have in pieces.
func readPieces(in, data *cryptobyte.String) bool {
	var pieces, piece cryptobyte.String
	if !in.PeekASN1Tag(explicit0) {
		return in.ReadASN1(data, implicit0)
	}
	if !in.ReadASN1(&pieces, explicit0) {
		return false
	}
	for !pieces.Empty() {
		if !pieces.ReadASN1(&piece, der.OCTET_STRING) {
			return false
		}
		*data = append(*data, piece...)
	}
	return true
}

// decryptSafe decrypts a part of a file that may have an empty password.
func (r *reader) decryptSafe(s *scheme, data []byte) (plain []byte, err error) {
	err = r.passwordThat(func(password []byte) (bool, error) {
		plain, err = s.decrypt(r, password, data)
		if errors.Is(err, ErrPassword) {
			return false, nil
		}
		return err == nil, err
	})
	return plain, err
}

// maxNested is how deep bags may be in bags.
const maxNested = 8

// readBags reads SafeContents (section 4.2).
func (r *reader) readBags(in cryptobyte.String, depth int) error {
	var list cryptobyte.String
	encoded, ok := toDER(in)
	if in = encoded; !ok || depth == 0 || !in.ReadASN1(&list, der.SEQUENCE) {
		return errDER
	}
	for !list.Empty() {
		var bag, value, attributes cryptobyte.String
		var kind asn1.ObjectIdentifier
		var has bool
		if !list.ReadASN1(&bag, der.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&kind) || !bag.ReadASN1(&value, explicit0) ||
			!bag.ReadOptionalASN1(&attributes, &has, der.SET) {
			return errDER
		}
		if err := r.readBag(kind, value, friendlyName(attributes), depth); err != nil {
			return err
		}
	}
	return nil
}

// readBag reads what a bag has in it. Revocation lists are left alone.
func (r *reader) readBag(kind asn1.ObjectIdentifier, value cryptobyte.String, name string, depth int) error {
	switch {
	case kind.Equal(oidKeyBag):
		return r.addPrivate(value, name)
	case kind.Equal(oidShroudedBag):
		return r.readShrouded(value, name)
	case kind.Equal(oidCertBag):
		var body, wrapped, encoded cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !value.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&oid) || !body.ReadASN1(&wrapped, explicit0) {
			return errDER
		}
		if !oid.Equal(oidX509) {
			return nil
		}
		if !wrapped.ReadASN1(&encoded, der.OCTET_STRING) {
			return errDER
		}
		return r.addCertificate(encoded, name)
	case kind.Equal(oidSecretBag):
		return r.readSecretBag(value, name)
	case kind.Equal(oidSafeContents):
		return r.readBags(value, depth-1)
	}
	return nil
}

// bagSecrets are the types of secret keys by the algorithms that Java names.
var bagSecrets = []struct {
	oid asn1.ObjectIdentifier
	t   ck.KeyType
}{
	{asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1}, ck.CKK_AES}, {asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}, ck.CKK_DES3},
	{hmacOID(7), ck.CKK_SHA_1_HMAC}, {hmacOID(8), ck.CKK_SHA224_HMAC}, {hmacOID(9), ck.CKK_SHA256_HMAC}, {hmacOID(10), ck.CKK_SHA384_HMAC},
	{hmacOID(11), ck.CKK_SHA512_HMAC},
}

// readSecretBag reads a secret key as Java keeps them: encrypted, in the form of a PrivateKeyInfo. What else there may be in such a bag is left alone.
func (r *reader) readSecretBag(value cryptobyte.String, name string) error {
	var body, wrapped, content cryptobyte.String
	var kind asn1.ObjectIdentifier
	if !value.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1ObjectIdentifier(&kind) || !body.ReadASN1(&wrapped, explicit0) {
		return errDER
	}
	if !kind.Equal(oidShroudedBag) || !wrapped.ReadASN1(&content, der.OCTET_STRING) {
		return nil
	}
	plain, err := r.decryptInfo(content)
	if err != nil {
		return err
	}
	defer clear(plain)
	oid, _, key, err := readPrivateKeyInfo(plain)
	if err != nil {
		return err
	}
	for _, s := range bagSecrets {
		if s.oid.Equal(oid) {
			return r.addSecret(s.t, key, name)
		}
	}
	if r.options.Secret == nil {
		return &TypeError{}
	}
	return r.addSecret(*r.options.Secret, key, name)
}

// readShrouded reads a key that is encrypted by itself.
func (r *reader) readShrouded(content []byte, name string) error {
	plain, err := r.decryptInfo(content)
	if err != nil {
		return err
	}
	defer clear(plain)
	return r.addPrivate(plain, name)
}

// decryptInfo decrypts an EncryptedPrivateKeyInfo of a file.
func (r *reader) decryptInfo(content []byte) ([]byte, error) {
	s, data, err := readEncryptedInfo(content)
	if err != nil {
		return nil, err
	}
	return r.decryptSafe(s, data)
}

// friendlyName reads the name among the attributes of a bag, "" if there is none.
func friendlyName(attributes cryptobyte.String) string {
	for !attributes.Empty() {
		var attribute, values, text cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !attributes.ReadASN1(&attribute, der.SEQUENCE) || !attribute.ReadASN1ObjectIdentifier(&oid) || !attribute.ReadASN1(&values, der.SET) {
			return ""
		}
		if !oid.Equal(oidFriendlyName) || !values.ReadASN1(&text, der.Tag(30)) { // BMPString
			continue
		}
		units := make([]uint16, 0, len(text)/2)
		for ; len(text) >= 2; text = text[2:] {
			units = append(units, uint16(text[0])<<8|uint16(text[1]))
		}
		return strings.TrimRight(string(utf16.Decode(units)), "\x00")
	}
	return ""
}
