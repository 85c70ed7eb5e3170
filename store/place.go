package store

import (
	"errors"
	"fmt"
	"sync"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// A Place is where tokens live: a directory, or the memory of this process. What is the same wherever that is stands here; what
// differs is a placeBackend.
type Place struct {
	backend placeBackend
	env     environment

	mu     sync.Mutex
	tokens map[string]*Token // that were opened
}

// A placeBackend is a kind of place. It has the tokens' backends, and knows nothing of what they hold.
type placeBackend interface {
	// prepare makes the place where there is none.
	prepare() error
	// list returns the UUIDs of the tokens there are, sorted, and that of the token that is made next, which is the same in every process
	// until it is made.
	list() (uuids []string, next string, err error)
	// open returns the token of that UUID, of which nothing need have been read: CKR_TOKEN_NOT_PRESENT where there is none.
	open(uuid string) (backend, error)
	// create makes a token, with what write writes, whole or not at all: ErrExists where another process was faster. The token that is made
	// next is another one then.
	create(uuid string, write func(tx) error) (backend, error)
	// remove removes a token: CKR_TOKEN_NOT_PRESENT where there is none.
	remove(uuid string) error
	// stamp changes when a token is added or removed. It is cheap enough to ask in every C_GetSlotList.
	stamp() uint64
	// close ends the use of the place.
	close()
}

// A placeKind is one of the ways of keeping tokens.
type placeKind struct {
	// open returns the place that a configuration names. It may adjust the environment of the tokens.
	open func(*config.Config, *environment) placeBackend
	// volatile says that tokens are gone when the process ends.
	volatile bool
	// locate names the place for people, and a token in it where uuid is not "".
	locate func(cfg *config.Config, uuid string) string
}

// placeKinds are the kinds of places by the setting "store".
var placeKinds = map[string]placeKind{
	"bolt":   {open: newDirPlace, locate: locateFile},
	"memory": {open: newMemoryPlace, locate: locateMemory, volatile: true},
}

// Volatile reports whether tokens in the place that cfg names are gone when the process ends, so that nobody else ever sees them.
func Volatile(cfg *config.Config) bool { return placeKinds[cfg.Store].volatile }

// Locate names the place of a configuration for people, and a token in it where uuid is not "".
func Locate(cfg *config.Config, uuid string) string { return placeKinds[cfg.Store].locate(cfg, uuid) }

// OpenPlace opens the place that cfg names. It makes the directory where there is none (mode 0700). Where that cannot be done, or
// the directory cannot be read, the place has no tokens, and List and Format say why.
func OpenPlace(cfg *config.Config) (*Place, error) {
	p := &Place{tokens: map[string]*Token{}}
	p.env = environment{
		log: cfg.Logger(), vouchers: &voucherDir{cfg.StateDir}, separation: SeparationStandard, readonlyLogin: cfg.ReadonlyLogin,
	}
	if cfg.KeySeparation == "strict" {
		p.env.separation = SeparationStrict
	}
	kind, ok := placeKinds[cfg.Store]
	if !ok {
		return nil, fmt.Errorf("%w: there is no store %q", ck.CKR_ARGUMENTS_BAD, cfg.Store)
	}
	p.backend = kind.open(cfg, &p.env)
	_ = p.backend.prepare()
	return p, nil
}

// ErrNoPlace is behind the answer of List and Format where there is no such directory, it cannot be made, or this process may not
// use it.
var ErrNoPlace = errors.New("there is no such place")

// ForgetPINs wipes what this process remembers of PINs.
func (p *Place) ForgetPINs() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tokens {
		t.ForgetPINs()
	}
}

// Close lets go of every token. Everything in a memory place is gone then.
func (p *Place) Close() error {
	p.ForgetPINs()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = map[string]*Token{}
	p.backend.close()
	return nil
}

// List returns the UUIDs of the tokens there are, sorted, and of the token that the next Format will make, which is
// the same in every process until then. A file that is not called like a token's is passed over; one that is called so
// and is none is listed, and its Info says what is wrong with it. Of more than maxTokens in a directory the first are returned.
func (p *Place) List() (tokens []string, next string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.backend.list()
}

// Stamp changes when a token is added to or removed from the place. It is cheap enough to ask in every C_GetSlotList.
func (p *Place) Stamp() uint64 { return p.backend.stamp() }

// Token opens a token by its UUID. The same *Token is returned each time.
func (p *Place) Token(uuid string) (*Token, error) {
	raw, err := parseUUID(uuid)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.tokens[uuid]; t != nil {
		return t, nil
	}
	be, err := p.backend.open(uuid)
	if err != nil {
		return nil, err
	}
	t := newToken(raw, be, p.env)
	p.tokens[uuid] = t
	return t, nil
}

// Format makes a new token. uuid is the next one as List told it, or "" for whichever is next. Where another process was
// faster it answers ErrExists.
func (p *Place) Format(uuid string, f Format) (*Token, error) {
	if err := p.backend.prepare(); err != nil {
		return nil, err
	}
	if uuid == "" {
		_, next, err := p.List()
		if err != nil {
			return nil, err
		}
		uuid = next
	}
	raw, err := parseUUID(uuid)
	if err != nil {
		return nil, err
	}
	t := newToken(raw, nil, p.env)
	i, err := t.newInitialToken(f)
	if err != nil {
		return nil, err
	}
	defer i.keys.Wipe()
	if t.backend, err = p.backend.create(uuid, i.write); err != nil {
		return nil, err
	}
	t.rememberVoucher(i.keys)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tokens[uuid] == nil { // nobody has opened it meanwhile
		p.tokens[uuid] = t
	}
	return p.tokens[uuid], nil
}
