package vectors

import (
	"path"
	"strings"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestWycheproofTable holds the table against the files: each row has some, each file has a row, and each test is a case or
// is counted among those that are left out.
func TestWycheproofTable(t *testing.T) {
	files, err := WycheproofFiles()
	if err != nil || len(files) < 300 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	fit := make(map[int]int)
	for _, name := range files {
		row := -1
		for i := len(wycheproofTable) - 1; i >= 0; i-- {
			if ok, err := path.Match(wycheproofTable[i].files, strings.TrimSuffix(name, "_test.json")); ok && err == nil {
				row = i
			}
		}
		if row < 0 {
			t.Errorf("no row for %s", name)
		}
		fit[row]++
	}
	for i, r := range wycheproofTable {
		if (r.load == nil) == (r.reason == "") {
			t.Errorf("%s: either it is run or there is a reason why not", r.files)
		}
		if fit[i] == 0 {
			t.Errorf("%s: no files", r.files)
		}
	}
}

// TestWycheproofCases sees that a file's tests are all there.
func TestWycheproofCases(t *testing.T) {
	for name, whole := range map[string]bool{"aes_gcm_test.json": true, "ecdsa_secp256r1_sha256_test.json": false, "pbes2_hmacsha256_aes_192_test.json": true} {
		s, err := LoadWycheproof(name)
		if err != nil {
			t.Fatal(err)
		}
		at := make(map[string]bool)
		for i := range s.Cases {
			at[s.Cases[i].At] = true
		}
		if len(at) != s.Tests() || (s.Total == s.Tests()) != whole {
			t.Errorf("%s: %d tests of %d, %d left out", name, len(at), s.Total, s.Total-s.Tests())
		}
	}
	if _, err := LoadWycheproof("another_test.json"); err == nil {
		t.Error("a file that is not in the table is taken")
	}
}

func TestLayOut(t *testing.T) {
	i := LayOut([]any{1, Pointed("ab"), Pointed(nil), Counted("c"), []byte{7, 0}, Structs{2, Alone("d")}})
	if len(i.Data) != 8+16+16+16+2+8 || len(i.Numbers) != 4 || len(i.Refs) != 4 {
		t.Fatalf("%+v", i)
	}
	if i.Refs[1].To != nil || string(i.Refs[0].To.Data) != "ab" || i.Refs[2].At != 48 || len(i.Refs[3].To.Refs) != 1 {
		t.Errorf("%+v", i.Refs)
	}
	c := Case{Refused: BadSignature}
	if c.Takes(ck.CKR_OK) || !c.Takes(ck.CKR_SIGNATURE_INVALID) || c.Takes(ck.CKR_GENERAL_ERROR) {
		t.Error("a refusal is taken for something else")
	}
	if c.Maybe = true; !c.Takes(ck.CKR_OK) {
		t.Error("what may work may not")
	}
}
