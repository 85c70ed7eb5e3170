package store

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// A term is what an object can be found by, hashed: under the index key for a private object, so that the file does not
// tell what is searched for, without a key for a public one, so that it can be found without a PIN. With 128 bits
// nobody meets two terms with one hash by chance; who looks at the object finds out in any case.
type term [termSize]byte

const (
	termSize = 16
	maxTerms = 1<<16 - 1

	publicTerm = "softcsp public term\x00"
)

// What stands before a private term, and before a secret.
var (
	privateTerms = []byte("softcsp private term\x00")
	secretTerms  = []byte("softcsp secret term\x00")
)

// hashPublic returns the term of a public object. What is hashed may be the label of a private one that somebody looks for: nothing of it is left on
// the stack.
func hashPublic(b []byte) (t term) {
	secret.Do(func() {
		var buf [160]byte
		if n := len(publicTerm) + len(b); n <= len(buf) {
			copy(buf[:], publicTerm)
			copy(buf[len(publicTerm):], b)
			out := sha256.Sum256(buf[:n])
			t = term(out[:])
			return
		}
		h := sha256.New()
		h.Write([]byte(publicTerm))
		h.Write(b)
		t = term(h.Sum(nil))
	})
	return t
}

// hashPrivate returns the terms of a private object.
func (k *Keys) hashPrivate(terms ...[]byte) (out []term, err error) {
	out = make([]term, len(terms))
	err = k.use(func() error {
		secret.Do(func() {
			m := k.takeTermMAC()
			for i, v := range terms {
				out[i] = term(m.sum(privateTerms, v)[:])
			}
			k.termMACs.Put(m)
		})
		return nil
	})
	return out, err
}

// Fingerprint returns what stands for a secret among the terms of an object, a public one's too: without the index key it tells
// nothing, not even to who guesses.
func (k *Keys) Fingerprint(value []byte) (out [sha256.Size]byte, err error) {
	err = k.use(func() error {
		secret.Do(func() {
			m := k.takeTermMAC()
			out = *m.sum(secretTerms, value)
			k.termMACs.Put(m)
		})
		return nil
	})
	return out, err
}

// A termMAC is HMAC-SHA-256 under the key of the index. It is kept, because to make one takes longer than to use it.
type termMAC struct {
	hash hash.Hash
	out  [sha256.Size]byte
}

// takeTermMAC returns a termMAC, to be put back to termMACs. The caller runs inside use and secret.Do.
func (k *Keys) takeTermMAC() *termMAC {
	if m, ok := k.termMACs.Get().(*termMAC); ok {
		return m
	}
	return &termMAC{hash: k.mac(forTerms)}
}

// sum returns the MAC of a prefix and a value, of which nothing is left in the hash. It is valid until the next one.
func (m *termMAC) sum(prefix, value []byte) *[sha256.Size]byte {
	m.hash.Write(prefix)
	m.hash.Write(value)
	m.hash.Sum(m.out[:0])
	m.hash.Reset()
	return &m.out
}

// termsOf returns what a record is to be found by, each once.
func (k *Keys) termsOf(r *Record) (terms []term, err error) {
	if len(r.Terms) > maxTerms {
		return nil, fmt.Errorf("%w: an object with %d terms", ck.CKR_DEVICE_MEMORY, len(r.Terms))
	}
	if len(r.Public) > 0 {
		for _, v := range r.Terms {
			terms = append(terms, hashPublic(v))
		}
	} else if terms, err = k.hashPrivate(r.Terms...); err != nil {
		return nil, err
	}
	slices.SortFunc(terms, func(a, b term) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(terms), nil
}

// indexKey returns the key of the index for an object that is found by h.
func indexKey(h term, id ID) []byte {
	b := make([]byte, 0, termSize+len(id))
	return append(append(b, h[:]...), id[:]...)
}

// dropTerms takes an object from the index.
func (o *sealedObject) dropTerms(x tx, id ID) error {
	for i := range o.count() {
		if err := x.del(bIndex, indexKey(o.term(i), id)); err != nil {
			return err
		}
	}
	return nil
}

// Find returns the objects that have the term: public ones, and private ones where k is not nil. Results are kept in memory
// until the generation changes, so that asking again is cheap. The caller must not change them.
func (t *Token) Find(k *Keys, what []byte) ([]ID, error) { return t.findAt(t.Generation(), k, what) }

// Search is Find and UnvouchedIDs at once: the index does not have what is asked for without a PIN.
func (t *Token) Search(k *Keys, what []byte) (ids, asked []ID, err error) {
	gen := t.Generation()
	if ids, err = t.findAt(gen, k, what); err == nil {
		asked, err = t.unvouchedAt(gen)
	}
	return ids, asked, err
}

func (t *Token) findAt(gen uint64, k *Keys, what []byte) ([]ID, error) {
	known := &t.searches
	if k != nil {
		if err := k.alive(t); err != nil {
			return nil, err
		}
		known = &k.searches
	}
	public := hashPublic(what)
	if ids, ok := known.get(gen, public); ok {
		return ids, nil
	}
	terms := []term{public}
	if k != nil {
		private, err := k.hashPrivate(what)
		if err != nil {
			return nil, err
		}
		terms = append(terms, private...)
	}
	var ids []ID
	err := t.backend.view(func(x tx) error {
		var err error
		if ids, err = t.find(x, k, terms); err == nil {
			known.put(x.generation(), public, ids)
		}
		return err
	})
	return ids, err
}

// find reads the index.
func (t *Token) find(x tx, k *Keys, terms []term) (ids []ID, err error) {
	if _, err := t.readHeader(x); err != nil {
		return nil, err
	}
	for _, h := range terms {
		err := x.each(bIndex, h[:], func(key, _ []byte) error {
			if len(key) != termSize+len(ID{}) {
				return tampered("the index has a damaged entry at %x", key)
			}
			ids = append(ids, ID(key[termSize:]))
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if k != nil {
		if err := k.checkListed(x, ids); err != nil {
			return nil, err
		}
	}
	return sortIDs(ids), nil
}

// checkListed tests that there is an object of every ID.
func (k *Keys) checkListed(x tx, ids []ID) error {
	return k.use(func() error {
		k.verified.mu.Lock()
		defer k.verified.mu.Unlock()
		if err := k.follow(x); err != nil {
			return err
		}
		for _, id := range ids {
			if _, ok := k.verified.entries.get(id); !ok {
				return tampered("the index names object %s, which there is not", id)
			}
		}
		return nil
	})
}

// A searchCache has the results of searches in one generation.
type searchCache struct{ now atomic.Pointer[searchResults] }

// searchResults are the results in one generation, by the public term of what was searched for, since that itself may be secret. Results
// beyond the limit are not kept.
type searchResults struct {
	gen    uint64
	latest [256]atomic.Pointer[searchResult] // by the first byte of the term: found without a lock
	mu     sync.RWMutex
	ids    map[term][]ID
	size   int
}

type searchResult struct {
	what term
	ids  []ID
}

// maxSearchCache is about the number of bytes that results may take.
const maxSearchCache = 8 << 20

// get returns a result.
func (f *searchCache) get(gen uint64, what term) ([]ID, bool) {
	now := f.now.Load()
	if now == nil || now.gen != gen {
		return nil, false
	}
	latest := &now.latest[what[0]]
	if r := latest.Load(); r != nil && r.what == what {
		return r.ids, true
	}
	now.mu.RLock()
	ids, ok := now.ids[what]
	now.mu.RUnlock()
	if ok {
		latest.Store(&searchResult{what, ids})
	}
	return ids, ok
}

// put keeps a result.
func (f *searchCache) put(gen uint64, what term, ids []ID) {
	now := f.now.Load()
	if now == nil || now.gen != gen {
		fresh := &searchResults{gen: gen, ids: map[term][]ID{}}
		if !f.now.CompareAndSwap(now, fresh) {
			return
		}
		now = fresh
	}
	now.mu.Lock()
	defer now.mu.Unlock()
	size := 64 + len(what) + len(ids)*len(ID{})
	if now.size+size > maxSearchCache {
		clear(now.ids)
		now.size = 0
	}
	if size <= maxSearchCache {
		now.ids[what] = ids[:len(ids):len(ids)]
		now.size += size
	}
}

// forget drops all results.
func (f *searchCache) forget() { f.now.Store(nil) }
