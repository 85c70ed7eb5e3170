package vectors

import (
	"os"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestExamples holds the examples against the table of structures: each is as long as its structure is, and of one that a mechanism takes.
func TestExamples(t *testing.T) {
	e, err := LoadExamples(os.DirFS("../../mechanisms/testdata"))
	if err != nil || len(e.first) < 50 {
		t.Fatalf("%d mechanisms with vectors, %v", len(e.first), err)
	}
	used := make(map[string]bool)
	for _, m := range ck.MatchMechanisms("*") {
		for _, f := range []ck.Function{ck.C_EncryptInit, ck.C_WrapKey, ck.C_DeriveKey} {
			forms, _, _ := ck.ParameterOf(m, f)
			for _, form := range forms {
				used[exampleFor(m, form)] = true
				fields, err := e.Fields(m, form)
				if err != nil {
					continue // package mechanisms says where one is needed
				}
				if n := uint(len(LayOut(mustResolve(t, fields)).Data)); n != form.Size {
					t.Errorf("the example of %v for %s has %d bytes, not %d", m, form.Name, n, form.Size)
				}
			}
		}
	}
	for name := range examples {
		if !used[name] {
			t.Errorf("no mechanism takes a %s (internal/gen/parameters.txt)", name)
		}
	}
	unknown := &ck.Structure{Name: "CK_UNKNOWN_PARAMS", Size: 3}
	if _, err := e.Fields(ck.CKM_AES_CBC, unknown); err == nil || !strings.Contains(err.Error(), "internal/vectors/examples.go") {
		t.Errorf("of what nobody knows: %v", err)
	}
	if fields, err := e.Fields(ck.CKM_AES_CTR, &ck.Structure{Name: "CK_NEW_PARAMS", Size: 24}); err != nil || len(fields) != 2 {
		t.Errorf("of what is in a vector only: %v, %v", fields, err)
	}
}

func mustResolve(t *testing.T, fields []any) []any {
	all, err := Resolve(fields, func(*Key) (uint, error) { return 1, nil })
	if err != nil {
		t.Fatal(err)
	}
	return all
}
