package store

// A backend keeps the buckets of one token. Its transactions are serialisable: writers are alone, in every process.
type backend interface {
	// view runs f over a consistent state.
	view(f func(tx) error) error
	// update runs f and, where it returns nil and has written, commits under the next generation; done is called then,
	// before anybody else sees the commit.
	update(f func(tx) error, done func()) error
	// alone runs f, which may call update any number of times, while no other transaction runs, in any process.
	alone(f func(update func(f func(tx) error, done func()) error) error) error
	// replace puts what f writes in the place of everything there is, under the generation that f is told. Where check fails
	// nothing changes.
	replace(check func(tx) error, f func(tx) error) error
	// generation returns the number of the last commit of any process.
	generation() uint64
}

// A tx is a transaction of a backend. Values that get and each hand out are valid until it ends, or until the key is
// written, and must not be changed.
type tx interface {
	// generation returns the number of the last commit before this transaction.
	generation() uint64
	get(b bucket, key []byte) []byte
	put(b bucket, key, value []byte) error
	del(b bucket, key []byte) error
	// each calls f with every key that begins with prefix: none, or a term of the index. The key is valid until f returns. f
	// must not write.
	each(b bucket, prefix []byte, f func(key, value []byte) error) error
}

// A bucket is one of the parts of a token: schema.go.
type bucket uint8

const (
	bHeader bucket = iota
	bObjects
	bRoll
	bIndex
	bJournal
	bUnvouched
	buckets
)

// String returns the bucket's name in the file.
func (b bucket) String() string {
	return [buckets]string{"header", "objects", "roll", "index", "journal", "unvouched"}[b]
}

// optional reports whether a file may do without the bucket: one that was made by version 1.
func (b bucket) optional() bool { return b == bUnvouched }
