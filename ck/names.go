package ck

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"
)

// names are the names of one type's values, without their prefix, end to end in one text. There is no map: a program
// that loads the library would pay for filling it, and names are wanted rarely.
type names struct {
	prefix string
	text   string
	rows   []nameRow // by number
}

// A nameRow is a number and where its name ends in the text. It starts where the one before it ends.
type nameRow struct {
	number uint32
	end    uint16
}

func (t *names) at(i int) string {
	start := 0
	if i > 0 {
		start = int(t.rows[i-1].end)
	}
	return t.text[start:t.rows[i].end]
}

// name returns the first name of a number; CKM_0x80001234 where it has none.
func (t *names) name(number uint) string {
	i := sort.Search(len(t.rows), func(i int) bool { return uint(t.rows[i].number) >= number })
	if i < len(t.rows) && uint(t.rows[i].number) == number {
		return t.prefix + t.at(i)
	}
	return t.prefix + "0x" + strconv.FormatUint(uint64(number), 16)
}

// number finds a name, with or without the prefix and in any case, and reads what name writes for unknown numbers.
func (t *names) number(name string) (uint, bool) {
	if len(name) >= len(t.prefix) && strings.EqualFold(name[:len(t.prefix)], t.prefix) {
		name = name[len(t.prefix):]
	}
	for i, r := range t.rows {
		if strings.EqualFold(t.at(i), name) {
			return uint(r.number), true
		}
	}
	if len(name) > 2 && name[0] == '0' && (name[1] == 'x' || name[1] == 'X') {
		n, err := strconv.ParseUint(name[2:], 16, 64)
		return uint(n), err == nil
	}
	return 0, false
}

// flags returns the names of the bits that are set, and what remains as one number.
func (t *names) flags(bits uint) []string {
	var set []string
	for i, r := range t.rows {
		if bits&uint(r.number) != 0 {
			set = append(set, t.prefix+t.at(i))
			bits &^= uint(r.number)
		}
	}
	if bits != 0 {
		set = append(set, fmt.Sprintf("%s%#x", t.prefix, bits))
	}
	return set
}

// MatchMechanisms returns the mechanisms whose name matches the pattern, in which * stands for anything: CKM_AES_*. One that has
// no name is written as a number: CKM_0x80001234.
func MatchMechanisms(pattern string) (types []MechanismType) {
	if !strings.Contains(pattern, "*") {
		if t, ok := ParseMechanismType(pattern); ok {
			types = append(types, t)
		}
		return types
	}
	t := &mechanismTypeNames
	for i, r := range t.rows {
		if ok, err := path.Match(pattern, t.prefix+t.at(i)); ok && err == nil {
			types = append(types, MechanismType(r.number))
		}
	}
	return types
}
