package store

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/internal/locked"
)

// tokenWithObjects makes a token with n objects, of some 1 KB with six terms each.
func tokenWithObjects(b *testing.B, kind string, n int) (*Token, *Keys, []ID) {
	b.Helper()
	tok, err := newPlace(b, kind).Format("", Format{SOPIN: soPIN, KDF: "test"})
	if err != nil {
		b.Fatal(err)
	}
	k := unlock(b, tok, SO, soPIN)
	b.Cleanup(k.Wipe)
	records := make([]*Record, n)
	for i := range records {
		records[i] = typical(i)
	}
	if err := tok.Create(k, records...); err != nil {
		b.Fatal(err)
	}
	ids := make([]ID, n)
	for i, r := range records {
		ids[i] = r.ID
	}
	return tok, k, ids
}

func typical(i int) *Record {
	r := &Record{Sealed: make([]byte, 700), Terms: [][]byte{[]byte("class"), []byte("type"), []byte("private"), []byte("token")}}
	r.Terms = append(r.Terms, fmt.Appendf(nil, "label %d", i), fmt.Appendf(nil, "id %d", i))
	return r
}

// eachSize runs f at 100 and at 10,000 objects.
func eachSize(b *testing.B, f func(b *testing.B, tok *Token, k *Keys, ids []ID)) {
	for _, kind := range slices.Sorted(maps.Keys(placeKinds)) {
		for _, n := range []int{100, 10_000} {
			if n > 100 && testing.Short() {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", kind, n), func(b *testing.B) {
				tok, k, ids := tokenWithObjects(b, kind, n)
				b.ReportAllocs()
				b.ResetTimer()
				f(b, tok, k, ids)
			})
		}
	}
}

func must(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

func BenchmarkCreateDelete(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, k *Keys, _ []ID) {
		for i := 0; b.Loop(); i++ {
			r := typical(i)
			must(b, tok.Create(k, r))
			must(b, tok.Delete(k, r.ID))
		}
	})
}

// BenchmarkCreateTogether has eight threads create objects at the same time.
func BenchmarkCreateTogether(b *testing.B) {
	tok, k := makeToken(b, newPlace(b, "bolt"))
	b.SetParallelism(4)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if err := tok.Create(k, private("together")); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, k *Keys, ids []ID) {
		for i := 0; b.Loop(); i++ {
			r, err := tok.Get(k, ids[i%len(ids)])
			must(b, err)
			locked.Free(r.Sealed)
		}
	})
}

func BenchmarkFindWarm(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, k *Keys, _ []ID) {
		what := []byte("label 7")
		for b.Loop() {
			_, err := tok.Find(k, what)
			must(b, err)
		}
	})
}

func BenchmarkFindCold(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, k *Keys, _ []ID) {
		what := []byte("label 7")
		for b.Loop() {
			k.searches.forget()
			_, err := tok.Find(k, what)
			must(b, err)
		}
	})
}

// BenchmarkUnlock has the cheapest KDF: two commits and the scan of the set.
func BenchmarkUnlock(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, _ *Keys, _ []ID) {
		for b.Loop() {
			unlock(b, tok, SO, soPIN).Wipe()
		}
	})
}

func BenchmarkScan(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, k *Keys, _ []ID) {
		for b.Loop() {
			k.verified.forget()
			must(b, tok.backend.view(k.verify))
		}
	})
}

// BenchmarkFollow is what a commit of another process costs a reader.
func BenchmarkFollow(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, k *Keys, ids []ID) {
		other := unlock(b, tok, SO, soPIN)
		defer other.Wipe()
		for b.Loop() {
			b.StopTimer()
			must(b, tok.Create(other, typical(1)))
			b.StartTimer()
			must(b, tok.backend.view(k.verify))
		}
	})
}

func BenchmarkView(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, _ *Keys, _ []ID) {
		for b.Loop() {
			must(b, tok.backend.view(func(x tx) error { return nil }))
		}
	})
}

func BenchmarkGeneration(b *testing.B) {
	tok, _, _ := tokenWithObjects(b, "bolt", 1)
	for b.Loop() {
		tok.Generation()
	}
}

func BenchmarkStamp(b *testing.B) {
	p := newPlace(b, "bolt")
	for b.Loop() {
		p.Stamp()
	}
}

// BenchmarkWalk is what a process pays once for each token file.
func BenchmarkWalk(b *testing.B) {
	eachSize(b, func(b *testing.B, tok *Token, _ *Keys, _ []ID) {
		f, ok := tok.backend.(*boltFile)
		if !ok {
			b.Skip("there is no file")
		}
		for b.Loop() {
			must(b, walkFile(b, f.path, false))
		}
	})
}
