package mechanisms

import (
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestNamedCurves sees that each curve is found by its parameters, and that no name is that of two curves of a type.
func TestNamedCurves(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range NamedCurves() {
		found, err := CurveOf(c.Params)
		if err != nil || found.Names[0] != c.Names[0] || c.Bits == 0 {
			t.Errorf("%v: %v, %v", c.Names, found, err)
		}
		for _, name := range c.Names {
			if seen[name] {
				t.Errorf("%s twice", name)
			}
			seen[name] = true
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d names", len(seen))
	}
	if _, err := CurveOf([]byte{5, 0}); err == nil {
		t.Error("NULL is a curve")
	}
}

// TestNamedSets sees that each type with CKA_PARAMETER_SET that can be generated has its sets.
func TestNamedSets(t *testing.T) {
	for typ, n := range map[ck.KeyType]int{ck.CKK_ML_KEM: 3, ck.CKK_ML_DSA: 3, ck.CKK_SLH_DSA: 12, ck.CKK_RSA: 0} {
		if got := ParameterSets(typ); len(got) != n {
			t.Errorf("%v: %v", typ, got)
		}
	}
}
