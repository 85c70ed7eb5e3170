package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// A mac is what key mac was asked for.
type mac struct {
	target    *target
	mechanism choiceOfMechanism
	in, out   string
	verify    string
}

func keyMAC(a *app) *cobra.Command {
	x := &mac{target: newTarget("key")}
	c := &cobra.Command{
		Use:   "mac --label LABEL FILE",
		Short: "Make or verify the MAC of a file with a secret key",
		Long: `Makes the MAC (message authentication code) of a file with a secret key of the token: in hex digits on standard
output, or its bytes in --out. With --verify it compares with a MAC that is known, and exits with 1 if that is
another.

The usual mechanism is that of the key's type: HMAC for a generic key, with SHA-256 or the --hash that is given; HMAC
with its hash for a key of HMAC; CMAC for AES and triple DES; Poly1305. --mac-len takes the same mechanism with a
shorter MAC. --mechanism takes any other: its parameter is made of the flags for it, and of --parameter FIELD=VALUE
with the names that PKCS#11 gives the fields.

The file, or standard input ("-"), may be of any size.`,
		Example: `  softcsp key mac --label api --pin-file user.pin request.json
  softcsp key mac --label api --pin-file user.pin --out request.mac request.json
  softcsp key mac --label api --pin-file user.pin --verify file:request.mac request.json`,
		Args: exactly(1, "one file, or - for standard input"),
	}
	f := c.Flags()
	a.addPublicOut(c, &x.out, "", "`file` to write the bytes of the MAC to")
	f.StringVar(&x.verify, "verify", "", "`MAC` to compare with: "+bytesUsage)
	x.mechanism.add(a, c, ck.CKF_SIGN, "hash", "mac-len", "context", "iv", "aad", "tag-bits")
	x.target.addTo(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		x.in = args[0]
		if err := x.target.need(); err != nil {
			return usage(c, err)
		}
		if x.verify != "" && x.out != "" {
			return usage(c, errors.New("give --verify or --out, not both"))
		}
		return a.on(x.target, x.run)
	}
	return lists(a, c)
}

// macs are the usual mechanisms of types of keys. That of a type with one hash is CKM_<HASH>_HMAC, as the type is CKK_<HASH>_HMAC.
var macs = map[ck.KeyType]ck.MechanismType{
	ck.CKK_AES: ck.CKM_AES_CMAC, ck.CKK_DES2: ck.CKM_DES3_CMAC, ck.CKK_DES3: ck.CKM_DES3_CMAC, ck.CKK_DES: ck.CKM_DES_MAC, ck.CKK_CDMF: ck.CKM_CDMF_MAC,
	ck.CKK_RC2: ck.CKM_RC2_MAC, ck.CKK_RC5: ck.CKM_RC5_MAC, ck.CKK_CAST128: ck.CKM_CAST128_MAC, ck.CKK_IDEA: ck.CKM_IDEA_MAC,
	ck.CKK_CAMELLIA: ck.CKM_CAMELLIA_MAC, ck.CKK_ARIA: ck.CKM_ARIA_MAC, ck.CKK_SEED: ck.CKM_SEED_MAC, ck.CKK_POLY1305: ck.CKM_POLY1305,
}

// usual returns the mechanism of a type of keys, where none is named. A hash that is in its name is no longer one of its parameter.
func (x *mac) usual(kind ck.KeyType) (ck.MechanismType, error) {
	m, ok := macs[kind]
	name, given := x.mechanism.flags["hash"]
	switch {
	case kind == ck.CKK_GENERIC_SECRET || kind == ck.CKK_HKDF:
		if !given {
			name = "sha256"
		}
		h, err := hashNamed("hash", name)
		if err != nil {
			return 0, err
		}
		if m, ok = ck.ParseMechanismType(h.digest.String() + "_HMAC"); !ok {
			return 0, misuse("--hash %s: PKCS#11 has no HMAC with it", name)
		}
		delete(x.mechanism.flags, "hash")
	case given:
		return 0, misuse("--hash is for generic keys; the key is of type %s", word("CKK_", kind))
	case !ok && strings.HasSuffix(kind.String(), "_HMAC"):
		m, ok = ck.ParseMechanismType("CKM_" + strings.TrimPrefix(kind.String(), "CKK_"))
	}
	if !ok {
		return 0, misuse("a key of type %s has no usual MAC; choose one with --mechanism", word("CKK_", kind))
	}
	if _, short := x.mechanism.flags["mac-len"]; short {
		if m, ok = ck.ParseMechanismType(m.String() + "_GENERAL"); !ok {
			return 0, misuse("--mac-len: the MAC of a key of type %s has one length", word("CKK_", kind))
		}
	}
	return m, nil
}

// run makes or verifies the MAC.
func (x *mac) run(s *session) error {
	key, err := s.one(x.target.object, ck.CKO_SECRET_KEY)
	if err != nil {
		return err
	}
	kind, err := s.keyType(key)
	if err != nil {
		return err
	}
	m, err := x.mechanism.mechanism()
	if err == nil && m == 0 {
		m, err = x.usual(kind)
	}
	if err != nil {
		return err
	}
	mech, err := s.mechanism(key, m, &x.mechanism, ck.C_SignInit)
	if err != nil {
		return err
	}
	in, err := s.app.read(x.in)
	if err != nil {
		return err
	}
	defer in.Close()
	if x.verify != "" {
		return x.compare(s, key, mech, in)
	}
	k := signer{s: s, key: key, mech: mech}
	sum, err := k.sign(in, in.size)
	if err != nil {
		return err
	}
	if x.out == "" {
		text := hex.EncodeToString(sum)
		return s.app.show(map[string]string{"mechanism": m.String(), "mac": text}, nil, [][]string{{text}})
	}
	return s.app.writePublic(x.out, func(w io.Writer) error {
		_, err := w.Write(sum)
		return err
	})
}

// compare verifies a MAC.
func (x *mac) compare(s *session, key ck.ObjectHandle, mech *ck.Mechanism, in *input) error {
	want, err := bytesOf("verify", x.verify)
	if err != nil {
		return err
	}
	if err := s.verify(key, mech, in.name, in, in.size, want); err != nil {
		return err
	}
	if !s.app.quiet {
		fmt.Fprintf(s.app.out, "the MAC of %s is good\n", in.name)
	}
	return nil
}
