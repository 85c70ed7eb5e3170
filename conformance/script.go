package conformance

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Script is what the lines of one script share: the hosts, by name, and the variables.
type Script struct {
	Vars  Vars
	start func(name string) (*Host, error)
	hosts map[string]*Host
	host  *Host // the one that the line at hand is for
	queue []*call
	top   int // where the next queued call's memory begins

	reserved string                    // for pReserved of C_Initialize, unless it is ""
	pins     struct{ so, user string } // in place of those of the scripts, unless they are ""
	// existing is the label of the token to use, where tokens are not made at will; reuse says that it may be initialised.
	existing string
	reuse    bool
	fresh    bool // it was initialised by this script
}

// NewScript makes a Script. start starts a host; the one without a name is the main one.
func NewScript(start func(name string) (*Host, error)) *Script {
	return &Script{Vars: Vars{}, start: start, hosts: map[string]*Host{}}
}

// verb is what carries out a line that is no plain call, nil where there is no such verb.
func verb(name string) func(*Script, []string) error {
	return map[string]func(*Script, []string) error{
		"let":      (*Script).let,
		"expect":   (*Script).expect,
		"get":      (*Script).get,
		"find":     (*Script).find,
		"token":    (*Script).token,
		"slot":     (*Script).slotNamed,
		"freeslot": func(s *Script, _ []string) error { return s.freeSlot() },
		"login":    (*Script).login,
		"queue":    (*Script).enqueue,
		"run":      (*Script).run,
		"list":     (*Script).list,
		"peek":     (*Script).peek,
		"repeat":   (*Script).repeat,
		"kill":     (*Script).kill,
		"close":    (*Script).closeHost,
		"await":    (*Script).await,
	}[name]
}

// Do carries out one line: a call with what it must return, CKR_OK where nothing is said, or one of the verbs. A first word
// that ends with a colon names the host.
//
//	C_Login s CKU_USER str:0000 -> CKR_PIN_INCORRECT
//	b: C_Initialize NULL -> CKR_OK|CKR_CRYPTOKI_ALREADY_INITIALIZED
func (s *Script) Do(words ...string) error {
	if len(words) == 0 {
		return errors.New("no words")
	}
	name := ""
	if n, ok := strings.CutSuffix(words[0], ":"); ok {
		name, words = n, words[1:]
	}
	if s.hosts[name] == nil {
		h, err := s.start(name)
		if err != nil {
			return err
		}
		s.hosts[name] = h
	}
	s.host = s.hosts[name]
	return s.perform(words)
}

func (s *Script) perform(words []string) error {
	if f := verb(words[0]); f != nil {
		return f(s, words[1:])
	}
	return s.call(words)
}

// fitted puts the PINs of this run in place of those of the scripts, and into C_Initialize what the module wants there.
func (s *Script) fitted(words []string) []string {
	words = slices.Clone(words)
	if s.reserved != "" && len(words) > 1 && words[0] == "C_Initialize" && !strings.Contains(words[1], "pReserved") {
		fields, _ := strings.CutPrefix(words[1], "CK_C_INITIALIZE_ARGS{")
		if words[1] == "NULL" {
			fields = "flags=CKF_OS_LOCKING_OK}"
		}
		words[1] = "CK_C_INITIALIZE_ARGS{pReserved=hex:" + hex.EncodeToString(append([]byte(s.reserved), 0)) + "," + fields
	}
	for i, w := range words {
		for text, pin := range map[string]string{"str:" + soPIN: s.pins.so, "str:" + userPIN: s.pins.user} {
			if pin != "" && w == text {
				words[i] = "hex:" + hex.EncodeToString([]byte(pin))
			}
		}
	}
	return words
}

// Line is Do for a line of words that have no blanks in them.
func (s *Script) Line(line string) error { return s.Do(strings.Fields(line)...) }

// Close ends all hosts. A host that does not end well is an error.
func (s *Script) Close() error {
	var all error
	for name, h := range s.hosts {
		if err := h.Close(); err != nil {
			all = errors.Join(all, fmt.Errorf("host %q at its end: %w", name, err))
		}
	}
	s.hosts = map[string]*Host{}
	return all
}

// want cuts "-> CKR_A|CKR_B" off a line.
func want(words []string) ([]string, []string) {
	if i := slices.Index(words, "->"); i >= 0 && i+2 == len(words) {
		return words[:i], strings.Split(words[i+1], "|")
	}
	return words, []string{"CKR_OK"}
}

func (s *Script) call(words []string) error {
	words, codes := want(s.fitted(words))
	rv, err := s.host.Call(s.Vars, words[0], words[1:]...)
	if err != nil {
		return err
	}
	if !slices.Contains(codes, rv) {
		return &Mismatch{Function: words[0], Got: rv, Want: codes}
	}
	return nil
}

// all calls lines one after the other, each of which must succeed.
func (s *Script) all(lines ...string) error {
	for _, l := range lines {
		if err := s.call(strings.Fields(l)); err != nil {
			return err
		}
	}
	return nil
}

// let NAME WORD gives words, bytes or a number a name.
func (s *Script) let(w []string) error {
	if len(w) != 2 {
		return errors.New("let NAME WORD")
	}
	if isBytes(s.Vars, w[1]) {
		b, err := s.host.tables.content(s.Vars, w[1])
		s.Vars.setBytes(w[0], b)
		return err
	}
	if n, err := s.host.tables.number(s.Vars, w[1]); err == nil {
		s.Vars.setNumber(w[0], n)
		return nil
	}
	s.Vars[w[0]] = value{text: w[1], kind: 't'}
	return nil
}

// expect compares: A = B, A != B, A has FLAGS, A lacks FLAGS, A >= N, A <= N; A padded is a text that is filled up with
// blanks, as section 3 wants it, and not with zero bytes.
func (s *Script) expect(w []string) error {
	if len(w) == 2 && w[1] == "padded" {
		b, err := s.host.tables.content(s.Vars, w[0])
		if err == nil && (bytes.IndexByte(b, 0) >= 0 || !utf8.Valid(b)) {
			err = fmt.Errorf("%s is %q, not filled with blanks", w[0], b)
		}
		return err
	}
	if len(w) != 3 {
		return errors.New("expect A = B")
	}
	t := s.host.tables
	if isBytes(s.Vars, w[0]) {
		a, err := t.content(s.Vars, w[0])
		b, err2 := t.content(s.Vars, w[2])
		if err = errors.Join(err, err2); err != nil {
			return err
		}
		if bytes.Equal(a, b) != (w[1] == "=") {
			return fmt.Errorf("%s is %s; expected %s %s", w[0], bytesText(a), comparisons[w[1]], bytesText(b))
		}
		return nil
	}
	a, err := t.number(s.Vars, w[0])
	b, err2 := t.number(s.Vars, w[2])
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	test, ok := map[string]bool{"=": a == b, "!=": a != b, "has": a&b == b, "lacks": a&b == 0, ">=": a >= b, "<=": a <= b}[w[1]]
	if !ok {
		return fmt.Errorf("%q is no comparison", w[1])
	}
	if !test {
		return fmt.Errorf("%s is %s; expected %s %s", w[0], t.numberText(w[2], a), comparisons[w[1]], t.wanted(w[2], b))
	}
	return nil
}

// queue THREAD FUNCTION WORDS... queues a call for a thread.
func (s *Script) enqueue(w []string) error {
	if len(w) < 2 {
		return errors.New("queue needs a thread, a function and its words")
	}
	fitted := s.fitted(w[1:])
	c, err := s.host.prepare(s.Vars, s.top, fitted[0], fitted[1:])
	if err != nil {
		return err
	}
	c.thread, c.name = w[0], w[1]
	c.f.store(s.host)
	s.host.send("q " + w[0] + " " + w[1] + c.numbers())
	s.queue = append(s.queue, c)
	s.top += (len(c.f.mem) + 63) &^ 63
	return nil
}

// run TIMES [-> CODES] runs what the threads have queued; every call must return one of the codes. The number of the
// threads whose calls all returned CKR_OK is kept as run.ok.
func (s *Script) run(w []string) error {
	w, codes := want(w)
	if len(w) != 1 {
		return errors.New("run TIMES")
	}
	s.host.send("run " + w[0])
	ok, bad := uint64(0), error(nil)
	for {
		line, err := s.host.line()
		if err != nil {
			return err
		}
		if line == "end" {
			break
		}
		f := strings.Fields(line)
		rv, err := strconv.ParseUint(f[3], 10, 64)
		if err != nil {
			return err
		}
		name := s.host.tables.name("CKR_", rv)
		if rv == 0 {
			ok++
		}
		if !slices.Contains(codes, name) {
			bad = s.wrongInThread(f[1], f[4], name, codes)
		}
	}
	for _, c := range s.queue {
		if err := c.f.fetch(s.host); err != nil {
			return err
		}
		for _, k := range c.keep {
			k(0)
		}
	}
	s.queue, s.top = nil, 0
	s.Vars.setNumber("run.ok", ok)
	return bad
}

// wrongInThread is the error of a call in the queue of a thread.
func (s *Script) wrongInThread(thread, at, rv string, codes []string) error {
	n := atoi(at)
	for _, c := range s.queue {
		if c.thread != thread {
			continue
		}
		if n == 0 {
			return &Mismatch{c.name, rv, codes, "thread " + thread}
		}
		n--
	}
	return fmt.Errorf("thread %s: call %s of its queue returned %s", thread, at, rv)
}

// list ADDRESS goes on through another function list; 0 is that of C_GetFunctionList, 1 the exported symbols.
func (s *Script) list(w []string) error {
	if len(w) != 1 {
		return errors.New("list ADDRESS")
	}
	n, err := s.host.tables.number(s.Vars, w[0])
	if err != nil {
		return err
	}
	_, err = s.host.ask(fmt.Sprintf("list %d", n))
	return err
}

// peek ADDRESS TYPE NAME reads a structure of the module's, or TYPE bytes.
func (s *Script) peek(w []string) error {
	if len(w) != 3 {
		return errors.New("peek ADDRESS TYPE NAME")
	}
	n, err := s.host.tables.number(s.Vars, w[0])
	if err != nil {
		return err
	}
	size, known := s.host.tables.sizes[w[1]]
	if !known {
		if size, err = strconv.Atoi(w[1]); err != nil {
			return err
		}
	}
	b, err := s.host.askBytes(fmt.Sprintf("peek %d %d", n, size))
	if err != nil {
		return err
	}
	if known {
		s.host.tables.decode(s.Vars, w[2], w[1], b)
	} else {
		s.Vars.setBytes(w[2], b)
	}
	return nil
}

// repeat N LINE [; LINE...] repeats lines.
func (s *Script) repeat(w []string) error {
	if len(w) < 2 {
		return errors.New("repeat N LINE [; LINE...]")
	}
	n, err := strconv.Atoi(w[0])
	if err != nil {
		return err
	}
	for i := range n {
		for line := range splitWords(w[1:], ";") {
			if err := s.perform(line); err != nil {
				return fmt.Errorf("time %d of %d: %s: %w", i+1, n, line[0], err)
			}
		}
	}
	return nil
}

// splitWords cuts words at a separator.
func splitWords(w []string, sep string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(w) > 0 {
			line := w
			if i := slices.Index(w, sep); i >= 0 {
				line, w = w[:i], w[i+1:]
			} else {
				w = nil
			}
			if len(line) > 0 && !yield(line) {
				return
			}
		}
	}
}

// kill ends the host as kill -9 does; close ends it at the end of its main. The next line for it starts another.
func (s *Script) kill([]string) error {
	s.forget()
	return s.host.Kill()
}

func (s *Script) closeHost([]string) error {
	s.forget()
	return s.host.Close()
}

func (s *Script) forget() {
	for name, h := range s.hosts {
		if h == s.host {
			delete(s.hosts, name)
		}
	}
}

// Show says what a variable holds.
func (v Vars) Show(name string) string {
	switch x := v[name]; x.kind {
	case 'n':
		return fmt.Sprintf("%#x", x.num)
	case 'b':
		return hex.EncodeToString(x.bytes)
	case 't':
		return x.text
	}
	return "nothing"
}
