package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/softcsp/softcsp/ck"
)

// A row is a CK_ATTRIBUTE as C lays it out.
type row struct{ typ, value, length uintptr }

func addressOf[T any](v *T) uintptr { return uintptr(unsafe.Pointer(v)) }

// unmapped is an address where nothing is: a page that was mapped and is no longer.
func unmapped(t *testing.T) uintptr {
	t.Helper()
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	addr := uintptr(unsafe.Pointer(&page[0]))
	if err := syscall.Munmap(page); err != nil {
		t.Fatal(err)
	}
	return addr
}

func TestCall(t *testing.T) {
	bad := func(*frame) error { requirePointer(0); return nil }
	if got := ck.RV(call("C_GetInfo", bad)); got != ck.CKR_CRYPTOKI_NOT_INITIALIZED {
		t.Errorf("a bad argument before C_Initialize: %v", got)
	}
	if got := ck.RV(call("C_Initialize", bad)); got != ck.CKR_ARGUMENTS_BAD {
		t.Errorf("a bad argument of C_Initialize: %v", got)
	}
	if err := module.Initialize(ck.InitArgs{Reserved: "store='memory'"}); err != nil {
		t.Fatal(err)
	}
	defer module.Finalize()
	nowhere := unmapped(t)
	var nothing *ck.Buffer
	for name, test := range map[string]struct {
		f    func(*frame) error
		want ck.RV
	}{
		"success":         {func(*frame) error { return nil }, ck.CKR_OK},
		"error":           {func(*frame) error { return ck.CKR_PIN_INCORRECT }, ck.CKR_PIN_INCORRECT},
		"conversion":      {func(*frame) error { requirePointer(0); return nil }, ck.CKR_ARGUMENTS_BAD},
		"low pointer":     {func(*frame) error { requirePointer(lowestPointer - 1); return nil }, ck.CKR_ARGUMENTS_BAD},
		"panic":           {func(*frame) error { panic("a bug") }, ck.CKR_GENERAL_ERROR},
		"index":           {func(f *frame) error { f.buffers[:0:0][runtime.NumCPU()].N = 1; return nil }, ck.CKR_GENERAL_ERROR},
		"nil":             {func(f *frame) error { return nothing.FillWith(nil) }, ck.CKR_GENERAL_ERROR},
		"fault, reading":  {func(*frame) error { return ck.RV(readUlong(nowhere)) }, ck.CKR_ARGUMENTS_BAD},
		"fault, writing":  {func(*frame) error { writeUlong(nowhere, uint(1)); return nil }, ck.CKR_ARGUMENTS_BAD},
		"fault, in text":  {func(*frame) error { _ = inText(nowhere); return nil }, ck.CKR_ARGUMENTS_BAD},
		"fault, template": {func(f *frame) error { f.inTemplate(0, nowhere, 3); return nil }, ck.CKR_ARGUMENTS_BAD},
		"fault, value":    {func(*frame) error { _ = bytes.Clone(inBytes(nowhere, 64)); return nil }, ck.CKR_ARGUMENTS_BAD},
	} {
		if got := ck.RV(call(name, test.f)); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestLogged writes to the log the code that is returned, also where that there is no session comes before what else is wrong.
func TestLogged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := module.Initialize(ck.InitArgs{Reserved: "store='memory' log='info' log_file='" + file + "'"}); err != nil {
		t.Fatal(err)
	}
	rvs := []ck.RV{
		ck.RV(callInSession(4711, "C_First", func(*frame) error { return ck.CKR_ARGUMENTS_BAD })),
		ck.RV(callInSession(4711, "C_Second", func(*frame) error { requirePointer(0); return nil })),
		ck.RV(callInSession(4711, "C_Third", func(*frame) error { return ck.CKR_PIN_INCORRECT })),
	}
	if err := module.Finalize(); err != nil {
		t.Fatal(err)
	}
	if want := []ck.RV{ck.CKR_SESSION_HANDLE_INVALID, ck.CKR_SESSION_HANDLE_INVALID, ck.CKR_PIN_INCORRECT}; !slices.Equal(rvs, want) {
		t.Errorf("%v, want %v", rvs, want)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != len(rvs) {
		t.Fatalf("the log: %s", text)
	}
	for i, rv := range rvs {
		if !strings.Contains(lines[i], "rv="+rv.String()) {
			t.Errorf("%v was returned, and the log has %s", rv, lines[i])
		}
	}
}

// TestLengths asks whether memory is there before it believes a length, and not where nothing is read.
func TestLengths(t *testing.T) {
	nowhere := unmapped(t)
	const all, some = 1 << 28, 4 << 20
	there, _, errno := syscall.Syscall6(syscall.SYS_MMAP, 0, all, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE, ^uintptr(0), 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_MUNMAP, there+some, all-some, 0); errno != 0 {
		t.Fatal(errno)
	}
	defer syscall.Syscall(syscall.SYS_MUNMAP, there, some, 0)
	if got := inBytes(there, some); len(got) != some {
		t.Errorf("%d bytes", len(got))
	}
	for _, n := range []uintptr{probeAbove + 1, 1 << 32, 1 << 45} {
		if rv := caught(func() { inBytes(nowhere, n) }); rv != ck.CKR_ARGUMENTS_BAD {
			t.Errorf("%d bytes that are not there: %v", n, rv)
		}
		if memoryAt(uint64(nowhere), uint(n)) != nil {
			t.Errorf("%d bytes that are not there were followed", n)
		}
	}
	if rv := caught(func() { inBytes(there, 1<<27) }); rv != ck.CKR_ARGUMENTS_BAD {
		t.Errorf("more than there is: %v", rv)
	}
	if got := outBytes(there, 1<<27); len(got) != 1<<27 {
		t.Errorf("room that is not looked at: %d", len(got))
	}
}

// TestNested refuses templates within templates that are many times as long as what they lie in.
func TestNested(t *testing.T) {
	inner := make([]row, maxAttributes)
	for i := range inner {
		inner[i] = row{uintptr(ck.CKA_ID), 0, 0}
	}
	outer := make([]row, 64)
	for i := range outer {
		outer[i] = row{uintptr(ck.CKA_WRAP_TEMPLATE), addressOf(&inner[0]), 24 * maxAttributes}
	}
	var f frame
	if rv := caught(func() { f.inTemplate(0, addressOf(&outer[0]), uintptr(len(outer))) }); rv != ck.CKR_ATTRIBUTE_VALUE_INVALID {
		t.Errorf("a template: %v", rv)
	}
	f = frame{}
	if rv := caught(func() { f.appendBuffers(nil, attributesAt(addressOf(&outer[0]), uintptr(len(outer))), 0) }); rv != ck.CKR_ATTRIBUTE_VALUE_INVALID {
		t.Errorf("buffers: %v", rv)
	}
	runtime.KeepAlive(inner)
}

// caught runs f and returns the code that it panicked with.
func caught(f func()) (rv ck.RV) {
	defer func() {
		if p := recover(); p != nil {
			rv = p.(ck.RV)
		}
	}()
	f()
	return ck.CKR_OK
}

func TestInBytes(t *testing.T) {
	data := []byte("data")
	at := addressOf(&data[0])
	if got := inBytes(at, 4); string(got) != "data" || &got[0] != &data[0] {
		t.Errorf("%q", got)
	}
	if got := inBytes(0, 0); got != nil {
		t.Error("NULL is not nil")
	}
	if got := inBytes(1, 0); got == nil || len(got) != 0 {
		t.Error("an empty value is NULL")
	}
	for _, bad := range [][2]uintptr{{0, 1}, {1, 1}, {4095, 2}, {at, 1 << 63}, {at, ^uintptr(0)}, {at, addressSpace + 1}, {^uintptr(0), 1}, {addressSpace, 1}} {
		if rv := caught(func() { inBytes(bad[0], bad[1]) }); rv != ck.CKR_ARGUMENTS_BAD {
			t.Errorf("%#x: %v", bad, rv)
		}
	}
}

func TestInTemplate(t *testing.T) {
	var f frame
	yes, label := []byte{1}, []byte("label")
	nested := []row{{uintptr(ck.CKA_ENCRYPT), addressOf(&yes[0]), 1}, {uintptr(ck.CKA_LABEL), 0, 0}}
	// At an odd address: caller memory need not be aligned.
	space := make([]byte, 3*24+1)
	all := unsafe.Slice((*row)(unsafe.Pointer(&space[1])), 3)
	copy(all, []row{
		{uintptr(ck.CKA_LABEL), addressOf(&label[0]), 5},
		{uintptr(ck.CKA_WRAP_TEMPLATE), addressOf(&nested[0]), 48},
		{uintptr(ck.CKA_UNWRAP_TEMPLATE), 0, 0},
	})
	got := f.inTemplate(0, addressOf(&space[1]), 3)
	want := []ck.Attribute{
		{Type: ck.CKA_LABEL, Value: label},
		{Type: ck.CKA_WRAP_TEMPLATE, Value: ck.AppendTemplate(nil, []ck.Attribute{{Type: ck.CKA_ENCRYPT, Value: yes}, {Type: ck.CKA_LABEL}})},
		{Type: ck.CKA_UNWRAP_TEMPLATE},
	}
	equal := func(a, b ck.Attribute) bool {
		return a.Type == b.Type && bytes.Equal(a.Value, b.Value) && (a.Value == nil) == (b.Value == nil)
	}
	if !slices.EqualFunc(got, want, equal) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := f.inTemplate(0, 0, 0); got != nil {
		t.Error("no template is not nil")
	}
	deep := []row{{uintptr(ck.CKA_WRAP_TEMPLATE), 0, 24}}
	deep[0].value = addressOf(&deep[0]) // itself
	for name, test := range map[string]struct {
		addr, n uintptr
		want    ck.RV
	}{
		"NULL":       {0, 1, ck.CKR_ARGUMENTS_BAD},
		"many":       {addressOf(&all[0]), 1 << 60, ck.CKR_ARGUMENTS_BAD},
		"overflow":   {addressOf(&all[0]), ^uintptr(0) / 24 * 2, ck.CKR_ARGUMENTS_BAD},
		"NULL value": {addressOf(&[]row{{0, 0, 8}}[0]), 1, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"odd array":  {addressOf(&[]row{{uintptr(ck.CKA_WRAP_TEMPLATE), addressOf(&nested[0]), 47}}[0]), 1, ck.CKR_ATTRIBUTE_VALUE_INVALID},
		"endless":    {addressOf(&deep[0]), 1, ck.CKR_ATTRIBUTE_VALUE_INVALID},
	} {
		if rv := caught(func() { f.inTemplate(0, test.addr, test.n) }); rv != test.want {
			t.Errorf("%s: %v, want %v", name, rv, test.want)
		}
	}
	runtime.KeepAlive(label)
}

func TestMechanism(t *testing.T) {
	var f frame
	iv := make([]byte, 16)
	m := []row{{uintptr(ck.CKM_AES_CBC), addressOf(&iv[0]), 16}}
	if got := f.inMechanism(addressOf(&m[0])); got.Type != ck.CKM_AES_CBC || got.Param.Len() != 16 {
		t.Errorf("%v, %d bytes", got.Type, got.Param.Len())
	}
	if f.inMechanismOrNil(0) != nil {
		t.Error("NULL is a mechanism")
	}
	if rv := caught(func() { f.inMechanism(0) }); rv != ck.CKR_ARGUMENTS_BAD {
		t.Error(rv)
	}
	for _, nowhere := range []uintptr{0, 1, 4096, addressSpace} { // what a mechanism without a parameter does not look at
		m[0].value = nowhere
		for _, length := range []uintptr{16, addressSpace, ^uintptr(0)} {
			m[0].length = length
			got := f.inMechanism(addressOf(&m[0]))
			none := got.Param
			if none.None() != nil || none.Done() != nil {
				t.Errorf("%#x, %d bytes: there is no parameter, and it is looked at", nowhere, length)
			}
			want := ck.CKR_ARGUMENTS_BAD
			if nowhere == 0 {
				want = ck.CKR_MECHANISM_PARAM_INVALID
			}
			if nowhere == 4096 && length == 16 { // where there may be some
				continue
			}
			if rv := caught(func() { got.Param.Fixed(16); panic(ck.Code(got.Param.Done())) }); rv != want {
				t.Errorf("%#x, %d bytes: %v", nowhere, length, rv)
			}
		}
	}
	for _, bad := range [][2]uint64{{8, 8}, {1 << 63, 8}, {1 << 20, 1 << 62}} {
		if memoryAt(bad[0], uint(bad[1])) != nil {
			t.Errorf("%#x was followed", bad)
		}
	}
}

func TestOutBuffer(t *testing.T) {
	var f frame
	space, length := make([]byte, 4), uintptr(4)
	b := f.outBuffer(addressOf(&space[0]), addressOf(&length))
	if err := f.writeLength(b.FillWith([]byte("toolong"))); err != ck.CKR_BUFFER_TOO_SMALL || length != 7 {
		t.Errorf("%v, %d", err, length)
	}
	length = 4
	if err := f.writeLength(f.outBuffer(addressOf(&space[0]), addressOf(&length)).FillWith([]byte("abc"))); err != nil || length != 3 || string(space[:3]) != "abc" {
		t.Errorf("%v, %d, %q", err, length, space)
	}
	length = ^uintptr(0) // what a length query finds there does not matter
	if err := f.writeLength(f.outBuffer(0, addressOf(&length)).FillWith([]byte("abc"))); err != nil || length != 3 {
		t.Errorf("%v, %d", err, length)
	}
	f.outBuffer(addressOf(&space[0]), addressOf(&length))
	if _ = f.writeLength(ck.CKR_SESSION_HANDLE_INVALID); length != 3 {
		t.Error("a failure changed the length")
	}
	length = ^uintptr(0)
	if rv := caught(func() { f.outBuffer(addressOf(&space[0]), addressOf(&length)) }); rv != ck.CKR_ARGUMENTS_BAD {
		t.Error(rv)
	}
}

func TestPutList(t *testing.T) {
	out, count := make([]uint, 2), uintptr(2)
	if err := writeList(addressOf(&out[0]), addressOf(&count), []ck.SlotID{7, 8, 9}); err != ck.CKR_BUFFER_TOO_SMALL || count != 3 || out[0] != 0 {
		t.Error(err, count, out)
	}
	if err := writeList(0, addressOf(&count), []ck.SlotID{7, 8}); err != nil || count != 2 {
		t.Error(err, count)
	}
	if err := writeList(addressOf(&out[0]), addressOf(&count), []ck.SlotID{7, 8}); err != nil || out[0] != 7 || out[1] != 8 {
		t.Error(err, out)
	}
}

func TestBuffers(t *testing.T) {
	inner := make([]row, 2)
	value := make([]byte, 8)
	all := []row{{uintptr(ck.CKA_WRAP_TEMPLATE), addressOf(&inner[0]), 48}, {uintptr(ck.CKA_LABEL), addressOf(&value[0]), 8}, {uintptr(ck.CKA_ID), 0, 99}}
	got := new(frame).appendBuffers(nil, attributesAt(addressOf(&all[0]), 3), 0)
	if len(got[0].Sub) != 2 || !got[0].Has || len(got[1].Data) != 8 || got[2].Has {
		t.Fatalf("%+v", got)
	}
	got[0].Sub[1].Type, got[0].Sub[1].N, got[0].N, got[2].N = ck.CKA_SIGN, 1, 48, 5
	writeBuffers(attributesAt(addressOf(&all[0]), 3), got)
	if inner[1].typ != uintptr(ck.CKA_SIGN) || inner[1].length != 1 || all[0].length != 48 || all[1].length != 8 || all[2].length != 5 {
		t.Errorf("%v %v", all, inner)
	}
}

// TestBufferUnknown takes what an earlier call has left as the length of a buffer for room that does.
func TestBufferUnknown(t *testing.T) {
	value := make([]byte, 8)
	all := []row{{uintptr(ck.CKA_LABEL), addressOf(&value[0]), ^uintptr(0)}}
	got := new(frame).appendBuffers(nil, attributesAt(addressOf(&all[0]), 1), 0)
	if err := got[0].FillWith([]byte("label")); err != nil || string(value[:5]) != "label" || got[0].N != 5 {
		t.Errorf("%v %q %d", err, value, got[0].N)
	}
}

func TestPad(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "                ",
		"abc":                "abc             ",
		"exactly 16 bytes":   "exactly 16 bytes",
		"more than 16 bytes": "more than 16 byt",
		"fifteen and an é":   "fifteen and an  ",
	} {
		field := [16]byte{15: 'x'}
		if pad(&field, in); string(field[:]) != want {
			t.Errorf("%q: %q, want %q", in, field, want)
		}
	}
}

func TestTrace(t *testing.T) {
	if s := stackTrace(); !strings.Contains(s, "testing.tRunner") && !strings.Contains(s, "goexit") {
		t.Error(s)
	}
}

// TestCallAllocates holds the boundary to its promise: converting a call allocates nothing.
func TestCallAllocates(t *testing.T) {
	iv, label := make([]byte, 16), []byte("label")
	mechanism := []row{{uintptr(ck.CKM_AES_CBC), addressOf(&iv[0]), 16}}
	template := []row{{uintptr(ck.CKA_LABEL), addressOf(&label[0]), 5}}
	out, length := make([]byte, 32), uintptr(32)
	n := testing.AllocsPerRun(100, func() {
		goC_SignInit(1, addressOf(&mechanism[0]), 1)
		goC_Sign(1, addressOf(&label[0]), 5, addressOf(&out[0]), addressOf(&length))
		goC_FindObjectsInit(1, addressOf(&template[0]), 1)
		goC_GetAttributeValue(1, 1, addressOf(&template[0]), 1)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
