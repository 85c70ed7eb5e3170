package store

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
)

// A forgery is a token file in the making, by somebody who has no PIN: that of a token, and pages behind its end.
type forgery struct {
	b     []byte
	pages map[uint64][]byte // behind b; between them are holes
	end   uint64
}

// forge begins with the token's file.
func forge(b []byte) *forgery {
	return &forgery{bytes.Clone(b), map[uint64][]byte{}, uint64(len(b)) / pageSize}
}

// page appends a page that is continued by others, of which only what is used is written, and returns its number.
func (f *forgery) page(kind uint16, more uint64, elements, content []byte, count int) uint64 {
	id := f.end
	head := make([]byte, pageHead)
	binary.LittleEndian.PutUint64(head, id)
	binary.LittleEndian.PutUint16(head[8:], kind)
	binary.LittleEndian.PutUint16(head[10:], uint16(count))
	binary.LittleEndian.PutUint32(head[12:], uint32(more))
	f.pages[id] = slices.Concat(head, elements, content)
	f.end += more + 1
	return id
}

// bucket has a bucket begin at a page.
func (f *forgery) bucket(of bucket, id uint64) {
	for at := 0; at+int(pageSize) <= len(f.b); at += int(pageSize) {
		p := page{data: f.b[at : at+int(pageSize)], n: int(binary.LittleEndian.Uint16(f.b[at+10:]))}
		if binary.LittleEndian.Uint16(p.data[8:]) != pageLeaf || p.n == 0 || binary.LittleEndian.Uint32(p.data[pageHead:]) != 1 {
			continue
		}
		for i := range p.n {
			if string(p.key(i)) == of.String() {
				binary.LittleEndian.PutUint64(p.value(i), id)
			}
		}
	}
}

// write puts the file in the place of another.
func (f *forgery) write(t *testing.T, path string) {
	t.Helper()
	for slot := range uint64(2) {
		m := f.b[slot*pageSize+pageHead:][:metaSize]
		binary.LittleEndian.PutUint64(m[40:], f.end)
		h := fnv.New64a()
		_, _ = h.Write(m[:metaSize-8])
		binary.LittleEndian.PutUint64(m[metaSize-8:], h.Sum64())
	}
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	if err := out.Truncate(int64(f.end * pageSize)); err != nil {
		t.Skip("this file system has no such files: ", err)
	}
	f.pages[0] = f.b
	for id, b := range f.pages {
		if _, err := out.WriteAt(b, int64(id*pageSize)); err != nil {
			t.Fatal(err)
		}
	}
}

// forgedElement returns an element of a leaf, or of a branch.
func forgedElement(leaf bool, pos, key, value int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0)
	if leaf {
		b = binary.LittleEndian.AppendUint32(b, uint32(pos))
		b = binary.LittleEndian.AppendUint32(b, uint32(key))
		return binary.LittleEndian.AppendUint32(b, uint32(value))
	}
	binary.LittleEndian.PutUint32(b, uint32(pos))
	b = binary.LittleEndian.AppendUint32(b, uint32(key))
	return binary.LittleEndian.AppendUint64(b, uint64(value))
}

// shared returns a leaf of a number of elements, whose values are all the same bytes and more: those up to the end of the page. Each
// looks like a public object.
func (f *forgery) shared(count, size int) uint64 {
	var elements, keys []byte
	for i := range count {
		at := (count - i) * elementHead // from the element to the keys
		elements = append(elements, forgedElement(true, at+i*16, 16, size-pageHead-count*elementHead-(i+1)*16)...)
		keys = binary.BigEndian.AppendUint64(keys, uint64(i+1))
		keys = append(keys, 0, 0, 0, 0x10, 0, 0, 0, 0) // read as a value: no terms, and a megabyte of public part
	}
	return f.page(pageLeaf, uint64(size)/pageSize-1, elements, keys, count)
}

// TestForged uses files that somebody has made who knows the format. What they say would take hours, or more memory than there is.
func TestForged(t *testing.T) {
	g := newFuzzTarget(t)
	for name, change := range map[string]func(f *forgery){
		"values that share their bytes": func(f *forgery) { f.bucket(bObjects, f.shared(3000, 4<<20)) },
		"a header that does":            func(f *forgery) { f.bucket(bHeader, f.shared(3000, 4<<20)) },
		"branches that are holes": func(f *forgery) {
			const more = maxObject/4096 - 1
			leaf := f.page(pageLeaf, 0, nil, nil, 0)
			var elements, keys []byte
			const count = 100
			for i := range count {
				id := f.page(pageBranch, more, forgedElement(false, elementHead, 1, int(leaf)), []byte{byte(i + 1)}, 1)
				leaf = f.page(pageLeaf, 0, nil, nil, 0)
				elements = append(elements, forgedElement(false, (count-i)*elementHead+i, 1, int(id))...)
				keys = append(keys, byte(i+1))
			}
			f.bucket(bObjects, f.page(pageBranch, 0, elements, keys, count))
		},
		"leaves that are holes": func(f *forgery) {
			const more, count = maxObject/4096 - 1, 200
			var elements, keys []byte
			for i := range count {
				id := f.page(pageLeaf, more, forgedElement(true, elementHead, 16, maxObject-100), append([]byte{byte(i + 1)}, make([]byte, 15)...), 1)
				elements = append(elements, forgedElement(false, (count-i)*elementHead+i, 1, int(id))...)
				keys = append(keys, byte(i+1))
			}
			f.bucket(bObjects, f.page(pageBranch, 0, elements, keys, count))
		},
		"a header that is a hole": func(f *forgery) { f.bucket(bHeader, f.page(pageLeaf, maxObject/4096-1, nil, nil, 0)) },
	} {
		f := forge(g.clean)
		change(f)
		f.write(t, g.path)
		p, err := OpenPlace(&config.Config{Store: "bolt", TokenDir: g.p.dir()})
		wants(t, err, ck.CKR_OK)
		tok, err := p.Token(g.tok.uuid)
		wants(t, err, ck.CKR_OK)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began := time.Now()
		all := tok.All(nil, nil, func(Record) error { return nil })
		_, info := tok.Info()
		_, _ = tok.Unlock(User, userPIN)
		runtime.ReadMemStats(&after)
		if ck.Code(all) != ck.CKR_DEVICE_ERROR && ck.Code(info) != ck.CKR_DEVICE_ERROR {
			t.Errorf("%s: %v, %v", name, all, info)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		if more := after.TotalAlloc - before.TotalAlloc; more > 512<<20 {
			t.Errorf("%s: it took %d MiB", name, more>>20)
		}
	}
}

// TestLastCommit has a file say that its last commit is the last that can be numbered, or that it is as large as any: what would be
// the next is refused, and nothing is lost that was acknowledged.
func TestLastCommit(t *testing.T) {
	g := newFuzzTarget(t)
	f := forge(g.clean)
	binary.LittleEndian.PutUint64(f.b[pageHead+48:], ^uint64(0))
	binary.LittleEndian.PutUint64(f.b[pageSize+pageHead+48:], ^uint64(0)-1)
	f.write(t, g.path)
	wants(t, g.tok.Create(g.k, private("a")), ck.CKR_DEVICE_ERROR)
	_, err := g.tok.Unlock(User, userPIN)
	wants(t, err, ck.CKR_DEVICE_ERROR)
	g.store(t, g.clean, int64(len(g.clean)), true)
	defer func(most uint64) { maxFile = most }(maxFile)
	maxFile = growthReserve + uint64(len(g.clean))
	for n := 0; ; n++ {
		err := g.tok.Create(g.k, &Record{Sealed: make([]byte, 100_000)})
		if ck.Code(err) == ck.CKR_DEVICE_MEMORY {
			break
		}
		if wants(t, err, ck.CKR_OK); n > 100 {
			t.Fatal("the file grows for ever")
		}
	}
	k := unlock(t, g.tok, User, userPIN)
	defer k.Wipe()
}
