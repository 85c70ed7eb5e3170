package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// A crypting is what key encrypt or key decrypt was asked for.
type crypting struct {
	decrypt bool
	iv, out string
	target  *target
	in      string
}

const cryptHelp = `%s a file with a secret key of the token.

A block cipher is used as CryptoAPI uses it: CBC, with the padding of PKCS#7. Its IV, --iv, is

  zero    zeros: what CryptEncrypt and CryptDecrypt of Windows use unless they are told otherwise (the default)
  random  %s
  HEX     the bytes given, which the other side must know

RC4 has no IV. A key that CRYPT_CREATE_SALT or a provider gave salt is used together with it.

The file is "-" for standard input. The result goes to --out, which is written whole or not at all, or to standard output.
Zeros are for exchange with other programs: two files that begin alike are seen to do so. None of this notices a change of
the encrypted file; a program that can choose uses AES-GCM through the library.`

func keyEncrypt(a *app) *cobra.Command {
	c := a.crypt(&crypting{})
	c.Use, c.Short = "encrypt --label LABEL FILE", "Encrypt a file with a key of the token"
	c.Long = fmt.Sprintf(cryptHelp, "Encrypts", "a new random one, which stands before the encrypted bytes")
	c.Example = "  softcsp key encrypt --label report --pin-file user.pin --out report.enc report.txt"
	return c
}

func keyDecrypt(a *app) *cobra.Command {
	c := a.crypt(&crypting{decrypt: true})
	c.Use, c.Short = "decrypt --label LABEL FILE", "Decrypt a file with a key of the token"
	c.Long = fmt.Sprintf(cryptHelp, "Decrypts", "stands before the encrypted bytes")
	c.Example = "  softcsp key decrypt --label report --pin-file user.pin --out report.txt report.enc"
	return c
}

func (a *app) crypt(x *crypting) *cobra.Command {
	x.target = newTarget("key")
	c := &cobra.Command{Args: exactly(1, "one file, or - for standard input")}
	c.Flags().StringVar(&x.iv, "iv", "zero", "initialisation `vector`: zero, random, or hex digits")
	c.Flags().StringVarP(&x.out, "out", "o", "-", "`file` to write, \"-\" for standard output")
	x.target.addTo(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		x.in = args[0]
		if err := x.target.need(); err != nil {
			return usage(c, err)
		}
		if _, err := hex.DecodeString(x.iv); err != nil && x.iv != "zero" && x.iv != "random" {
			return usage(c, fmt.Errorf("--iv is %q, but can be zero, random or an even number of hex digits", x.iv))
		}
		return a.on(x.target, x.run)
	}
	return c
}

// run finds the key and the file, and does it.
func (x *crypting) run(s *session) error {
	key, err := s.one(x.target.object, ck.CKO_SECRET_KEY)
	if err != nil {
		return err
	}
	in := s.app.in
	if x.in != "-" {
		if in, err = os.Open(x.in); err != nil {
			return err
		}
		defer in.Close()
	}
	return s.app.write(x.out, func(w io.Writer) error { return s.stream(key, x, in, w) })
}

// write calls f with a writer to a file, which appears under its name when f has succeeded, or to standard output. A device
// or a pipe is written to as it is.
func (a *app) write(name string, f func(io.Writer) error) (err error) {
	if name == "-" {
		return f(a.out)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		special, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(f(special), special.Close())
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".softcsp-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if err = f(tmp); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}

// A cipher is how a key type is used for files.
type cipher struct {
	mech  ck.MechanismType
	block int // length of the IV
	param func(s *session, key ck.ObjectHandle, iv []byte) (ck.Param, error)
}

// plainIV is the parameter of ciphers that take their IV and nothing else.
func plainIV(_ *session, _ ck.ObjectHandle, iv []byte) (ck.Param, error) {
	return ck.NewParam(iv, nil), nil
}

// rc2IV is a CK_RC2_CBC_PARAMS.
func rc2IV(s *session, key ck.ObjectHandle, iv []byte) (ck.Param, error) {
	bits := s.effectiveBits(key)
	return ck.NewParam(append(ck.UlongValue(bits), iv...), nil), nil
}

// effectiveBits returns the effective length of an RC2 key: what CryptDeriveKey gave it, or its length.
func (s *session) effectiveBits(key ck.ObjectHandle) uint {
	if n, err := s.ulong(key, ck.CKA_SOFTCSP_EFFECTIVE_BITS); err == nil && n != 0 {
		return n
	}
	return s.keyBits(key)
}

// rc5IV is a CK_RC5_CBC_PARAMS with 32-bit words and 12 rounds, as CryptoAPI's 64-bit blocks have.
func rc5IV(_ *session, _ ck.ObjectHandle, iv []byte) (ck.Param, error) {
	const anywhere = 1 // there is no C memory here: follow answers for any address
	b := ck.UlongValue(4)
	for _, v := range []uint{12, anywhere, uint(len(iv))} {
		b = ck.AppendUlong(b, v)
	}
	return ck.NewParam(b, func(uint64, uint) []byte { return iv }), nil
}

func noIV(*session, ck.ObjectHandle, []byte) (ck.Param, error) {
	return ck.Param{}, nil
}

var ciphers = map[ck.KeyType]cipher{
	ck.CKK_AES:  {ck.CKM_AES_CBC_PAD, 16, plainIV},
	ck.CKK_DES:  {ck.CKM_DES_CBC_PAD, 8, plainIV},
	ck.CKK_DES2: {ck.CKM_DES3_CBC_PAD, 8, plainIV},
	ck.CKK_DES3: {ck.CKM_DES3_CBC_PAD, 8, plainIV},
	ck.CKK_RC2:  {ck.CKM_RC2_CBC_PAD, 8, rc2IV},
	ck.CKK_RC5:  {ck.CKM_RC5_CBC_PAD, 8, rc5IV},
	ck.CKK_RC4:  {ck.CKM_RC4, 0, noIV},
}

// initial returns the IV, which it reads or writes where it stands before the encrypted bytes.
func (x *crypting) initial(n int, in io.Reader, out io.Writer) ([]byte, error) {
	iv := make([]byte, n)
	switch {
	case x.iv == "zero" || n == 0:
		return iv, nil
	case x.iv == "random" && x.decrypt:
		if _, err := io.ReadFull(in, iv); err != nil {
			return nil, fmt.Errorf("the file is too short to begin with an IV: %w", err)
		}
		return iv, nil
	case x.iv == "random":
		rand.Read(iv)
		_, err := out.Write(iv)
		return iv, err
	}
	b, err := hex.DecodeString(x.iv)
	if err == nil && len(b) != n {
		err = fmt.Errorf("--iv: this cipher's IV has %d hex digits", 2*n)
	}
	return b, err
}

// stream encrypts or decrypts in, part by part, to out.
func (s *session) stream(key ck.ObjectHandle, x *crypting, in io.Reader, out io.Writer) error {
	kind, err := s.ulong(key, ck.CKA_KEY_TYPE)
	if err != nil {
		return explain("reading the key", err)
	}
	how, ok := ciphers[ck.KeyType(kind)]
	if !ok {
		return fmt.Errorf("a key of type %s does not encrypt files", word("CKK_", ck.KeyType(kind)))
	}
	iv, err := x.initial(how.block, in, out)
	if err != nil {
		return err
	}
	param, err := how.param(s, key, iv)
	if err != nil {
		return err
	}
	begin, update, final, doing := s.EncryptInit, s.EncryptUpdate, s.EncryptFinal, "encrypting"
	if x.decrypt {
		begin, update, final, doing = s.DecryptInit, s.DecryptUpdate, s.DecryptFinal, "decrypting"
	}
	if err := begin(s.handle, &ck.Mechanism{Type: how.mech, Param: param}, key); err != nil {
		return explain(doing, err)
	}
	if err := s.confirm(key); err != nil {
		return err
	}
	part, result := make([]byte, 1<<16), make([]byte, 1<<16+64)
	defer clear(part)
	defer clear(result)
	telling := s.app.progress(doing)
	defer telling.end()
	for done := int64(0); ; {
		n, rerr := in.Read(part)
		done += int64(n)
		telling.at(done, 0)
		if n > 0 {
			b := ck.Into(result)
			if err := update(s.handle, part[:n], &b); err != nil {
				return explain(doing, err)
			}
			if _, err := out.Write(result[:b.N]); err != nil {
				return err
			}
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return rerr
		}
	}
	b := ck.Into(result)
	if err := final(s.handle, &b); err != nil {
		return explain(doing, err)
	}
	_, err = out.Write(result[:b.N])
	return err
}
