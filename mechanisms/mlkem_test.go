package mechanisms

import (
	"errors"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// An mlkemGroup is a group of tests of ML-KEM, with the fields of all kinds.
type mlkemGroup struct {
	Tests []struct {
		ID      int         `json:"tcId"`
		Comment string      `json:"comment"`
		Seed    vectors.Hex `json:"seed"`
		EK      vectors.Hex `json:"ek"`
		DK      vectors.Hex `json:"dk"`
		M       vectors.Hex `json:"m"`
		C       vectors.Hex `json:"c"`
		K       vectors.Hex `json:"K"`
		Result  string      `json:"result"`
	} `json:"tests"`
}

// runMLKEM runs all files about ML-KEM.
func runMLKEM(t *testing.T, seen *tried) {
	for _, s := range mlkemType.sets {
		name := "mlkem_" + s.Name
		for _, end := range []string{"_test.json", "_encaps_test.json", "_keygen_seed_test.json", "_semi_expanded_decaps_test.json"} {
			groups, err := vectors.Wycheproof(name+end, func(g *mlkemGroup) int { return len(g.Tests) })
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for i := range groups {
				for j := range groups[i].Tests {
					c := &groups[i].Tests[j]
					n++
					seen.add(ck.CKM_ML_KEM)
					if err := runMLKEMCase(s, &groups[i], j); (err == nil) != (c.Result == "valid") {
						t.Errorf("%s%s %d (%s, %s): %v", name, end, c.ID, c.Comment, c.Result, err)
					}
				}
			}
			t.Logf("%s%s: %d cases", name, end, n)
		}
	}
}

// runMLKEMCase does what the fields of a case are there for.
func runMLKEMCase(s *parameterSet, g *mlkemGroup, j int) error {
	c := &g.Tests[j]
	if c.M != nil {
		return encapsulateCase(s, c.EK, c.M, c.C, c.K)
	}
	name, value := ck.AttributeType(ck.CKA_SEED), []byte(c.Seed)
	if c.Seed == nil {
		name, value = ck.CKA_VALUE, c.DK
	}
	k, err := s.with(ck.CKK_ML_KEM, ck.CKO_PRIVATE_KEY, name, value)
	if err != nil {
		return err
	}
	if c.DK != nil {
		err = same("private key", k.Attr(ck.CKA_VALUE), c.DK)
	}
	if c.Seed != nil {
		public, _ := s.expand(value)
		err = errors.Join(err, same("public key", public, c.EK))
	}
	if c.C == nil {
		return err
	}
	var d Derived
	defer d.Wipe()
	var p ck.Param
	if err := Lookup(ck.CKM_ML_KEM).Decapsulate(&Base{Key: k}, &p, c.C, &d); err != nil {
		return err
	}
	return errors.Join(err, same("key", d.Value, c.K))
}

func encapsulateCase(s *parameterSet, ek, m, ciphertext, key []byte) error {
	k, err := s.with(ck.CKK_ML_KEM, ck.CKO_PUBLIC_KEY, ck.CKA_VALUE, ek)
	if err != nil {
		return err
	}
	form, err := mlkemType.prepared(k, ck.CKM_ML_KEM, ck.CKO_PUBLIC_KEY, prepareMLKEMPublic)
	if err != nil {
		return err
	}
	var d Derived
	defer d.Wipe()
	got, err := form.(*mlkemPublic).encapsulate(nil, m, &d)
	return errors.Join(err, same("ciphertext", got, ciphertext), same("key", d.Value, key))
}
