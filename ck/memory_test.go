package ck

import (
	"bytes"
	"testing"
)

func TestAvailable(t *testing.T) {
	for _, n := range []int{0, 1, 1 << 20, 1<<20 + 1, 64 << 20} {
		if err := Available(n); err != nil {
			t.Errorf("%d: %v", n, err)
		}
	}
	for _, n := range []int{2*MostCopied + 1, 1 << 45, 1<<63 - 1} {
		if err := Available(n); err != CKR_HOST_MEMORY {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestAppendWiping(t *testing.T) {
	var got, want []byte
	for n := range 40 {
		part := bytes.Repeat([]byte{byte(n)}, n*n*n)
		before := got
		got, want = AppendWiping(got, part), append(want, part...)
		if len(before) > 0 && &before[0] != &got[0] && len(bytes.Trim(before, "\x00")) != 0 {
			t.Fatalf("what was left after %d parts was not wiped", n)
		}
	}
	if !bytes.Equal(got, want) {
		t.Error("what was appended is not there")
	}
}

func TestClone(t *testing.T) {
	if Clone(nil) != nil || Clone([]byte{}) == nil {
		t.Error("nil and empty are told apart")
	}
	if a := []byte("abc"); !bytes.Equal(Clone(a), a) || &Clone(a)[0] == &a[0] {
		t.Error("it is no copy")
	}
}
