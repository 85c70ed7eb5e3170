package store

import (
	"encoding/binary"
	"slices"
)

// The header proper of format 2: what is fixed when a token is initialised, but for the key slots, as a list of typed parts. Each
// says whether it is critical. A library that does not know a critical part does not open the token: it would leave out what the
// part demands. One that is not critical it keeps, and vouches for it as for the others.
//
//	"softcsp\0" | version 2 | uuid 16 | era 16 | parts, in the order of their kinds, each kind once
//	part: kind 2 | flags 1, of which bit 0 says that it is critical | length 4 | value
const (
	kindCost       = 1 // kdf 1                                           critical
	kindTries      = 2 // most failed logins 4                            critical
	kindLabel      = 3 // text                                            not critical
	kindDurability = 4 // 0 full, 1 relaxed                               not critical
	kindSeparation = 5 // 0 strict, 1 standard                            critical
	kindVoucher    = 6 // the Ed25519 key that public parts are signed under 32   critical
	kindIndex      = 7 // the version whose label the index key has 1, in tokens that were upgraded     critical

	// Reserved, and not known to this version.
	kindLock   = 16
	kindLab    = 17
	kindAudit  = 18
	kindRoles  = 19
	kindLimits = 20

	partHead     = 2 + 1 + 4
	partCritical = 1
)

// partNames are the names of kinds, for messages.
var partNames = map[uint16]string{
	kindCost: "cost", kindTries: "tries", kindLabel: "label", kindDurability: "durability", kindSeparation: "separation",
	kindVoucher: "voucher", kindIndex: "index", kindLock: "lock", kindLab: "lab", kindAudit: "audit", kindRoles: "roles", kindLimits: "limits",
}

// partSizes are the lengths of the known parts that have one.
var partSizes = [...]int{kindCost: 1, kindTries: 4, kindDurability: 1, kindSeparation: 1, kindVoucher: voucherSize, kindIndex: 1}

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
