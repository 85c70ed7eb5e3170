package softcsp

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/mlkem"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/softcsp/softcsp/ck"
)

// A PrivateKey is a private key in a token. It is a [crypto.Signer]. What else it can do is asked for by [PrivateKey.Decrypter],
// [PrivateKey.KeyExchanger] and [PrivateKey.Decapsulator], since programs such as crypto/tls look at which interfaces a key has. It computes
// what a key of Go's with the same value would; what is random in that comes from the token, not from readers that are passed to methods.
type PrivateKey struct {
	object
	public crypto.PublicKey
}

var _ crypto.MessageSigner = (*PrivateKey)(nil)

// privateKey makes a PrivateKey of an object.
func (t *Token) privateKey(o ck.ObjectHandle) (*PrivateKey, error) {
	k, err := t.readObject(o, ck.CKO_PRIVATE_KEY)
	if err != nil {
		return nil, err
	}
	public, err := parsePublicKey(k.information)
	if err != nil || !hasUse(public) {
		return nil, fmt.Errorf("softcsp: the private key %q of type %v: %w", k.label, k.keyType, errors.ErrUnsupported)
	}
	return &PrivateKey{k, public}, nil
}

// hasUse reports whether a private key with that public one does anything here. Package x509 reads others, those of DSA.
func hasUse(public crypto.PublicKey) bool {
	switch public.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, *ecdh.PublicKey, *mlkem.EncapsulationKey768, *mlkem.EncapsulationKey1024:
		return true
	}
	return false
}

// parsePublicKey reads a SubjectPublicKeyInfo. Package x509 reads those of ML-KEM not yet.
func parsePublicKey(der []byte) (crypto.PublicKey, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err == nil {
		return public, nil
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, asn1Err := asn1.Unmarshal(der, &info); asn1Err != nil {
		return nil, err
	}
	switch info.Algorithm.Algorithm.String() {
	case "2.16.840.1.101.3.4.4.2":
		return mlkem.NewEncapsulationKey768(info.Key.RightAlign())
	case "2.16.840.1.101.3.4.4.3":
		return mlkem.NewEncapsulationKey1024(info.Key.RightAlign())
	}
	return nil, err
}

// Public returns the public key: an *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey, *ecdh.PublicKey (X25519),
// *mlkem.EncapsulationKey768 or *mlkem.EncapsulationKey1024.
func (k *PrivateKey) Public() crypto.PublicKey { return k.public }

// Sign implements [crypto.Signer]. RSA keys sign with PSS if opts is an *rsa.PSSOptions and as PKCS #1 v1.5 otherwise; ECDSA signatures are in
// ASN.1. Ed25519 keys sign messages, not hashes of them: opts.HashFunc() must be 0, and an *ed25519.Options may have a context.
func (k *PrivateKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, ed := k.public.(ed25519.PublicKey); ed && opts != nil && opts.HashFunc() != 0 {
		return nil, failed("signing a hash with Ed25519", errors.ErrUnsupported)
	}
	return k.sign(digest, opts)
}

// SignMessage implements [crypto.MessageSigner]: it signs a message, hashed by opts.HashFunc(), as Sign signs a hash. Ed25519ph, of
// which Sign is not capable, is an *ed25519.Options with Hash crypto.SHA512.
func (k *PrivateKey) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	_, ed := k.public.(ed25519.PublicKey)
	if opts == nil || ed || opts.HashFunc() == 0 {
		return k.sign(message, opts)
	}
	hash := opts.HashFunc()
	if !hash.Available() {
		return nil, fmt.Errorf("softcsp: hash %v is not linked into the program: %w", hash, errors.ErrUnsupported)
	}
	h := hash.New()
	h.Write(message)
	return k.sign(h.Sum(nil), opts)
}

// sign signs a hash, or with Ed25519 a message.
func (k *PrivateKey) sign(input []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	var hash crypto.Hash
	if opts != nil {
		hash = opts.HashFunc()
	}
	ed, isEd := k.public.(ed25519.PublicKey)
	if !isEd && hash != 0 && len(input) != hash.Size() {
		return nil, fmt.Errorf("softcsp: signing: %d bytes are no hash of %v", len(input), hash)
	}
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		var m *ck.Mechanism
		if pss, ok := opts.(*rsa.PSSOptions); ok {
			m, err = pssMechanism(public, hash, pss.SaltLength)
		} else {
			m, input, err = pkcs1Mechanism(hash, input)
		}
		if err != nil {
			return nil, err
		}
		signature, err = k.signBy(m, input, public.Size())
	case *ecdsa.PublicKey:
		size := (public.Curve.Params().N.BitLen() + 7) / 8
		if signature, err = k.signBy(mechanism(ck.CKM_ECDSA, nil), input, 2*size); err == nil {
			signature, err = asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])})
		}
	case ed25519.PublicKey:
		var m *ck.Mechanism
		if m, err = edMechanism(hash, opts); err != nil {
			return nil, err
		}
		signature, err = k.signBy(m, input, 2*len(ed))
	default:
		err = errors.ErrUnsupported
	}
	if err != nil {
		return nil, failed("signing", err)
	}
	return signature, nil
}

func (k *PrivateKey) signBy(m *ck.Mechanism, input []byte, room int) ([]byte, error) {
	return k.operate(k.token.module.SignInit, m, k.token.module.Sign, input, room)
}

// edMechanism is CKM_EDDSA, with a CK_EDDSA_PARAMS where there is a context or the token is to hash the message.
func edMechanism(hash crypto.Hash, opts crypto.SignerOpts) (*ck.Mechanism, error) {
	var context string
	if o, ok := opts.(*ed25519.Options); ok {
		context = o.Context
	}
	switch {
	case hash != 0 && hash != crypto.SHA512 || len(context) > ed25519MaxContext:
		return nil, errors.New("softcsp: signing: Ed25519 has contexts of 255 bytes, and takes messages or SHA-512")
	case hash == 0 && context == "":
		return mechanism(ck.CKM_EDDSA, nil), nil
	}
	var p param
	ph := uint(0)
	if hash != 0 {
		ph = 1
	}
	return p.ulong(ph).bytesAfter([]byte(context)).mechanism(ck.CKM_EDDSA), nil // a CK_BBOOL and its padding, in the order of bytes of this machine
}

const ed25519MaxContext = 255

// Decrypter returns an RSA key as what decrypts; it is a [crypto.MessageSigner], too. With an *rsa.OAEPOptions it decrypts OAEP, otherwise
// PKCS #1 v1.5. With an *rsa.PKCS1v15DecryptOptions whose SessionKeyLen is not 0 the answer to a wrong padding is a random key, and takes
// as long as that to a right one.
func (k *PrivateKey) Decrypter() (crypto.Decrypter, error) {
	if public, ok := k.public.(*rsa.PublicKey); ok {
		return &decrypter{k, public}, nil
	}
	return nil, failed("decrypting", errors.ErrUnsupported)
}

// A decrypter is an RSA key.
type decrypter struct {
	*PrivateKey
	public *rsa.PublicKey
}

var _ crypto.MessageSigner = (*decrypter)(nil)

// Decrypt implements [crypto.Decrypter].
func (k *decrypter) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) (plaintext []byte, err error) {
	decrypt := func(m *ck.Mechanism) ([]byte, error) {
		return k.operate(k.token.module.DecryptInit, m, k.token.module.Decrypt, ciphertext, k.public.Size())
	}
	switch o := opts.(type) {
	case *rsa.OAEPOptions:
		m, err := oaepMechanism(o)
		if err != nil {
			return nil, err
		}
		plaintext, err = decrypt(m)
		return plaintext, decryptionError(err)
	case nil:
	//lint:ignore SA1019 crypto/tls and older formats still ask for it
	case *rsa.PKCS1v15DecryptOptions:
		if o.SessionKeyLen > 0 {
			block, err := decrypt(mechanism(ck.CKM_RSA_X_509, nil))
			if err != nil {
				return nil, decryptionError(err)
			}
			defer clear(block)
			return sessionKey(block, o.SessionKeyLen)
		}
	default:
		return nil, fmt.Errorf("softcsp: decrypting with options of type %T: %w", opts, errors.ErrUnsupported)
	}
	plaintext, err = decrypt(mechanism(ck.CKM_RSA_PKCS, nil))
	return plaintext, decryptionError(err)
}

// decryptionError makes the error of what was not encrypted for the key that of package rsa, too.
func decryptionError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ck.CKR_ENCRYPTED_DATA_INVALID), errors.Is(err, ck.CKR_ENCRYPTED_DATA_LEN_RANGE):
		return fmt.Errorf("softcsp: %w: %w", rsa.ErrDecryption, err)
	}
	return failed("decrypting", err)
}

// KeyExchanger returns the key for [ecdh] and crypto/hpke: one on a curve of NIST, P-224 excepted, or of X25519. Secrets that it agrees
// on leave the token.
func (k *PrivateKey) KeyExchanger() (ecdh.KeyExchanger, error) {
	switch public := k.public.(type) {
	case *ecdh.PublicKey:
		return &exchanger{k, public}, nil
	case *ecdsa.PublicKey:
		if p, err := public.ECDH(); err == nil {
			return &exchanger{k, p}, nil
		}
	}
	return nil, failed("ECDH", errors.ErrUnsupported)
}

// An exchanger is a private key for ECDH.
type exchanger struct {
	key    *PrivateKey
	public *ecdh.PublicKey
}

// PublicKey implements [ecdh.KeyExchanger].
func (e *exchanger) PublicKey() *ecdh.PublicKey { return e.public }

// Curve implements [ecdh.KeyExchanger].
func (e *exchanger) Curve() ecdh.Curve { return e.public.Curve() }

// ECDH implements [ecdh.KeyExchanger].
func (e *exchanger) ECDH(peer *ecdh.PublicKey) ([]byte, error) {
	if peer.Curve() != e.Curve() {
		return nil, errors.New("softcsp: ECDH: the keys are on different curves")
	}
	m := new(param).ulong(uint(ck.CKD_NULL)).bytesAfter(nil).bytesAfter(peer.Bytes()).mechanism(ck.CKM_ECDH1_DERIVE)
	secret, err := e.key.shared(func(s ck.SessionHandle, template []ck.Attribute) (o ck.ObjectHandle, err error) {
		err = e.key.token.module.DeriveKey(s, m, e.key.handle, template, &o)
		return o, err
	})
	if err != nil {
		return nil, failed("ECDH", err)
	}
	return secret, nil
}

// Decapsulator returns a key of ML-KEM for crypto/hpke and the like. Secrets that it decapsulates leave the token.
func (k *PrivateKey) Decapsulator() (crypto.Decapsulator, error) {
	public, ok := k.public.(crypto.Encapsulator)
	if !ok {
		return nil, failed("decapsulating", errors.ErrUnsupported)
	}
	return &decapsulator{k, public}, nil
}

// A decapsulator is a private key of ML-KEM.
type decapsulator struct {
	key    *PrivateKey
	public crypto.Encapsulator
}

// Encapsulator implements [crypto.Decapsulator].
func (d *decapsulator) Encapsulator() crypto.Encapsulator { return d.public }

// Decapsulate implements [crypto.Decapsulator].
func (d *decapsulator) Decapsulate(ciphertext []byte) ([]byte, error) {
	secret, err := d.key.shared(func(s ck.SessionHandle, template []ck.Attribute) (ck.ObjectHandle, error) {
		return d.key.token.module.DecapsulateKey(s, mechanism(ck.CKM_ML_KEM, nil), d.key.handle, template, ciphertext)
	})
	if err != nil {
		return nil, failed("decapsulating", err)
	}
	return secret, nil
}

// shared returns the value of a secret that a call makes with the key.
func (k *PrivateKey) shared(call func(ck.SessionHandle, []ck.Attribute) (ck.ObjectHandle, error)) (value []byte, err error) {
	template := []ck.Attribute{
		ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ulong(ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET), flag(ck.CKA_TOKEN, false),
		flag(ck.CKA_EXTRACTABLE, true), flag(ck.CKA_SENSITIVE, false),
	}
	var secret ck.ObjectHandle
	err = k.token.do(func(s ck.SessionHandle) (err error) {
		if k.asksForPIN {
			return fmt.Errorf("%w: the key asks for the PIN at each use", errors.ErrUnsupported)
		}
		secret, err = call(s, template)
		if err != nil {
			return err
		}
		ask := []ck.AttributeBuffer{{Type: ck.CKA_VALUE, Buffer: ck.Into(make([]byte, mostShared))}}
		if err := k.token.module.GetAttributeValue(s, secret, ask); err != nil {
			return err
		}
		value = bytes.Clone(ask[0].Data[:ask[0].N])
		clear(ask[0].Data)
		return k.token.module.DestroyObject(s, secret)
	})
	return value, err
}

// mostShared is the length of the longest secret, that of P-521.
const mostShared = 66
