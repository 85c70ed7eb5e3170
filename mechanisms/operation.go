package mechanisms

import (
	"crypto/subtle"
	"encoding"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// A Cipher is an encryption or a decryption in progress. dst and src may be the same memory or overlap in any way.
type Cipher interface {
	// WholeLen returns how many bytes Whole writes for n bytes of input: exactly, or, where that depends on the data (padding), at
	// most.
	WholeLen(n int) int
	// Whole does the whole operation in one call. dst has at least WholeLen(len(src)) bytes. It returns how many of them it wrote.
	//
	// Whole and Final end the operation, with one exception. Where the length is not exact, the caller's memory may turn out too short
	// after the fact. So there they leave the Cipher as it was, and can be called again.
	Whole(dst, src []byte) (int, error)
	// UpdateLen returns exactly how many bytes Update writes for n more bytes of input.
	UpdateLen(n int) int
	// Update processes the next part.
	Update(dst, src []byte) (int, error)
	// FinalLen returns how many bytes Final writes, exactly or at most.
	FinalLen() int
	// Final processes what is left.
	Final(dst []byte) (int, error)
}

// A LengthChecker is a Cipher that does not take input of every length. A length query of input that it would refuse is refused:
// the application learns of it before it finds memory for the output.
type LengthChecker interface {
	// CheckWhole returns the error that Whole has for n bytes of input.
	CheckWhole(n int) error
	// CheckUpdate returns the error that Update has for n more bytes of input.
	CheckUpdate(n int) error
	// CheckFinal returns the error that Final has after this much input.
	CheckFinal() error
}

// A Signer is a signature or MAC in progress.
type Signer interface {
	// Size returns the length of the signature in bytes.
	Size() int
	// Update adds data.
	Update(data []byte) error
	// Sign writes the signature to dst, which has Size bytes at least, and returns its length. The Signer ends with it: any
	// further call is CKR_OPERATION_NOT_INITIALIZED.
	Sign(dst []byte) (int, error)
}

// A Verifier is a verification in progress.
type Verifier interface {
	// Update adds data.
	Update(data []byte) error
	// Verify returns nil, CKR_SIGNATURE_LEN_RANGE or CKR_SIGNATURE_INVALID. It compares in constant time. The Verifier ends
	// with it, as a Signer does with Sign.
	Verify(signature []byte) error
}

// A Base is what a derivation starts from.
type Base struct {
	// Key is the key at hBaseKey, nil where the handle is 0.
	Key *Key
	// ValueKnown says that whoever has made the key knows its value, and has not said that it is to be kept from anybody.
	ValueKnown bool
	// Hash and Digest are the hash and the value of the session's digest operation, nil without one.
	Hash   *Hash
	Digest []byte
	// Target is the existing key that the caller's key handle names, for a derivation that changes a key; nil otherwise.
	Target *Key
	// Template is what the caller asks for.
	Template []ck.Attribute
	// Lookup finds a further key that the parameter names, which the token lets be derived from as from the base key.
	Lookup func(ck.ObjectHandle) (*Key, error)
}

// An AdditionalKey is a key that a derivation makes beside the first.
type AdditionalKey struct {
	Type       ck.KeyType
	Value      []byte
	Template   []ck.Attribute // the caller's
	Attributes []ck.Attribute // as of a Derived
	Defaults   []ck.Attribute
	Handle     []byte // of the caller's memory: the CK_OBJECT_HANDLE
}

// A Result is what a derivation writes to the caller's memory.
type Result struct{ To, From []byte }

// A TakenBytes says how many bytes of a key's value are in a new one.
type TakenBytes struct {
	Key   *Key
	Bytes uint
}

// A Derived is what a derivation makes. The caller owns it, reuses it, and wipes it.
type Derived struct {
	// Type is the type of the new key.
	Type ck.KeyType
	// Value is the new key's value. It lies in the Derived itself where it fits.
	Value []byte
	// Attributes are what the derivation decides beside type and value. A template that says otherwise is
	// CKR_TEMPLATE_INCONSISTENT.
	Attributes []ck.Attribute
	// Defaults are values for attributes that the template may decide and does not mention. They come before the
	// defaults of the attribute tables. They are shared: nobody changes them.
	Defaults []ck.Attribute
	// Replaces says that an existing key takes the new value and Attributes, and that no new object is made. It is Base.Target,
	// or Base.Key where UsesDigest is set and Base.Key is not nil. The key keeps attributes that Attributes does not name, except those
	// that an earlier CryptDeriveKey gave it.
	Replaces bool
	// Data says that what is made is a data object, not a key.
	Data bool
	// Public says that what is made is a public key, which has no Value.
	Public bool
	// AdditionalKeys are more keys, in the caller's order. The token makes all keys of a derivation or none.
	AdditionalKeys []AdditionalKey
	// Results are written when the keys have been made.
	Results []Result
	// Taken says from which keys the new value has bytes, and how many. Only mechanisms that copy bytes of keys set it.
	Taken []TakenBytes
	// Inherits is as Mechanism.Inherits, for a mechanism where it depends on the parameter: whoever reads the new key and knows the other
	// keys but one can compute that one.
	Inherits bool
	// LeaksKey says that the Results contain bytes of the base key's value.
	LeaksKey bool
	// UsesHalvesApart says that the halves of the base key's value were used apart from each other.
	UsesHalvesApart bool
	// UsesDigest says that the session's digest was used. That ends it.
	UsesDigest bool
	// Stopped reports whether nobody waits for the derivation any more. One that takes long asks it. nil is never.
	Stopped func() bool

	session capi.SessionKey // what CryptDeriveKey works in
	buf     [512]byte
}

// Wipe overwrites what the derivation left, and makes d ready for the next.
func (d *Derived) Wipe() {
	clear(d.Value)
	for i := range d.AdditionalKeys {
		clear(d.AdditionalKeys[i].Value)
	}
	for i := range d.Results {
		clear(d.Results[i].From)
	}
	clear(d.buf[:])
	d.session.Wipe()
	d.Type, d.Value, d.Defaults, d.Replaces, d.UsesDigest = 0, nil, nil, false, false
	d.Stopped = nil
	d.Data, d.Public, d.AdditionalKeys, d.Results = false, false, nil, nil
	d.Inherits, d.LeaksKey, d.UsesHalvesApart = false, false, false
	clear(d.Taken)
	d.Taken = d.Taken[:0]
	d.Attributes = d.Attributes[:0]
}

// Ready sees that the caller's memory for the Results can be written to, before the keys are made.
func (d *Derived) Ready() {
	for _, r := range d.Results {
		ck.ProbeWrite(r.To)
	}
	for i := range d.AdditionalKeys {
		ck.ProbeWrite(d.AdditionalKeys[i].Handle)
	}
}

// Deliver writes the Results.
func (d *Derived) Deliver() {
	for _, r := range d.Results {
		copy(r.To, r.From)
	}
}

// An Ender is a Cipher, Signer or Verifier whose memory can be used again. End is called when its operation is over, and nothing else after that.
// Without it the memory is lost to the next operation, and to nobody else.
type Ender interface{ End() }

// An Inexact cipher can tell whether what it writes may be shorter than WholeLen.
type Inexact interface {
	Cipher
	// Inexact reports whether WholeLen is a bound only.
	Inexact() bool
}

// A Saver is an operation whose state can be saved, and restored in another operation of the same mechanism with the same key:
// C_GetOperationState and C_SetOperationState. Those without a parameter, or with an IV alone, can be.
type Saver interface {
	// Save returns what it takes to go on from here: the parameter that another operation has to begin with, and the state to restore
	// in it. ok is false where there is no such thing. The caller wipes the state.
	Save() (param, state []byte, ok bool)
	// Restore takes a state, and reports whether it was one. The operation has not been used yet.
	Restore(state []byte) bool
}

var (
	_ Saver = (*blockCipher)(nil)
	_ Saver = (*signature)(nil)
)

// Save implements Saver. Go's CBC does not tell its chaining value. It is computed from what CBC makes of a block of zeros.
func (c *blockCipher) Save() (param, state []byte, ok bool) {
	if c.lastDecrypted {
		return nil, nil, false
	}
	if chain, ok := c.mode.(interface{ SetIV([]byte) }); ok {
		var zero, next [maxBlock]byte
		param = make([]byte, c.size)
		c.mode.CryptBlocks(next[:c.size], zero[:c.size])
		if c.decrypt {
			c.block.Decrypt(param, zero[:c.size])
			subtle.XORBytes(param, param, next[:c.size])
		} else {
			c.block.Decrypt(param, next[:c.size])
		}
		chain.SetIV(param)
	}
	return param, append([]byte(nil), c.buf[:c.n]...), true
}

// Restore implements Saver.
func (c *blockCipher) Restore(state []byte) bool {
	if len(state) > c.size {
		return false
	}
	c.n = copy(c.buf[:], state)
	return true
}

// Save implements Saver.
func (s *signature) Save() (param, state []byte, ok bool) {
	if s.ended {
		return nil, nil, false
	}
	if s.hash == nil {
		return nil, append([]byte(nil), s.data...), true
	}
	h, ok := s.hash.(encoding.BinaryMarshaler)
	if !ok {
		return nil, nil, false
	}
	state, err := h.MarshalBinary()
	return nil, state, err == nil
}

// Restore implements Saver.
func (s *signature) Restore(state []byte) bool {
	if s.hash == nil {
		return s.Update(state) == nil
	}
	h, ok := s.hash.(encoding.BinaryUnmarshaler)
	return ok && h.UnmarshalBinary(state) == nil
}
