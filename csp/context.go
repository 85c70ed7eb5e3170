package csp

import (
	"bytes"
	"os/user"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// A Context is what CryptAcquireContext makes: a provider, and the container whose key pairs it works with.
type Context struct {
	system   *System
	provider *namedProvider
	slot     *tokenSlot
	cryptoki ck.Cryptoki
	token    Token
	session  ck.SessionHandle
	flags    uint32
	name     string // of the container, "" of a verify context

	// opMu serialises what takes two calls of the token: C_EncryptInit and C_Encrypt, say.
	opMu sync.Mutex

	mu               sync.Mutex
	refs             int
	pin              []byte
	containerPending bool                      // CRYPT_NEWKEYSET came without a PIN: the container is made when there is one
	pairs            [3]*Key                   // of a verify context, by AT_KEYEXCHANGE and AT_SIGNATURE
	nextAlg          int                       // of PP_ENUMALGS
	containerNames   []string                  // those that PP_ENUMCONTAINERS has still to tell
	streams          map[ck.SessionHandle]bool // sessions of key streams, which end with the context

	closed atomic.Bool
	handle Handle
}

// maxContainer is the longest name of a container: MAX_PATH.
const maxContainer = 260

// AcquireContext is CryptAcquireContext. container "" is the default container, named like the user, or, with
// CRYPT_VERIFYCONTEXT, none; provider "" is the default provider of the type. With CRYPT_DELETEKEYSET the Context is nil.
//
// CRYPT_MACHINE_KEYSET is accepted and means nothing: who may use a container is decided by who may use its token.
func (s *System) AcquireContext(container, provider string, typ, flags uint32) (*Context, error) {
	p, err := s.selectProvider(provider, typ)
	if err != nil {
		return nil, err
	}
	const known = capi.CRYPT_NEWKEYSET | capi.CRYPT_DELETEKEYSET | capi.CRYPT_MACHINE_KEYSET | capi.CRYPT_SILENT | capi.CRYPT_DEFAULT_CONTAINER_OPTN | capi.CRYPT_VERIFYCONTEXT
	switch {
	case flags&^known != 0, flags&capi.CRYPT_VERIFYCONTEXT != 0 && flags&capi.CRYPT_VERIFYCONTEXT != capi.CRYPT_VERIFYCONTEXT,
		flags&capi.CRYPT_VERIFYCONTEXT != 0 && (container != "" || flags&capi.CRYPT_DELETEKEYSET != 0),
		flags&capi.CRYPT_NEWKEYSET != 0 && flags&capi.CRYPT_DELETEKEYSET != 0:
		return nil, capi.NTE_BAD_FLAGS
	case len(container) > maxContainer:
		return nil, capi.NTE_BAD_KEYSET_PARAM
	}
	c := &Context{system: s, provider: p, flags: flags, refs: 1}
	if flags&capi.CRYPT_VERIFYCONTEXT != 0 {
		c.slot, err = s.memoryToken()
	} else {
		c.slot, err = s.containerToken()
		if c.name = container; container == "" {
			c.name = userName()
		}
	}
	if err != nil {
		return nil, err
	}
	if err := c.openSession(); err != nil {
		return nil, err
	}
	if c.name != "" {
		err = c.openContainer()
	}
	if err != nil || flags&capi.CRYPT_DELETEKEYSET != 0 {
		c.closeSession()
		return nil, err
	}
	return c, nil
}

// userName names the default container.
func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "default"
}

// openSession opens the session with the token.
func (c *Context) openSession() error {
	c.cryptoki, c.token = c.slot.cryptoki, c.slot.token
	session, err := c.cryptoki.OpenSession(c.slot.id, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
	c.session = session
	return translated(err)
}

// isVerifyContext reports whether the context is one without a container.
func (c *Context) isVerifyContext() bool { return c.name == "" }

// login logs in to the token of the container with the PIN that there is: NTE_SILENT_CONTEXT without any.
func (c *Context) login() error {
	if c.isVerifyContext() {
		return nil
	}
	c.mu.Lock()
	pin := c.pin
	c.mu.Unlock()
	if pin == nil {
		pin = c.slot.pin
	}
	if pin == nil {
		if text := c.system.getenv("SOFTCSP_PIN"); text != "" {
			pin = []byte(text)
			defer clear(pin)
		}
	}
	if pin == nil {
		if info, err := c.cryptoki.GetSessionInfo(c.session); err == nil && info.State == ck.CKS_RW_USER_FUNCTIONS {
			return nil // another context has logged in
		}
		return capi.NTE_SILENT_CONTEXT
	}
	err := c.cryptoki.Login(c.session, ck.CKU_USER, pin)
	if ck.Code(err) == ck.CKR_USER_ALREADY_LOGGED_IN {
		return nil
	}
	return translated(err)
}

// setPIN is PP_KEYEXCHANGE_PIN and PP_SIGNATURE_PIN. There is one PIN for both. nil forgets it.
func (c *Context) setPIN(pin []byte) error {
	if c.isVerifyContext() {
		return capi.NTE_BAD_TYPE
	}
	c.mu.Lock()
	clear(c.pin)
	c.pin = bytes.Clone(pin)
	pending := c.containerPending
	c.mu.Unlock()
	if pin == nil {
		return nil
	}
	if err := c.login(); err != nil {
		c.mu.Lock()
		c.pin = nil
		c.mu.Unlock()
		return err
	}
	if pending {
		return c.makeContainer()
	}
	return nil
}

// AddRef is CryptContextAddRef.
func (c *Context) AddRef() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refs == 0 {
		return capi.ERROR_INVALID_PARAMETER
	}
	c.refs++
	return nil
}

// Release is CryptReleaseContext. The last Release ends all keys and hash objects of the context. flags other than 0 are
// NTE_BAD_FLAGS, and the context is released all the same, as on Windows.
func (c *Context) Release(flags uint32) error {
	c.mu.Lock()
	if c.refs == 0 {
		c.mu.Unlock()
		return capi.ERROR_INVALID_PARAMETER
	}
	c.refs--
	last := c.refs == 0
	c.mu.Unlock()
	if last {
		c.closeSession()
	}
	if flags != 0 {
		return capi.NTE_BAD_FLAGS
	}
	return nil
}

// closeSession ends the context: its session is closed, and the session keys, which are session objects, go with it.
func (c *Context) closeSession() {
	if c.closed.Swap(true) {
		return
	}
	c.mu.Lock()
	clear(c.pin)
	c.pin = nil
	streams := c.streams
	c.streams = nil
	c.mu.Unlock()
	for s := range streams {
		c.cryptoki.CloseSession(s) //nolint:errcheck // the System may be closed
	}
	c.cryptoki.CloseSession(c.session) //nolint:errcheck // the System may be closed
}

// openStream opens a session for a key stream.
func (c *Context) openStream() (ck.SessionHandle, error) {
	s, err := c.cryptoki.OpenSession(c.slot.id, ck.CKF_SERIAL_SESSION)
	if err != nil {
		return 0, translated(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		c.cryptoki.CloseSession(s) //nolint:errcheck // the System may be closed
		return 0, capi.NTE_BAD_UID
	}
	if c.streams == nil {
		c.streams = make(map[ck.SessionHandle]bool)
	}
	c.streams[s] = true
	return s, nil
}

// closeStream closes the session of a key stream.
func (c *Context) closeStream(s ck.SessionHandle) {
	c.mu.Lock()
	isOpen := c.streams[s]
	delete(c.streams, s)
	c.mu.Unlock()
	if isOpen {
		c.cryptoki.CloseSession(s) //nolint:errcheck // the System may be closed
	}
}

// check returns NTE_BAD_UID for no context, or one that was released. Every function of a context begins with it.
func (c *Context) check() error {
	if c == nil || c.closed.Load() {
		return capi.NTE_BAD_UID
	}
	return nil
}

// GenRandom is CryptGenRandom.
func (c *Context) GenRandom(out []byte) error {
	if err := c.check(); err != nil {
		return err
	}
	return translated(c.cryptoki.GenerateRandom(c.session, out))
}
