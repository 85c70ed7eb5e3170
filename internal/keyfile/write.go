package keyfile

import (
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
)

// Formats are the names of the formats that keys are written in, for each class.
var Formats = map[ck.ObjectClass][]string{
	ck.CKO_PUBLIC_KEY:  {"pem", "der", "openssh", "jwk", "blob"},
	ck.CKO_PRIVATE_KEY: {"pem", "der", "openssh", "jwk", "blob"},
	ck.CKO_SECRET_KEY:  {"hex", "raw", "jwk", "blob"},
}

// ErrFormat says that a format has no keys of a type.
var ErrFormat = errors.New("the format has no keys of this type")

// A Key is a key to be written.
type Key struct {
	Class ck.ObjectClass
	Type  ck.KeyType
	// Attr reads an attribute, nil where the key does not have it.
	Attr func(ck.AttributeType) []byte
	Name string // for formats that have room for it
}

// Encrypts reports whether a format can be encrypted with a password.
func Encrypts(class ck.ObjectClass, format string) bool {
	return class == ck.CKO_PRIVATE_KEY && (format == "pem" || format == "der" || format == "openssh")
}

// Write returns a key in one of Formats. A password encrypts a private key, in the formats that can be; nil leaves it in the clear. The caller wipes the
// result.
func Write(k Key, format string, password []byte) (out []byte, err error) {
	secret.Do(func() {
		switch k.Class {
		case ck.CKO_PUBLIC_KEY:
			out, err = writePublic(k, format)
		case ck.CKO_PRIVATE_KEY:
			out, err = writePrivate(k, format, password)
		case ck.CKO_SECRET_KEY:
			out, err = writeSecret(k, format)
		default:
			err = fmt.Errorf("objects of class %v are not written", k.Class)
		}
	})
	return out, err
}

func writePublic(k Key, format string) ([]byte, error) {
	added, err := mechanisms.Complete(ck.CKO_PUBLIC_KEY, k.Type, k.Attr)
	if err != nil {
		return nil, err
	}
	info := find(added, ck.CKA_PUBLIC_KEY_INFO)
	switch format {
	case "pem":
		return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: info}), nil
	case "der":
		return info, nil
	case "openssh":
		return sshPublic(info, k.Name)
	case "jwk":
		return publicJWK(info, k.Name)
	case "blob":
		return publicBlob(k)
	}
	return nil, errFormat(format)
}

func writePrivate(k Key, format string, password []byte) ([]byte, error) {
	info, err := mechanisms.MarshalPrivate(&mechanisms.Key{Class: k.Class, Type: k.Type, Attr: k.Attr})
	if err != nil {
		return nil, err
	}
	defer clear(info)
	switch format {
	case "pem", "der":
		return writePKCS8(info, format, password)
	case "openssh":
		return sshPrivate(info, k.Name, password)
	case "jwk":
		return privateJWK(k.Type, info, k.Name)
	case "blob":
		return privateBlob(k.Type, info)
	}
	return nil, errFormat(format)
}

// writePKCS8 writes a PrivateKeyInfo, or an EncryptedPrivateKeyInfo where there is a password.
func writePKCS8(info []byte, format string, password []byte) ([]byte, error) {
	content, title := append([]byte(nil), info...), "PRIVATE KEY"
	if password != nil {
		encrypted, err := encrypt(info, password)
		clear(content)
		if err != nil {
			return nil, err
		}
		content, title = encrypted, "ENCRYPTED PRIVATE KEY"
	}
	if format == "der" {
		return content, nil
	}
	defer clear(content)
	return pem.EncodeToMemory(&pem.Block{Type: title, Bytes: content}), nil
}

func writeSecret(k Key, format string) ([]byte, error) {
	value := k.Attr(ck.CKA_VALUE)
	switch format {
	case "hex":
		return fmt.Appendf(nil, "%x\n", value), nil
	case "raw":
		return append([]byte(nil), value...), nil
	case "jwk":
		return secretJWK(k.Type, value, k.Name)
	case "blob":
		return secretBlob(k.Type, value)
	}
	return nil, errFormat(format)
}

func errFormat(format string) error { return fmt.Errorf("%q is no format of this key", format) }
