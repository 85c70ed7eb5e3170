package store

import "golang.org/x/sys/unix"

// A backend keeps the buckets of one token. Its transactions are serialisable: writers are alone, in every process.
//
// A function that is given to update, to an updater or to replace may be run again, over a later state: because another process has
// committed since it read, say. Only the last run counts: what earlier ones wrote is gone, and what they returned is forgotten. So such a
// function has no effect except through its tx. What it leaves to done, or to its caller, it sets afresh in each run.
type backend interface {
	// view runs f over a consistent state.
	view(f func(tx) error) error
	// update runs f and, where it returns nil and has written, commits under the next generation; done is called then, once,
	// before anybody else sees the commit.
	update(f func(tx) error, done func()) error
	// alone runs f, once, which may call update any number of times, while no other transaction runs, in any process.
	alone(f func(update updater) error) error
	// replace puts what f writes in the place of everything there is, under the generation that f is told. Where check fails
	// nothing changes.
	replace(check func(tx) error, f func(tx) error) error
	// generation returns the number of the last commit of any process.
	generation() uint64
	// refresh is called now and then before generation: where the backend may have stopped hearing of what others commit, it finds out.
	refresh()
	// readOnly reports whether this process cannot write to the token.
	readOnly() bool
	// lost reports whether this process cannot read the token any more although nobody has removed it.
	lost() bool
}

// An updater is the update of a backend, for who has the token alone.
type updater func(f func(tx) error, done func()) error

// What a backend can do besides, where its token is a file.
type (
	// A compacter writes its token anew, without what is not used of it, if check finds nothing against it. It returns the sizes before
	// and after.
	compacter interface {
		compact(check func(tx) error) (before, after int64, err error)
	}
	// A copier leaves a copy of its token, as it is, and then does what alone does.
	copier interface {
		aloneWithCopy(f func(update updater) error) error
	}
)

// A tx is a transaction of a backend. Values that get and each hand out are valid until it ends, or until the key is
// written, and must not be changed.
type tx interface {
	// generation returns the number of the last commit before this transaction.
	generation() uint64
	get(b bucket, key []byte) []byte
	put(b bucket, key, value []byte) error
	del(b bucket, key []byte) error
	// each calls f with every key that begins with prefix, which is empty, or in bIndex a term. The key is valid until f returns. f
	// must not write.
	each(b bucket, prefix []byte, f func(key, value []byte) error) error
	// source tells what the transaction reads. It is the zero source where the token cannot be put back to an earlier state, as in memory.
	source() source
}

// A source is which file a transaction reads, in which state. The time is that of the inode's last change, which the system sets and no call
// can.
type source struct {
	dev, ino uint64
	changed  unix.Timespec
	commit   uint64 // what tells one commit from others
}
