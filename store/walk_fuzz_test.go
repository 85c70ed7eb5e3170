package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/internal/locked"
)

// A fuzzTarget is a token file to damage, and a process's view of it from before.
type fuzzTarget struct {
	p       *Place
	tok     *Token
	k       *Keys
	path    string
	clean   []byte
	pages   map[uint16][]int // by kind
	sidecar string           // the path of the sidecar
}

// newTarget makes a token of some hundred objects, so that buckets are inline, of one page, and of several levels.
func newFuzzTarget(t testing.TB) *fuzzTarget {
	t.Helper()
	p := newPlace(t, "bolt")
	tok, err := p.Format("", Format{SOPIN: soPIN, KDF: "test", Relaxed: true, MaxTries: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	so := unlock(t, tok, SO, soPIN)
	wants(t, tok.SetPIN(so, User, userPIN), ck.CKR_OK)
	so.Wipe()
	g := &fuzzTarget{p: p, tok: tok, k: unlock(t, tok, User, userPIN), path: tok.backend.(*boltFile).path, pages: map[uint16][]int{}}
	g.sidecar = p.file(tok.backend.(*boltFile).sidecar)
	t.Cleanup(g.k.Wipe)
	var records []*Record
	for i := range 260 {
		records = append(records, private(fmt.Sprint("x", i)), public(fmt.Sprint("y", i)))
	}
	create(t, tok, g.k, records...)
	wants(t, tok.Delete(g.k, records[7].ID, records[8].ID), ck.CKR_OK)
	if g.clean, err = os.ReadFile(g.path); err != nil {
		t.Fatal(err)
	}
	for n := range len(g.clean) / int(pageSize) {
		page := g.clean[n*int(pageSize):]
		kind := binary.LittleEndian.Uint16(page[8:])
		g.pages[kind] = append(g.pages[kind], n)
	}
	for _, kind := range []uint16{pageBranch, pageLeaf, pageMeta, pageFree} {
		if len(g.pages[kind]) == 0 {
			t.Fatalf("the file has no page of kind %d", kind)
		}
	}
	return g
}

// mutate makes changes to a file that keep it looking like one. What it returns may be longer than the file is to be stored.
func (g *fuzzTarget) mutate(r *rand.Rand) (b []byte, size int64) {
	b = bytes.Clone(g.clean)
	size = int64(len(b))
	for range 1 + r.IntN(3) {
		switch r.IntN(12) {
		case 0, 1:
			g.mutateMeta(r, b)
		case 2:
			size = r.Int64N(2 * int64(len(b)))
		case 3:
			size = 1 << (20 + r.IntN(22)) // holes
		case 4: // a page is another
			from, to := r.IntN(len(b)/int(pageSize)), r.IntN(len(b)/int(pageSize))
			copy(b[to*int(pageSize):(to+1)*int(pageSize)], b[from*int(pageSize):])
			if r.IntN(2) == 0 {
				binary.LittleEndian.PutUint64(b[to*int(pageSize):], uint64(to))
			}
		default:
			g.mutatePage(r, b)
		}
	}
	return b, size
}

// number returns a number that may be anything, and is often something.
func (g *fuzzTarget) number(r *rand.Rand) uint64 {
	switch r.IntN(6) {
	case 0:
		return r.Uint64()
	case 1:
		return uint64(1)<<r.IntN(64) - uint64(r.IntN(2))
	case 2:
		return uint64(r.IntN(20))
	}
	return r.Uint64N(uint64(len(g.clean))/pageSize + 2)
}

// mutateMeta changes a field of a meta page, and makes its checksum right again.
func (g *fuzzTarget) mutateMeta(r *rand.Rand, b []byte) {
	m := b[uint64(r.IntN(2))*pageSize+pageHead:]
	binary.LittleEndian.PutUint64(m[[]int{8, 16, 24, 32, 40, 48}[r.IntN(6)]:], g.number(r))
	h := fnv.New64a()
	_, _ = h.Write(m[:metaSize-8])
	binary.LittleEndian.PutUint64(m[metaSize-8:], h.Sum64())
}

// mutatePage changes a field of another page: of its head, of an element, or of a bucket's head in it.
func (g *fuzzTarget) mutatePage(r *rand.Rand, b []byte) {
	of := g.pages[[]uint16{pageBranch, pageBranch, pageLeaf, pageFree}[r.IntN(4)]]
	page := b[of[r.IntN(len(of))]*int(pageSize):][:pageSize]
	n := max(1, min(int(binary.LittleEndian.Uint16(page[10:])), 200))
	element := page[pageHead+r.IntN(n)*elementHead:]
	switch v := g.number(r); r.IntN(7) {
	case 0:
		binary.LittleEndian.PutUint64(page, v)
	case 1:
		page[8] = []byte{0, 1, 2, 3, 4, 16, byte(v)}[r.IntN(7)]
	case 2:
		binary.LittleEndian.PutUint16(page[10:], uint16(v))
	case 3:
		binary.LittleEndian.PutUint32(page[12:], uint32(v))
	case 4, 5:
		if len(element) >= elementHead && r.IntN(2) == 0 {
			binary.LittleEndian.PutUint64(element[8:], v)
		} else if len(element) >= elementHead {
			binary.LittleEndian.PutUint32(element[4*r.IntN(4):], uint32(v))
		}
	case 6:
		binary.LittleEndian.PutUint64(page[r.IntN(len(page)-8):], v)
	}
}

// store puts a damaged file in the place of the clean one: as another file, or into the one that is there.
func (g *fuzzTarget) store(t testing.TB, b []byte, size int64, replace bool) {
	t.Helper()
	if replace {
		_ = os.Remove(g.path)
	}
	f, err := os.OpenFile(g.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(size); err != nil {
		t.Skip("this file system has no such files: ", err)
	}
}

// use does with a token what programs do. Errors are expected; it is the process that must live.
func use(p *Place, k *Keys, i int) {
	_, _, _ = p.List()
	uuids, _, _ := p.List()
	for _, uuid := range uuids {
		tok, err := p.Token(uuid)
		if err != nil {
			continue
		}
		_, _ = tok.Info()
		_ = tok.Generation()
		_, _ = tok.Find(nil, []byte("class"))
		_ = tok.All(nil, nil, func(Record) error { return nil })
		if k == nil || i%4 == 0 {
			_, _ = tok.Check(nil)
			_, _ = tok.Unlock(User, []byte("wrong"))
			fresh, err := tok.Unlock(User, userPIN)
			if err != nil {
				continue
			}
			k = fresh
			defer fresh.Wipe()
		}
		if k.token != tok {
			continue
		}
		ids, _ := tok.Find(k, fmt.Appendf(nil, "label x%d", i%260))
		for _, id := range ids {
			if r, err := tok.Get(k, id); err == nil {
				locked.Free(r.Sealed)
			}
			_ = tok.Delete(k, id)
		}
		_ = tok.Create(k, private(fmt.Sprint("x", i%260)), public("z"))
	}
}

// tryFile uses a damaged file in a new place and in one that is open, and fails the test where that takes too long or too much.
func (g *fuzzTarget) tryFile(t testing.TB, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0))
	b, size := g.mutate(r)
	running := r.IntN(2) == 0
	if running {
		g.store(t, g.clean, int64(len(g.clean)), false)
		use(g.p, g.k, int(seed))
		_ = os.WriteFile(g.sidecar, binary.LittleEndian.AppendUint64(nil, g.number(r)<<1), 0o600)
	}
	g.store(t, b, size, !running)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	p := g.p
	var k *Keys
	if running {
		k = g.k
	} else {
		var err error
		if p, err = OpenPlace(&config.Config{Store: "bolt", TokenDir: filepath.Dir(g.path)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		use(p, k, int(seed)+i)
	}
	runtime.ReadMemStats(&after)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("seed %d: it took %v", seed, took)
	}
	if more := after.TotalAlloc - before.TotalAlloc; more > 512<<20 {
		t.Errorf("seed %d: it took %d MiB", seed, more>>20)
	}
}

// TestMutants uses token files that were changed where it hurts. Any process may meet one before anybody has given a PIN.
func TestMutants(t *testing.T) {
	n := 100
	if testing.Short() {
		n = 30
	}
	if takesLong() {
		n = 5_000
	}
	g := newFuzzTarget(t)
	for seed := range n {
		g.tryFile(t, uint64(seed))
	}
}

// FuzzTokenFile is TestMutants without end.
func FuzzTokenFile(f *testing.F) {
	g := newFuzzTarget(f)
	for seed := range uint64(20) {
		f.Add(seed)
	}
	var mu sync.Mutex
	f.Fuzz(func(t *testing.T, seed uint64) {
		mu.Lock()
		defer mu.Unlock()
		g.tryFile(t, seed)
	})
}

// TestMutatedMeanwhile has one thread change the pages of a token's file, in place, while others use it.
func TestMutatedMeanwhile(t *testing.T) {
	t.Parallel()
	length := time.Second
	if testing.Short() {
		length = 200 * time.Millisecond
	}
	g := newFuzzTarget(t)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			for ; ; i += 2 {
				select {
				case <-stop:
					return
				default:
					use(g.p, g.k, i)
				}
			}
		})
	}
	r := rand.New(rand.NewPCG(9, 9))
	f, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for began := time.Now(); time.Since(began) < length; {
		b, _ := g.mutate(r)
		for range 20 {
			_, _ = f.WriteAt(b, 0)
			_, _ = f.WriteAt(g.clean, 0)
		}
		_ = os.WriteFile(g.sidecar, binary.LittleEndian.AppendUint64(nil, r.Uint64N(1000)), 0o600)
		if r.IntN(20) == 0 {
			_ = f.Truncate(int64(r.IntN(len(g.clean))))
		}
	}
	close(stop)
	wg.Wait()
}
