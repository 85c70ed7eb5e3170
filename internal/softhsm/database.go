package softhsm

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/sqlite"
)

// databaseFile is the only file of a token in the database store.
const databaseFile = "sqlite3.db"

// tokenNumber is the number of the object that describes the token.
const tokenNumber = 1

// A database is the database store: a table of objects, which have no more than a number, and tables of attributes, one for each kind.
type database map[int64]*row

// A row is an object of a database, or what is wrong with it.
type row struct {
	object
	err error
}

func openDatabase(dir string) (backend, error) {
	name := filepath.Join(dir, databaseFile)
	db, err := sqlite.Open(name)
	if errors.Is(err, sqlite.ErrDamaged) {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	d := make(database)
	for o, err := range db.Rows("object") {
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
		}
		d[o.ID] = &row{object: make(object)}
	}
	for _, t := range attributeTables {
		if err := d.readTable(db, t.name, t.kind); err != nil {
			return nil, fmt.Errorf("%s: %w: table %s: %w", name, ErrDamaged, t.name, err)
		}
	}
	return d, nil
}

// attributeTables are the tables that SoftHSM2 writes to. Three more, of texts, times and real numbers, are always empty.
var attributeTables = []struct {
	name string
	kind kind
}{
	{"attribute_boolean", kindBool}, {"attribute_integer", kindUlong}, {"attribute_binary", kindBytes}, {"attribute_array", kindTemplate},
}

// attributeColumns are the columns of each of them.
var attributeColumns = []string{"value", "type", "object_id", "id"}

// readTable reads the attributes of one kind. An attribute of an object that is gone is left out: SQLite removes them only where it is
// told to.
func (d database) readTable(db *sqlite.DB, name string, k kind) error {
	if columns, ok := db.Columns(name); !ok || !slices.Equal(columns, attributeColumns) {
		return fmt.Errorf("its columns are %q", columns)
	}
	for r, err := range db.Rows(name) {
		if err != nil {
			return err
		}
		if len(r.Values) != len(attributeColumns) {
			return fmt.Errorf("a row of %d values", len(r.Values))
		}
		o := d[r.Values[2].Int]
		if o == nil {
			continue
		}
		typ := ck.AttributeType(r.Values[1].Int)
		a := attribute{kind: k}
		if typ == ck.CKA_ALLOWED_MECHANISMS {
			a.kind = kindMechanisms
		}
		if a.value, err = databaseValue(a.kind, r.Values[0]); err != nil {
			o.err = fmt.Errorf("%w: %v", err, typ)
		}
		o.object[typ] = a
	}
	return nil
}

// databaseValue turns a value of a table into what PKCS #11 has. An empty byte string may be NULL there.
func databaseValue(k kind, v sqlite.Value) ([]byte, error) {
	switch {
	case k == kindBool && v.Kind == sqlite.Integer:
		return ck.BoolValue(v.Int != 0), nil
	case k == kindUlong && v.Kind == sqlite.Integer:
		return ck.UlongValue(uint(v.Int)), nil
	case k == kindBool, k == kindUlong:
		return nil, fmt.Errorf("%w: no number", ErrDamaged)
	case k == kindMechanisms:
		return databaseEncoding.mechanisms(v.Bytes)
	case k == kindTemplate:
		r := reader{encoding: databaseEncoding, rest: v.Bytes}
		return r.template()
	}
	return v.Bytes, nil
}

func (d database) tokenObject() (object, error) { return d.object(strconv.Itoa(tokenNumber)) }

func (d database) names() ([]string, error) {
	var numbers []int64
	for n := range d {
		if n != tokenNumber {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	list := make([]string, len(numbers))
	for i, n := range numbers {
		list[i] = strconv.FormatInt(n, 10)
	}
	return list, nil
}

func (d database) object(name string) (object, error) {
	n, err := strconv.ParseInt(name, 10, 64)
	o := d[n]
	if err != nil || o == nil {
		return nil, fmt.Errorf("%w: there is no object %s", ErrDamaged, name)
	}
	return o.object, o.err
}
