package token

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// The calls of the model. Each returns the states that it can lead to, with the call as conformance's scripts write it.

// alive calls f with each key of this process that is there.
func (s *modelState) alive(f func(i int, k *modelKey)) {
	for i := range s.keys {
		if !s.keys[i].dead {
			f(i, &s.keys[i])
		}
	}
}

// wrapCalls are C_WrapKey.
func wrapCalls(m *model, s *modelState) (next []*modelState) {
	s.alive(func(i int, w *modelKey) {
		ways := m.ways
		if w.o.class() == ck.CKO_PUBLIC_KEY {
			ways = []*algebra{{row: mechanisms.Lookup(ck.CKM_RSA_PKCS), script: "CKM_RSA_PKCS"}}
		} else if w.o.keyType() != ck.CKK_AES {
			return
		}
		if !w.o.flag(ck.CKA_WRAP) || w.away {
			return
		}
		s.alive(func(j int, k *modelKey) {
			if i == j || k.away || k.o.class() != ck.CKO_SECRET_KEY {
				return
			}
			for _, by := range ways {
				if n := m.wrap(s, i, j, by); n != nil {
					next = append(next, n)
				}
			}
		})
	})
	return next
}

func (m *model) wrap(s *modelState, i, j int, by *algebra) *modelState {
	w, k := &s.keys[i], &s.keys[j]
	err := s.protection(i).mayWrap(s.protection(j), by.row, m.strict)
	rule := map[error]string{errNotSealing: "seals", errPartKnown: "part", errMayHaveLeft: "inside"}[err]
	if !m.allowed(err, rule) {
		return nil
	}
	n := s.clone("C_WrapKey s %s %s %s %s=out:256", by.script, w.name, k.name, s.name())
	if !m.assume(n, i, keyUse{purpose: ck.CKA_WRAP, class: w.o.class(), row: by.row, sensitive: k.o.flag(ck.CKA_SENSITIVE), wrapWithTrusted: k.o.flag(ck.CKA_WRAP_WITH_TRUSTED)}) {
		return nil
	}
	b := modelBlob{s.name(), w.identity(), by, string(k.o.mechanismKey.Value)}
	n.blobs = append(n.blobs, b)
	secret := strings.ContainsFunc(latin(w.identity()), func(r rune) bool { return r >= secretByte }) || w.pair != ""
	switch {
	case !secret:
		n.learns(b.content, "decrypt what a known key wraps")
	case by.stream && n.streams[b.with]:
		n.learns(b.content, "add the key stream")
	case by.stream && !strings.ContainsFunc(latin(b.content), func(r rune) bool { return r >= secretByte }):
		n.streams = has(n.streams, b.with)
		n.openStreams(b.with)
	}
	return n
}

// openStreams opens what was wrapped with a key stream that has become known.
func (s *modelState) openStreams(with string) {
	for _, b := range s.blobs {
		if b.with == with && b.by.stream {
			s.learns(b.content, "add the key stream")
		}
	}
}

// open opens what was wrapped with a key.
func (s *modelState) open(with, how string) {
	for _, b := range s.blobs {
		if b.with == with {
			s.learns(b.content, how)
		}
	}
}

// cipherCalls are the uses in which a cipher can be had: C_EncryptInit, C_DecryptInit, C_DecapsulateKey, C_DeriveKey with
// CKM_AES_ECB_ENCRYPT_DATA, and C_Decrypt of an operation that was begun.
func cipherCalls(m *model, s *modelState) (next []*modelState) {
	use := func(i int, k *modelKey, what ck.AttributeType, t ck.MechanismType, line string) *modelState {
		if !k.o.flag(what) {
			return nil
		}
		n := s.clone(line, k.name)
		if !m.assume(n, i, keyUse{purpose: what, class: k.o.class(), row: mechanisms.Lookup(t)}) {
			return nil
		}
		next = append(next, n)
		return n
	}
	s.alive(func(i int, k *modelKey) {
		id := k.identity()
		switch {
		case k.o.class() == ck.CKO_PRIVATE_KEY:
			if len(s.begun) == 0 {
				if n := use(i, k, ck.CKA_DECRYPT, ck.CKM_RSA_PKCS, "C_DecryptInit s CKM_RSA_PKCS %s"); n != nil {
					n.begun = has(nil, id)
				}
			}
			for _, b := range s.blobs {
				if b.with != id {
					continue
				}
				if n := use(i, k, ck.CKA_DECAPSULATE, ck.CKM_RSA_X_509, "C_DecapsulateKey s CKM_RSA_X_509 %s {CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} "+b.name+" &y"); n != nil {
					n.open(id, "decapsulate")
				}
				if n := use(i, k, ck.CKA_SIGN, ck.CKM_RSA_X_509, "C_SignInit s CKM_RSA_X_509 %s\nC_Sign s "+b.name+" out:256"); n != nil {
					n.open(id, "sign with the bare function")
				}
				if n := use(i, k, ck.CKA_SIGN, ck.CKM_RSA_PKCS, "C_SignInit s CKM_RSA_PKCS %s\nC_Sign s rep:16:41 out:256"); n != nil {
					n.open(id, "sign two blocks")
				}
			}
		case k.o.keyType() == ck.CKK_AES:
			if len(s.begun) == 0 {
				if n := use(i, k, ck.CKA_DECRYPT, ck.CKM_AES_ECB, "C_DecryptInit s CKM_AES_ECB %s"); n != nil {
					n.begun = has(nil, id)
				}
			}
			for _, c := range []struct {
				what ck.AttributeType
				t    ck.MechanismType
				line string
			}{{ck.CKA_ENCRYPT, ck.CKM_AES_CTR, "C_EncryptInit s CKM_AES_CTR:CK_AES_CTR_PARAMS{ulCounterBits=128,cb=rep:16:00} %s\nC_Encrypt s rep:16:00 out:16"},
				{ck.CKA_DERIVE, ck.CKM_AES_ECB_ENCRYPT_DATA, "C_DeriveKey s CKM_AES_ECB_ENCRYPT_DATA:CK_KEY_DERIVATION_STRING_DATA{pData=rep:16:00,ulLen=16} %s {CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true} &y"}} {
				if n := use(i, k, c.what, c.t, c.line); n != nil {
					n.streams = has(n.streams, id)
					n.openStreams(id)
				}
			}
		}
	})
	for id := range s.begun {
		for _, b := range s.blobs {
			if b.with == id {
				part := ""
				if b.by.row.Seals && b.by.script != "CKM_RSA_PKCS" {
					part = "[8:24]" // RFC 3394 run backwards begins with the last block
				}
				n := s.clone("C_Decrypt s %s%s out:256", b.name, part)
				n.begun = nil
				n.open(id, "decrypt")
				next = append(next, n)
				break
			}
		}
	}
	return next
}

// unwrapTemplates are what a key is unwrapped as.
var unwrapTemplates = []struct {
	script string
	rows   []ck.Attribute
}{
	{"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES,CKA_SENSITIVE=false,CKA_EXTRACTABLE=true}",
		rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)},
	{"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_AES}", rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_AES)},
	{"{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_SENSITIVE=true,CKA_EXTRACTABLE=true,CKA_DERIVE=true}",
		rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_SENSITIVE, true, ck.CKA_EXTRACTABLE, true, ck.CKA_DERIVE, true)},
}

// unwrapCalls are C_UnwrapKey, of what was wrapped as it is or cut, in this process and in another.
func unwrapCalls(m *model, s *modelState) (next []*modelState) {
	s.alive(func(i int, u *modelKey) {
		if !u.o.flag(ck.CKA_UNWRAP) || u.away || u.o.class() == ck.CKO_PUBLIC_KEY {
			return
		}
		for _, b := range s.blobs {
			if b.with != u.identity() {
				continue
			}
			for _, t := range unwrapTemplates {
				for _, n := range []int{len(b.content), b.by.cut} {
					for _, away := range []bool{false, true} {
						if n == 0 || n > len(b.content) || away && (!m.away || n < len(b.content)) {
							continue
						}
						if to := m.unwrap(s, i, b, n, t.script, t.rows, away); to != nil {
							next = append(next, to)
						}
					}
				}
			}
		}
	})
	return next
}

func (m *model) unwrap(s *modelState, i int, b modelBlob, length int, script string, template []ck.Attribute, away bool) *modelState {
	u, from := &s.keys[i], b.name
	if length < len(b.content) {
		from = fmt.Sprintf("%s[0:%d]", b.name, length)
	}
	n := s.clone("C_UnwrapKey s %s %s %s %s &%s", b.by.script, u.name, from, script, s.name())
	if away {
		n.log[len(n.log)-1] = "elsewhere " + n.log[len(n.log)-1]
	}
	if !b.by.row.Seals && !m.assume(n, i, keyUse{purpose: ck.CKA_UNWRAP, class: u.o.class(), row: b.by.row}) {
		return nil
	}
	s.protection(i)
	value := []byte(b.content[:length])
	r := madeFrom(u.o, &request{how: byUnwrap, template: template, strict: m.strict, fixed: rows(ck.CKA_VALUE, value)})
	t, err := r.table()
	if err != nil {
		return nil
	}
	if m.strict && m.off != "opens" && r.followRole(t, value) != nil {
		return nil
	}
	if m.strict && !away && m.off != "bind" && !m.bind(s, r, value, t) {
		return nil
	}
	o := m.made(r)
	if o == nil || !m.assume(n, i, keyUse{purpose: ck.CKA_UNWRAP, class: u.o.class(), row: b.by.row, sensitive: o.flag(ck.CKA_SENSITIVE)}) {
		return nil
	}
	n.add(modelKey{name: s.name(), o: o, away: away}, -1)
	return n
}

// bind is session.protectLikeKeysWith.
func (m *model) bind(s *modelState, r *request, value []byte, t *attributeTable) bool {
	fits := true
	s.alive(func(i int, k *modelKey) {
		if k.away || !bytes.Equal(k.o.mechanismKey.Value, value) || k.o.class() != ck.CKO_SECRET_KEY {
			return
		}
		s.protection(i)
		fits = fits && k.o.table == t && r.protectLike(k.o) == nil
	})
	return fits
}

// changeCalls are C_SetAttributeValue, C_CopyObject and C_DestroyObject.
func changeCalls(m *model, s *modelState) (next []*modelState) {
	s.alive(func(i int, k *modelKey) {
		if k.away || strings.HasPrefix(k.name, "pub") {
			return
		}
		for _, a := range []struct {
			t  ck.AttributeType
			to bool
		}{{ck.CKA_DERIVE, true}, {ck.CKA_DECRYPT, true}, {ck.CKA_WRAP, true}, {ck.CKA_SENSITIVE, false}, {ck.CKA_EXTRACTABLE, true}, {ck.CKA_TRUSTED, true}, {ck.CKA_WRAP_WITH_TRUSTED, false}} {
			if k.o.flag(a.t) == a.to || k.o.table.find(a.t) < 0 {
				continue
			}
			s.protection(i)
			o, err := k.o.changed(rows(a.t, a.to), false, m.strict && m.off != "later")
			if err != nil {
				continue
			}
			n := s.clone("C_SetAttributeValue s %s {%v=%v}", k.name, a.t, a.to)
			n.keys[i].o = o
			if o.flag(roleNotWrapping) && n.roles[k.cell] == noRole {
				n.roles[k.cell] = notWrapping
			}
			o.role = &o.ownRole
			n.judge(&n.keys[i])
			next = append(next, n)
		}
		if k.o.class() == ck.CKO_SECRET_KEY && !strings.HasPrefix(k.name, "x") {
			s.protection(i)
			if o := m.made(&request{how: byCopy, template: rows(ck.CKA_LABEL, "copy", ck.CKA_TRUSTED, false), base: k.o}); o != nil {
				n := s.clone("C_CopyObject s %s {CKA_LABEL=str:copy,CKA_TRUSTED=false} &%s", k.name, s.name())
				o.role = &o.ownRole
				n.add(modelKey{name: s.name(), o: o}, k.cell)
				next = append(next, n)
			}
		}
		n := s.clone("C_DestroyObject s %s", k.name)
		n.keys[i].dead = true
		next = append(next, n)
	})
	return next
}

// joinCalls are the derivations that hand on bytes.
func joinCalls(m *model, s *modelState) (next []*modelState) {
	generic := rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_GENERIC_SECRET, ck.CKA_DERIVE, true)
	open := with(generic, ck.CKA_SENSITIVE, false, ck.CKA_EXTRACTABLE, true)
	stream := rows(ck.CKA_CLASS, ck.CKO_SECRET_KEY, ck.CKA_KEY_TYPE, ck.CKK_RC4, ck.CKA_VALUE_LEN, 19)
	derive := func(i, j int, script string, p *ck.Mechanism, template []ck.Attribute, asked string) {
		k := &s.keys[i]
		var other *Object
		n := s.clone("C_DeriveKey s %v%s %s %s &%s", p.Type, script, k.name, asked, s.name())
		row := mechanisms.Lookup(p.Type)
		if !m.assume(n, i, keyUse{purpose: ck.CKA_DERIVE, class: k.o.class(), row: row}) {
			return
		}
		if j >= 0 {
			if other = s.keys[j].o; !m.assume(n, j, keyUse{purpose: ck.CKA_DERIVE, class: other.class(), row: row}) {
				return
			}
		}
		d, err := derivationOf(row, k.o, other, p, template)
		if err != nil {
			return
		}
		if o := m.heirOf(d, k.o, template); o != nil {
			n.add(modelKey{name: s.name(), o: o}, -1)
			next = append(next, n)
		}
	}
	kinds := "{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_GENERIC_SECRET,CKA_DERIVE=true"
	data := func(t ck.MechanismType, n uint) *ck.Mechanism { return inMemory(t, ulongs(at(1), n), make([]byte, n)) }
	s.alive(func(i int, k *modelKey) {
		length := len(k.o.mechanismKey.Value)
		if k.away || !k.o.flag(ck.CKA_DERIVE) || k.o.class() != ck.CKO_SECRET_KEY || length > 48 {
			return
		}
		all := ":CK_KEY_DERIVATION_STRING_DATA{pData=rep:%d:00,ulLen=%d}"
		derive(i, -1, fmt.Sprintf(all, 13, 13), data(ck.CKM_CONCATENATE_BASE_AND_DATA, 13), generic, kinds+"}")
		if k.o.flag(ck.CKA_EXTRACTABLE) {
			derive(i, -1, fmt.Sprintf(all, 13, 13), data(ck.CKM_CONCATENATE_BASE_AND_DATA, 13), with(generic, ck.CKA_EXTRACTABLE, true), kinds+",CKA_EXTRACTABLE=true}")
		}
		derive(i, -1, fmt.Sprintf(all, 3, 3), data(ck.CKM_CONCATENATE_DATA_AND_BASE, 3), stream, "{CKA_CLASS=CKO_SECRET_KEY,CKA_KEY_TYPE=CKK_RC4,CKA_VALUE_LEN=19}")
		derive(i, -1, fmt.Sprintf(all, length, length), data(ck.CKM_XOR_BASE_AND_DATA, uint(length)), open, kinds+",CKA_SENSITIVE=false,CKA_EXTRACTABLE=true}")
		for _, first := range []int{0, 1, 15} { // 15 is where data begins that was joined to one byte of a key
			for _, n := range []int{1, 14, 15} {
				if n < length && first < length {
					derive(i, -1, fmt.Sprintf(":ulong:%d", 8*first), inMemory(ck.CKM_EXTRACT_KEY_FROM_KEY, ulongs(uint(8*first))),
						with(generic, ck.CKA_VALUE_LEN, n), fmt.Sprintf("%s,CKA_VALUE_LEN=%d}", kinds, n))
				}
			}
		}
		s.alive(func(j int, o *modelKey) {
			if i != j && !o.away && o.o.flag(ck.CKA_DERIVE) && o.o.class() == ck.CKO_SECRET_KEY && len(o.o.mechanismKey.Value) <= 48 {
				derive(i, j, ":ulong:"+o.name, inMemory(ck.CKM_CONCATENATE_BASE_AND_KEY, ulongs(1)), generic, kinds+"}")
			}
		})
	})
	return next
}
