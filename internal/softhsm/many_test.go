package softhsm

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// many makes a token of 1,000 objects in the SQLite store of those of another, by testdata/softhsm/many.py, and returns its directory.
func many(t *testing.T, from string, page int, how ...string) string {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("this test needs SQLite: apt-get install python3")
	}
	dir := t.TempDir()
	args := append([]string{"../../testdata/softhsm/many.py", from, filepath.Join(dir, databaseFile), "1000", fmt.Sprint(page)}, how...)
	if out, err := exec.Command("python3", args...).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "1000" {
		t.Fatalf("%v: %s", err, out)
	}
	return dir
}

// essence is what of an object is the same in all copies: which differ in the flags of its use, and which have no name of their own.
func essence(o []ck.Attribute) string {
	var b strings.Builder
	for _, a := range o {
		switch a.Type {
		case ck.CKA_ENCRYPT, ck.CKA_DECRYPT, ck.CKA_WRAP, ck.CKA_UNWRAP, ck.CKA_SIGN, ck.CKA_SIGN_RECOVER, ck.CKA_VERIFY, ck.CKA_VERIFY_RECOVER, ck.CKA_DERIVE,
			ck.CKA_MODIFIABLE, ck.CKA_COPYABLE, ck.CKA_DESTROYABLE:
			continue
		}
		fmt.Fprintf(&b, "%v %x\n", a.Type, a.Value)
	}
	return b.String()
}

// objectsOf reads all objects of the only token in a directory.
func objectsOf(t *testing.T, dir, pin string) (list [][]ck.Attribute) {
	t.Helper()
	token := only(t, dir)
	if _, err := token.Unlock([]byte(pin)); err != nil {
		t.Fatal(err)
	}
	names, err := token.Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		o, err := token.Object(name)
		if err != nil {
			t.Fatalf("object %s: %v", name, err)
		}
		list = append(list, o)
	}
	return list
}

// holdsCopies wants 1,000 objects, each a copy of one of those of another token, of all but a few of them, which no flag makes two of.
func holdsCopies(t *testing.T, got, of [][]ck.Attribute) {
	t.Helper()
	if len(got) != 1000 {
		t.Fatalf("%d objects", len(got))
	}
	seen := make(map[string]int)
	for _, o := range of {
		seen[essence(o)] = 0
	}
	for _, o := range got {
		e := essence(o)
		if _, known := seen[e]; !known {
			t.Fatalf("no object is like %q", value(o, ck.CKA_LABEL))
		}
		seen[e]++
	}
	for e, n := range seen {
		if n == 0 {
			t.Errorf("none is like\n%s", e)
		}
	}
}

// TestManyOfDatabase reads 1,000 objects of every type of SoftHSM2's keys from databases with pages of each size.
func TestManyOfDatabase(t *testing.T) {
	t.Parallel()
	of := objectsOf(t, copyDatabase(t, unchanged), databaseUserPIN)
	for page := 512; page <= 1<<16; page *= 2 {
		for _, how := range []string{"", "vacuum"} {
			holdsCopies(t, objectsOf(t, many(t, databasePath, page, how), databaseUserPIN), of)
		}
	}
}

// TestManyOfFiles copies a token that Debian's SoftHSM2 made in its file store 1,000 times over into its other store, and reads the same.
func TestManyOfFiles(t *testing.T) {
	t.Parallel()
	m := newMaker(t)
	m.token("files", "odd-PIN")
	for _, args := range []string{
		"--keygen --key-type AES:32 --label secret --id 01 --sensitive --private", "--keypairgen --key-type rsa:2048 --label rsa --id 02",
		"--keypairgen --key-type EC:secp384r1 --label ec --id 03",
		"--keygen --key-type GENERIC:64 --label generic --id 05 --usage-sign",
	} {
		m.tool("files", "odd-PIN", strings.Fields(args)...)
	}
	token := only(t, m.dir)
	names, err := token.Names()
	if err != nil || len(names) != 6 {
		t.Fatalf("objects %q, %v", names, err)
	}
	rows := make([][][]any, 0, 7)
	for _, name := range append([]string{tokenFile}, names...) {
		o, err := token.backend.object(name)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, databaseRows(t, o))
	}
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	from := filepath.Join(t.TempDir(), "token.json")
	if err := os.WriteFile(from, text, 0o600); err != nil {
		t.Fatal(err)
	}
	of := objectsOf(t, m.dir, "odd-PIN")
	for _, page := range []int{512, 4096} {
		holdsCopies(t, objectsOf(t, many(t, from, page), "odd-PIN"), of)
	}
}

// databaseRows is an object as rows of the tables of a database: the table, the type and the value.
func databaseRows(t *testing.T, o object) (rows [][]any) {
	t.Helper()
	for typ, a := range o {
		switch a.kind {
		case kindBool:
			rows = append(rows, []any{"attribute_boolean", uint(typ), a.value[0]})
		case kindUlong:
			n, err := ck.Ulong(a.value)
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, []any{"attribute_integer", uint(typ), int64(n)})
		case kindBytes:
			rows = append(rows, []any{"attribute_binary", uint(typ), hex.EncodeToString(a.value)})
		default: // of which only empty ones lie alike in both
			if len(a.value) > 0 {
				t.Fatalf("%v is an array", typ)
			}
			table := "attribute_array"
			if a.kind == kindMechanisms {
				table = "attribute_binary"
			}
			rows = append(rows, []any{table, uint(typ), ""})
		}
	}
	return rows
}
