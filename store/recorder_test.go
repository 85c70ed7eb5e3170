package store

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/softcsp/softcsp/ck"
)

// A diskStep is something that the store asked of the disk.
type diskStep struct {
	kind string // create, write, truncate, sync, rename, remove, names
	file int    // which file, whatever its name
	name string // of what was created or removed, or the new one
	off  int64
	data []byte
	err  error // the answer
}

// A recorder notes what the store asks of a disk, and lets what fail says fail. It does not wait for the machine's disk.
type recorder struct {
	steps []diskStep
	files map[string]int
	fail  func(n int, s *diskStep) error
}

// note notes a diskStep, and returns the error that it is to have.
func (r *recorder) note(s diskStep) error {
	if r.fail != nil {
		s.err = r.fail(len(r.steps), &s)
	}
	r.steps = append(r.steps, s)
	return s.err
}

// number returns which file has the name.
func (r *recorder) number(name string, fresh bool) int {
	n, there := r.files[name]
	if !there || fresh {
		n = len(r.steps) + 1
		r.files[name] = n
	}
	return n
}

// A recordedDisk is a disk with a recorder.
type recordedDisk struct {
	disk
	r *recorder
}

type recordedFile struct {
	file
	r *recorder
	n int
}

func (d recordedDisk) open(name string, write bool) (file, error) {
	f, err := d.disk.open(name, write)
	if err != nil {
		return nil, err
	}
	return recordedFile{f, d.r, d.r.number(name, false)}, nil
}

func (d recordedDisk) create(name string) (file, error) {
	n := d.r.number(name, true)
	if err := d.r.note(diskStep{kind: "create", file: n, name: name}); err != nil {
		return nil, err
	}
	f, err := d.disk.create(name)
	return recordedFile{f, d.r, n}, err
}

func (d recordedDisk) rename(from, to string, over bool) error {
	if err := d.r.note(diskStep{kind: "rename", file: d.r.number(from, false), name: to}); err != nil {
		return err
	}
	d.r.files[to] = d.r.files[from]
	delete(d.r.files, from)
	return d.disk.rename(from, to, over)
}

func (d recordedDisk) remove(name string) error {
	if err := d.r.note(diskStep{kind: "remove", name: name}); err != nil {
		return err
	}
	return d.disk.remove(name)
}

func (d recordedDisk) sync() error { return d.r.note(diskStep{kind: "names"}) }

// WriteAt writes half where it is to fail: a short write.
func (f recordedFile) WriteAt(b []byte, off int64) (int, error) {
	if err := f.r.note(diskStep{kind: "write", file: f.n, off: off, data: bytes.Clone(b)}); err != nil {
		n, _ := f.file.WriteAt(b[:len(b)/2], off)
		return n, err
	}
	return f.file.WriteAt(b, off)
}

func (f recordedFile) truncate(size int64) error {
	if err := f.r.note(diskStep{kind: "truncate", file: f.n, off: size}); err != nil {
		return err
	}
	return f.file.truncate(size)
}

func (f recordedFile) allocate(size int64) error {
	if err := f.r.note(diskStep{kind: "truncate", file: f.n, off: size}); err != nil {
		return err
	}
	return f.file.allocate(size)
}

func (f recordedFile) sync() error { return f.r.note(diskStep{kind: "sync", file: f.n}) }

// errDied stands for the end of a process that waits for the disk: another goes on.
var errDied = errors.New("the process died")

// A survival decides how much of a write reaches the disk that nothing has waited for: from nothing, 0, to all of it, 1.
type survival func() float64

// A diskImage is what is on a disk.
type diskImage struct {
	names   map[string]int
	files   map[int][]byte
	pending map[int][]diskStep
	renames []diskStep
}

// after returns what is on a disk when the power fails after some steps.
func after(steps []diskStep, f survival) *diskImage {
	m := &diskImage{names: map[string]int{}, files: map[int][]byte{}, pending: map[int][]diskStep{}}
	for _, s := range steps {
		switch s.kind {
		case "write", "truncate":
			if s.err != nil {
				s.data = s.data[:len(s.data)/2]
			}
			m.pending[s.file] = append(m.pending[s.file], s)
		case "sync":
			if s.err == nil {
				m.flush(s.file, func() float64 { return 1 })
			} else if s.err != errDied { // then it is still to be written
				m.flush(s.file, f) // what could not be written the kernel gives up
			}
		case "names":
			if s.err == nil {
				m.flushNames(len(m.renames))
			}
		default:
			if s.err == nil {
				m.renames = append(m.renames, s)
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(m.pending)) {
		m.flush(n, f)
	}
	m.flushNames(int(f() * float64(len(m.renames)))) // in the order in which they were asked for
	return m
}

// flush writes what was asked for of a file, as far as it survives.
func (m *diskImage) flush(n int, f survival) {
	for _, s := range m.pending[n] {
		b, part := m.files[n], f()
		if s.kind == "truncate" {
			if part < 1 || s.err != nil {
				continue
			}
		}
		data := s.data[:int(part*float64(len(s.data)))/512*512]
		if end := s.off + int64(len(data)); int64(len(b)) < end && (len(data) > 0 || s.kind == "truncate") {
			b = append(b, make([]byte, end-int64(len(b)))...)
		}
		if len(data) > 0 {
			copy(b[s.off:], data)
		}
		m.files[n] = b
	}
	m.pending[n] = nil
}

// flushNames makes the first n changes of names durable.
func (m *diskImage) flushNames(n int) {
	for _, s := range m.renames[:n] {
		if s.kind != "create" {
			maps.DeleteFunc(m.names, func(name string, file int) bool { return file == s.file || name == s.name && s.kind == "remove" })
		}
		if s.kind != "remove" {
			m.names[s.name] = s.file
		}
	}
	m.renames = m.renames[n:]
}

// write writes the files to a directory.
func (m *diskImage) write(t *testing.T, dir string) {
	t.Helper()
	for name, n := range m.names {
		wants(t, os.WriteFile(filepath.Join(dir, name), m.files[n], 0o600), ck.CKR_OK)
	}
}
