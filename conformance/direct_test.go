package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/vectors"
)

// A direct is a C call that is put together from values, for tests that make very many of them. Its memory is a frame, as
// that of a call of words is.
type direct struct {
	h    *Host
	f    *frame
	args []uint64
	outs []int // blocks that the parameter says the mechanism writes, the inner ones first
}

func (h *Host) direct() *direct { return &direct{h: h, f: newFrame(h.tables, 0)} }

// number adds arguments that are numbers.
func (d *direct) number(n ...uint64) *direct {
	d.args = append(d.args, n...)
	return d
}

// bytes adds a pointer to bytes and their length.
func (d *direct) bytes(b []byte) *direct {
	return d.number(d.f.address(d.f.put(b, place{}, false)), uint64(len(b)))
}

// ulong adds a pointer to a CK_ULONG that is answered, and returns its block.
func (d *direct) ulong(n uint64) int {
	b := d.f.ulong(n)
	d.number(d.f.address(b))
	return b
}

// room adds a pointer to room for n bytes and one to its length, and returns what reads the answer.
func (d *direct) room(n int) func() []byte {
	b := d.f.room(n, place{})
	d.number(d.f.address(b))
	length := d.ulong(uint64(n))
	return func() []byte { return d.f.bytes(b)[:min(d.f.number(length), uint64(n))] }
}

// template adds attributes and their number.
func (d *direct) template(attrs ...ck.Attribute) *direct {
	var rows []byte
	for _, a := range attrs {
		for _, n := range []uint64{uint64(a.Type), d.f.address(d.f.put(a.Value, place{}, false)), uint64(len(a.Value))} {
			rows = binary.NativeEndian.AppendUint64(rows, n)
		}
	}
	return d.number(d.f.address(d.f.put(rows, place{}, false)), uint64(len(attrs)))
}

// mechanism adds a CK_MECHANISM with the fields of its parameter, which have to be those that the C compiler knows.
func (d *direct) mechanism(m ck.MechanismType, fields []any) (*direct, error) {
	var addr, n uint64
	if len(fields) > 0 {
		i := vectors.LayOut(fields)
		if err := d.h.tables.fits(m, i); err != nil {
			return nil, fmt.Errorf("%v: %w", m, err)
		}
		addr, n = d.f.address(d.image(i)), uint64(len(i.Data))
	}
	rows := binary.NativeEndian.AppendUint64(nil, uint64(m))
	rows = binary.NativeEndian.AppendUint64(rows, addr)
	rows = binary.NativeEndian.AppendUint64(rows, n)
	return d.number(d.f.address(d.f.put(rows, place{}, false))), nil
}

// image places a structure and what it points to. The callee may write it: some mechanisms give back an IV.
func (d *direct) image(i *vectors.Image) int {
	data := bytes.Clone(i.Data)
	for _, r := range i.Refs {
		if r.To != nil {
			binary.NativeEndian.PutUint64(data[r.At:], d.f.address(d.image(r.To)))
		}
	}
	b := d.f.put(data, place{}, true)
	if i.Out {
		d.outs = append(d.outs, b)
	}
	return b
}

// call calls the function. The memory goes there and back in one exchange with the host.
func (d *direct) call(name string) (ck.RV, error) {
	d.f.store(d.h)
	var line strings.Builder
	line.WriteString("c " + name)
	for _, a := range d.args {
		line.WriteByte(' ')
		line.WriteString(strconv.FormatUint(a, 10))
	}
	d.h.send(line.String())
	d.f.request(d.h)
	answer, err := d.h.line()
	if err != nil {
		return 0, err
	}
	if err := d.f.receive(d.h); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	rv, err := strconv.ParseUint(strings.TrimPrefix(answer, "rv "), 10, 64)
	if err != nil {
		return 0, errors.New(answer)
	}
	return ck.RV(rv), nil
}
