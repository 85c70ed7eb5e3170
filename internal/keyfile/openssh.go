package keyfile

import (
	"bytes"
	"crypto/dsa" //lint:ignore SA1019 public keys of OpenSSH and keys of old tokens are of this type
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ssh"
)

// readOpenSSH reads a private key in the format of OpenSSH (PROTOCOL.key), which x/crypto/ssh knows, with the cost of its password bounded.
func (r *reader) readOpenSSH(b *pem.Block) error {
	r.found("OpenSSH")
	text := pem.EncodeToMemory(b)
	defer clear(text)
	key, err := ssh.ParseRawPrivateKey(text)
	var missing *ssh.PassphraseMissingError
	var password []byte
	if errors.As(err, &missing) {
		r.Format = "OpenSSH, encrypted"
		if password, err = r.askPassword(); err != nil {
			return err
		}
		key, err = ssh.ParseRawPrivateKeyWithPassphrase(text, password)
		if errors.Is(err, x509.IncorrectPasswordError) {
			return ErrPassword
		}
	}
	if err != nil {
		return fmt.Errorf("the OpenSSH key cannot be read: %w", err)
	}
	return r.addGo(key, sshComment(b.Bytes, password))
}

// addGo adds a private key of Go's types.
func (r *reader) addGo(key any, name string) error {
	switch k := key.(type) {
	case *dsa.PrivateKey:
		var x cryptobyte.Builder
		x.AddASN1BigInt(k.X)
		return r.addPrivateParts(oidDSA, dsaParams(&k.PublicKey), x.BytesOrPanic(), name)
	case *ed25519.PrivateKey:
		key = *k
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
	default:
		return fmt.Errorf("an OpenSSH key of a type that softcsp does not have: %T", key)
	}
	info, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(info)
	return r.addPrivate(info, name)
}

// dsaParams are the parameters of DSA in an AlgorithmIdentifier.
func dsaParams(k *dsa.PublicKey) []byte {
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, n := range []*big.Int{k.P, k.Q, k.G} {
			b.AddASN1BigInt(n)
		}
	})
	return b.BytesOrPanic()
}

// The lines of RFC 4716 around a public key.
var beginSSH2, endSSH2 = []byte("---- BEGIN SSH2 PUBLIC KEY ----"), []byte("---- END SSH2 PUBLIC KEY ----")

// isSSHPublic tells whether a text is a public key as OpenSSH writes them, or as RFC 4716 does.
func isSSHPublic(text []byte) bool {
	if bytes.HasPrefix(text, beginSSH2) {
		return true
	}
	word, rest, _ := bytes.Cut(text, []byte(" "))
	first, _, _ := bytes.Cut(rest, []byte(" "))
	blob, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(first)))
	return err == nil && len(blob) > 4 && uint64(binary.BigEndian.Uint32(blob)) == uint64(len(word)) && bytes.HasPrefix(blob[4:], word)
}

// readSSHPublic reads a public key in one of these forms.
func (r *reader) readSSHPublic(text []byte) error {
	r.found("OpenSSH public key")
	key, name, err := parseSSHPublic(text)
	if err != nil {
		return fmt.Errorf("the OpenSSH public key cannot be read: %w", err)
	}
	c, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return fmt.Errorf("an OpenSSH public key of a type that softcsp does not have: %s", key.Type())
	}
	public := c.CryptoPublicKey()
	if k, ok := public.(*dsa.PublicKey); ok {
		var y cryptobyte.Builder
		y.AddASN1BigInt(k.Y)
		return r.addPublic(publicKeyInfo(oidDSA, dsaParams(k), y.BytesOrPanic()), name)
	}
	info, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	return r.addPublic(info, name)
}

func parseSSHPublic(text []byte) (ssh.PublicKey, string, error) {
	body, found := bytes.CutPrefix(text, beginSSH2)
	if !found {
		key, comment, _, _, err := ssh.ParseAuthorizedKey(text)
		return key, comment, err
	}
	body, _, _ = bytes.Cut(body, endSSH2)
	var encoded []byte
	continued := false
	for line := range bytes.Lines(body) {
		line = bytes.TrimSpace(line)
		header := continued || bytes.ContainsRune(line, ':')
		continued = header && bytes.HasSuffix(line, []byte("\\"))
		if !header {
			encoded = append(encoded, line...)
		}
	}
	blob, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil {
		return nil, "", err
	}
	key, err := ssh.ParsePublicKey(blob)
	return key, "", err
}

// sshPublic writes a public key as OpenSSH does.
func sshPublic(info []byte, comment string) ([]byte, error) {
	public, err := x509.ParsePKIXPublicKey(info)
	if err != nil {
		return nil, ErrFormat
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, ErrFormat
	}
	if _, err := ssh.ParsePublicKey(key.Marshal()); err != nil { // of a length that OpenSSH does not have
		return nil, ErrFormat
	}
	line := bytes.TrimSuffix(ssh.MarshalAuthorizedKey(key), []byte("\n"))
	if comment != "" {
		line = append(append(line, ' '), comment...)
	}
	return append(line, '\n'), nil
}

// sshPrivate writes a private key as OpenSSH does. Without a password it is in the clear.
func sshPrivate(info []byte, comment string, password []byte) ([]byte, error) {
	key, err := x509.ParsePKCS8PrivateKey(info)
	if err != nil {
		return nil, ErrFormat
	}
	var block *pem.Block
	if password == nil {
		block, err = ssh.MarshalPrivateKey(key, comment)
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, comment, password)
	}
	if err != nil {
		return nil, ErrFormat
	}
	defer clear(block.Bytes)
	return pem.EncodeToMemory(block), nil
}
