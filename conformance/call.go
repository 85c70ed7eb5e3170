package conformance

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A call is one C call in the making: its words become arguments, its memory a frame, and what is to be kept of the
// answer a list of functions.
type call struct {
	t     *tables
	v     Vars
	f     *frame
	words []string
	args  []uint64
	keep  []func(rv uint64)
	room  int // the block that room made, for inplace

	thread, name string // of a call that is queued
}

// Call calls a C function of the module with the words that the comment in words.go lists, and returns the name of its
// return value. The error is about the words, the host or its memory, never about the return value.
func (h *Host) Call(v Vars, name string, words ...string) (string, error) {
	c, err := h.prepare(v, 0, name, words)
	if err != nil {
		return "", err
	}
	c.f.store(h)
	answer, err := h.ask("c " + name + c.numbers())
	if err != nil {
		return "", err
	}
	rv, err := strconv.ParseUint(strings.TrimPrefix(answer, "rv "), 10, 64)
	if err != nil {
		return "", errors.New(answer)
	}
	if err := c.f.fetch(h); err != nil {
		return "", err
	}
	for _, k := range c.keep {
		k(rv)
	}
	if rv == 0 {
		h.succeeded[name] = true
	}
	return h.tables.name("CKR_", rv), nil
}

// prepare turns words into a call whose memory begins at an offset of the arena.
func (h *Host) prepare(v Vars, start int, name string, words []string) (*call, error) {
	params, ok := h.tables.funcs[name]
	if !ok {
		return nil, fmt.Errorf("the header has no function %s", name)
	}
	c := &call{t: h.tables, v: v, f: newFrame(h.tables, start), words: words, room: -1}
	for len(c.args) < len(params) {
		p := params[len(c.args)]
		next := param{}
		if len(c.args)+1 < len(params) {
			next = params[len(c.args)+1]
		}
		if len(c.words) == 0 {
			return nil, fmt.Errorf("%s: no word for %s", name, p.name)
		}
		w := c.words[0]
		c.words = c.words[1:]
		if err := c.word(p, next, w); err != nil {
			return nil, fmt.Errorf("%s %s: %w", name, p.name, err)
		}
	}
	if len(c.words) > 0 {
		return nil, fmt.Errorf("%s: too many words: %q", name, c.words)
	}
	return c, nil
}

// named is the words that a name stands for, where it is one.
func (c *call) named(w string) string {
	if text := c.v[w]; text.kind == 't' {
		return text.text
	}
	return w
}

func (c *call) numbers() string {
	var b strings.Builder
	for _, a := range c.args {
		fmt.Fprintf(&b, " %d", a)
	}
	return b.String()
}

func (c *call) arg(n ...uint64) { c.args = append(c.args, n...) }

func isPointer(typ string) bool { return strings.HasSuffix(typ, "_PTR") || strings.HasSuffix(typ, "*") }

var resultRE = regexp.MustCompile(`^(\w+=)?(out|query|inplace)([:+].*)?$`)

// word turns a word into the argument for p, and the one for next where it stands for two.
func (c *call) word(p, next param, w string) error {
	counted := next.typ == "CK_ULONG" && isPointer(p.typ)
	switch {
	case strings.HasPrefix(w, "&"):
		return c.result(p, w[1:])
	case !isPointer(p.typ), w == "NULL":
		n, err := c.t.number(c.v, w)
		c.arg(n)
		return err
	case resultRE.MatchString(w):
		return c.output(counted, w)
	case strings.HasPrefix(w, "@") && isBytes(c.v, w[1:]):
		b, _, err := c.block(w[1:])
		if err == nil {
			c.arg(c.f.address(b))
		}
		return err
	case p.typ == "CK_MECHANISM_PTR":
		return c.mechanism(w)
	case p.typ == "CK_ATTRIBUTE_PTR":
		return c.template(w)
	case strings.HasSuffix(c.named(w), "}"):
		b, err := c.structure(c.named(w))
		if err == nil {
			c.arg(c.f.address(b))
		}
		if err == nil && counted {
			c.arg(uint64(len(c.f.bytes(b))))
		}
		return err
	case isBytes(c.v, w):
		b, n, err := c.block(w)
		if err != nil {
			return err
		}
		c.arg(c.f.address(b))
		if counted {
			c.arg(uint64(n))
		}
		return nil
	}
	n, err := c.t.number(c.v, w) // a pointer as a number: an address that a call returned
	c.arg(n)
	return err
}

// block places bytes, as odd:, edge: and room: say.
func (c *call) block(w string) (b, n int, err error) {
	var where place
	if rest, ok := strings.CutPrefix(w, "odd:"); ok {
		where.odd, w = true, rest
	} else if rest, ok := strings.CutPrefix(w, "edge:"); ok {
		where.edge, w = true, rest
	}
	room := 0
	if rest, ok := strings.CutPrefix(w, "room:"); ok {
		size, content, _ := strings.Cut(rest, ":")
		if room, err = strconv.Atoi(size); err != nil {
			return 0, 0, err
		}
		w = content
	}
	data, err := c.t.content(c.v, w)
	if err != nil {
		return 0, 0, err
	}
	n = len(data)
	if room > 0 {
		for len(data) < room {
			data = append(data[:len(data):len(data)], guardByte)
		}
	}
	b = c.f.put(data, where, room > 0)
	if room > 0 {
		c.room = b
	}
	return b, n, nil
}

// output is room for output of a variable length: out, query, inplace.
func (c *call) output(counted bool, w string) error {
	name, w, named := strings.Cut(w, "=")
	if !named {
		name, w = "", name
	}
	size, said, where, verb := 0, "", "", w
	if i := strings.IndexAny(w, ":+"); i >= 0 {
		verb, w = w[:i], w[i:]
		if rest, ok := strings.CutPrefix(w, "+"); ok {
			where, w, _ = strings.Cut(rest, ":")
			w = ":" + w
		}
		number, rest, _ := strings.Cut(w[1:], "/")
		said = rest
		var err error
		if size, err = strconv.Atoi(number); err != nil {
			return err
		}
	}
	length, err := uint64(size), error(nil)
	if said != "" {
		length, err = c.t.number(c.v, said)
	}
	if err != nil {
		return err
	}
	b, off := -1, 0
	switch {
	case verb == "query":
		c.arg(0)
	case verb == "inplace" && c.room >= 0:
		b = c.room
		if where != "" {
			off = atoi(where)
		}
		c.arg(c.f.address(b) + uint64(off))
	case verb == "inplace":
		return errors.New("inplace without room")
	default:
		b = c.f.room(size, place{})
		c.arg(c.f.address(b))
	}
	c.outputLength(counted, name, b, off, length)
	return nil
}

// outputLength is the argument for the length of an output, and keeps both.
func (c *call) outputLength(counted bool, name string, b, off int, length uint64) {
	n := -1
	if counted {
		c.arg(length)
	} else {
		n = c.f.ulong(length)
		c.arg(c.f.address(n))
	}
	if name == "" {
		return
	}
	c.keep = append(c.keep, func(rv uint64) {
		if n >= 0 {
			length = c.f.number(n)
		}
		if b >= 0 && rv == 0 {
			data := c.f.bytes(b)[off:]
			c.v.setBytes(name, data[:min(length, uint64(len(data)))])
		}
		c.v.setNumber(name+".len", length)
	})
}

var arrayRE = regexp.MustCompile(`^(\w+)\[(\d+)\]$`)

// result is room for a result: &s, &n=10, &list[10], &info.
func (c *call) result(p param, w string) error {
	typ := strings.TrimSuffix(strings.TrimSuffix(p.typ, "_PTR"), "*")
	name, initial, given := strings.Cut(w, "=")
	size := 8
	if s, ok := c.t.sizes[typ]; ok {
		size = s
	}
	if m := arrayRE.FindStringSubmatch(name); m != nil {
		n := atoi(m[2])
		b := c.f.room(n*size, place{})
		c.arg(c.f.address(b))
		c.keep = append(c.keep, func(uint64) {
			for i := range n {
				c.t.decode(c.v, fmt.Sprintf("%s[%d]", m[1], i), typ, c.f.bytes(b)[i*size:][:size])
			}
		})
		return nil
	}
	b := c.f.room(size, place{})
	if given {
		n, err := c.t.number(c.v, initial)
		if err != nil {
			return err
		}
		b = c.f.ulong(n)
	}
	c.arg(c.f.address(b))
	c.keep = append(c.keep, func(uint64) { c.t.decode(c.v, name, typ, c.f.bytes(b)) })
	return nil
}
