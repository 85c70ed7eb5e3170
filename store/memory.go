package store

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
)

// A memory is a token that this process alone has, and that leaves nothing behind.
type memory struct {
	mu   sync.RWMutex
	gen  atomic.Uint64
	data contents
}

// The contents of a memory: keys and values, and for the index the objects of each term.
type contents struct {
	flat  [buckets]map[string][]byte
	index map[term]map[ID]struct{}
}

var _ backend = (*memory)(nil)

// newMemory returns a token with what f writes in it.
func newMemory(f func(tx) error) (*memory, error) {
	m := &memory{}
	return m, m.fill(1, f)
}

// fill puts what f writes in the place of everything.
func (m *memory) fill(gen uint64, f func(tx) error) error {
	fresh := contents{index: map[term]map[ID]struct{}{}}
	for b := range fresh.flat {
		fresh.flat[b] = map[string][]byte{}
	}
	x := &memoryTx{c: &fresh}
	if err := x.put(bHeader, headerGeneration, beBytes(gen)); err != nil {
		return err
	}
	if err := f(x); err != nil {
		return err
	}
	m.data = fresh
	m.gen.Store(gen)
	return nil
}

// view implements backend.
func (m *memory) view(f func(tx) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return f(&memoryTx{c: &m.data})
}

// update implements backend.
func (m *memory) update(f func(tx) error, done func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.commit(f, done)
}

// alone implements backend.
func (m *memory) alone(f func(update updater) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(m.commit)
}

// commit is update for who has the lock.
func (m *memory) commit(f func(tx) error, done func()) error {
	x := &memoryTx{c: &m.data}
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
	_ = x.put(bHeader, headerGeneration, beBytes(gen))
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
	if err := check(&memoryTx{c: &m.data}); err != nil {
		return err
	}
	return m.fill(m.gen.Load()+1, f)
}

// generation implements backend.
func (m *memory) generation() uint64 { return m.gen.Load() }

// refresh implements backend.
func (m *memory) refresh() {}

// readOnly implements backend.
func (m *memory) readOnly() bool { return false }

// lost implements backend.
func (m *memory) lost() bool { return false }

// A memoryTx is a transaction of a memory, with what takes it back.
type memoryTx struct {
	c    *contents
	undo []func()
}

var _ tx = (*memoryTx)(nil)

// generation implements tx.
func (x *memoryTx) generation() uint64 { return headerNumber(x, headerGeneration) }

// get implements tx.
func (x *memoryTx) get(b bucket, key []byte) []byte {
	if b != bIndex {
		return x.c.flat[b][string(key)]
	}
	if _, there := x.c.index[term(key)][ID(key[termSize:])]; there {
		return []byte{}
	}
	return nil
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
	old, name := x.get(b, key), string(key)
	x.undo = append(x.undo, func() { x.c.set(b, name, old) })
	x.c.set(b, name, value)
}

// set puts value at key, or nothing where it is nil.
func (c *contents) set(b bucket, key string, value []byte) {
	switch {
	case b == bIndex:
		c.setTerm(term([]byte(key)), ID([]byte(key[termSize:])), value != nil)
	case value == nil:
		delete(c.flat[b], key)
	default:
		c.flat[b][key] = value
	}
}

// setTerm notes whether an object is found by a term.
func (c *contents) setTerm(h term, id ID, found bool) {
	ids := c.index[h]
	switch {
	case !found:
		if delete(ids, id); len(ids) == 0 {
			delete(c.index, h)
		}
	case ids == nil:
		c.index[h] = map[ID]struct{}{id: {}}
	default:
		ids[id] = struct{}{}
	}
}

// each implements tx.
func (x *memoryTx) each(b bucket, prefix []byte, f func(key, value []byte) error) error {
	if b == bIndex {
		return x.eachTerm(prefix, f)
	}
	var buf []byte
	for key, value := range x.c.flat[b] {
		buf = append(buf[:0], key...)
		if !bytes.HasPrefix(buf, prefix) {
			continue
		}
		if err := f(buf, value); err != nil {
			return err
		}
	}
	return nil
}

// eachTerm is each for the index: the objects of one term, or everything.
func (x *memoryTx) eachTerm(prefix []byte, f func(key, value []byte) error) error {
	one := func(h term, ids map[ID]struct{}) error {
		for id := range ids {
			if err := f(indexKey(h, id), []byte{}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(prefix) == termSize {
		return one(term(prefix), x.c.index[term(prefix)])
	}
	for h, ids := range x.c.index {
		if err := one(h, ids); err != nil {
			return err
		}
	}
	return nil
}

// source implements tx.
func (x *memoryTx) source() source { return source{} }
