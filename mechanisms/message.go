package mechanisms

import (
	"errors"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/algorithm/inparts"
)

// A MessageCipher encrypts or decrypts messages with one key, one after the other: PKCS #11 3.0, 5.9 and 5.11. The parameter of a
// message points to its nonce and to its tag, which an encryption writes there and a decryption reads. The output is as long
// as the input.
type MessageCipher interface {
	// Whole processes a message in one call. dst and src may be the same memory or overlap in any way.
	Whole(p *ck.Param, aad, dst, src []byte) error
	// Begin begins a message in parts.
	Begin(p *ck.Param, aad []byte) error
	// NextLen returns exactly how many bytes Next writes for n more bytes. An encryption writes as many. A decryption writes nothing before the
	// last part, because no plaintext is released before the tag has been found right.
	NextLen(n int, last bool) int
	// Next processes a part. With the last one, p is the parameter of the message again, and says where the tag is.
	Next(p *ck.Param, dst, src []byte, last bool) error
	// End forgets the message in parts.
	End()
}

// A messageParam is what the parameter of a message says. nonce and tag lie in the caller's memory.
type messageParam struct {
	nonce, tag       []byte
	fixed, generator uint // how the nonce is made: CK_GCM_MESSAGE_PARAMS
	exact            bool // whether the parameter gives the length that the message must have
	length           uint // that length
}

// A messageMode is a mode of authenticated encryption for messages, with a key.
type messageMode interface {
	// read reads the parameter of a message and checks its lengths.
	read(p *ck.Param) (messageParam, error)
	// mode returns the mode for nonces and tags of so many bytes. It is good until the next call.
	mode(nonce, tag int) (inparts.AEAD, error)
	// limit is how long a message with a nonce of so many bytes may be at most, in bytes.
	limit(nonce int) uint64
}

// messages are a MessageCipher over a mode.
type messages struct {
	mode         messageMode
	nonces       *nonceSource // nil where the parameter cannot ask for a nonce to be made
	decrypt      bool
	ignoreLength bool // whether a length that the parameter gives is ignored
	scratch      []byte

	// The message in parts:
	nonce   []byte
	tag     int
	exact   bool
	length  uint
	running inparts.Message
	done    uint64   // how much has been encrypted
	held    segments // what is to be decrypted
}

var _ MessageCipher = (*messages)(nil)

// keepScratch is how much memory is kept from one message to the next.
const keepScratch = 1 << 16

// buffer returns n bytes, which are overwritten by the next call.
func (m *messages) buffer(n int) []byte {
	if cap(m.scratch) < n {
		m.scratch = make([]byte, max(n, 1<<10))
	}
	return m.scratch[:n]
}

// checkLen returns the error of a message of n bytes, nil where it may have them.
func (m *messages) checkLen(n uint64, nonce int, exact bool, length uint) error {
	switch {
	case n <= m.mode.limit(nonce) && (!exact || n == uint64(length)):
		return nil
	case m.decrypt:
		return ck.CKR_ENCRYPTED_DATA_LEN_RANGE
	}
	return ck.CKR_DATA_LEN_RANGE
}

func (m *messages) Whole(p *ck.Param, aad, dst, src []byte) error {
	c, err := m.mode.read(p)
	if err != nil {
		return err
	}
	if err := m.checkLen(uint64(len(src)), len(c.nonce), c.exact && !m.ignoreLength, c.length); err != nil {
		return err
	}
	if !m.decrypt {
		if err := m.nonces.generate(c.nonce, c.fixed, c.generator); err != nil {
			return err
		}
	}
	mode, err := m.mode.mode(len(c.nonce), len(c.tag))
	switch {
	case err != nil:
		return err
	case len(src) > keepScratch:
		return m.long(mode, c, aad, dst, src)
	case m.decrypt:
		ck.ProbeRead(src)
		buf := append(append(m.buffer(len(src) + len(c.tag))[:0], src...), c.tag...)
		defer clear(buf)
		plain, err := mode.Open(buf[:0], c.nonce, buf, aad)
		if err != nil {
			return ck.CKR_AEAD_DECRYPT_FAILED
		}
		copy(dst, plain)
		return nil
	}
	sealed := mode.Seal(m.buffer(len(src) + len(c.tag))[:0], c.nonce, src, aad)
	copy(dst, sealed[:len(src)])
	copy(c.tag, sealed[len(src):])
	return nil
}

// long processes a message that is too long to be copied first: it is encrypted in the caller's memory.
func (m *messages) long(mode inparts.AEAD, c messageParam, aad, dst, src []byte) error {
	m.nonce = ck.AppendWiping(m.nonce[:0], c.nonce)
	s := mode.Begin(m.nonce, aad, uint64(len(src)))
	if !m.decrypt {
		encryptApart(s, dst[:len(src)], src)
		s.Tag(c.tag[:0])
		return nil
	}
	var held segments
	if err := held.add(src); err != nil {
		return err
	}
	if !held.decryptTo(s, c.tag, dst) {
		return ck.CKR_AEAD_DECRYPT_FAILED
	}
	return nil
}

func (m *messages) Begin(p *ck.Param, aad []byte) error {
	c, err := m.mode.read(p)
	if err == nil && !m.decrypt {
		err = m.nonces.generate(c.nonce, c.fixed, c.generator)
	}
	if err != nil {
		return err
	}
	mode, err := m.mode.mode(len(c.nonce), len(c.tag))
	if err != nil {
		return err
	}
	m.nonce = ck.AppendWiping(m.nonce[:0], c.nonce)
	m.tag, m.exact, m.length, m.done = len(c.tag), c.exact && !m.ignoreLength, c.length, 0
	m.running = mode.Begin(m.nonce, aad, uint64(c.length))
	return nil
}

func (m *messages) NextLen(n int, last bool) int {
	switch {
	case !m.decrypt:
		return n
	case last:
		return m.held.n + n
	}
	return 0
}

func (m *messages) Next(p *ck.Param, dst, src []byte, last bool) error {
	all := m.done + uint64(m.held.n) + uint64(len(src))
	if err := m.checkLen(all, len(m.nonce), m.exact && (last || all > uint64(m.length)), m.length); err != nil {
		return err
	}
	var c messageParam
	if last {
		var err error
		if c, err = m.mode.read(p); err == nil && len(c.tag) != m.tag {
			err = ck.FieldError("the length of the tag")
		}
		if err != nil {
			return err
		}
	}
	if !m.decrypt {
		encryptApart(m.running, dst[:len(src)], src)
		m.done = all
		if last {
			m.running.Tag(c.tag[:0])
		}
		return nil
	}
	if err := m.held.add(src); err != nil || !last {
		return err
	}
	if !m.held.decryptTo(m.running, c.tag, dst) {
		return ck.CKR_AEAD_DECRYPT_FAILED
	}
	return nil
}

func (m *messages) End() {
	m.held.wipe()
	m.running = nil
}

// newMessages makes messages over a mode. p is the parameter of C_MessageEncryptInit or C_MessageDecryptInit: none, or that of a message, which is
// checked and not used.
func newMessages(mode messageMode, p *ck.Param, n *nonceSource, decrypt bool) (MessageCipher, error) {
	if p.Present() {
		if _, err := mode.read(p); err != nil {
			return nil, err
		}
	}
	return &messages{mode: mode, nonces: n, decrypt: decrypt}, nil
}

// withMessages gives a row the column Message.
func withMessages(m Mechanism, message func(*Key, *ck.Param, bool) (MessageCipher, error)) Mechanism {
	m.Message = message
	return m
}

// WrapMessage encrypts the value of a key as a message for C_WrapKeyAuthenticated: PKCS #11 3.2, 5.18.6.
func (m *Mechanism) WrapMessage(k *Key, p *ck.Param, aad, value []byte) ([]byte, error) {
	c, err := m.Message(k, &ck.Param{}, false)
	if err != nil {
		return nil, err
	}
	c.(*messages).ignoreLength = true
	out := make([]byte, len(value))
	if err = c.Whole(p, aad, out, value); errors.Is(err, ck.CKR_DATA_LEN_RANGE) {
		err = ck.CKR_KEY_SIZE_RANGE
	}
	return out, err
}

// UnwrapMessage decrypts what WrapMessage made, for C_UnwrapKeyAuthenticated. What it returns is the caller's to wipe.
func (m *Mechanism) UnwrapMessage(k *Key, p *ck.Param, aad, wrapped []byte) ([]byte, error) {
	if len(wrapped) == 0 {
		return nil, ck.CKR_WRAPPED_KEY_LEN_RANGE
	}
	c, err := m.Message(k, &ck.Param{}, true)
	if err != nil {
		return nil, err
	}
	c.(*messages).ignoreLength = true
	out := ck.AllocateFor(wrapped, len(wrapped))
	if err := c.Whole(p, aad, out, wrapped); err != nil {
		if errors.Is(err, ck.CKR_AEAD_DECRYPT_FAILED) {
			return nil, ck.CKR_WRAPPED_KEY_INVALID
		}
		return nil, wrappedKey(err)
	}
	return out, nil
}
