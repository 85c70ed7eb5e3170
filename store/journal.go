package store

import (
	"slices"
	"sync"
)

// journalLength is the number of commits that the journal remembers. A process that was away for longer looks at
// everything.
const journalLength = 1024

// writeJournal notes the objects that commit gen touches, and forgets the commit that is too old.
func writeJournal(x tx, gen uint64, ids []ID) error {
	if gen > journalLength {
		if err := x.del(bJournal, beBytes(gen-journalLength)); err != nil {
			return err
		}
	}
	if len(ids) == 0 {
		return nil
	}
	b := make([]byte, 0, len(ids)*len(ID{}))
	for _, id := range ids {
		b = append(b, id[:]...)
	}
	return x.put(bJournal, beBytes(gen), b)
}

// journalSince returns the objects that the commits after since touched, and whether the journal knows of all of them.
// An entry that is damaged counts as unknown. The journal is not authenticated: whoever follows it tests that it leads to the state.
func journalSince(x tx, since uint64) (ids []ID, complete bool) {
	now := x.generation()
	if since > now || now-since > journalLength || since < headerNumber(x, headerJournalStart) {
		return nil, false
	}
	for gen := since + 1; gen <= now; gen++ {
		b := x.get(bJournal, beBytes(gen))
		if len(b)%len(ID{}) != 0 {
			return nil, false
		}
		for id := range slices.Chunk(b, len(ID{})) {
			ids = append(ids, ID(id))
		}
	}
	return ids, true
}

// A journal is the part of the journal that this process knows without looking into the file: what it committed itself.
type journal struct {
	mu       sync.Mutex
	from, to uint64 // commits from+1 to to are known
	commits  []commit
}

// A commit is the objects that one commit touched.
type commit struct {
	gen uint64
	ids []ID
}

// push notes a commit of this process.
func (j *journal) push(gen uint64, ids []ID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.to+1 != gen {
		j.from, j.commits = gen-1, nil
	}
	j.to = gen
	j.commits = append(j.commits, commit{gen, ids})
	if len(j.commits) > journalLength {
		j.from = j.commits[0].gen
		j.commits = slices.Delete(j.commits, 0, 1)
	}
}

// since returns the objects touched after generation gen up to now, where the process knows them.
func (j *journal) since(gen, now uint64) (ids []ID, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if gen < j.from || gen > j.to || now != j.to {
		return nil, false
	}
	for _, c := range slices.Backward(j.commits) {
		if c.gen <= gen {
			break
		}
		ids = append(ids, c.ids...)
	}
	return ids, true
}

// Changed returns the objects that were created, changed or deleted since a generation, and whether the answer is complete.
// Where it is not, the caller must look at every object anew.
func (t *Token) Changed(since uint64) (ids []ID, now uint64, complete bool) {
	now = t.Generation()
	if now == since {
		return nil, now, true
	}
	if ids, ok := t.journal.since(since, now); ok {
		return sortUnique(ids), now, true
	}
	err := t.backend.view(func(x tx) error {
		now = x.generation()
		ids, complete = journalSince(x, since)
		return nil
	})
	if err != nil || !complete {
		return nil, now, false
	}
	return sortUnique(ids), now, true
}

// sortUnique sorts ids and drops what is there twice.
func sortUnique(ids []ID) []ID { return slices.Compact(sortIDs(ids)) }
