package store

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// A memory is a token that this process alone has, and that leaves nothing behind.
type memory struct {
	mu   sync.RWMutex
	gen  atomic.Uint64
	data [buckets]map[string]group
}

// A group is the values of the keys whose first bytes are the same: the objects of a term in the index, a single value
// elsewhere. What follows the first bytes is the name within the group.
type group map[string][]byte

// groupSize is the number of the first bytes: the length of a term, and of an ID.
const groupSize = 16

var _ backend = (*memory)(nil)

// newMemory returns a token with what f writes in it.
func newMemory(f func(tx) error) (*memory, error) {
	m := &memory{}
	return m, m.fill(1, f)
}

// fill puts what f writes in the place of everything.
func (m *memory) fill(gen uint64, f func(tx) error) error {
	fresh := &memory{}
	for b := range fresh.data {
		fresh.data[b] = map[string]group{}
	}
	x := &memoryTx{m: fresh}
	if err := x.put(bHeader, keyGeneration, be64(gen)); err != nil {
		return err
	}
	if err := f(x); err != nil {
		return err
	}
	m.data = fresh.data
	m.gen.Store(gen)
	return nil
}

// view implements backend.
func (m *memory) view(f func(tx) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return f(&memoryTx{m: m})
}

// update implements backend.
func (m *memory) update(f func(tx) error, done func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	x := &memoryTx{m: m}
	err := f(x)
	if err != nil {
		for _, undo := range slices.Backward(x.undo) {
			undo()
		}
		return err
	}
	if len(x.undo) == 0 {
		return nil
	}
	gen := m.gen.Load() + 1
	_ = x.put(bHeader, keyGeneration, be64(gen))
	if done != nil {
		done()
	}
	m.gen.Store(gen)
	return nil
}

// replace implements backend.
func (m *memory) replace(check func(tx) error, f func(tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := check(&memoryTx{m: m}); err != nil {
		return err
	}
	return m.fill(m.gen.Load()+1, f)
}

// generation implements backend.
func (m *memory) generation() uint64 { return m.gen.Load() }

// A memoryTx is a transaction of a memory, with what takes it back.
type memoryTx struct {
	m    *memory
	undo []func()
}

var _ tx = (*memoryTx)(nil)

// split returns the group of a key and its name there.
func split(key []byte) (string, string) {
	n := min(len(key), groupSize)
	return string(key[:n]), string(key[n:])
}

// generation implements tx.
func (x *memoryTx) generation() uint64 { return number(x, keyGeneration) }

// get implements tx.
func (x *memoryTx) get(b bucket, key []byte) []byte {
	n := min(len(key), groupSize)
	return x.m.data[b][string(key[:n])][string(key[n:])]
}

// put implements tx.
func (x *memoryTx) put(b bucket, key, value []byte) error {
	x.set(b, key, append([]byte{}, value...))
	return nil
}

// del implements tx.
func (x *memoryTx) del(b bucket, key []byte) error {
	x.set(b, key, nil)
	return nil
}

// set puts value at key, or nothing where it is nil, and notes how to take that back.
func (x *memoryTx) set(b bucket, key, value []byte) {
	g, name := split(key)
	old, had := x.m.data[b][g][name]
	x.undo = append(x.undo, func() { x.m.place(b, g, name, old, had) })
	x.m.place(b, g, name, value, value != nil)
}

// place puts a value into its group, or takes it out.
func (m *memory) place(b bucket, g, name string, value []byte, there bool) {
	in := m.data[b][g]
	switch {
	case there && in == nil:
		m.data[b][g] = group{name: value}
	case there:
		in[name] = value
	default:
		delete(in, name)
		if len(in) == 0 {
			delete(m.data[b], g)
		}
	}
}

// each implements tx. The order is that of the keys, as in a file.
func (x *memoryTx) each(b bucket, prefix []byte, f func(key, value []byte) error) error {
	groups := []string{string(prefix)}
	if len(prefix) < groupSize {
		groups = slices.Sorted(maps.Keys(x.m.data[b]))
	}
	for _, g := range groups {
		if !strings.HasPrefix(g, string(prefix)) {
			continue
		}
		in := x.m.data[b][g]
		for _, name := range slices.Sorted(maps.Keys(in)) {
			if err := f([]byte(g+name), in[name]); err != nil {
				return err
			}
		}
	}
	return nil
}
