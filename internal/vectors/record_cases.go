package vectors

import (
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"path"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// ParamFields reads the notation of a parameter: "ulong 128, bytes 00ff, pointer 0011, alone 22".
func ParamFields(s string) (fields []any, err error) {
	for f := range strings.SplitSeq(s, ",") {
		kind, value, _ := strings.Cut(strings.TrimSpace(f), " ")
		var n int
		if kind == "ulong" {
			_, err = fmt.Sscan(value, &n)
			fields = append(fields, n)
		} else if kind != "" {
			var b []byte
			b, err = (&Record{Fields: map[string]string{"": value}}).Bytes("")
			switch kind {
			case "alone":
				fields = append(fields, Alone(b))
			case "bytes":
				fields = append(fields, b)
			case "pointer":
				fields = append(fields, Pointed(b))
			default:
				err = fmt.Errorf("no parameter field %q", kind)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return fields, nil
}

// A recordReader reads a record, and keeps the first error.
type recordReader struct {
	*Record
	err error
}

func (r *recordReader) bytes(name string) []byte {
	b, err := r.Bytes(name)
	r.keep(err)
	return b
}

func (r *recordReader) keep(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *recordReader) number(name string) (n uint) {
	if r.Has(name) {
		_, err := fmt.Sscan(r.Fields[name], &n)
		r.keep(err)
	}
	return n
}

func (r *recordReader) mechanism(name string) ck.MechanismType {
	m, ok := ck.ParseMechanismType(r.Fields[name])
	if !ok {
		r.keep(fmt.Errorf("no mechanism %q", r.Fields[name]))
	}
	return m
}

// KeyTypeOf is the type of the secret keys that a mechanism takes: the longest beginning of its name that is one. HMACs and derivations
// take generic secrets.
func KeyTypeOf(m ck.MechanismType) ck.KeyType {
	name := strings.TrimPrefix(m.String(), "CKM_")
	for !strings.Contains(name, "_HMAC") {
		for _, s := range []string{name, strings.TrimPrefix(name, "SOFTCSP_")} {
			if t, ok := ck.ParseKeyType("CKK_" + s); ok {
				return t
			}
		}
		last := strings.LastIndexByte(name, '_')
		if last < 0 {
			break
		}
		name = name[:last]
	}
	return ck.CKK_GENERIC_SECRET
}

// secret is the key of a record.
func (r *recordReader) secret(m ck.MechanismType) *Key {
	t := KeyTypeOf(m)
	if name := r.Fields["KeyType"]; name != "" {
		var ok bool
		if t, ok = ck.ParseKeyType(name); !ok {
			r.keep(fmt.Errorf("no key type %q", name))
		}
	}
	value := r.bytes("Key")
	if n := len(value); t == ck.CKK_AES && n != 16 && n != 24 && n != 32 { // the MAC of RFC 4434 takes keys of any length
		t = ck.CKK_GENERIC_SECRET
	}
	k := Secret(t, value)
	if r.Has("Salt") {
		k.Attributes = append(k.Attributes, ck.Attribute{Type: ck.CKA_SOFTCSP_SALT, Value: r.bytes("Salt")})
	}
	if bits := r.number("EffectiveBits"); bits != 0 {
		k.Attributes = append(k.Attributes, ck.Attribute{Type: ck.CKA_SOFTCSP_EFFECTIVE_BITS, Value: ck.UlongValue(bits)})
	}
	return k
}

// Internal reports whether a key has attributes that only a derivation gives it, so that it cannot be made otherwise.
func (k *Key) Internal() bool {
	return k != nil && (k.Value(ck.CKA_SOFTCSP_SALT) != nil || k.Value(ck.CKA_SOFTCSP_EFFECTIVE_BITS) != nil)
}

// LoadRecords makes cases of a file of records in fsys, mechanisms/testdata.
func LoadRecords(fsys fs.FS, name string) (*Suite, error) {
	records, err := Records(fsys, name)
	if err != nil {
		return nil, err
	}
	s := &Suite{Name: name, Family: "Records", Total: len(records)}
	load := flatRecord
	switch name {
	case "rsa/openssl.txt":
		load, err = rsaRecord(fsys)
	case "derive/ike.txt":
		load = ikeRecord
	case "derive/tls.txt":
		load = tlsRecord
	case "derive/pbe.txt":
		load = pbeRecord
	case "derive/sp800108.txt":
		load = kdf108Record
	case "groups/dsa.txt", "groups/openssl.txt":
		load = dsaRecord
	case "groups/dh.txt":
		load = dhRecord
	default:
		if path.Dir(name) != "." {
			err = fmt.Errorf("%s: nobody says how its records are cases", name)
		}
	}
	for i := range records {
		r := &recordReader{Record: &records[i]}
		if err == nil {
			load(s, r)
			if r.err != nil {
				err = fmt.Errorf("%s: %w", r.At, r.err)
			}
		}
	}
	return s, err
}

// flatRecord is a record that says a parameter field by field.
func flatRecord(s *Suite, r *recordReader) {
	c := Case{At: r.At, Mechanism: r.mechanism("Mechanism")}
	c.Key = r.secret(c.Mechanism)
	fields, err := ParamFields(r.Fields["Param"])
	r.keep(err)
	c.Param = fields
	switch {
	case r.Has("Value"):
		c.Does, c.Out = Derive, r.bytes("Value")
		if name := r.Fields["NewType"]; name != "" {
			t, ok := ck.ParseKeyType(name)
			if !ok {
				r.keep(fmt.Errorf("no key type %q", name))
			}
			c.Template = append(c.Template, ck.Attribute{Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(t))})
		}
		if kind := strings.SplitN(r.Fields["Param"], "bytes ", 2); c.Mechanism == ck.CKM_SOFTCSP_SSHKDF_DERIVE && len(kind) == 2 && kind[1] < "43" {
			// 'A' and 'B' are IVs, which are data.
			c.Template = append(c.Template, ck.Attribute{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_DATA))})
		}
		if n := r.number("Length"); n != 0 {
			c.Template = append(c.Template, ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(n)})
		}
	case r.Has("MAC"):
		c.Does, c.In, c.Out = Sign|Verify, r.bytes("Data"), r.bytes("MAC")
	case r.Has("Digest"):
		c.Does, c.In, c.Out, c.Key = Digest, r.bytes("Data"), r.bytes("Digest"), nil
	case r.Has("Ciphertext"):
		c.Does, c.In, c.Out = Encrypt|Decrypt, r.bytes("Plaintext"), r.bytes("Ciphertext")
	default:
		r.keep(errors.New("nothing to compare with"))
	}
	s.add(c)
}

// rsaRecord reads records whose key is key.der, in PKCS #8.
func rsaRecord(fsys fs.FS) (func(*Suite, *recordReader), error) {
	value, err := fs.ReadFile(fsys, "rsa/key.der")
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(value)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("rsa/key.der is no RSA key")
	}
	public := RSAPublic(key.N.Bytes(), big.NewInt(int64(key.E)).Bytes())
	private := &Key{Class: ck.CKO_PRIVATE_KEY, Type: ck.CKK_RSA, PKCS8: value}
	return func(s *Suite, r *recordReader) {
		c := Case{At: r.At, Mechanism: r.mechanism("Mechanism"), Key: private, Public: public}
		fields, err := ParamFields(r.Fields["Param"])
		r.keep(err)
		c.Param = fields
		switch {
		case r.Has("Signature"):
			c.Does, c.In, c.Out = Verify|Sign, r.bytes("Data"), r.bytes("Signature")
			if strings.HasSuffix(c.Mechanism.String(), "PSS") { // which is random
				c.Does = Verify
			}
		case r.Has("Ciphertext"):
			c.Does, c.In, c.Out = Decrypt, r.bytes("Plaintext"), r.bytes("Ciphertext")
		case r.Has("Wrapped"):
			c.Does, c.In, c.Out = Unwrap, r.bytes("Wrapped"), r.bytes("Value")
		default:
			r.keep(errors.New("nothing to compare with"))
		}
		s.add(c)
	}, nil
}
