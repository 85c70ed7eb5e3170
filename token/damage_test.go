package token

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestSearchBesideDamage damages one object of two. A search that names the other finds it, by its label or its unique id, and one that would come by
// the damaged object fails: it finds neither that object nor nothing.
func TestSearchBesideDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.login(t)
	data := func(label string) ck.ObjectHandle {
		o, err := w.a.CreateObject(w.s, []ck.Attribute{attr(ck.CKA_CLASS, ck.CKO_DATA), attr(ck.CKA_TOKEN, true), attr(ck.CKA_PRIVATE, false), attr(ck.CKA_LABEL, label)})
		must(t, err)
		return o
	}
	hurt, err := read(w.a, w.s, data("the hurt one"), ck.CKA_UNIQUE_ID)
	must(t, err)
	whole, err := read(w.a, w.s, data("the whole one"), ck.CKA_UNIQUE_ID)
	must(t, err)

	files, err := filepath.Glob(filepath.Join(w.dir, "*.token"))
	must(t, err)
	file, err := os.ReadFile(files[0])
	must(t, err)
	must(t, os.WriteFile(files[0], bytes.ReplaceAll(file, []byte("the hurt one"), []byte("the hurT one")), 0o600))

	for _, login := range []bool{false, true} {
		if login {
			must(t, w.b.Login(w.r, ck.CKU_USER, []byte(userPIN)))
		}
		for _, by := range []ck.Attribute{attr(ck.CKA_LABEL, "the whole one"), attr(ck.CKA_UNIQUE_ID, string(whole))} {
			if list := find(t, w.b, w.r, by); len(list) != 1 {
				t.Errorf("login %v: by %v %d objects are found", login, by.Type, len(list))
			}
		}
		for _, by := range []ck.Attribute{attr(ck.CKA_LABEL, "the hurt one"), attr(ck.CKA_UNIQUE_ID, string(hurt)), attr(ck.CKA_CLASS, ck.CKO_DATA)} {
			err := w.b.FindObjectsInit(w.r, []ck.Attribute{by})
			if login {
				want(t, "a search by "+by.Type.String(), err, ck.CKR_DEVICE_ERROR)
				continue
			}
			// Without a login it is left out, with a line in the log.
			must(t, err)
			must(t, w.b.FindObjectsFinal(w.r))
		}
	}
	for _, nothing := range []string{"", "00", string(hurt[:31]) + "x", string(whole) + "00"} {
		if list := find(t, w.b, w.r, attr(ck.CKA_UNIQUE_ID, nothing)); len(list) != 0 {
			t.Errorf("the unique id %q finds %d objects", nothing, len(list))
		}
	}
}
