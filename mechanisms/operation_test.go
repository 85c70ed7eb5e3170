package mechanisms

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestSaved saves every cipher that can be in the middle, and goes on in another operation: the rest of the output is the same.
func TestSaved(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, s := range samples(t) {
		for _, column := range []beginFunc{s.row.Encrypt, s.row.Decrypt} {
			if column == nil {
				continue
			}
			p := s.param()
			size := p.Len()
			one, err := column(s.key, &p)
			if err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
			saver, ok := one.(Saver)
			if !ok {
				continue
			}
			for _, cut := range []int{0, 3, 24} {
				p = s.param()
				if one, err = column(s.key, &p); err != nil {
					t.Fatalf("%s: %v", s.name, err)
				}
				saver = one.(Saver)
				in := pattern(64)
				if _, err := one.Update(make([]byte, 128), in[:cut]); err != nil {
					t.Fatalf("%s: %v", s.name, err)
				}
				param, state, ok := saver.Save()
				if !ok {
					t.Errorf("%s: not saved", s.name)
				}
				if len(param) != size {
					continue // the token finds this out
				}
				q := ck.NewParam(param, nil)
				two, err := column(s.key, &q)
				if err != nil || !two.(Saver).Restore(state) {
					t.Errorf("%s: not restored: %v", s.name, err)
					continue
				}
				tried++
				a, b := make([]byte, 128), make([]byte, 128)
				n, err1 := one.Update(a, in[cut:])
				k, err2 := two.Update(b, in[cut:])
				if err1 != nil || err2 != nil || n != k || !bytes.Equal(a, b) {
					t.Errorf("%s, cut at %d: %x, then %x; %v, %v", s.name, cut, a, b, err1, err2)
				}
			}
			if saver.Restore(make([]byte, maxBlock+1)) {
				t.Errorf("%s takes a state that is too long", s.name)
			}
		}
	}
	if tried < 60 {
		t.Errorf("%d states", tried)
	}
}
