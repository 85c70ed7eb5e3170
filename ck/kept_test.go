package ck_test

import (
	"bytes"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// TestKept reads a parameter, and reads its copy when the caller's memory has other content and may not be looked at any more.
func TestKept(t *testing.T) {
	memory := []byte("pointed to")
	follows := 0
	data := ck.AppendUlong(ck.AppendUlong(nil, 4096), uint(len(memory)))
	p := ck.NewParam(data, func(uint64, uint) []byte { follows++; return memory })
	kept, done := p.Kept()
	first := kept
	if b := first.Bytes(); string(b) != "pointed to" || first.Done() != nil {
		t.Errorf("reads %q", b)
	}
	done(false)
	clear(memory)
	clear(data)
	var held []byte
	for range 2 {
		again := kept
		held = again.Bytes()
		if string(held) != "pointed to" || again.Done() != nil {
			t.Errorf("reads %q again", held)
		}
	}
	if follows != 1 {
		t.Errorf("%d looks at the caller's memory", follows)
	}
	other := kept
	if b := other.BytesAt(8192, 3); b != nil || other.Done() == nil {
		t.Errorf("reads %q of what was not read before", b)
	}
	done(true)
	if !bytes.Equal(held, make([]byte, len(held))) {
		t.Errorf("%q is left", held)
	}
}
