package capi

import (
	"bytes"
	"encoding/binary"
	"math/big"
	"slices"

	"github.com/softcsp/softcsp/internal/secret"
)

// Key blobs, as Windows lays them out: all numbers in little-endian order. A BLOBHEADER is the type of the blob, its version,
// two bytes that are reserved, and the ALG_ID of the key. Of an RSA key an RSAPUBKEY follows (a magic number, the length of the modulus in bits,
// the public exponent), the modulus, and of a private one the numbers of RSANumbers.
const (
	BlobHeaderLen = 8
	rsaPubKeyLen  = 12
	maxModulus    = 16384 // bits
)

// rsaMagic is the magic number of the blobs of RSA keys.
var rsaMagic = map[byte]uint32{PUBLICKEYBLOB: 0x31415352, PRIVATEKEYBLOB: 0x32415352}

// BlobHeader makes a BLOBHEADER.
func BlobHeader(kind byte, algid AlgID) []byte {
	return binary.LittleEndian.AppendUint32([]byte{kind, CUR_BLOB_VERSION, 0, 0}, uint32(algid))
}

// ParseBlobHeader reads the BLOBHEADER of a blob, and returns what follows it.
func ParseBlobHeader(blob []byte) (kind byte, algid AlgID, rest []byte, err error) {
	switch {
	case len(blob) < BlobHeaderLen:
		return 0, 0, nil, NTE_BAD_DATA
	case blob[1] != CUR_BLOB_VERSION:
		return 0, 0, nil, NTE_BAD_VER
	}
	return blob[0], AlgID(binary.LittleEndian.Uint32(blob[4:])), blob[BlobHeaderLen:], nil
}

// ParsePlainKey reads what follows the header of a PLAINTEXTKEYBLOB: the length of the key in bytes, and the key.
func ParsePlainKey(rest []byte) (value []byte, err error) {
	if len(rest) < 4 || uint64(len(rest)-4) < uint64(binary.LittleEndian.Uint32(rest)) {
		return nil, NTE_BAD_DATA
	}
	return rest[4 : 4+binary.LittleEndian.Uint32(rest)], nil
}

// PlainKeyBlob makes a PLAINTEXTKEYBLOB.
func PlainKeyBlob(algid AlgID, value []byte) []byte {
	b := binary.LittleEndian.AppendUint32(append(make([]byte, 0, BlobHeaderLen+4+len(value)), BlobHeader(PLAINTEXTKEYBLOB, algid)...), uint32(len(value)))
	return append(b, value...)
}

// An RSAPubKey is an RSAPUBKEY, and what follows it.
type RSAPubKey struct {
	Bits     uint32
	Exponent []byte // the greatest byte first, without leading zeros
	Rest     []byte // the modulus and what follows it, as in the blob
}

// RSANumbers are the numbers of an RSA key, the greatest byte first and without leading zeros.
type RSANumbers struct {
	Modulus, Exponent []byte
	// Private are the two primes, the exponents for each, the coefficient and the private exponent, in the order of a PRIVATEKEYBLOB; nil of a
	// public key.
	Private [][]byte
}

// privateNumbers is how many numbers a private key has beside its modulus and its exponent. All but the last are half as long as the modulus.
const privateNumbers = 6

// ParseRSAPubKey reads what follows the header of a PUBLICKEYBLOB or PRIVATEKEYBLOB. There is at least a modulus.
func ParseRSAPubKey(kind byte, b []byte) (RSAPubKey, error) {
	if len(b) < rsaPubKeyLen || binary.LittleEndian.Uint32(b) != rsaMagic[kind] {
		return RSAPubKey{}, NTE_BAD_DATA
	}
	r := RSAPubKey{binary.LittleEndian.Uint32(b[4:]), bigEndian(b[8:12]), b[rsaPubKeyLen:]}
	if r.Bits == 0 || r.Bits > maxModulus || r.Bits%8 != 0 || uint32(len(r.Rest)) < r.Bits/8 {
		return RSAPubKey{}, NTE_BAD_DATA
	}
	return r, nil
}

// Modulus returns the modulus.
func (r RSAPubKey) Modulus() []byte { return bigEndian(r.Rest[:r.Bits/8]) }

// Numbers returns the numbers of a private key. The private exponent may be cut off: it follows from the rest. The caller wipes them.
func (r RSAPubKey) Numbers() (*RSANumbers, error) {
	size := int(r.Bits / 8)
	half := (size + 1) / 2
	if len(r.Rest) < size+5*half {
		return nil, NTE_BAD_DATA
	}
	k, parts := &RSANumbers{Modulus: r.Modulus(), Exponent: r.Exponent}, r.Rest[size:]
	for range privateNumbers - 1 {
		k.Private = append(k.Private, bigEndian(parts[:half]))
		parts = parts[half:]
	}
	if len(parts) < size {
		k.Private = append(k.Private, privateExponent(k.Private[0], k.Private[1], r.Exponent))
	} else {
		k.Private = append(k.Private, bigEndian(parts[:size]))
	}
	return k, nil
}

// Wipe overwrites the private numbers.
func (k *RSANumbers) Wipe() {
	for _, n := range k.Private {
		clear(n)
	}
}

// Blob makes a PUBLICKEYBLOB or PRIVATEKEYBLOB. Without private numbers it ends with the modulus. A number that is too long is NTE_FAIL.
func (k *RSANumbers) Blob(kind byte, algid AlgID) ([]byte, error) {
	n := bytes.TrimLeft(k.Modulus, "\x00")
	size := len(n)
	half := (size + 1) / 2
	b := append(make([]byte, 0, BlobHeaderLen+rsaPubKeyLen+2*size+5*half), BlobHeader(kind, algid)...)
	b = binary.LittleEndian.AppendUint32(b, rsaMagic[kind])
	b = binary.LittleEndian.AppendUint32(b, uint32(8*size))
	lengths := []int{4, size, half, half, half, half, half, size}
	for i, number := range append([][]byte{k.Exponent, n}, k.Private...) {
		number = bytes.TrimLeft(number, "\x00")
		if len(number) > lengths[i] {
			clear(b)
			return nil, NTE_FAIL
		}
		at := len(b)
		b = append(b, make([]byte, lengths[i])...)
		copy(b[len(b)-len(number):], number)
		slices.Reverse(b[at:])
	}
	return b, nil
}

// bigEndian turns a number around, and leaves its leading zeros out.
func bigEndian(little []byte) []byte {
	b := bytes.Clone(little)
	slices.Reverse(b)
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// privateExponent computes d from the primes and e, for a blob without it.
func privateExponent(p, q, e []byte) (d []byte) {
	secret.Do(func() {
		one := big.NewInt(1)
		p1 := new(big.Int).Sub(new(big.Int).SetBytes(p), one)
		q1 := new(big.Int).Sub(new(big.Int).SetBytes(q), one)
		if n := new(big.Int).ModInverse(new(big.Int).SetBytes(e), p1.Mul(p1, q1)); n != nil {
			d = n.Bytes()
		}
	})
	return d
}
