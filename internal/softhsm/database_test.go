package softhsm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// databasePath is a token with the SQLite store: testdata/softhsm/README.md.
const (
	databasePath    = "../../testdata/softhsm/sqlite3.db"
	databaseUserPIN = "user-12345678"
	databaseSOPIN   = "so-87654321"
)

// copyDatabase makes a token directory of the database with a change.
func copyDatabase(t *testing.T, change func([]byte) []byte) string {
	t.Helper()
	b, err := os.ReadFile(databasePath)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, databaseFile), change(b), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func unchanged(b []byte) []byte { return b }

// TestDatabase reads all objects of a database, which have the attributes that SoftHSM2 told of them.
func TestDatabase(t *testing.T) {
	dir := copyDatabase(t, unchanged)
	before := tree(t, dir)
	token := only(t, dir)
	if token.Label != "conformance" || token.Store != "db" || len(token.Serial) != 16 {
		t.Errorf("token %q, %q, %q", token.Label, token.Serial, token.Store)
	}
	for pin, want := range map[string]error{"": ErrPIN, "user": ErrPIN, databaseUserPIN: nil, databaseSOPIN: nil} {
		if _, err := token.Unlock([]byte(pin)); !errors.Is(err, want) {
			t.Errorf("PIN %q: %v", pin, err)
		}
	}
	if isUsers, err := token.Unlock([]byte(databaseUserPIN)); err != nil || !isUsers {
		t.Fatal(isUsers, err)
	}
	var want map[string]map[string]string
	text, err := os.ReadFile("../../testdata/softhsm/attributes.json")
	if err == nil {
		err = json.Unmarshal(text, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	names, err := token.Names()
	if err != nil || len(names) != len(want) || len(names) < 50 {
		t.Fatalf("%d objects, %v, want %d", len(names), err, len(want))
	}
	for _, name := range names {
		o, err := token.Object(name)
		if err != nil {
			t.Errorf("object %s: %v", name, err)
			continue
		}
		compare(t, o, want[fmt.Sprintf("%02x/%s/%x", value(o, ck.CKA_CLASS)[0], value(o, ck.CKA_LABEL), value(o, ck.CKA_ID))])
	}
	if tree(t, dir) != before {
		t.Error("the token was changed")
	}
}

// compare holds the attributes of an object against those that SoftHSM2 told, by their names. What it did not tell is here, too.
func compare(t *testing.T, o []ck.Attribute, want map[string]string) {
	t.Helper()
	if len(want) < 9 {
		t.Errorf("%q is not known", value(o, ck.CKA_LABEL))
	}
	for _, a := range o {
		if got, ok := want[a.Type.String()]; ok && got != "CKR_ATTRIBUTE_SENSITIVE" && got != hex.EncodeToString(a.Value) {
			t.Errorf("%q: %v is %x, not %s", value(o, ck.CKA_LABEL), a.Type, a.Value, got)
		} else if got == "CKR_ATTRIBUTE_SENSITIVE" && len(a.Value) == 0 {
			t.Errorf("%q has no %v", value(o, ck.CKA_LABEL), a.Type)
		}
	}
}

// TestDatabaseDamaged reads databases with bytes that were changed, and with a journal.
func TestDatabaseDamaged(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	noticed := 0
	for range 300 {
		dir := copyDatabase(t, func(b []byte) []byte {
			for range 1 + random.IntN(20) {
				b[random.IntN(len(b))] = byte(random.Uint32())
			}
			return b
		})
		list, err := Find(dir)
		if err != nil {
			noticed++
			if !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			continue
		}
		_, _ = list[0].Unlock([]byte(databaseUserPIN))
		names, err := list[0].Names()
		if err != nil {
			t.Error(err)
		}
		for _, name := range names {
			if _, err := list[0].Object(name); err != nil {
				noticed++
			}
		}
	}
	if noticed < 100 {
		t.Errorf("noticed %d times", noticed)
	}
	oneDamaged(t)
	dir := copyDatabase(t, unchanged)
	if err := os.WriteFile(filepath.Join(dir, databaseFile+"-journal"), []byte("begun"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(dir); err == nil {
		t.Error("a database with a journal was read")
	}
}

// oneDamaged changes the kind of a value in an attribute array: the object is damaged, and no other.
func oneDamaged(t *testing.T) {
	t.Helper()
	array := append(binary.LittleEndian.AppendUint64(nil, uint64(ck.CKA_CLASS)), 2, 0, 0, 0)
	token := only(t, copyDatabase(t, func(b []byte) []byte {
		i := bytes.Index(b, array)
		if i < 0 {
			t.Fatal("there is no attribute array")
		}
		b[i+8] = 9
		return b
	}))
	if _, err := token.Unlock([]byte(databaseUserPIN)); err != nil {
		t.Fatal(err)
	}
	names, err := token.Names()
	if err != nil {
		t.Fatal(err)
	}
	bad := 0
	for _, name := range names {
		if _, err := token.Object(name); errors.Is(err, ErrDamaged) {
			bad++
		} else if err != nil {
			t.Error(err)
		}
	}
	if bad != 1 {
		t.Errorf("%d objects are damaged", bad)
	}
}

// TestArray reads the attribute arrays of a database.
func TestArray(t *testing.T) {
	number := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	kind := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	var b []byte
	for _, part := range [][]byte{
		number(uint64(ck.CKA_CLASS)), kind(2), number(4),
		number(uint64(ck.CKA_LABEL)), kind(3), number(2), []byte("ab"),
		number(uint64(ck.CKA_SENSITIVE)), kind(1), {1},
		number(uint64(ck.CKA_ALLOWED_MECHANISMS)), kind(5), number(8), number(uint64(ck.CKM_AES_ECB)),
	} {
		b = append(b, part...)
	}
	whole := 0
	for n := range len(b) {
		r := reader{encoding: databaseEncoding, rest: b[:n]}
		if _, err := r.template(); err == nil {
			whole++
		} else if !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	if whole != 4 {
		t.Errorf("it is whole in %d places", whole)
	}
	r := reader{encoding: databaseEncoding, rest: b}
	v, err := r.template()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := ck.ParseTemplate(nil, v)
	if err != nil || len(rows) != 4 || string(value(rows, ck.CKA_LABEL)) != "ab" || string(value(rows, ck.CKA_SENSITIVE)) != "\x01" ||
		string(value(rows, ck.CKA_ALLOWED_MECHANISMS)) != string(ck.UlongValue(uint(ck.CKM_AES_ECB))) {
		t.Errorf("%v, %v", rows, err)
	}
}

// TestMechanisms refuses a list of a program of 32 bits.
func TestMechanisms(t *testing.T) {
	b := binary.LittleEndian.AppendUint32(nil, uint32(ck.CKM_AES_ECB))
	b = binary.LittleEndian.AppendUint32(b, uint32(ck.CKM_AES_CBC))
	if v, err := databaseEncoding.mechanisms(b); !errors.Is(err, ErrDamaged) {
		t.Errorf("%x, %v", v, err)
	}
	if v, err := databaseEncoding.mechanisms(b[:4]); !errors.Is(err, ErrDamaged) {
		t.Errorf("%x, %v", v, err)
	}
}
