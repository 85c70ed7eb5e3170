package vectors

import (
	"testing"
	"testing/fstest"

	"github.com/softcsp/softcsp/ck"
)

// TestNISTStanzas reads a file in the form of NIST's: what stands before holds for what follows, and a failure is said of one
// vector alone.
func TestNISTStanzas(t *testing.T) {
	text := "# CAVS\r\n\r\n[Keylen = 128]\r\n[Taglen = 32]\r\n\r\nCount = 0\r\nKey = 000102030405060708090a0b0c0d0e0f\r\nIV = 00\r\nCT = \r\nAAD = \r\nTag = 01020304\r\nFAIL\r\n\r\n" +
		"Count = 1\r\nKey = 100102030405060708090a0b0c0d0e0f\r\nIV = 01\r\nCT = aa\r\nAAD = \r\nTag = 01020304\r\nPT = bb\r\n"
	name := "ciphers/AES/GCM/gcmDecrypt128.rsp"
	s, err := LoadNIST(fstest.MapFS{name: {Data: []byte(text)}}, name)
	if err != nil || s.Total != 2 || len(s.Cases) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	bad, good := &s.Cases[0], &s.Cases[1]
	if bad.Takes(ck.CKR_OK) || bad.Does != Decrypt || !good.Takes(ck.CKR_OK) || string(good.In) != "\xbb" || string(good.Out) != "\xaa\x01\x02\x03\x04" || good.Key.Value(ck.CKA_VALUE)[0] != 0x10 {
		t.Errorf("%+v, %+v", bad, good)
	}
	for name, text := range map[string]string{"another/file.rsp": "A = 00\n", "ciphers/AES/CBC/x.rsp": "\n", "ciphers/AES/CBC/y.rsp": "KEY = 0g\nIV = 00\nPLAINTEXT = 00\nCIPHERTEXT = 00\n"} {
		if _, err := LoadNIST(fstest.MapFS{name: {Data: []byte(text)}}, name); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestNISTTable sees that each row is run or has a reason.
func TestNISTTable(t *testing.T) {
	for _, r := range nistTable {
		if (r.load == nil && r.whole == nil) == (r.reason == "") || r.load != nil && r.mark == nil {
			t.Errorf("%s: either it is run or there is a reason why not", r.files)
		}
	}
}
