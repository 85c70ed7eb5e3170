package softcsp

import (
	"crypto"
	"crypto/cipher"
	"errors"
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// A SecretKey is a secret key in a token.
type SecretKey struct {
	object
	kind KeyType
}

// secretKey makes a SecretKey of an object.
func (t *Token) secretKey(o ck.ObjectHandle) (*SecretKey, error) {
	k, err := t.readObject(o, ck.CKO_SECRET_KEY)
	if err != nil {
		return nil, err
	}
	v, err := t.attributes(o, ck.CKA_VALUE_LEN)
	if err != nil {
		return nil, err
	}
	length, _ := ck.Ulong(v[0]) // types of one length have none
	return &SecretKey{k, secretKeyType(k.keyType, 8*int(length))}, nil
}

// Type returns the type of the key, with its size where it has several. The name of a type that is not one of [KeyType] is that of PKCS #11.
func (k *SecretKey) Type() KeyType { return k.kind }

// Bytes returns the value of a key that is extractable.
func (k *SecretKey) Bytes() ([]byte, error) {
	v, err := k.token.attributes(k.handle, ck.CKA_VALUE)
	if err != nil {
		return nil, err
	}
	if v[0] == nil {
		return nil, failed("reading the key", ck.CKR_ATTRIBUTE_SENSITIVE)
	}
	return v[0], nil
}

// AEAD returns the key as AES-GCM or ChaCha20-Poly1305 with nonces of 12 bytes. No nonce must be used twice. Where the token refuses to encrypt,
// because it is closed or the key was deleted, Seal panics with the error, as [cipher.AEAD] has no other way to tell.
func (k *SecretKey) AEAD() (cipher.AEAD, error) {
	switch k.keyType {
	case ck.CKK_AES:
		return &aead{k, gcmMechanism}, nil
	case ck.CKK_CHACHA20:
		return &aead{k, chachaMechanism}, nil
	}
	return nil, fmt.Errorf("softcsp: an AEAD with a key of type %s: %w", k.kind, errors.ErrUnsupported)
}

// An aead is a key with one of the mechanisms of authenticated encryption.
type aead struct {
	key       *SecretKey
	mechanism func(nonce, data []byte) *ck.Mechanism
}

const (
	nonceSize = 12
	tagSize   = 16
)

// gcmMechanism is CKM_AES_GCM with a CK_GCM_PARAMS.
func gcmMechanism(nonce, data []byte) *ck.Mechanism {
	return new(param).bytes(nonce).ulong(8 * nonceSize).bytes(data).ulong(8 * tagSize).mechanism(ck.CKM_AES_GCM)
}

// chachaMechanism is CKM_CHACHA20_POLY1305 with a CK_SALSA20_CHACHA20_POLY1305_PARAMS.
func chachaMechanism(nonce, data []byte) *ck.Mechanism {
	return new(param).bytes(nonce).bytes(data).mechanism(ck.CKM_CHACHA20_POLY1305)
}

// NonceSize implements [cipher.AEAD].
func (*aead) NonceSize() int { return nonceSize }

// Overhead implements [cipher.AEAD].
func (*aead) Overhead() int { return tagSize }

// Seal implements [cipher.AEAD].
func (a *aead) Seal(dst, nonce, plaintext, data []byte) []byte {
	if len(nonce) != nonceSize {
		panic("softcsp: a nonce has 12 bytes")
	}
	module := a.key.token.module
	out, err := a.key.operate(module.EncryptInit, a.mechanism(nonce, data), module.Encrypt, plaintext, len(plaintext)+tagSize)
	if err != nil {
		panic(failed("encrypting", err))
	}
	return append(dst, out...)
}

// Open implements [cipher.AEAD].
func (a *aead) Open(dst, nonce, ciphertext, data []byte) ([]byte, error) {
	if len(nonce) != nonceSize {
		panic("softcsp: a nonce has 12 bytes")
	}
	module := a.key.token.module
	out, err := a.key.operate(module.DecryptInit, a.mechanism(nonce, data), module.Decrypt, ciphertext, len(ciphertext))
	if err != nil {
		return nil, failed("decrypting", err)
	}
	return append(dst, out...), nil
}

// MAC returns the HMAC of a message with a key of type HMAC256, or of another length.
func (k *SecretKey) MAC(hash crypto.Hash, message []byte) ([]byte, error) {
	row, err := findHash(hash)
	if err != nil {
		return nil, err
	}
	module := k.token.module
	mac, err := k.operate(module.SignInit, mechanism(row.hmac, nil), module.Sign, message, hash.Size())
	if err != nil {
		return nil, failed("computing a MAC", err)
	}
	return mac, nil
}

// Encrypt encrypts with any mechanism of PKCS #11 whose parameter has no pointers: CKM_RC4 without one, CKM_AES_CBC_PAD and CKM_DES3_CBC with an IV,
// CKM_RC2_CBC with the effective bits, by [ck.AppendUlong], and an IV. It is for the formats of others. New ones want [SecretKey.AEAD].
func (k *SecretKey) Encrypt(m ck.MechanismType, parameter, plaintext []byte) ([]byte, error) {
	module := k.token.module
	out, err := k.operate(module.EncryptInit, mechanism(m, parameter), module.Encrypt, plaintext, len(plaintext)+longestBlock)
	if err != nil {
		return nil, failed("encrypting", err)
	}
	return out, nil
}

// longestBlock is how much longer a ciphertext can be for its padding, and that of RC5 with its longest words.
const longestBlock = 16

// Decrypt undoes Encrypt. It does not notice when a ciphertext was changed.
func (k *SecretKey) Decrypt(m ck.MechanismType, parameter, ciphertext []byte) ([]byte, error) {
	module := k.token.module
	out, err := k.operate(module.DecryptInit, mechanism(m, parameter), module.Decrypt, ciphertext, len(ciphertext)+longestBlock)
	if err != nil {
		return nil, failed("decrypting", err)
	}
	return out, nil
}

// WrapKey encrypts a key that is extractable with an AES key, by AES-KWP (RFC 5649). A private key is wrapped as PKCS #8.
func (k *SecretKey) WrapKey(key Key) ([]byte, error) {
	other := key.inToken()
	if other.token != k.token {
		return nil, errors.New("softcsp: wrapping a key of another token")
	}
	var wrapped []byte
	err := k.token.do(func(s ck.SessionHandle) error {
		out := ck.Buffer{}
		for range 2 { // for the length, and for the key
			if err := k.token.module.WrapKey(s, mechanism(ck.CKM_AES_KEY_WRAP_KWP, nil), k.handle, other.handle, &out); err != nil {
				return err
			}
			wrapped = out.Data[:min(uint(len(out.Data)), out.N)]
			out = ck.Into(make([]byte, out.N))
		}
		return nil
	})
	if err != nil {
		return nil, failed("wrapping a key", err)
	}
	return wrapped, nil
}

// UnwrapSecretKey puts a secret key into the token that was wrapped by WrapKey, or by another program with AES-KWP.
func (k *SecretKey) UnwrapSecretKey(wrapped []byte, kind KeyType, o KeyOptions) (*SecretKey, error) {
	f, bits, _, err := kind.parse(false)
	if err != nil {
		return nil, err
	}
	o = o.withID()
	template := append(o.template(ck.CKO_SECRET_KEY, f.secret), ulong(ck.CKA_KEY_TYPE, f.keyType))
	if bits != 0 {
		template = append(template, ulong(ck.CKA_VALUE_LEN, bits/8))
	}
	return k.token.makeSecretKey(&o, "unwrapping a key", func(s ck.SessionHandle) (ck.ObjectHandle, error) {
		return k.token.module.UnwrapKey(s, mechanism(ck.CKM_AES_KEY_WRAP_KWP, nil), k.handle, wrapped, template)
	})
}

// UnwrapPrivateKey puts a key pair into the token whose private key was wrapped. Of the type of the key only what stands before the colon counts.
func (k *SecretKey) UnwrapPrivateKey(wrapped []byte, kind KeyType, o KeyOptions) (*PrivateKey, error) {
	f, _, _, err := kind.parse(true)
	if err != nil {
		return nil, err
	}
	o = o.withID()
	template := append(o.template(ck.CKO_PRIVATE_KEY, f.private), ulong(ck.CKA_KEY_TYPE, f.keyType))
	var handle ck.ObjectHandle
	err = k.token.where(&o)(func(s ck.SessionHandle) (err error) {
		handle, err = k.token.module.UnwrapKey(s, mechanism(ck.CKM_AES_KEY_WRAP_KWP, nil), k.handle, wrapped, template)
		return err
	})
	if err != nil {
		return nil, failed("unwrapping a key", err)
	}
	return k.token.completePair(handle, &o)
}

// completePair makes the public half beside a private key that has none.
func (t *Token) completePair(private ck.ObjectHandle, o *KeyOptions) (*PrivateKey, error) {
	key, err := t.privateKey(private)
	if err != nil {
		return nil, err
	}
	f, fixed, err := publicParts(key.public)
	if err != nil {
		return nil, err
	}
	err = t.where(o)(func(s ck.SessionHandle) error {
		_, err := t.module.CreateObject(s, append(o.publicTemplate(f.public), fixed.public...))
		return err
	})
	if err != nil {
		return nil, failed("making the public half", err)
	}
	return key, nil
}
