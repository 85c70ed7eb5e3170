package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// check verifies the signature of the file.
func (x *signing) check(s *session) error {
	key, err := x.verifier(s)
	if err != nil {
		return err
	}
	kind, mech, err := x.prepare(s, key, ck.C_VerifyInit)
	if err != nil {
		return err
	}
	sig, err := os.ReadFile(x.signature)
	if err != nil {
		return err
	}
	if !x.raw {
		if sig, err = s.plainSignature(key, kind, sig); err != nil {
			return fmt.Errorf("--signature: %s %w", x.signature, err)
		}
	}
	in, err := s.app.read(x.in)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := s.verify(key, mech, in.name, in, in.size, sig); err != nil {
		if flags := x.fitting(s, key, kind, sig); flags != "" {
			return fmt.Errorf("%w\nit is a good signature of another kind: say %s", err, flags)
		}
		return err
	}
	if !s.app.quiet {
		fmt.Fprintf(s.app.out, "the signature of %s is good\n", in.name)
	}
	return nil
}

// maxTried is the length of the longest file that is read again for each other kind of signature, in bytes.
const maxTried = 64 << 20

// fitting returns the flags with which a signature of an RSA, EC or DSA key is good after all, "" if there are none: people forget to say PSS, or
// the hash.
func (x *signing) fitting(s *session, key ck.ObjectHandle, kind ck.KeyType, sig []byte) string {
	paddings := []string{""}
	switch kind {
	case ck.CKK_RSA:
		paddings = append(paddings, "--pss")
	case ck.CKK_EC, ck.CKK_DSA:
	default:
		return ""
	}
	for _, padding := range paddings {
		for _, hash := range []string{"sha256", "sha384", "sha512", "sha1", "sha224"} {
			for _, salt := range s.saltLengths(key, padding, hash) {
				way := signing{pss: padding != "", mechanism: choiceOfMechanism{flags: map[string]string{"hash": hash}}, in: x.in, verify: true}
				flags := strings.TrimSpace(padding + " --hash " + hash)
				if salt != "" {
					way.mechanism.flags["salt-len"], flags = salt, flags+" --salt-len "+salt
				}
				if way.fits(s, key, sig) {
					return flags
				}
			}
		}
	}
	return ""
}

// saltLengths are the values of --salt-len that programs use: that of the hash, which is the default, what there is room for (OpenSSL), 20 and 0.
func (s *session) saltLengths(key ck.ObjectHandle, padding, hash string) []string {
	h, err := hashNamed("hash", hash)
	bits := s.numberBits(key, ck.CKA_MODULUS)
	most := (int(bits)+6)/8 - int(h.size) - 2 // RFC 8017, section 9.1.1
	if padding == "" || err != nil || most < 20 {
		return []string{""}
	}
	return []string{"", fmt.Sprint(most), "20", "0"}
}

// fits reports whether the signature of the file is good so.
func (x *signing) fits(s *session, key ck.ObjectHandle, sig []byte) bool {
	if x.in == "-" {
		return false
	}
	_, mech, err := x.prepare(s, key, ck.C_VerifyInit)
	if err != nil {
		return false
	}
	in, err := s.app.read(x.in)
	if err != nil {
		return false
	}
	defer in.Close()
	return in.known && in.size <= maxTried && s.verify(key, mech, in.name, in, in.size, sig) == nil
}

// verifier returns the public key.
func (x *signing) verifier(s *session) (ck.ObjectHandle, error) {
	if x.publicKey == "" {
		return s.public(x.target.object, ck.CKA_VERIFY)
	}
	info, err := s.app.readPublicKey(x.publicKey)
	if err != nil {
		return 0, err
	}
	return s.publicObject(info, ck.CKA_VERIFY)
}

// verify verifies a signature, or a MAC, of what there is to read.
func (s *session) verify(key ck.ObjectHandle, mech *ck.Mechanism, name string, in io.Reader, size int64, sig []byte) error {
	if err := s.VerifyInit(s.handle, mech, key); err != nil {
		return explainUse("verifying", mech.Type, err)
	}
	if err := s.confirm(key); err != nil {
		return err
	}
	err := s.app.parts(in, size, "verifying", func(part []byte) error { return s.VerifyUpdate(s.handle, part) })
	if err == nil {
		err = s.VerifyFinal(s.handle, sig)
	}
	switch ck.Code(err) {
	case ck.CKR_SIGNATURE_INVALID:
		return fmt.Errorf("%s: %w: the file is not what was signed, or it was signed with another key or mechanism", name, err)
	case ck.CKR_SIGNATURE_LEN_RANGE:
		return fmt.Errorf("%s: %w: signatures with this key and mechanism have another length", name, err)
	}
	return explainUse("verifying", mech.Type, err)
}
