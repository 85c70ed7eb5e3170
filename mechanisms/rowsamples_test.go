package mechanisms

import (
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A sample is a row with a key and a parameter that it takes.
type sample struct {
	row   *Mechanism
	name  string
	form  *ck.Structure // of the parameter, nil where there is none
	key   *Key
	param func() ck.Param
}

// ofPairs reports whether a row makes or takes key pairs or their parameters, which have tests of their own.
func ofPairs(m *Mechanism) bool {
	return m.GeneratePair != nil || m.GenerateDomain != nil || len(m.Keys) > 0 && findPairType(m.Keys[0]) != nil
}

// samples makes a sample of each row, each type of secret key that it takes and each form that its parameter can have. CryptDeriveKey has
// tests of its own.
func samples(t testing.TB) (all []sample) {
	for i := range table {
		m := &table[i]
		if m.FromDigest || ofPairs(m) || m.Type == ck.CKM_HOTP {
			continue
		}
		if _, _, known := ck.ParameterOf(m.Type, ck.C_EncryptInit); !known {
			t.Fatal(notInParameters(m.Type))
		}
		for i, form := range formsOf(m) {
			name := m.Type.String()
			if i > 0 {
				name += fmt.Sprintf(":%s of %d bytes", form.Name, form.Size)
			}
			param := exampleOf(t, m.Type, form)
			if len(m.Keys) == 0 {
				all = append(all, sample{m, name, form, nil, param})
			}
			for _, kt := range m.Keys {
				all = append(all, sample{m, fmt.Sprintf("%s/%v", name, kt), form, secretKey(kt, pattern(int(sampleLen(m, kt)))), param})
			}
		}
	}
	if len(all) < len(table) {
		t.Fatalf("%d samples of %d rows", len(all), len(table))
	}
	return all
}

func notInParameters(m ck.MechanismType) string {
	return fmt.Sprintf("%v is not in internal/gen/parameters.txt: write its name there, below its structure or below none, and run make gen", m)
}

// formsOf are the structures that the parameter of a row can be, those of messages and of wrapping alone left out. nil is for none.
func formsOf(m *Mechanism) []*ck.Structure {
	f := ck.Function(ck.C_EncryptInit)
	if m.Derive != nil {
		f = ck.C_DeriveKey
	}
	forms, optional, _ := ck.ParameterOf(m.Type, f)
	if optional {
		forms = append([]*ck.Structure{nil}, forms...)
	}
	return forms
}

// examples are good parameters.
var examples = sync.OnceValues(func() (*vectors.Examples, error) { return vectors.LoadExamples(os.DirFS("testdata")) })

// exampleOf makes good parameters of a mechanism that are the structure, or none.
func exampleOf(t testing.TB, m ck.MechanismType, form *ck.Structure) func() ck.Param {
	if form == nil {
		return func() ck.Param { return ck.Param{} }
	}
	e, err := examples()
	if err != nil {
		t.Fatal(err)
	}
	fields, err := e.Fields(m, form)
	if err != nil {
		t.Fatal(err)
	}
	fields, err = vectors.Resolve(fields, func(*vectors.Key) (uint, error) { return otherKey, nil })
	if err != nil {
		t.Fatal(err)
	}
	return func() ck.Param { return params(fields...) }
}

// sampleLen is the length of the keys of a type in a sample.
func sampleLen(m *Mechanism, kt ck.KeyType) uint {
	if n := onlySize(m); n != 0 {
		return n
	}
	if n, fixed := Size(kt); fixed {
		return n
	}
	return keyLen(kt)
}

// onlySize is the size of the keys of a row that takes or makes keys of one size only, of a type that has others; 0 of any other row.
func onlySize(m *Mechanism) uint {
	types := m.Keys
	if m.Generate != nil {
		types = []ck.KeyType{m.Makes}
	}
	for _, kt := range types {
		if _, fixed := Size(kt); !fixed && m.Min == m.Max && findKeyType(kt).Min != findKeyType(kt).Max {
			return m.Min
		}
	}
	return 0
}

// keyLen is the length in bytes of the keys that the tests take for a type that has several.
func keyLen(t ck.KeyType) uint { return max(16, findKeyType(t).Min) }

// sized returns the parameter for n bytes of data: some, as that of CCM, tell how many there are.
func (s *sample) sized(n int) ck.Param {
	p := s.param()
	if at := offsetOf(s.form, "ulDataLen"); at >= 0 {
		binary.NativeEndian.PutUint64(bytesOf(p)[at:], uint64(n))
	}
	return p
}

// beginSized is begin with the parameter for n bytes of plaintext.
func (s *sample) beginSized(t testing.TB, b beginFunc, n int) Cipher {
	t.Helper()
	p := s.sized(n)
	c, err := b(s.key, &p)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return c
}

func (s *sample) begin(t testing.TB, b beginFunc) Cipher {
	t.Helper()
	p := s.param()
	c, err := b(s.key, &p)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return c
}
