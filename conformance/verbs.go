package conformance

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// await SESSION FUNCTION NAME [-> CODES] asks with C_AsyncComplete until the function has ended, and keeps the structure as NAME.
func (s *Script) await(w []string) error {
	w, codes := want(w)
	if len(w) != 3 {
		return errors.New("await SESSION FUNCTION NAME")
	}
	for range 1000 {
		rv, err := s.host.Call(s.Vars, "C_AsyncComplete", w[0], "str0:"+w[1], "&"+w[2])
		switch {
		case err != nil:
			return err
		case rv == "CKR_PENDING":
			time.Sleep(10 * time.Millisecond)
		case slices.Contains(codes, rv):
			return nil
		default:
			return &Mismatch{w[1], rv, codes, "asynchronous"}
		}
	}
	return fmt.Errorf("%s does not end", w[1])
}

// get SESSION OBJECT ATTRIBUTE = VALUE, or get SESSION OBJECT ATTRIBUTE -> CODE. It asks for the length first, and once
// more with room for exactly that.
func (s *Script) get(w []string) error {
	w, codes := want(w)
	if len(w) != 3 && (len(w) != 5 || w[3] != "=") {
		return errors.New("get SESSION OBJECT ATTRIBUTE [= VALUE]")
	}
	ask := func(room string) (string, error) {
		return s.host.Call(s.Vars, "C_GetAttributeValue", w[0], w[1], "{"+w[2]+"=?"+room+"}")
	}
	rv, err := ask("")
	if err != nil {
		return err
	}
	if !slices.Contains(codes, rv) {
		return &Mismatch{"C_GetAttributeValue", rv, codes, w[2]}
	}
	n := s.Vars.Number("a." + w[2] + ".len")
	if rv != "CKR_OK" {
		if (rv == "CKR_ATTRIBUTE_SENSITIVE" || rv == "CKR_ATTRIBUTE_TYPE_INVALID") && n != ^uint64(0) {
			return fmt.Errorf("%s: %s with a length of %s, not CK_UNAVAILABLE_INFORMATION", w[2], rv, decimal(n))
		}
		return nil
	}
	if rv, err = ask(strconv.FormatUint(n, 10)); err != nil || rv != "CKR_OK" {
		return fmt.Errorf("%s: %s when asked with the length that was answered: %w", w[2], rv, err)
	}
	if len(w) == 3 {
		return nil
	}
	expected, err := s.attributeValue(w[4])
	if err != nil {
		return err
	}
	if got := s.Vars.Bytes("a." + w[2]); !bytes.Equal(got, expected) {
		return fmt.Errorf("%s is %s, not %s", w[2], s.host.tables.attributeText(w[2], got), s.host.tables.attributeText(w[2], expected))
	}
	return nil
}

// attributeValue is the value that a word in a template stands for.
func (s *Script) attributeValue(w string) ([]byte, error) {
	switch {
	case w == "true":
		return []byte{1}, nil
	case w == "false":
		return []byte{0}, nil
	case w == "NULL":
		return nil, nil
	case strings.HasPrefix(w, "["):
		var all []byte
		for _, p := range split(strings.Trim(w, "[]")) {
			b, err := s.host.tables.content(s.Vars, "ulong:"+p)
			if err != nil {
				return nil, err
			}
			all = append(all, b...)
		}
		return all, nil
	case isBytes(s.Vars, w):
		return s.host.tables.content(s.Vars, w)
	}
	return s.host.tables.content(s.Vars, "ulong:"+w)
}

// find SESSION TEMPLATE = OBJECT... finds objects, in batches of 2, and compares them with those named, in any order.
// The first is kept as found, their number as found.n.
func (s *Script) find(w []string) error {
	if len(w) < 2 || len(w) > 2 && w[2] != "=" {
		return errors.New("find SESSION TEMPLATE [= OBJECT...]")
	}
	init := []string{"C_FindObjectsInit", w[0]}
	if w[1] == "NULL" {
		init = append(init, "NULL", "0")
	} else {
		init = append(init, w[1])
	}
	if err := s.call(init); err != nil {
		return err
	}
	var got []uint64
	for {
		if err := s.all("C_FindObjects " + w[0] + " &find[2] 2 &find.n"); err != nil {
			return err
		}
		n := s.Vars.Number("find.n")
		for i := range n {
			got = append(got, s.Vars.Number(fmt.Sprintf("find[%d]", i)))
		}
		if n == 0 {
			break
		}
	}
	if err := s.all("C_FindObjectsFinal " + w[0]); err != nil {
		return err
	}
	s.Vars.setNumber("found.n", uint64(len(got)))
	if len(got) > 0 {
		s.Vars.setNumber("found", got[0])
	}
	if len(w) == 2 {
		return nil
	}
	var expected []uint64
	for _, o := range w[3:] {
		n, err := s.host.tables.number(s.Vars, o)
		if err != nil {
			return err
		}
		expected = append(expected, n)
	}
	slices.Sort(got)
	slices.Sort(expected)
	if !slices.Equal(got, expected) {
		return fmt.Errorf("found %v, not %v", got, expected)
	}
	return nil
}

// The PINs that token sets.
const (
	soPIN   = "so-87654321"
	userPIN = "user-12345678"
)

// token LABEL initialises a token with a user PIN, and keeps its slot as slot. The library must be initialised.
func (s *Script) token(w []string) error {
	if len(w) != 1 {
		return errors.New("token LABEL")
	}
	if err := s.emptySlot(); err != nil {
		return err
	}
	label := w[0]
	if s.existing != "" {
		label = s.existing // for the next check to find it
	}
	if err := s.all("C_InitToken slot str:" + soPIN + " @hex:" + hex.EncodeToString(fmt.Appendf(nil, "%-32s", label))); err != nil {
		return err
	}
	if err := s.slotOf(label); err != nil {
		return err
	}
	return s.all(
		"C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &token.s",
		"C_Login token.s CKU_SO str:"+soPIN,
		"C_InitPIN token.s str:"+userPIN,
		"C_Logout token.s",
		"C_CloseSession token.s")
}

// emptySlot finds a slot whose token may be initialised.
func (s *Script) emptySlot() error {
	if s.existing == "" {
		return s.freeSlot()
	}
	if !s.reuse {
		return errors.New("the token may not be initialised")
	}
	return s.slotOf(s.existing)
}

// slots calls f with each slot, as variables slot and slot.info, until it says that it has found one.
func (s *Script) slots(f func() bool) error {
	// The list may be renewed by a length query only (section 5.5.1).
	if err := s.all("C_GetSlotList true NULL &slots.n", "C_GetSlotList true &slots[64] &slots.n=64"); err != nil {
		return err
	}
	for i := range s.Vars.Number("slots.n") {
		s.Vars.setNumber("slot", s.Vars.Number(fmt.Sprintf("slots[%d]", i)))
		if err := s.all("C_GetTokenInfo slot &slot.info"); err != nil {
			return err
		}
		if f() {
			return nil
		}
	}
	return errors.New("no such slot")
}

// freeSlot finds a slot with a token that is not initialised.
func (s *Script) freeSlot() error {
	flag := s.host.tables.consts["CKF_TOKEN_INITIALIZED"]
	return s.slots(func() bool { return s.Vars.Number("slot.info.flags")&flag == 0 })
}

// slotOf finds a token by its label.
func (s *Script) slotOf(label string) error {
	return s.slots(func() bool {
		return strings.TrimRight(string(s.Vars.Bytes("slot.info.label")), " ") == label
	})
}

// slot LABEL keeps the slot of a token as slot.
func (s *Script) slotNamed(w []string) error {
	if len(w) != 1 {
		return errors.New("slot LABEL")
	}
	if s.existing != "" {
		return s.slotOf(s.existing)
	}
	return s.slotOf(w[0])
}

// login [LABEL] is C_Initialize, and a session s with the user logged in, on a token that is initialised or made now.
func (s *Script) login(w []string) error {
	label := "conformance"
	if len(w) == 1 {
		label = w[0]
	}
	if s.existing != "" {
		label = s.existing
	}
	initialize := "C_Initialize CK_C_INITIALIZE_ARGS{flags=CKF_OS_LOCKING_OK} -> CKR_OK|CKR_CRYPTOKI_ALREADY_INITIALIZED"
	if err := s.all(initialize); err != nil {
		return err
	}
	if s.slotOf(label) != nil || s.reuse && !s.fresh {
		s.fresh = true
		if err := s.token([]string{label}); err != nil {
			return err
		}
	}
	return s.all("C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &s", "C_Login s CKU_USER str:"+userPIN)
}
