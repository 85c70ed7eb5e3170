package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// useNewest has calls go through the newest function list of a module that has C_GetInterface: it need not export the functions themselves.
func (h *Host) useNewest() error {
	if address, err := h.ask("symbol C_GetInterface"); err != nil || address == "0" {
		return err
	}
	v := Vars{}
	if rv, err := h.Call(v, "C_GetInterface", "NULL", "NULL", "&p", "0"); err != nil || rv != "CKR_OK" {
		return err
	}
	for _, part := range []struct{ of, typ, name string }{{"p", "CK_INTERFACE", "i"}, {"i.pFunctionList", "CK_VERSION", "v"}} {
		b, err := h.askBytes(fmt.Sprintf("peek %d %d", v.Number(part.of), h.tables.sizes[part.typ]))
		if err != nil {
			return err
		}
		h.tables.decode(v, part.name, part.typ, b)
	}
	if v.Number("v.major") < 3 {
		return nil
	}
	h.newest = int(v.Number("v.major")*10 + v.Number("v.minor"))
	_, err := h.ask(fmt.Sprintf("list %d", v.Number("i.pFunctionList")))
	return err
}

// has reports whether the module has a function: in its list, or as a symbol.
func (h *Host) has(name string) bool {
	if since := h.tables.since[name]; since == 24 || since > 0 && since <= h.newest {
		return true
	}
	address, err := h.ask("symbol " + name)
	return err == nil && address != "0"
}

// Probe starts the module once, to see that it can be loaded and which mechanisms its tokens have. It returns what the module says of itself.
func (m *Module) Probe() (string, error) {
	env := m.Env
	if m.Place != nil {
		_, more, done, err := m.Place()
		if err != nil {
			return "", err
		}
		defer done()
		env = slices.Concat(env, more)
	}
	s := NewScript(func(string) (*Host, error) { return m.start(env) })
	s.reserved = m.Reserved
	if err := s.Line("C_Initialize CK_C_INITIALIZE_ARGS{flags=CKF_OS_LOCKING_OK}"); err != nil {
		return "", err
	}
	if err := s.Line("C_GetInfo &info"); err != nil {
		return "", err
	}
	version := func(name string) string {
		v := s.Vars.Bytes("info." + name)
		if len(v) < 2 {
			return "?"
		}
		return fmt.Sprintf("%d.%d", v[0], v[1])
	}
	about := fmt.Sprintf("%s, %s %s, Cryptoki %s", text(s.Vars.Bytes("info.manufacturerID")), text(s.Vars.Bytes("info.libraryDescription")), version("libraryVersion"),
		version("cryptokiVersion"))
	if v := s.Vars.Bytes("info.cryptokiVersion"); len(v) == 2 {
		m.version = 10*int(v[0]) + min(int(v[1]), 9) // 2.40 has 40 there
	}
	m.mechanisms = make(map[string]uint64)
	_ = s.slots(func() bool {
		m.hasToken = true
		m.addMechanisms(s)
		return false
	})
	_ = s.Close()
	return about, nil
}

func text(b []byte) string { return strings.TrimRight(string(b), " \x00") }

// addMechanisms adds those of the variable slot.
func (m *Module) addMechanisms(s *Script) {
	if s.Line("C_GetMechanismList slot NULL &mechs.n") != nil || s.Line("C_GetMechanismList slot &mechs[1024] &mechs.n=1024") != nil {
		return
	}
	listed := make(map[uint64]uint64)
	for i := range s.Vars.Number("mechs.n") {
		n := s.Vars.Number(fmt.Sprintf("mechs[%d]", i))
		if s.Line(fmt.Sprintf("C_GetMechanismInfo slot %d &mech", n)) == nil {
			listed[n] = s.Vars.Number("mech.flags")
		} else {
			listed[n] = ^uint64(0) // a check of its own tells that it has no answer
		}
	}
	for name, n := range s.host.tables.consts {
		if flags, is := listed[n]; is && strings.HasPrefix(name, "CKM_") {
			m.mechanisms[name] = flags
		}
	}
}

// HasToken reports whether Probe found a token in any slot.
func (m *Module) HasToken() bool { return m.hasToken }

// Mechanisms returns the names of the mechanisms that Probe found.
func (m *Module) Mechanisms() []string { return slices.Sorted(maps.Keys(m.mechanisms)) }
