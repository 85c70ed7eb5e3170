package main

import (
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// A crypting is what key encrypt or key decrypt was asked for.
type crypting struct {
	decrypt   bool
	target    *target
	mechanism choiceOfMechanism
	in, out   string
}

const cryptHelp = `%s a file with a key of the token. The usual mechanism is that of the key's type:

  AES, DES, triple DES, RC2, RC5  CBC with the padding of PKCS#7, as CryptoAPI uses it
  RC4                             itself, which has no IV
  other block ciphers             CBC with the padding of PKCS#7
  ChaCha20                        ChaCha20-Poly1305, which is authenticated
  RSA                             OAEP with SHA-256, or with the --hash that is given

--mechanism takes any other. CKM_AES_GCM is authenticated: a change of the encrypted file is noticed, and nothing is
written before it is known that there was none. A mechanism's parameter is made of the flags for it, and of
--parameter FIELD=VALUE with the names that PKCS#11 gives the fields.

The IV, nonce or counter block, --iv, is

  zero    zeros: what CryptEncrypt and CryptDecrypt of Windows use unless they are told otherwise (the default of the
          ciphers of CryptoAPI without --mechanism)
  random  %s (the default of all others)
  HEX     the bytes given, which the other side must know

Zeros are for exchange with other programs: two files that begin alike are seen to do so. A nonce, of GCM, CCM,
ChaCha20-Poly1305 or a counter mode, must never be used twice with a key: whoever sees both files learns what is in
them, and with GCM can forge others. So leave --iv out there. That of GCM has 12 bytes; a shorter one is refused, unless
it is said as --parameter pIv=HEX. A key that CRYPT_CREATE_SALT
or a provider gave salt is used together with it.

The file is "-" for standard input. It may be of any size, but for authenticated mechanisms at most 1 GiB, because all
of it has to be looked at before its beginning is given away, and for RSA less than the key is long. The result goes
to --out, which is written whole or not at all, or to standard output.`

func keyEncrypt(a *app) *cobra.Command {
	c := a.crypt(&crypting{})
	c.Use, c.Short = "encrypt --label LABEL FILE", "Encrypt a file with a key of the token"
	c.Long = fmt.Sprintf(cryptHelp, "Encrypts", "a new random one, which stands before the encrypted bytes")
	c.Example = `  softcsp key encrypt --label report --pin-file user.pin --out report.enc report.txt
  softcsp key encrypt --label report --mechanism CKM_AES_GCM --aad text:2026 --pin-file user.pin --out report.enc report.txt`
	return c
}

func keyDecrypt(a *app) *cobra.Command {
	c := a.crypt(&crypting{decrypt: true})
	c.Use, c.Short = "decrypt --label LABEL FILE", "Decrypt a file with a key of the token"
	c.Long = fmt.Sprintf(cryptHelp, "Decrypts", "stands before the encrypted bytes")
	c.Example = `  softcsp key decrypt --label report --pin-file user.pin --out report.txt report.enc
  softcsp key decrypt --label report --mechanism CKM_AES_GCM --aad text:2026 --pin-file user.pin --out report.txt report.enc`
	return c
}

func (a *app) crypt(x *crypting) *cobra.Command {
	x.target = newTarget("key")
	c := &cobra.Command{Args: exactly(1, "one file, or - for standard input")}
	need := ck.CKF_ENCRYPT
	if x.decrypt {
		need = ck.CKF_DECRYPT
	}
	x.mechanism.add(a, c, need, "iv", "aad", "tag-bits", "counter-bits", "hash", "mgf", "oaep-label")
	a.addOut(c, &x.out, "-", "`file` to write, \"-\" for standard output")
	x.target.addTo(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		x.in = args[0]
		err := x.target.need()
		if err == nil && !x.decrypt {
			err = a.notForTerminal(x.out)
		}
		if err != nil {
			return usage(c, err)
		}
		iv, given := x.mechanism.flags["iv"]
		if _, err := hex.DecodeString(iv); given && err != nil && iv != "zero" && iv != "random" {
			return usage(c, fmt.Errorf("--iv is %q, but can be zero, random or an even number of hex digits", iv))
		}
		if !x.decrypt && !x.target.pin.given() { // a public key that everybody sees
			return a.onPublic(x.target, x.run)
		}
		return a.on(x.target, x.run)
	}
	return c
}

// run finds the key and the file, and does it.
func (x *crypting) run(s *session) error {
	key, err := x.key(s)
	if err != nil {
		return err
	}
	how, err := x.plan(s, key)
	if err != nil {
		return err
	}
	in, err := s.app.read(x.in)
	if err != nil {
		return err
	}
	defer in.Close()
	return s.app.write(x.out, func(w io.Writer) error { return how.run(s, in, w) })
}

// key finds a secret key, or else a public key to encrypt, a private one to decrypt.
func (x *crypting) key(s *session) (ck.ObjectHandle, error) {
	secret, err := s.matching(x.target.object, ck.CKO_SECRET_KEY)
	if err != nil || len(secret) == 1 {
		return first(secret), err
	}
	pairs, err := s.matching(x.target.object, ck.CKO_PUBLIC_KEY, ck.CKO_PRIVATE_KEY)
	switch {
	case err != nil:
		return 0, err
	case len(secret) > 0 || len(pairs) == 0:
		return s.one(x.target.object, ck.CKO_SECRET_KEY)
	case x.decrypt:
		return s.one(x.target.object, ck.CKO_PRIVATE_KEY)
	}
	return s.public(x.target.object, ck.CKA_ENCRYPT)
}

// ciphers are the mechanisms of CryptoAPI's types of keys, with an IV of zeros.
var ciphers = map[ck.KeyType]ck.MechanismType{
	ck.CKK_AES: ck.CKM_AES_CBC_PAD, ck.CKK_DES: ck.CKM_DES_CBC_PAD, ck.CKK_DES2: ck.CKM_DES3_CBC_PAD, ck.CKK_DES3: ck.CKM_DES3_CBC_PAD,
	ck.CKK_RC2: ck.CKM_RC2_CBC_PAD, ck.CKK_RC5: ck.CKM_RC5_CBC_PAD, ck.CKK_RC4: ck.CKM_RC4,
}

// otherCiphers are the usual mechanisms of all others, with a random IV.
var otherCiphers = map[ck.KeyType]ck.MechanismType{
	ck.CKK_CAMELLIA: ck.CKM_CAMELLIA_CBC_PAD, ck.CKK_ARIA: ck.CKM_ARIA_CBC_PAD, ck.CKK_SEED: ck.CKM_SEED_CBC_PAD, ck.CKK_CAST128: ck.CKM_CAST128_CBC_PAD,
	ck.CKK_IDEA: ck.CKM_IDEA_CBC_PAD, ck.CKK_BLOWFISH: ck.CKM_BLOWFISH_CBC_PAD, ck.CKK_TWOFISH: ck.CKM_TWOFISH_CBC_PAD, ck.CKK_CDMF: ck.CKM_CDMF_CBC_PAD,
	ck.CKK_CHACHA20: ck.CKM_CHACHA20_POLY1305, ck.CKK_SALSA20: ck.CKM_SALSA20, ck.CKK_AES_XTS: ck.CKM_AES_XTS, ck.CKK_RSA: ck.CKM_RSA_PKCS_OAEP,
}

// usual returns the mechanism of a type of keys, where none is named, and where the IV comes from if --iv does not say.
func (x *crypting) usual(kind ck.KeyType) (m ck.MechanismType, iv string, err error) {
	if m, err = x.mechanism.mechanism(); err != nil || m != 0 {
		return m, "random", err
	}
	if m, ok := ciphers[kind]; ok {
		return m, "zero", nil
	}
	if m, ok := otherCiphers[kind]; ok {
		return m, "random", nil
	}
	return 0, "", fmt.Errorf("a key of type %s does not encrypt files", word("CKK_", kind))
}
