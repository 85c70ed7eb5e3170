package vectors

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestRecords(t *testing.T) {
	text := "# comment\n[Kind = a]\n\nX = 00ff\nY = \"ab\" x 2\n\n[]\nX = 01 02\n"
	all, err := Records(fstest.MapFS{"f": {Data: []byte(text)}}, "f")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 || all[0].Fields["Kind"] != "a" || all[1].Has("Kind") || all[1].At != "f:8" {
		t.Fatalf("read %v", all)
	}
	for i, want := range []string{"\x00\xff", "\x01\x02"} {
		if x, err := all[i].Bytes("X"); err != nil || string(x) != want {
			t.Errorf("record %d: X is %q, %v", i, x, err)
		}
	}
	if y, err := all[0].Bytes("Y"); err != nil || string(y) != "abab" {
		t.Errorf("Y is %q, %v", y, err)
	}
	for _, bad := range []string{"", "# only a comment\n", "no field\n"} {
		if _, err := Records(fstest.MapFS{"f": {Data: []byte(bad)}}, "f"); err == nil {
			t.Errorf("%q is taken for records", bad)
		}
	}
	if _, err := (&Record{Fields: map[string]string{"X": "0"}}).Bytes("X"); err == nil {
		t.Error("half a byte is taken for bytes")
	}
}

func TestWycheproof(t *testing.T) {
	type group struct {
		Tests []struct{ Key Hex }
	}
	groups, err := Wycheproof("aes_gcm_test.json", func(g *group) int { return len(g.Tests) })
	if err != nil {
		t.Fatal(err)
	}
	if len(groups[0].Tests[0].Key) != 16 {
		t.Errorf("the first key has %d bytes", len(groups[0].Tests[0].Key))
	}
	_, err = Wycheproof("aes_gcm_test.json", func(*group) int { return 1 })
	if err == nil || !strings.Contains(err.Error(), "tests read of") {
		t.Errorf("a wrong count: %v", err)
	}
}
