package ck_test

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestParamCopy reads a parameter, and reads its copy when the caller's memory has other content and may not be looked at any more.
func TestParamCopy(t *testing.T) {
	memory := []byte("pointed to")
	follows := 0
	data := ck.AppendUlong(ck.AppendUlong(nil, 4096), uint(len(memory)))
	p := ck.NewParam(data, func(uint64, uint) []byte { follows++; return memory })
	copied := p.Clone()
	went := false
	if !copied.Read(func(q *ck.Param) {
		if b := q.Bytes(); string(b) != "pointed to" {
			t.Errorf("reads %q", b)
		}
		went = q.Done() == nil
	}) || went {
		t.Error("what reads goes on after Done")
	}
	copied.Close()
	clear(memory)
	clear(data)
	var held []byte
	for range 2 {
		again := copied.Param()
		held = again.Bytes()
		if string(held) != "pointed to" || again.Done() != nil {
			t.Errorf("reads %q again", held)
		}
	}
	if follows != 1 {
		t.Errorf("%d looks at the caller's memory", follows)
	}
	other := copied.Param()
	if b := other.BytesAt(8192, 3); b != nil || other.Done() == nil {
		t.Errorf("reads %q of what was not read before", b)
	}
	if copied.Read(func(q *ck.Param) { q.BytesAt(8192, 3); _ = q.Done() }) || copied.Read(func(*ck.Param) {}) {
		t.Error("reads it in full where it does not")
	}
	copy(copied.Origin(held), "written to")
	if string(memory) != "written to" || copied.Origin([]byte("other")) != nil || copied.Origin(nil) != nil {
		t.Errorf("the caller's memory is %q", memory)
	}
	copied.Wipe()
	if !bytes.Equal(held, make([]byte, len(held))) {
		t.Errorf("%q is left", held)
	}
}
