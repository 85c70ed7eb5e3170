package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/keyfile"
)

// A fails makes no more objects than it is told.
type fails struct {
	ck.Cryptoki
	left int
}

func (f *fails) CreateObject(h ck.SessionHandle, t []ck.Attribute) (ck.ObjectHandle, error) {
	if f.left--; f.left < 0 {
		return 0, ck.CKR_DEVICE_MEMORY
	}
	return f.Cryptoki.CreateObject(h, t)
}

// TestImportWhole sees that an import that fails after some objects leaves none of them.
func TestImportWhole(t *testing.T) {
	const text = `[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"oct","alg":"A128KW","k":"GawgguFyGrWKav7AX4VKUg"}]`
	for left := range 4 {
		a := &app{out: new(strings.Builder), err: new(strings.Builder)}
		s, err := a.scratch()
		if err != nil {
			t.Fatal(err)
		}
		defer s.client.close()
		if err := errors.Join(s.loginWith(ck.CKU_SO, []byte("scratch")), s.InitPIN(s.handle, []byte("1234")), s.Logout(s.handle), s.loginWith(ck.CKU_USER, []byte("1234"))); err != nil {
			t.Fatal(err)
		}
		s.Cryptoki = &fails{s.Cryptoki, left}
		contents, err := keyfile.Read([]byte(text), keyfile.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m := &importing{target: newTarget("key")}
		m.target.object.label = "both"
		err = m.store(s, contents)
		there, found := s.find(ck.Attribute{Type: ck.CKA_TOKEN, Value: ck.BoolValue(true)})
		switch {
		case found != nil:
			t.Fatal(found)
		case left < 3 && (len(there) != 0 || ck.Code(err) != ck.CKR_DEVICE_MEMORY):
			t.Errorf("after %d objects: %d are there, %v", left, len(there), err)
		case left == 3 && (len(there) != 3 || err != nil):
			t.Errorf("%d are there, %v", len(there), err)
		}
	}
}
