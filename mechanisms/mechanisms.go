// Package mechanisms is the mathematics of the token: a table of rows, one for each mechanism, whose columns are
// functions. A nil column is an operation that the mechanism does not have.
//
// A mechanism receives key material and returns key material. It knows nothing of sessions, of objects or of who may use
// a key: package token applies those rules before and after. Facts that follow from a row, the flags of
// C_GetMechanismInfo say, are computed from it.
package mechanisms

import (
	"cmp"
	"hash"
	"io"
	"slices"

	"github.com/softcsp/softcsp/ck"
)

// A Mechanism is a row of the table.
type Mechanism struct {
	Type     ck.MechanismType
	Keys     []ck.KeyType // the types of keys that it takes
	Min, Max uint         // key sizes as C_GetMechanismInfo tells them, in the unit that the standard names for it
	Also     ck.Flags     // what C_GetMechanismInfo tells beside what follows from the columns
	can      ck.Flags     // what it tells of a row of the table

	// Hash is the hash that a digest mechanism computes.
	Hash *Hash
	// Digest begins a message digest.
	Digest func(p *ck.Param) (hash.Hash, error)
	// Encrypt and Decrypt begin an encryption and a decryption.
	Encrypt func(k *Key, p *ck.Param) (Cipher, error)
	Decrypt func(k *Key, p *ck.Param) (Cipher, error)
	// Message prepares the encryption or decryption of messages. p is the parameter of C_MessageEncryptInit or
	// C_MessageDecryptInit; each message has a parameter of its own. It outlives the use of k.
	Message func(k *Key, p *ck.Param, decrypt bool) (MessageCipher, error)
	// Fresh says that a parameter serves for one message that is signed or verified: it has a nonce.
	Fresh bool
	// Sign and Verify begin a signature or MAC.
	Sign   func(k *Key, p *ck.Param) (Signer, error)
	Verify func(k *Key, p *ck.Param) (Verifier, error)
	// SignRecover begins a signature out of which the data can be had again, VerifyRecover a verification that takes it out:
	// the Whole of what it returns turns a signature into data. Neither goes in parts.
	SignRecover   func(k *Key, p *ck.Param) (Signer, error)
	VerifyRecover func(k *Key, p *ck.Param) (Cipher, error)
	// Wrap encrypts the value of another key, Unwrap decrypts it. What Unwrap returns is the caller's to wipe.
	Wrap   func(k *Key, p *ck.Param, value []byte) ([]byte, error)
	Unwrap func(k *Key, p *ck.Param, wrapped []byte) ([]byte, error)
	// UnwrapVeiled is Unwrap for a key whose wrapped keys are to be kept from who may ask it anything: where another mechanism would say
	// that a padding is wrong, it gives bytes that nobody can tell from those of a key. It is nil where Unwrap is good enough.
	UnwrapVeiled func(k *Key, p *ck.Param, wrapped []byte) ([]byte, error)
	// WrapSize returns how many bytes Wrap makes of n, where Wrap may write to what p points to.
	WrapSize func(p *ck.Param, n int) (int, error)
	// Truncates says that Unwrap returns whole blocks, and that the template's CKA_VALUE_LEN cuts off what fills the last.
	Truncates bool
	// AtEnd says that the key is the end of what Unwrap returns, and that zeros come before it.
	AtEnd bool
	// Authentic says that Unwrap notices when what was wrapped has been changed.
	Authentic bool
	// Seals says that Wrap keeps a key even from who may wrap and unwrap with the same wrapping key whatever they like, with any
	// parameter: no part of it, nothing joined with another, no key stream can be had that way.
	Seals bool
	// Bare says that Sign is the private function as it is, which decrypts as well, or that of a block of which the caller chooses all
	// but a fixed part that is short: the quotient of two such is the private function of whatever is wanted (De Jonge and Chaum, 1985).
	Bare bool
	// Tells reports whether what the mechanism computes with a parameter tells the key, all at once or bit by bit, to who chooses
	// parameter and data. It is nil where that is never so. decide says that it is an operation that answers yes or no only.
	Tells func(k *Key, p ck.Param, decide bool) bool
	// Splits reports whether the mechanism uses, with a parameter, one half of the key apart from the other, so that each can be found by
	// itself. It is nil where that is never so. Where it is Derive that does, Derived.Splits says so.
	Splits func(p ck.Param) bool
	// FromDigest says that Derive takes the session's digest where there is no base key, and may change an existing key.
	FromDigest bool
	// Inherits says that Derive hands on parts of the base key's value: the new key is no less protected than the base.
	Inherits bool
	// Either says that a key that Derive makes has always been sensitive, or never extractable, if any of the keys that it
	// comes from has, and not the base key alone.
	Either bool
	// Silent says that Derive makes no key for the caller's handle: what it makes goes where the parameter says.
	Silent bool
	// Reveals says that Derive makes of a private key what is public anyway: any will do for it, CKA_DERIVE or not.
	Reveals bool
	// Derive makes key material from other key material.
	Derive func(b *Base, p *ck.Param, d *Derived) error
	// Encapsulate begins an encapsulation with a public key: it makes a secret key and a ciphertext from which Decapsulate makes
	// the same with the private key. Both find the key, and what the template asks for, in the Base.
	Encapsulate func(b *Base, p *ck.Param) (*Encapsulation, error)
	Decapsulate func(b *Base, p *ck.Param, ciphertext []byte, d *Derived) error
	// Makes is the type of the key that Generate makes a value for. size is the template's CKA_VALUE_LEN in bytes, 0
	// where it has none; a size that the key type does not allow is CKR_KEY_SIZE_RANGE, a missing one that it needs is
	// CKR_TEMPLATE_INCOMPLETE.
	Makes    ck.KeyType
	Generate func(rand io.Reader, p *ck.Param, size uint) ([]byte, error)
	// FromPassword makes the key that the template asks for from the password in the parameter, without chance.
	FromPassword func(p *ck.Param, template []ck.Attribute, d *Derived) error
	// GenerateDomain makes domain parameters of the type Makes: what the mechanism contributes to the object beside
	// CKA_CLASS and CKA_KEY_TYPE. template is the caller's. The results are written when the object has been made.
	GenerateDomain func(rand io.Reader, p *ck.Param, template []ck.Attribute) (made []ck.Attribute, results []Result, err error)
	// GeneratePair makes a key pair of the type Makes: what the mechanism contributes to the public and to the private key
	// beside CKA_CLASS and CKA_KEY_TYPE. public is the caller's template for the public key, which has the parameters
	// (CKA_MODULUS_BITS, CKA_EC_PARAMS and the like), and the CKA_VALUE_BITS that the private key shall have. The caller wipes the values of the private key.
	GeneratePair func(rand io.Reader, p *ck.Param, public []ck.Attribute) (pub, priv []ck.Attribute, err error)
}

// table is every mechanism, by type. A family is in it by being named here.
var table = index(
	digests, hmacs, hashDerivations, shakeRows, sha512tRows, genericRows, aesRows, gcmRows,
	keyWrapRows, cmacRows, desRows, rc2Rows, rc4Rows, rc5Rows, rsaRows, cryptDeriveKeyRows,
	ecRows, ecdsaRows, eddsaRows, ecdhRows,
	dsaRows, dhRows, x942Rows, pubKeyRows, ecdhWrapRows, ecmqvRows,
	aesMACRows, aesModeRows, ccmRows, desMACRows, rcMACRows, chachaRows, oldCipherRows,
	derivationRows,
	mlkemRows, mldsaRows, slhdsaRows, hssRows, xmssRows,
	blockCipherRows,
	hotpRows, kmacRows, sshRows,
)

// types are the types of table, in the same order.
var types = typesOf(table)

// index puts the rows of the families in order. Two rows for one mechanism are a mistake of ours and panic.
func index(families ...[]Mechanism) []Mechanism {
	rows := slices.Concat(families...)
	slices.SortFunc(rows, func(a, b Mechanism) int { return cmp.Compare(a.Type, b.Type) })
	for i := range rows {
		rows[i].can = rows[i].flags()
	}
	for i := range rows[1:] {
		if rows[i].Type == rows[i+1].Type {
			panic("mechanisms: two rows for " + rows[i].Type.String())
		}
	}
	return rows
}

func typesOf(rows []Mechanism) []ck.MechanismType {
	t := make([]ck.MechanismType, len(rows))
	for i := range rows {
		t[i] = rows[i].Type
	}
	return t
}

// places tell where a type is in table: 1 + the row, by open addressing.
var places = placesOf(types)

const placeBits = 11

func placesOf(types []ck.MechanismType) (places [1 << placeBits]uint16) {
	if len(types) > len(places)/2 {
		panic("mechanisms: too many rows")
	}
	for i, t := range types {
		h := placeOf(t)
		for places[h] != 0 {
			h = (h + 1) % (1 << placeBits)
		}
		places[h] = uint16(i + 1)
	}
	return places
}

// placeOf spreads the types over the places: Fibonacci hashing.
func placeOf(t ck.MechanismType) uint { return uint(uint32(t) * 0x9e3779b1 >> (32 - placeBits)) }

// Lookup finds the row of a mechanism, nil if there is none.
func Lookup(t ck.MechanismType) *Mechanism {
	for h := placeOf(t); ; h = (h + 1) % (1 << placeBits) {
		i := places[h]
		if i == 0 {
			return nil
		}
		if types[i-1] == t {
			return &table[i-1]
		}
	}
}

// Types returns the types of all mechanisms in ascending order. The caller may keep and change the slice.
func Types() []ck.MechanismType { return slices.Clone(types) }

// Info is what C_GetMechanismInfo tells of the mechanism.
func (m *Mechanism) Info() ck.MechanismInfo {
	return ck.MechanismInfo{MinKeySize: m.Min, MaxKeySize: m.Max, Flags: m.can}
}

// flags returns what the row can do, as C_GetMechanismInfo tells it.
func (m *Mechanism) flags() ck.Flags {
	f := m.Also
	for _, column := range [...]struct {
		has  bool
		flag ck.Flags
	}{
		{m.Message != nil, ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MULTI_MESSAGE},
		{m.Sign != nil, ck.CKF_MESSAGE_SIGN | ck.CKF_MULTI_MESSAGE},
		{m.Verify != nil, ck.CKF_MESSAGE_VERIFY | ck.CKF_MULTI_MESSAGE},
		{m.Digest != nil, ck.CKF_DIGEST},
		{m.Encrypt != nil, ck.CKF_ENCRYPT},
		{m.Decrypt != nil, ck.CKF_DECRYPT},
		{m.Sign != nil, ck.CKF_SIGN},
		{m.Verify != nil, ck.CKF_VERIFY},
		{m.SignRecover != nil, ck.CKF_SIGN_RECOVER},
		{m.VerifyRecover != nil, ck.CKF_VERIFY_RECOVER},
		{m.Wrap != nil, ck.CKF_WRAP},
		{m.Unwrap != nil, ck.CKF_UNWRAP},
		{m.Derive != nil, ck.CKF_DERIVE},
		{m.Generate != nil || m.FromPassword != nil || m.GenerateDomain != nil, ck.CKF_GENERATE},
		{m.GeneratePair != nil, ck.CKF_GENERATE_KEY_PAIR},
		{m.Encapsulate != nil, ck.CKF_ENCAPSULATE},
		{m.Decapsulate != nil, ck.CKF_DECAPSULATE},
	} {
		if column.has {
			f |= column.flag
		}
	}
	return f
}

// Has reports whether the row can do what a flag of C_GetMechanismInfo says.
func (m *Mechanism) Has(flag ck.Flags) bool {
	return m.can&flag != 0
}

// Takes reports whether a key of a class and type goes with the mechanism. A row that derives and names no types takes
// any secret key.
func (m *Mechanism) Takes(class ck.ObjectClass, t ck.KeyType) bool {
	if m.Keys == nil {
		return class == ck.CKO_SECRET_KEY
	}
	return slices.Contains(m.Keys, t)
}
