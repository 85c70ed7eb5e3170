// Package mechanisms is the mathematics of the token: a table of rows, one for each mechanism, whose columns are
// functions. Where a column is nil, the mechanism does not have that operation.
//
// A mechanism receives key material and returns key material. It knows nothing of sessions, of objects or of who may use
// a key: package token applies those rules before and after. What follows from a row, such as the flags of C_GetMechanismInfo, is
// computed from it.
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
	Type       ck.MechanismType
	Keys       []ck.KeyType // the types of keys that it takes
	Min, Max   uint         // key sizes as C_GetMechanismInfo tells them, in the unit that the standard names for it
	ExtraFlags ck.Flags     // flags of C_GetMechanismInfo that do not follow from the columns
	flags      ck.Flags     // all flags of C_GetMechanismInfo; index sets them

	// Hash is the hash that a digest mechanism computes.
	Hash *Hash
	// Digest begins a message digest.
	Digest func(p *ck.Param) (hash.Hash, error)
	// Encrypt and Decrypt begin an encryption and a decryption.
	Encrypt func(k *Key, p *ck.Param) (Cipher, error)
	Decrypt func(k *Key, p *ck.Param) (Cipher, error)
	// Message prepares the encryption or decryption of messages. p is the parameter of C_MessageEncryptInit or
	// C_MessageDecryptInit; each message has a parameter of its own. The MessageCipher may be used when k is no longer valid.
	Message func(k *Key, p *ck.Param, decrypt bool) (MessageCipher, error)
	// ParamOncePerMessage says that a parameter contains a nonce and must not serve for two messages: with C_SignMessage and its like each
	// message needs a parameter of its own.
	ParamOncePerMessage bool
	// Sign and Verify begin a signature or MAC.
	Sign   func(k *Key, p *ck.Param) (Signer, error)
	Verify func(k *Key, p *ck.Param) (Verifier, error)
	// SignRecover begins a signature from which the data can be recovered. VerifyRecover begins the recovery: Whole of the Cipher
	// that it returns takes the signature and writes the data. Both work in one call only, not in parts.
	SignRecover   func(k *Key, p *ck.Param) (Signer, error)
	VerifyRecover func(k *Key, p *ck.Param) (Cipher, error)
	// Wrap encrypts the value of another key, Unwrap decrypts it. The caller wipes what Unwrap returns. What is
	// wrong with wrapped is CKR_WRAPPED_KEY_INVALID or CKR_WRAPPED_KEY_LEN_RANGE.
	Wrap   func(k *Key, p *ck.Param, value []byte) ([]byte, error)
	Unwrap func(k *Key, p *ck.Param, wrapped []byte) ([]byte, error)
	// UnwrapImplicit is Unwrap with implicit rejection: a wrong padding is no error, but gives pseudorandom bytes that look like a
	// key. So whoever calls it does not learn which wrapped keys are well formed. It is nil where there is no padding.
	UnwrapImplicit func(k *Key, p *ck.Param, wrapped []byte) ([]byte, error)
	// WrapSize returns the size of a wrapped key of n bytes. A mechanism has it whose Wrap writes to memory that the parameter points to
	// (a nonce that it makes): whoever only asks for the size must not find that memory changed.
	WrapSize func(p *ck.Param, n int) (int, error)
	// Truncates says that Unwrap returns whole blocks. CKA_VALUE_LEN in the template then tells where the key ends in the last one.
	Truncates bool
	// KeyAtEnd says that Unwrap returns the key with zeros before it.
	KeyAtEnd bool
	// Authentic says that Unwrap notices when what was wrapped has been changed.
	Authentic bool
	// Seals says that a wrapped key stays secret from somebody who may wrap and unwrap whatever they like with the same wrapping
	// key and with any parameter: they can neither unwrap a part of it, nor combine parts of two, nor learn a key stream.
	Seals bool
	// RawPrivate says that Sign applies the private function to a block of the caller's choice, which is decryption as well.
	// A block with a short fixed part counts, too: from the quotient of two signatures the private function of any block can be had
	// (De Jonge and Chaum, 1985).
	RawPrivate bool
	// LeaksKey reports whether somebody who chooses the parameter p and the data of operations can find the key, at once or bit by bit.
	// decide says that the operation is a verification, which answers no more than yes or no. nil means never.
	LeaksKey func(k *Key, p ck.Param, decide bool) bool
	// UsesHalvesApart reports whether an operation with the parameter p uses each half of the key without the other, so that one half
	// can be found by trying, and then the other. nil means never. A derivation says so in Derived.UsesHalvesApart.
	UsesHalvesApart func(p ck.Param) bool
	// FromDigest says that Derive uses the value of the session's digest operation where there is no base key, and that it may change an
	// existing key.
	FromDigest bool
	// Inherits says that the new key contains parts of the base key's value, so that it must be protected as well as the base key is.
	Inherits bool
	// HistoryOfAnyKey says that CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE of the new key are true if they are for any of the
	// keys that it is derived from. Otherwise the base key alone decides.
	HistoryOfAnyKey bool
	// NoHandle says that C_DeriveKey returns no key handle: the handles of the new keys go where the parameter says.
	NoHandle bool
	// MakesPublic says that Derive computes from a private key what is public anyway. It needs no CKA_DERIVE.
	MakesPublic bool
	// Derive makes key material from other key material.
	Derive func(b *Base, p *ck.Param, d *Derived) error
	// Encapsulate begins an encapsulation with a public key: it makes a secret key and a ciphertext. Decapsulate makes the same
	// secret key from the ciphertext with the private key. The Base has the key, and the template of the secret key.
	Encapsulate func(b *Base, p *ck.Param) (*Encapsulation, error)
	Decapsulate func(b *Base, p *ck.Param, ciphertext []byte, d *Derived) error
	// Makes is the type of the keys, of the key pairs or of the domain parameters that the functions below make.
	Makes ck.KeyType
	// Generate makes the value of a key. size is the template's CKA_VALUE_LEN in bytes, 0 where it has none; a size that the
	// key type does not allow is CKR_KEY_SIZE_RANGE, a missing one that it needs is CKR_TEMPLATE_INCOMPLETE.
	Generate func(rand io.Reader, p *ck.Param, size uint) ([]byte, error)
	// FromPassword makes the key that the template asks for from the password in the parameter. The same password gives the same key.
	FromPassword func(p *ck.Param, template []ck.Attribute, d *Derived) error
	// GenerateDomain makes domain parameters: the attributes that the mechanism contributes beside CKA_CLASS and CKA_KEY_TYPE.
	// template is the caller's. The results are written when the object has been made.
	GenerateDomain func(rand io.Reader, p *ck.Param, template []ck.Attribute) (made []ck.Attribute, results []Result, err error)
	// GeneratePair makes a key pair: the attributes that the mechanism contributes to the public and to the private key beside
	// CKA_CLASS and CKA_KEY_TYPE. public is the caller's template of the public key, which has the parameters (CKA_MODULUS_BITS,
	// CKA_EC_PARAMS and the like), and CKA_VALUE_BITS of the private key where the caller gives it. The caller wipes the values of
	// the private key.
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

// index puts the rows of the families in order. Two rows for one mechanism are a mistake of ours and panic. It runs in the start of
// every process, so it sorts where the rows are, and not the rows, which are large.
func index(families ...[]Mechanism) []Mechanism {
	type position struct {
		mechanism   ck.MechanismType
		family, row int
	}
	var order []position
	for i, family := range families {
		for j := range family {
			order = append(order, position{family[j].Type, i, j})
		}
	}
	slices.SortFunc(order, func(a, b position) int { return cmp.Compare(a.mechanism, b.mechanism) })
	rows := make([]Mechanism, len(order))
	for i, p := range order {
		rows[i] = families[p.family][p.row]
		rows[i].flags = rows[i].flagsOfColumns()
		if i > 0 && rows[i-1].Type == rows[i].Type {
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

// rowIndex tells where a type is in table: 1 + the row, by open addressing.
var rowIndex = newRowIndex(types)

const rowIndexBits = 11

func newRowIndex(types []ck.MechanismType) (rowIndex [1 << rowIndexBits]uint16) {
	if len(types) > len(rowIndex)/2 {
		panic("mechanisms: too many rows")
	}
	for i, t := range types {
		h := rowHash(t)
		for rowIndex[h] != 0 {
			h = (h + 1) % (1 << rowIndexBits)
		}
		rowIndex[h] = uint16(i + 1)
	}
	return rowIndex
}

// rowHash spreads the types over rowIndex: Fibonacci hashing.
func rowHash(t ck.MechanismType) uint { return uint(uint32(t) * 0x9e3779b1 >> (32 - rowIndexBits)) }

// Lookup finds the row of a mechanism, nil if there is none.
func Lookup(t ck.MechanismType) *Mechanism {
	for h := rowHash(t); ; h = (h + 1) % (1 << rowIndexBits) {
		i := rowIndex[h]
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
	return ck.MechanismInfo{MinKeySize: m.Min, MaxKeySize: m.Max, Flags: m.flags}
}

// flagsOfColumns returns what the row can do, as C_GetMechanismInfo tells it.
func (m *Mechanism) flagsOfColumns() ck.Flags {
	f := m.ExtraFlags
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
	return m.flags&flag != 0
}

// Takes reports whether a key of a class and type goes with the mechanism. A row that derives and names no types takes
// any secret key.
func (m *Mechanism) Takes(class ck.ObjectClass, t ck.KeyType) bool {
	if m.Keys == nil {
		return class == ck.CKO_SECRET_KEY
	}
	return slices.Contains(m.Keys, t)
}

// Unit returns how many bits the unit has in which the row counts the sizes of keys: 8 where it counts bytes.
func (m *Mechanism) Unit() uint {
	types := m.Keys
	if types == nil && m.Generate != nil {
		types = []ck.KeyType{m.Makes}
	}
	longest := uint(0)
	for _, t := range types {
		row := findKeyType(t)
		if row == nil {
			return 1 // sizes of key pairs are in bits
		}
		longest = max(longest, row.Max)
	}
	if m.Max > longest {
		return 1
	}
	return 8
}
