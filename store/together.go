package store

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/softcsp/softcsp/ck"
)

// together gathers the changes that threads of this process make at the same time. A commit waits for the disk; meanwhile others come, and the next
// commit is for all of them.
type together struct {
	mu      sync.Mutex
	leading bool // a thread commits
	waiting []*wish
	last    int // how many changes the last commit had
}

// A wish is a change that a thread waits for.
type wish struct {
	k    *Keys
	make func(*change) error
	told chan told
}

// told is what a thread that waits is told: what came of its change, or that it is to commit for itself and the others.
type told struct {
	err  error
	lead bool
}

// errNotMade is what a thread is told whose change was lost with the thread that was to make it.
var errNotMade = fmt.Errorf("%w: another thread failed", ck.CKR_GENERAL_ERROR)

// mostTogether bounds a commit.
const mostTogether = 64

// changeTogether is change, perhaps in one commit with the changes of other threads. It is for changes that do not depend on the state, but for the
// objects that they themselves remove.
func (t *Token) changeTogether(k *Keys, f func(*change) error) error {
	g := &t.together
	w := &wish{k, f, make(chan told, 1)}
	g.mu.Lock()
	if g.leading {
		g.waiting = append(g.waiting, w)
		g.mu.Unlock()
		if r := <-w.told; !r.lead {
			return r.err
		}
		g.mu.Lock()
	}
	g.leading = true
	g.gather()
	others := g.take(k)
	g.last = 1 + len(others)
	g.mu.Unlock()
	defer g.next()
	return t.changeAll(w, others)
}

// gatherTime is how long a commit waits for those who were in the last one with others, and may come again. It is less than a disk takes.
const gatherTime = 200 * time.Microsecond

// gather waits until as many changes wait as the last commit had, for a short time. It is locked.
func (g *together) gather() {
	if g.last <= 1 {
		return
	}
	for began := time.Now(); 1+len(g.waiting) < g.last && time.Since(began) < gatherTime; {
		g.mu.Unlock()
		runtime.Gosched()
		g.mu.Lock()
	}
}

// take returns changes that wait, with the keys k. Those with others stay.
func (g *together) take(k *Keys) (list []*wish) {
	rest := g.waiting[:0]
	for _, w := range g.waiting {
		if w.k == k && len(list) < mostTogether-1 {
			list = append(list, w)
		} else {
			rest = append(rest, w)
		}
	}
	clear(g.waiting[len(rest):])
	g.waiting = rest
	return list
}

// next has the one who has waited longest commit.
func (g *together) next() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.leading = false
		return
	}
	w := g.waiting[0]
	g.waiting = append(g.waiting[:0], g.waiting[1:]...)
	w.told <- told{lead: true}
}

// changeAll makes the change of the thread itself and those of others, and tells them. If they cannot be made together each is made alone,
// so that each gets its own error.
func (t *Token) changeAll(own *wish, others []*wish) (err error) {
	if len(others) == 0 {
		return t.change(own.k, own.make)
	}
	done := 0
	defer func() { // a panic must not leave the others waiting
		for _, w := range others[done:] {
			w.told <- told{err: errNotMade}
		}
	}()
	err = t.change(own.k, func(c *change) error {
		for _, w := range append(others[:len(others):len(others)], own) {
			if err := w.make(c); err != nil {
				return err
			}
		}
		return nil
	})
	together := err == nil
	if !together {
		err = t.change(own.k, own.make)
	}
	for _, w := range others {
		var theirs error
		if !together {
			theirs = t.change(w.k, w.make)
		}
		w.told <- told{err: theirs}
		done++
	}
	return err
}
