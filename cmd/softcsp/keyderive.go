package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// A named number is a word of the command line.
type named[N ~uint32] struct {
	name   string
	number N
}

// hashNames are the hashes of base data.
var hashNames = []named[capi.AlgID]{
	{"md2", capi.CALG_MD2}, {"md4", capi.CALG_MD4}, {"md5", capi.CALG_MD5}, {"sha1", capi.CALG_SHA1},
	{"sha256", capi.CALG_SHA_256}, {"sha384", capi.CALG_SHA_384}, {"sha512", capi.CALG_SHA_512},
	{"ssl3-shamd5", capi.CALG_SSL3_SHAMD5},
}

var algorithmNames = []named[capi.AlgID]{
	{"rc2", capi.CALG_RC2}, {"rc4", capi.CALG_RC4}, {"rc5", capi.CALG_RC5}, {"des", capi.CALG_DES},
	{"3des-112", capi.CALG_3DES_112}, {"3des", capi.CALG_3DES}, {"aes-128", capi.CALG_AES_128},
	{"aes-192", capi.CALG_AES_192}, {"aes-256", capi.CALG_AES_256},
}

// providerNames stand in the order of the providers' numbers.
var providerNames = []named[uint32]{{"softcsp", 0}, {"base", 1}, {"strong", 2}, {"enhanced", 3}, {"aes", 4}}

func choose[N ~uint32](flag, name string, list []named[N]) (N, error) {
	words := wordsOf(list)
	if i := slices.Index(words, wordMeant(name, words)); i >= 0 {
		return list[i].number, nil
	}
	return 0, notAWord("--"+flag, name, words, "")
}

func wordsOf[N ~uint32](list []named[N]) []string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = n.name
	}
	return words
}

func spell[N ~uint32](list []named[N]) string { return strings.Join(wordsOf(list), ", ") }

// A derivation is what key derive was asked for.
type derivation struct {
	hash, algorithm, provider, encoding string
	bits                                uint
	exportable, createSalt, noSalt      bool
	userProtected, update, print        bool
	dataFile                            string
	password                            *secretSource
	target                              *target
	from                                derivationFromKey
}

const deriveHelp = `Derives a key as CryptDeriveKey does: the password is hashed, and the key is made from the hash value inside the token.

With --label the key is kept in the token, sealed, and never leaves it unless it is made with --exportable. With
--exportable and --print its bytes are printed, and no token and no PIN are needed: a key that is not kept is made in memory.

The password is taken as it is, without its newline; --encoding utf16le turns UTF-8 into what a Windows program that uses
wide characters hashes. --data-file takes a whole file, newlines and all.

Providers: base, strong, enhanced and aes are Microsoft's Base, Strong, Enhanced, and Enhanced RSA and AES Cryptographic
Providers. They differ in key lengths and salt. softcsp has all algorithms, and --update: derive a second time, from
another password, into a key made before, which then depends on both.

Say --provider and --bits as the other program does: the defaults of Windows have changed over time.

With --base the key is derived from a secret key of the token instead, by HKDF (RFC 5869) with SHA-256 or --hash, --salt and
--info, or by any --mechanism of PKCS#11 that does that. Its parameter is made of the flags for it, and of --parameter
FIELD=VALUE with the names that PKCS#11 gives the fields. --type says what key it becomes.`

func keyDerive(a *app) *cobra.Command {
	d := &derivation{
		password: &secretSource{what: "password", flag: "password", confirm: true},
		target:   newTarget("key"),
	}
	c := &cobra.Command{
		Use:   "derive --hash HASH --algorithm ALGORITHM | --base LABEL",
		Short: "Derive a key from a password (CryptDeriveKey), or from another key",
		Long:  deriveHelp,
		Example: `  softcsp key derive --hash sha1 --algorithm aes-256 --label report --password-file p --pin-file user.pin
  softcsp key derive --hash md5 --algorithm rc2 --provider enhanced --exportable --print --password-file p
  softcsp key derive --base master --info text:disk --type aes:256 --label disk --pin-file user.pin`,
		Args: exactly(0, ""),
	}
	f := c.Flags()
	f.StringVar(&d.hash, "hash", "", "`hash` of the password: "+spell(hashNames)+"; of HKDF with --base")
	f.StringVarP(&d.algorithm, "algorithm", "a", "", "`algorithm` of the key: "+spell(algorithmNames))
	f.StringVar(&d.provider, "provider", "aes", "`provider` whose rules apply: "+spell(providerNames))
	f.UintVar(&d.bits, "bits", 0, "`length` of the key in bits (default: the provider's)")
	f.BoolVar(&d.exportable, "exportable", false, "CRYPT_EXPORTABLE: the key may leave the token")
	f.BoolVar(&d.createSalt, "create-salt", false, "CRYPT_CREATE_SALT: salt from the rest of the hash value")
	f.BoolVar(&d.noSalt, "no-salt", false, "CRYPT_NO_SALT: no salt for a 40-bit key")
	f.BoolVar(&d.userProtected, "user-protected", false, "CRYPT_USER_PROTECTED: each use needs the PIN again")
	f.BoolVar(&d.update, "update", false, "CRYPT_UPDATE_KEY: derive into the key that --label or --id names")
	f.BoolVar(&d.print, "print", false, "print the key, which must be --exportable")
	f.StringVar(&d.encoding, "encoding", "utf8", "`encoding` that the password is hashed in: utf8 or utf16le")
	f.StringVar(&d.dataFile, "data-file", "", "`file` whose bytes are hashed in place of a password")
	d.password.add(f)
	d.target.object.add(f)
	d.target.addToken(c)
	d.from.addTo(a, c)
	c.RunE = func(*cobra.Command, []string) error {
		if d.from.base != "" {
			if err := d.from.take(d); err != nil {
				return usage(c, err)
			}
			return a.on(d.target, d.from.run)
		}
		if err := d.check(); err != nil {
			return usage(c, err)
		}
		return a.derive(d)
	}
	return lists(a, c)
}

// check finds what is wrong with the command line before anything is asked for.
func (d *derivation) check() (err error) {
	if d.encoding, err = oneOf("encoding", d.encoding, "utf8", "utf16le"); err != nil {
		return err
	}
	switch {
	case d.hash == "" || d.algorithm == "":
		return errors.New("--hash and --algorithm must be given: the key is another one for each")
	case d.bits > 0xffff:
		return errors.New("--bits: the longest key that can be asked for has 65535 bits")
	case d.print && !d.exportable:
		return errors.New("--print needs --exportable: other keys do not leave the token")
	case d.update && !d.key().given():
		return errors.New("--update needs --label or --id: the key to derive into")
	case d.update && d.provider != "softcsp":
		return errors.New("--update needs --provider softcsp: Microsoft's providers ignore CRYPT_UPDATE_KEY")
	case !d.key().given() && !d.print:
		return errors.New("give --label to keep the key in the token, or --exportable --print to see it")
	case d.userProtected && !d.key().given():
		return errors.New("--user-protected needs --label: it protects a key that is kept")
	}
	_, err = d.param()
	return err
}

// param is a CK_SOFTCSP_CRYPT_DERIVE_KEY_PARAMS.
func (d *derivation) param() ([]byte, error) {
	provider, err := choose("provider", d.provider, providerNames)
	if err != nil {
		return nil, err
	}
	algorithm, err := choose("algorithm", d.algorithm, algorithmNames)
	if err != nil {
		return nil, err
	}
	hash, err := choose("hash", d.hash, hashNames)
	if err != nil {
		return nil, err
	}
	flags := uint32(d.bits) << 16
	for _, f := range []struct {
		set bool
		bit uint32
	}{
		{d.exportable, capi.CRYPT_EXPORTABLE}, {d.userProtected, capi.CRYPT_USER_PROTECTED},
		{d.createSalt, capi.CRYPT_CREATE_SALT}, {d.noSalt, capi.CRYPT_NO_SALT}, {d.update, capi.CRYPT_UPDATE_KEY},
	} {
		if f.set {
			flags |= f.bit
		}
	}
	var b []byte
	for _, v := range []uint32{provider, uint32(hash), uint32(algorithm), flags} {
		b = ck.AppendUlong(b, uint(v))
	}
	return b, nil
}

// baseData returns what is hashed.
func (d *derivation) baseData(a *app) ([]byte, error) {
	if d.dataFile != "" {
		return os.ReadFile(d.dataFile)
	}
	b, err := d.password.read(a)
	if err != nil || d.encoding == "utf8" {
		return b, err
	}
	defer clear(b)
	if !utf8.Valid(b) {
		return nil, errors.New("the password is not UTF-8, so it cannot be turned into utf16le")
	}
	wide := make([]byte, 0, 2*len(b))
	for rest := b; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		rest = rest[n:]
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			wide = binary.LittleEndian.AppendUint16(wide, uint16(hi))
			r = lo
		}
		wide = binary.LittleEndian.AppendUint16(wide, uint16(r))
	}
	return wide, nil
}

func (a *app) derive(d *derivation) error {
	if !d.key().given() {
		s, err := a.scratch()
		if err != nil {
			return err
		}
		defer s.client.close()
		return d.deriveIn(s, false)
	}
	return a.on(d.target, func(s *session) error { return d.deriveIn(s, true) })
}

// key is what the key is called, or which it is.
func (d *derivation) key() *objectChoice { return &d.target.object }

// deriveIn derives in a session: into a key of the token if keep is set.
func (d *derivation) deriveIn(s *session, keep bool) error {
	var key ck.ObjectHandle
	if keep {
		old, err := s.matching(*d.key(), ck.CKO_SECRET_KEY)
		switch {
		case err != nil:
			return err
		case d.update && len(old) != 1:
			return s.notOne(*d.key(), old)
		case d.update:
			key = old[0]
		case len(old) > 0:
			return fmt.Errorf("there is a key %s already: choose another --label or --id", d.key())
		}
	}
	param, err := d.param()
	if err != nil {
		return err
	}
	base, err := d.base(s)
	if err != nil {
		return err
	}
	mech := &ck.Mechanism{Type: ck.CKM_SOFTCSP_CRYPT_DERIVE_KEY, Param: ck.NewParam(param, nil)}
	template, err := d.template(keep)
	if err != nil {
		return err
	}
	if err := s.DeriveKey(s.handle, mech, base, template, &key); err != nil {
		return deriveError(err)
	}
	return s.showDerived(key, d)
}

// base makes the password a secret of the session, from which the key is derived: it is gone when the session is.
func (d *derivation) base(s *session) (ck.ObjectHandle, error) {
	data, err := d.baseData(s.app)
	if err != nil {
		return 0, err
	}
	defer clear(data)
	if len(data) == 0 {
		return 0, errors.New("the password is empty")
	}
	base, err := s.CreateObject(s.handle, []ck.Attribute{
		{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_SECRET_KEY))},
		{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(ck.CKK_GENERIC_SECRET))},
		{Type: ck.CKA_PRIVATE, Value: ck.BoolValue(false)},
		{Type: ck.CKA_DERIVE, Value: ck.BoolValue(true)},
		{Type: ck.CKA_VALUE, Value: data},
	})
	return base, explain("taking the password", err)
}

func (d *derivation) template(keep bool) ([]ck.Attribute, error) {
	if d.update {
		return nil, nil
	}
	named, err := d.key().template()
	t := []ck.Attribute{
		{Type: ck.CKA_TOKEN, Value: ck.BoolValue(keep)}, {Type: ck.CKA_PRIVATE, Value: ck.BoolValue(keep)},
	}
	return append(t, named...), err
}

// deriveError says what CryptDeriveKey answers, and what PKCS#11 makes of it.
func deriveError(err error) error {
	var e *ck.DeviceError
	if errors.As(err, &e) {
		err = fmt.Errorf("%w (0x%08x, %v)", err, e.Code, e.RV)
	}
	return explain("deriving", err)
}

// A derivedKey is what key derive shows.
type derivedKey struct {
	objectRow
	Provider string `json:"provider"`
	Salt     string `json:"salt,omitempty"`
	Value    string `json:"value,omitempty"`
}

func (s *session) showDerived(o ck.ObjectHandle, d *derivation) error {
	row, err := s.object(o)
	if err != nil {
		return explain("reading the key", err)
	}
	k := derivedKey{objectRow: row, Provider: d.provider}
	if b, err := s.attribute(o, ck.CKA_SOFTCSP_SALT); err == nil {
		k.Salt = hex.EncodeToString(b)
	}
	if n, err := s.ulong(o, ck.CKA_SOFTCSP_PROVIDER); err == nil {
		k.Provider = providerName(n)
	}
	text := [][]string{{"type", k.Type}, {"bits", fmt.Sprint(k.Bits)}, {"provider", k.Provider}, {"flags", strings.Join(k.Flags, " ")}}
	if k.Label != "" {
		text = slices.Insert(text, 0, []string{"label", k.Label})
	}
	if k.Salt != "" {
		text = append(text, []string{"salt", k.Salt})
	}
	if d.print {
		b, err := s.attribute(o, ck.CKA_VALUE)
		if err != nil {
			return explain("reading the key's value", err)
		}
		k.Value = hex.EncodeToString(b)
		text = append(text, []string{"value", k.Value})
	}
	return s.app.show(k, nil, text)
}

func providerName(n uint) string {
	for _, p := range providerNames {
		if uint(p.number) == n {
			return p.name
		}
	}
	return fmt.Sprint(n)
}
