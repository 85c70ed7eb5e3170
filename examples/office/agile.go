package office

import (
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf16"

	"github.com/softcsp/softcsp/ck"
)

// ErrAgile says that a document has agile encryption, which [OpenAgile] opens. It is an ErrFormat.
var ErrAgile = fmt.Errorf("%w: it has agile encryption, that of Office 2010 and later", ErrFormat)

// ErrIntegrity says that a document is not what was encrypted: it was changed, or damaged.
var ErrIntegrity = errors.New("office: the document was changed or damaged after it was encrypted")

// What the keys and initialisation vectors of agile encryption are made for: MS-OFFCRYPTO 2.3.4.13 and 2.3.4.14.
var (
	forVerifierInput = []byte{0xfe, 0xa7, 0xd2, 0x76, 0x3b, 0x4b, 0x9e, 0x79}
	forVerifierHash  = []byte{0xd7, 0xaa, 0x0f, 0x6d, 0x30, 0x61, 0x34, 0x4e}
	forKey           = []byte{0x14, 0x6e, 0x0b, 0xe7, 0xab, 0xac, 0xd0, 0xd6}
	forHMACKey       = []byte{0x5f, 0xb2, 0xad, 0x01, 0x0c, 0xb9, 0xe1, 0xf6}
	forHMAC          = []byte{0xa0, 0x67, 0x7f, 0x02, 0xb2, 0x2c, 0x84, 0x33}
)

// OpenAgile returns the package that was encrypted, a zip file. file is not changed. The keys are objects of the session.
// Nothing is decrypted before the integrity of the document has been checked. Beside what [Open] says, an error can be
// ErrIntegrity.
func OpenAgile(file []byte, password string, s Session) ([]byte, error) {
	c, err := openCompound(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	info, err := c.read("EncryptionInfo")
	if err != nil {
		return nil, err
	}
	if !isAgile(info) {
		return nil, ErrFormat
	}
	d, p, err := readDescriptor(info)
	if err != nil {
		return nil, err
	}
	content, err := c.readShort("EncryptedPackage")
	if err != nil {
		return nil, err
	}
	if len(content) < 8 {
		return nil, fmt.Errorf("%w: the package is cut short", ErrFormat)
	}
	key, err := p.unlock(password, &d.Package, s)
	if err != nil {
		return nil, err
	}
	defer s.destroy(key)
	if err := d.check(content, key, s); err != nil {
		return nil, err
	}
	return d.decrypt(content, key, s)
}

// unlock returns the key of the package: 2.3.4.13. It is ErrPassword where the password is not the right one.
func (p *passwordRow) unlock(password string, pkg *cipherRow, s Session) (ck.ObjectHandle, error) {
	base, err := s.base(p.spin(password))
	if err != nil {
		return 0, err
	}
	defer s.forget(base)
	input, err := p.verifier(base, forVerifierInput, p.VerifierInput, s)
	if err != nil {
		return 0, err
	}
	want, err := p.verifier(base, forVerifierHash, p.VerifierHash, s)
	if err != nil {
		return 0, err
	}
	got := p.hash.sum(input[:min(len(input), int(p.SaltSize))])
	if len(want) < len(got) || subtle.ConstantTimeCompare(got, want[:len(got)]) != 1 {
		return 0, ErrPassword
	}
	k, err := s.derive(base, forKey, &p.cipherRow)
	if err != nil {
		return 0, err
	}
	defer s.destroy(k)
	return s.unwrap(k, &p.cipherRow, p.Key, pkg)
}

// spin hashes the password: 2.3.4.11.
func (p *passwordRow) spin(password string) []byte {
	h := p.hash.begin()
	h.Write(p.Salt)
	for _, u := range utf16.Encode([]rune(password)) {
		h.Write([]byte{byte(u), byte(u >> 8)})
	}
	hashed := h.Sum(nil)
	var round [4]byte
	for i := range p.Spins {
		binary.LittleEndian.PutUint32(round[:], i)
		h.Reset()
		h.Write(round[:])
		h.Write(hashed)
		hashed = h.Sum(hashed[:0])
	}
	return hashed
}

// verifier decrypts a part of the verifier.
func (p *passwordRow) verifier(base *base, purpose, b []byte, s Session) ([]byte, error) {
	k, err := s.derive(base, purpose, &p.cipherRow)
	if err != nil {
		return nil, err
	}
	defer s.destroy(k)
	return s.decrypt(k, &p.cipherRow, p.iv(nil), b)
}

// check tells whether the package is the one that was encrypted: 2.3.4.14. It is ErrIntegrity where it is not.
func (d *descriptor) check(content []byte, key ck.ObjectHandle, s Session) error {
	secret, err := s.decrypt(key, &d.Package, d.Package.iv(forHMACKey), d.Integrity.Key)
	if err != nil {
		return err
	}
	defer clear(secret)
	want, err := s.decrypt(key, &d.Package, d.Package.iv(forHMAC), d.Integrity.Value)
	if err != nil {
		return err
	}
	size := d.Package.hash.begin().Size()
	if len(secret) < size || len(want) < size {
		return ErrIntegrity
	}
	mac := hmac.New(d.Package.hash.begin, secret[:size])
	mac.Write(content)
	if !hmac.Equal(mac.Sum(nil), want[:size]) {
		return ErrIntegrity
	}
	return nil
}

// segment is how much of the package has an initialisation vector of its own: 2.3.4.15.
const segment = 4096

// decrypt decrypts the package in place, and returns it without its length and the padding of its last block.
func (d *descriptor) decrypt(content []byte, key ck.ObjectHandle, s Session) ([]byte, error) {
	size, plain := binary.LittleEndian.Uint64(content), content[8:]
	plain = plain[:len(plain)/d.Package.cipher.block*d.Package.cipher.block]
	if size > uint64(len(plain)) {
		return nil, fmt.Errorf("%w: the package is cut short", ErrFormat)
	}
	var part [4]byte
	for i, rest := uint32(0), plain; len(rest) > 0; i++ {
		n := min(segment, len(rest))
		binary.LittleEndian.PutUint32(part[:], i)
		if err := s.decryptInto(key, &d.Package, d.Package.iv(part[:]), rest[:n], rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return plain[:size], nil
}
