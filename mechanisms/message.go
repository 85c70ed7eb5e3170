package mechanisms

import (
	"crypto/cipher"
	"errors"

	"github.com/softcsp/softcsp/ck"
)

// A MessageCipher encrypts or decrypts messages with one key, one after the other: PKCS #11 3.0, 5.9 and 5.11. The parameter of a
// message points to its nonce and to its tag, which an encryption writes there and a decryption reads. The output is as long
// as the input.
type MessageCipher interface {
	// Whole processes a message in one call. dst and src may be the same memory or overlap in any way.
	Whole(p *ck.Param, aad, dst, src []byte) error
	// Begin begins a message in parts.
	Begin(p *ck.Param, aad []byte) error
	// NextLen returns exactly how many bytes Next writes for n more bytes: those that an encryption has got, and none before the
	// last part of a decryption, which is not released before its tag has been found right.
	NextLen(n int, last bool) int
	// Next processes a part. With the last one the parameter, which is the message's again, tells where the tag is.
	Next(p *ck.Param, dst, src []byte, last bool) error
	// End forgets the message in parts.
	End()
}

// A messageParam is what the parameter of a message says. nonce and tag lie in the caller's memory.
type messageParam struct {
	nonce, tag       []byte
	fixed, generator uint // how the nonce is made: CK_GCM_MESSAGE_PARAMS
	exact            bool // whether the message must have the length that the parameter told
	length           uint // that length
}

// A messageMode is a mode of authenticated encryption for messages, with a key.
type messageMode interface {
	// read reads the parameter of a message and checks its lengths.
	read(p *ck.Param) (messageParam, error)
	// cipher returns the encryption or decryption of one message, whose output has the tag behind it. It serves until the next.
	cipher(nonce, aad []byte, tag int, decrypt bool) (Cipher, error)
	// stream returns what encrypts the data in parts.
	stream(nonce []byte) (cipher.Stream, error)
	// limit is how long a message with a nonce of so many bytes may be at most, in bytes.
	limit(nonce int) uint64
}

// messages are a MessageCipher over a mode.
type messages struct {
	mode    messageMode
	ivs     *ivs // what counts nonces, nil where the parameter cannot ask for that
	decrypt bool
	any     bool // whether a length that the parameter tells is not looked at
	scratch []byte

	// The message in parts:
	nonce, aad []byte
	tag        int
	exact      bool
	length     uint
	running    cipher.Stream
	gather
}

var _ MessageCipher = (*messages)(nil)

// keepScratch is how much memory is kept from one message to the next.
const keepScratch = 1 << 16

// room returns n bytes, which are overwritten by the next call.
func (m *messages) room(n int) []byte {
	if n > keepScratch {
		return ck.Make(n)
	}
	if cap(m.scratch) < n {
		m.scratch = make([]byte, max(n, 1<<10))
	}
	return m.scratch[:n]
}

// fits tells whether a message may have n bytes.
func (m *messages) fits(n, nonce int, exact bool, length uint) error {
	switch {
	case uint64(n) <= m.mode.limit(nonce) && (!exact || uint(n) == length):
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
	if err := m.fits(len(src), len(c.nonce), c.exact && !m.any, c.length); err != nil {
		return err
	}
	if m.decrypt {
		ck.Touch(src)
		buf := append(append(m.room(len(src) + len(c.tag))[:0], src...), c.tag...)
		defer clear(buf)
		return m.open(dst, buf, c.nonce, aad, len(c.tag))
	}
	if err := m.ivs.make(c.nonce, c.fixed, c.generator); err != nil {
		return err
	}
	return m.seal(dst, c.tag, src, c.nonce, aad)
}

// seal encrypts a message and writes its tag. dst may be nil, for the tag alone.
func (m *messages) seal(dst, tag, src, nonce, aad []byte) error {
	one, err := m.mode.cipher(nonce, aad, len(tag), false)
	if err != nil {
		return err
	}
	ck.Touch(src)
	buf := m.room(len(src) + len(tag))
	if _, err := one.Whole(buf, src); err != nil {
		return err
	}
	copy(dst, buf[:len(src)])
	copy(tag, buf[len(src):])
	return nil
}

// open decrypts a message in buf, with its tag behind it, and writes it to dst when the tag has been found right.
func (m *messages) open(dst, buf, nonce, aad []byte, tag int) error {
	one, err := m.mode.cipher(nonce, aad, tag, true)
	if err != nil {
		return err
	}
	n, err := one.Whole(buf, buf)
	if errors.Is(err, ck.CKR_ENCRYPTED_DATA_INVALID) {
		return ck.CKR_AEAD_DECRYPT_FAILED
	}
	copy(dst, buf[:n])
	return err
}

func (m *messages) Begin(p *ck.Param, aad []byte) error {
	c, err := m.mode.read(p)
	if err == nil && !m.decrypt {
		err = m.ivs.make(c.nonce, c.fixed, c.generator)
	}
	if err != nil {
		return err
	}
	m.nonce, m.aad = ck.Append(m.nonce[:0], c.nonce), ck.Append(m.aad[:0], aad)
	m.tag, m.exact, m.length = len(c.tag), c.exact && !m.any, c.length
	if !m.decrypt {
		m.running, err = m.mode.stream(m.nonce)
	}
	return err
}

func (m *messages) NextLen(n int, last bool) int {
	switch {
	case !m.decrypt:
		return n
	case last:
		return len(m.data) + n
	}
	return 0
}

func (m *messages) Next(p *ck.Param, dst, src []byte, last bool) error {
	all := len(m.data) + len(src)
	if err := m.fits(all, len(m.nonce), m.exact && (last || uint(all) > m.length), m.length); err != nil {
		return err
	}
	if !last {
		m.add(src)
		m.run(dst, len(src))
		return nil
	}
	c, err := m.mode.read(p)
	if err == nil && len(c.tag) != m.tag {
		err = ck.CKR_MECHANISM_PARAM_INVALID
	}
	if err != nil {
		return err
	}
	m.add(src)
	if m.decrypt {
		m.add(c.tag)
		return m.open(dst, m.data, m.nonce, m.aad, m.tag)
	}
	m.run(dst, len(src))
	return m.seal(nil, c.tag, m.data, m.nonce, m.aad)
}

// run encrypts the last n bytes that were gathered.
func (m *messages) run(dst []byte, n int) {
	if !m.decrypt {
		m.running.XORKeyStream(dst[:n], m.data[len(m.data)-n:])
	}
}

func (m *messages) End() {
	m.wipe()
	m.running = nil
}

// newMessages makes messages over a mode. p is the parameter of C_MessageEncryptInit or C_MessageDecryptInit: none, or that of a
// message, of which nothing is used but that has to make sense.
func newMessages(mode messageMode, p *ck.Param, n *ivs, decrypt bool) (MessageCipher, error) {
	if p.Present() {
		if _, err := mode.read(p); err != nil {
			return nil, err
		}
	}
	return &messages{mode: mode, ivs: n, decrypt: decrypt}, nil
}

// withMessages gives a row messages.
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
	c.(*messages).any = true
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
	c.(*messages).any = true
	ck.Touch(wrapped)
	out := ck.Make(len(wrapped))
	if err := c.Whole(p, aad, out, wrapped); err != nil {
		if errors.Is(err, ck.CKR_AEAD_DECRYPT_FAILED) {
			return nil, ck.CKR_WRAPPED_KEY_INVALID
		}
		return nil, wrappedKey(err)
	}
	return out, nil
}
