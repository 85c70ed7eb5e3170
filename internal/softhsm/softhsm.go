// Package softhsm reads the tokens of SoftHSM2: directories that hold either a file for each object or a SQLite database, with keys that
// the token's PIN opens.
//
// It promises that a token stays as it is, and that a damaged or hostile one is an error. The formats are those of SoftHSM2 2.6.1, and of what
// came before and after it; nobody has written them down elsewhere, so the comments do.
package softhsm

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

var (
	// ErrDamaged is what all errors about the contents of a token wrap.
	ErrDamaged = errors.New("damaged")
	// ErrPIN says that a PIN is not the token's.
	ErrPIN = errors.New("the PIN is wrong")
	// ErrNoToken says that a directory is no token and has none.
	ErrNoToken = errors.New("no token of SoftHSM2")
)

// Attributes of the object that describes the token: 0x80000000 says that they are a vendor's, 0x5348 that the vendor is SoftHSM.
const (
	tokenLabel  ck.AttributeType = 0x80005349
	tokenSerial ck.AttributeType = 0x8000534a
	soPIN       ck.AttributeType = 0x8000534c
	userPIN     ck.AttributeType = 0x8000534d
)

// A backend is how a token keeps its objects. Their byte strings are as they lie there.
type backend interface {
	// tokenObject returns the object that describes the token.
	tokenObject() (object, error)
	// names returns the names of the others.
	names() ([]string, error)
	object(name string) (object, error)
}

// An object is the attributes of an object by their types.
type object map[ck.AttributeType]attribute

// An attribute is a value, as PKCS #11 has it.
type attribute struct {
	kind  kind
	value []byte
}

// list returns the attributes, sorted by type.
func (o object) list() []ck.Attribute {
	list := make([]ck.Attribute, 0, len(o))
	for typ, a := range o {
		list = append(list, ck.Attribute{Type: typ, Value: a.value})
	}
	slices.SortFunc(list, func(a, b ck.Attribute) int { return cmp.Compare(a.Type, b.Type) })
	return list
}

// A kind is what the value of an attribute is, by the number that stands for it in files and attribute arrays.
type kind uint64

const (
	kindBool kind = iota + 1
	kindUlong
	kindBytes
	kindTemplate
	kindMechanisms
)

// A Token is a token.
type Token struct {
	Dir           string
	Label, Serial string
	Store         string // "file" or "db", as the configuration of SoftHSM2 calls them

	backend  backend
	so, user []byte // the token's key, sealed under the PINs
	key      []byte // the same in the clear, once there was a PIN
}

// Find returns the tokens in a directory: that of a token itself, or the one that SoftHSM2's configuration calls directories.tokendir. What is
// below it and no token is passed over. Those that can be read are returned with the error of those that cannot.
func Find(dir string) (list []*Token, err error) {
	t, err := openToken(dir)
	if err == nil {
		return []*Token{t}, nil
	}
	if !errors.Is(err, ErrNoToken) {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var bad []error
	for _, e := range entries {
		below := filepath.Join(dir, e.Name())
		if i, err := os.Stat(below); err != nil || !i.IsDir() {
			continue
		}
		t, err := openToken(below)
		switch {
		case err == nil:
			list = append(list, t)
		case !errors.Is(err, ErrNoToken):
			bad = append(bad, err)
		}
	}
	if len(list) == 0 && len(bad) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoToken, dir)
	}
	return list, errors.Join(bad...)
}

// openToken opens the token whose own directory dir is.
func openToken(dir string) (*Token, error) {
	t := &Token{Dir: dir}
	for _, store := range []struct {
		name, file string
		open       func(dir string) (backend, error)
	}{{"file", tokenFile, openFiles}, {"db", databaseFile, openDatabase}} {
		_, err := os.Stat(filepath.Join(dir, store.file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			t.backend, err = store.open(dir)
		}
		if err != nil {
			return nil, err
		}
		t.Store = store.name
		return t, t.describe()
	}
	return nil, fmt.Errorf("%w in %s", ErrNoToken, dir)
}

// describe reads what describes the token.
func (t *Token) describe() error {
	o, err := t.backend.tokenObject()
	if err != nil {
		return fmt.Errorf("SoftHSM2 token in %s: %w", t.Dir, err)
	}
	t.Label = strings.TrimRight(string(o[tokenLabel].value), " \x00")
	t.Serial = strings.TrimRight(string(o[tokenSerial].value), " \x00")
	t.so, t.user = o[soPIN].value, o[userPIN].value
	if t.so == nil && t.user == nil {
		return fmt.Errorf("SoftHSM2 token in %s: %w: it has no PIN", t.Dir, ErrDamaged)
	}
	return nil
}

// Names returns the names of the token's objects: their files, or their numbers in the database.
func (t *Token) Names() ([]string, error) { return t.backend.names() }

// Object returns the attributes of an object, sorted by type, in memory that the caller wipes. Unlock comes first.
func (t *Token) Object(name string) ([]ck.Attribute, error) {
	o, err := t.backend.object(name)
	if err != nil {
		return nil, err
	}
	return t.reveal(o)
}

// reveal opens what is sealed of an object. A private object has all its byte strings sealed, but for empty ones, and no others.
func (t *Token) reveal(o object) (list []ck.Attribute, err error) {
	if _, ok := o[ck.CKA_CLASS]; !ok {
		return nil, fmt.Errorf("%w: it has no CKA_CLASS", ErrDamaged)
	}
	private := true
	if a, ok := o[ck.CKA_PRIVATE]; ok && a.kind == kindBool {
		private = a.value[0] != 0
	}
	list = o.list()
	for i := range list {
		a := &list[i]
		if private && o[a.Type].kind == kindBytes && len(a.Value) > 0 {
			if a.Value, err = t.unseal(a.Value); err != nil {
				for _, a := range list[:i] {
					clear(a.Value)
				}
				return nil, fmt.Errorf("%w: %v: %v", ErrDamaged, a.Type, err)
			}
		} else {
			a.Value = bytes.Clone(a.Value)
		}
	}
	return list, nil
}
