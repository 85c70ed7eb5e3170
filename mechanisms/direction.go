package mechanisms

import "github.com/softcsp/softcsp/ck"

// A beginFunc begins an encryption or a decryption: the type of the columns Encrypt and Decrypt.
type beginFunc = func(k *Key, p *ck.Param) (Cipher, error)

// A directions returns what begins an encryption with a mode, or a decryption.
type directions = func(decrypt bool) beginFunc

// blockRow makes the row of a mode of a block cipher that wraps keys too.
func blockRow(t ck.MechanismType, keys []ck.KeyType, smallest, largest uint, mode directions) Mechanism {
	return Mechanism{Type: t, Keys: keys, Min: smallest, Max: largest,
		Encrypt: mode(false), Decrypt: mode(true), Wrap: wrapWith(mode(false)), Unwrap: unwrapWith(mode(true))}
}

// zeroFilled marks a row that fills up a wrapped key with zeros to whole blocks.
func zeroFilled(m Mechanism) Mechanism {
	m.Truncates = true
	return m
}

// streamRow makes the row of a mode that does not wrap keys.
func streamRow(t ck.MechanismType, keys []ck.KeyType, smallest, largest uint, mode directions) Mechanism {
	return Mechanism{Type: t, Keys: keys, Min: smallest, Max: largest, Encrypt: mode(false), Decrypt: mode(true)}
}

// withLimit makes both directions from a function that begins a stream of limited length, which does the same in both.
func withLimit(begin beginFunc) directions {
	return func(decrypt bool) beginFunc {
		return func(k *Key, p *ck.Param) (Cipher, error) {
			c, err := begin(k, p)
			if err != nil {
				return nil, err
			}
			c.(*streamCipher).decrypt = decrypt
			return c, nil
		}
	}
}
