package store

import (
	"encoding/binary"
	"slices"
)

// The entry static of the header is what is fixed when a token is initialised, but for the key slots. In format 2 it has a list of typed
// parts, each of which says whether it is critical. A library that does not know a critical part does not open the token: it would leave
// out what the part demands. A part that is not critical it keeps, and authenticates like the others.

const (
	partHead     = 2 + 1 + 4
	partCritical = 1
)

const (
	flagRelaxed = 1 << iota
	flagsKnown  = flagRelaxed
)

// partNames are the names of kinds, for messages.
var partNames = map[uint16]string{
	kindCost: "cost", kindTries: "tries", kindLabel: "label", kindDurability: "durability", kindSeparation: "separation",
	kindVoucher: "voucher", kindIndex: "index", kindLock: "lock", kindLab: "lab", kindAudit: "audit", kindRoles: "roles", kindLimits: "limits",
}

// partSizes are the lengths of the known parts that have one.
var partSizes = [...]int{kindCost: 1, kindTries: 4, kindDurability: 1, kindSeparation: 1, kindVoucher: voucherSize, kindIndex: 1}

// A fixedHeader is what is fixed when a token is initialised.
type fixedHeader struct {
	version      uint16
	uuid, initID [16]byte
	kdf          kdf
	relaxed      bool
	maxTries     uint32
	label        string
	separation   Separation
	voucher      []byte // what public parts are signed under, nil in version 1
	index        uint16 // the version whose label the index key has
	others       []part // that this version does not know
}

const (
	fixedHeaderHead  = len(magic) + 2 + 16 + 16
	fixedHeader1Size = fixedHeaderHead + 1 + 1 + 4
)

// encode returns s as it stands in the file.
func (h *fixedHeader) encode() []byte {
	b := make([]byte, 0, fixedHeaderHead+128+len(h.label))
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = append(b, h.uuid[:]...)
	b = append(b, h.initID[:]...)
	return appendParts(b, h.parts())
}

// parseHeader reads what encode made, or version 1 did. A file of another version is told apart from one that is damaged.
func parseHeader(b []byte) (*fixedHeader, error) {
	if len(b) < len(magic)+2 || string(b[:len(magic)]) != magic {
		return nil, unrecognized("not a token of softcsp")
	}
	h := &fixedHeader{version: binary.BigEndian.Uint16(b[len(magic):])}
	if h.version != 1 && h.version != version {
		return nil, unrecognizedVersion(h.version)
	}
	if len(b) < fixedHeaderHead {
		return nil, tampered("the header is cut short")
	}
	h.uuid, h.initID = [16]byte(b[len(magic)+2:]), [16]byte(b[len(magic)+2+16:])
	if h.version == 1 {
		if err := h.parse1(b); err != nil {
			return nil, err
		}
		return h, nil
	}
	list, ok := parseParts(b[fixedHeaderHead:])
	if !ok {
		return nil, tampered("the header is damaged")
	}
	if err := h.setParts(list); err != nil {
		return nil, err
	}
	return h, nil
}

// parse1 reads what version 1 has in the place of parts. How far keys are kept apart was a setting then.
func (h *fixedHeader) parse1(b []byte) error {
	if len(b) < fixedHeader1Size {
		return tampered("the header is cut short")
	}
	flags := b[fixedHeaderHead+1]
	h.kdf, h.relaxed = kdf(b[fixedHeaderHead]), flags&flagRelaxed != 0
	h.maxTries = binary.BigEndian.Uint32(b[fixedHeaderHead+2:])
	h.label = string(b[fixedHeader1Size:])
	h.separation, h.index = SeparationStandard, 1
	if h.kdf >= kdfs || flags&^flagsKnown != 0 || h.maxTries == 0 {
		return tampered("the header is damaged")
	}
	return nil
}

// readHeader reads the static part and tests that it is this token's.
func (t *Token) readHeader(x tx) (*fixedHeader, error) {
	raw := x.get(bHeader, headerStatic)
	if known := t.header.Load(); known != nil && known.raw == string(raw) {
		return known.fixedHeader, nil
	}
	h, err := parseHeader(raw)
	if err != nil {
		return nil, err
	}
	if h.uuid != t.uuidBytes {
		return nil, unrecognized("the file holds token %s: a token file must keep its name", formatUUID(h.uuid))
	}
	t.header.Store(&cachedHeader{string(raw), h})
	return h, nil
}

// A cachedHeader is a static part that was parsed, and what from.
type cachedHeader struct {
	raw string
	*fixedHeader
}

// headerNumber reads an integer of the header, 0 where there is none.
func headerNumber(x tx, key []byte) uint64 {
	if b := x.get(bHeader, key); len(b) == 8 {
		return beUint64(b)
	}
	return 0
}

// A part is a part of the header as it stands in the file.
type part struct {
	kind     uint16
	critical bool
	value    []byte
}

// parts returns the parts of h in order: what it knows as it is now, and the others as they were read.
func (h *fixedHeader) parts() []part {
	relaxed := byte(0)
	if h.relaxed {
		relaxed = 1
	}
	list := []part{
		{kindCost, true, []byte{byte(h.kdf)}},
		{kindTries, true, binary.BigEndian.AppendUint32(nil, h.maxTries)},
		{kindLabel, false, []byte(h.label)},
		{kindDurability, false, []byte{relaxed}},
		{kindSeparation, true, []byte{byte(h.separation)}},
		{kindVoucher, true, h.voucher},
	}
	if h.index != version {
		list = append(list, part{kindIndex, true, []byte{byte(h.index)}})
	}
	list = append(list, h.others...)
	slices.SortFunc(list, func(a, b part) int { return int(a.kind) - int(b.kind) })
	return list
}

// appendParts appends the encoding of parts.
func appendParts(b []byte, list []part) []byte {
	for _, p := range list {
		flags := byte(0)
		if p.critical {
			flags = partCritical
		}
		b = append(binary.BigEndian.AppendUint16(b, p.kind), flags)
		b = binary.BigEndian.AppendUint32(b, uint32(len(p.value)))
		b = append(b, p.value...)
	}
	return b
}

// parseParts reads what appendParts made, and nothing else: what parses has one encoding.
func parseParts(b []byte) (list []part, ok bool) {
	for len(b) > 0 {
		if len(b) < partHead || b[2]&^partCritical != 0 {
			return nil, false
		}
		p := part{kind: binary.BigEndian.Uint16(b), critical: b[2]&partCritical != 0}
		n := binary.BigEndian.Uint32(b[3:])
		if b = b[partHead:]; uint64(n) > uint64(len(b)) {
			return nil, false
		}
		if len(list) > 0 && list[len(list)-1].kind >= p.kind {
			return nil, false
		}
		p.value, b = slices.Clone(b[:n]), b[n:]
		list = append(list, p)
	}
	return list, true
}

// setParts puts the parts into h. It tests that the parts it knows have the form and the critical bit that they must have, and that those that
// every token has are there.
func (h *fixedHeader) setParts(list []part) error {
	h.index = version
	for _, p := range list {
		if !h.knows(p.kind) {
			if p.critical {
				return unrecognized("the token has a part of kind %d (%s) that this softcsp does not know: it needs a newer softcsp", p.kind, p.name())
			}
			h.others = append(h.others, p)
			continue
		}
		if !h.setPart(p) {
			return tampered("the header is damaged: part %s", p.name())
		}
	}
	// A part that is missing, or has another bit, is not encoded to the same.
	now := h.parts()
	same := slices.EqualFunc(list, now, func(a, b part) bool {
		return a.kind == b.kind && a.critical == b.critical && string(a.value) == string(b.value)
	})
	if !same || h.maxTries == 0 || h.kdf >= kdfs || h.separation >= separations {
		return tampered("the header is damaged")
	}
	return nil
}

// knows reports whether this version knows parts of that kind.
func (h *fixedHeader) knows(kind uint16) bool { return kind >= kindCost && kind <= kindIndex }

// setPart puts one part into h, and reports whether it has its length.
func (h *fixedHeader) setPart(p part) bool {
	if n := partSizes[p.kind]; n != 0 && n != len(p.value) {
		return false
	}
	switch p.kind {
	case kindCost:
		h.kdf = kdf(p.value[0])
	case kindTries:
		h.maxTries = binary.BigEndian.Uint32(p.value)
	case kindLabel:
		h.label = string(p.value)
	case kindDurability:
		h.relaxed = p.value[0] == 1
	case kindSeparation:
		h.separation = Separation(p.value[0])
	case kindVoucher:
		h.voucher = p.value
	case kindIndex:
		h.index = uint16(p.value[0])
		return h.index == 1
	}
	return true
}

// name is what a part is called.
func (p part) name() string {
	if name, ok := partNames[p.kind]; ok {
		return name
	}
	return "unknown"
}

// unrecognizedVersion is the error for a file of a later format.
func unrecognizedVersion(v uint16) error {
	return unrecognized("format version %d: this softcsp reads versions 1 and %d; it needs a newer softcsp", v, version)
}
