package store

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// A memoryPlace is tokens in the memory of this process.
type memoryPlace struct {
	changed atomic.Uint64 // counts the tokens that were added and removed

	mu     sync.Mutex
	tokens map[string]*memory
	next   string
}

var _ placeBackend = (*memoryPlace)(nil)

// newMemoryPlace returns a place without tokens. What is gone with the process the machine has no reason to remember.
func newMemoryPlace(_ *config.Config, env *environment) placeBackend {
	env.vouchers = nil
	return &memoryPlace{tokens: map[string]*memory{}, next: formatUUID(newUUID())}
}

// locateMemory is where tokens in memory are.
func locateMemory(*config.Config, string) string {
	return "memory, where every process starts with none"
}

// prepare implements placeBackend.
func (p *memoryPlace) prepare() error { return nil }

// list implements placeBackend.
func (p *memoryPlace) list() (tokens []string, next string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.tokens)), p.next, nil
}

// open implements placeBackend.
func (p *memoryPlace) open(uuid string) (backend, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.tokens[uuid]; m != nil {
		return m, nil
	}
	return nil, ck.CKR_TOKEN_NOT_PRESENT
}

// create implements placeBackend.
func (p *memoryPlace) create(uuid string, write func(tx) error) (backend, error) {
	m, err := newMemory(write)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tokens[uuid] != nil {
		return nil, ErrExists
	}
	p.tokens[uuid] = m
	p.next = formatUUID(newUUID())
	p.changed.Add(1)
	return m, nil
}

// stamp implements placeBackend.
func (p *memoryPlace) stamp() uint64 { return p.changed.Load() }

// close implements placeBackend.
func (p *memoryPlace) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.tokens)
}
