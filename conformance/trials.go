package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A property is what holds of every mechanism of a kind.
type property struct {
	name, title string
	says        string // what the standard says
	sections    []string
	takes       func(f *family) bool
	try         func(x *trying)
}

func encrypts(f *family) bool { return !f.digest && !f.signs }
func signs(f *family) bool    { return f.signs }
func hashes(f *family) bool   { return f.digest }

// inParts takes those of whose mechanisms some work in parts.
func inParts(of func(*family) bool) func(*family) bool {
	return func(f *family) bool { return of(f) && !f.whole }
}

// properties are all of them.
var properties = []property{
	{"roundtrip", "%s: what is encrypted is decrypted", "C_Decrypt gives back what C_Encrypt was given, also when it is asked for twice; a text that was changed is refused where the mechanism can tell",
		[]string{"5.8", "5.10"}, encrypts, (*trying).decryption},
	{"parts", "%s: encrypted in parts as in one call", "C_EncryptUpdate and C_EncryptFinal give, joined, what C_Encrypt gives, however the data are cut", []string{"5.8", "5.10"}, inParts(encrypts), (*trying).encryptionInParts},
	{"lengths", "%s: lengths that are asked for, and too little room", "NULL asks for the length; too little room is CKR_BUFFER_TOO_SMALL, and neither ends the operation", []string{"5.2", "5.8"}, encrypts, (*trying).encryptionLengths},
	{"refused", "%s: keys and calls that are refused to encrypt", "",
		[]string{"5.8", "5.1.6"}, encrypts, (*trying).encryptionRefused},

	{"roundtrip", "%s: what is signed is verified", "C_Verify takes what C_Sign gives, and neither another signature nor one of other data", []string{"5.13", "5.15"}, signs, (*trying).verification},
	{"parts", "%s: signed in parts as in one call", "C_SignUpdate and C_SignFinal sign what C_Sign signs, however the data are cut, and C_VerifyFinal takes it", []string{"5.13", "5.15"}, inParts(signs), (*trying).signatureInParts},
	{"lengths", "%s: lengths that are asked for, and too little room", "NULL asks for the length; too little room is CKR_BUFFER_TOO_SMALL, and neither ends the operation", []string{"5.2", "5.13"}, signs, (*trying).signatureLengths},
	{"refused", "%s: keys and calls that are refused to sign", "",
		[]string{"5.13", "5.1.6"}, signs, (*trying).signatureRefused},

	{"parts", "%s: hashed in parts as in one call", "C_DigestUpdate and C_DigestFinal give what C_Digest gives, however the data are cut", []string{"5.12"}, hashes, (*trying).digestInParts},
	{"lengths", "%s: lengths that are asked for, and too little room", "NULL asks for the length; too little room is CKR_BUFFER_TOO_SMALL, and neither ends the operation", []string{"5.2", "5.12"}, hashes, (*trying).digestLengths},
	{"refused", "%s: calls that are refused to hash", "There is one operation of a kind at a time in a session, and its result ends it", []string{"5.12", "5.1.6"}, hashes, (*trying).digestRefused},
}

// familyChecks are the checks of each property of each family.
func familyChecks() (list []Check) {
	for _, f := range families {
		for _, p := range properties {
			if !p.takes(&f) {
				continue
			}
			list = append(list, Check{
				Name: f.name + "-" + p.name, Area: areaOf(p.sections[len(p.sections)-1:]), Title: fmt.Sprintf(p.title, f.what), Sections: p.sections, Makes: Sessions,
				run: func(s *Script, r *Result) error { return tryFamily(&f, &p, s, r) },
			})
		}
	}
	return list
}

// A trying is a mechanism that is being tried.
type trying struct {
	*Script
	r      *Result
	f      *family
	trial  trial
	data   []byte
	room   string // for any result
	failed bool   // what follows would fail, too
	dead   bool   // the host is
}

// room is more than any result of the family has: of SLH-DSA-SHA2-128f a signature has 17,088 bytes.
func (f *family) room() int {
	if f.signs && f.whole {
		return 20480
	}
	return 1024
}

// tryFamily tries each mechanism of a family that the module has, in a session of its own.
func tryFamily(f *family, p *property, s *Script, r *Result) error {
	r.says = p.says
	ready := false
	for _, t := range f.tried {
		if !ready {
			if why, err := s.beginFamily(f); err != nil || why != "" {
				if why != "" {
					r.skip(why)
				}
				return err
			}
			ready = true
		}
		if t.whole && p.name == "parts" {
			continue
		}
		can, err := s.can(t.mechanism, f.flags())
		if err != nil {
			return err
		}
		if !can {
			r.skip("there is no " + t.mechanism)
			continue
		}
		n := t.data
		if n == 0 {
			n = 48
		}
		x := &trying{Script: s, r: r, f: f, trial: t, data: make([]byte, n), room: fmt.Sprintf("out:%d", f.room())}
		for i := range x.data {
			x.data[i] = byte(i) // the first is 0, for RSA without padding
		}
		s.Vars.setBytes("data", x.data)
		x.do("C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &t")
		p.try(x)
		if x.dead {
			s.forget()
			ready = false
			continue
		}
		x.failed = false
		x.do("C_CloseSession t")
	}
	return nil
}

// flags are those that a mechanism of the family has.
func (f *family) flags() string {
	switch {
	case f.digest:
		return "CKF_DIGEST"
	case f.signs:
		return "CKF_SIGN|CKF_VERIFY"
	}
	return "CKF_ENCRYPT|CKF_DECRYPT"
}

// can reports whether the token has a mechanism with all of these flags.
func (s *Script) can(mechanism, flags string) (bool, error) {
	rv, err := s.host.Call(s.Vars, "C_GetMechanismInfo", "slot", mechanism, "&mi")
	if err != nil || rv != "CKR_OK" {
		return false, err
	}
	want, err := s.host.tables.number(nil, flags)
	return s.Vars.Number("mi.flags")&want == want, err
}

// beginFamily logs in, and makes the keys of a family. It says why there are none.
func (s *Script) beginFamily(f *family) (why string, err error) {
	for _, name := range []string{"nek", "ndk", "other", "otherprivate"} {
		delete(s.Vars, name) // of a process before
	}
	if err := s.lines("login", "let keep s"); err != nil {
		return "", err
	}
	for _, line := range f.keys {
		if m := mechanismRE.FindString(line); m != "" {
			is := "CKF_GENERATE"
			if strings.HasPrefix(line, "C_GenerateKeyPair") {
				is = "CKF_GENERATE_KEY_PAIR"
			}
			if can, err := s.can(m, is); err != nil || !can {
				return "there is no " + m, err
			}
		}
		err := s.Line(line)
		if m := (*Mismatch)(nil); errors.As(err, &m) && lacks[m.Got] {
			return fmt.Sprintf("%s: %s", m.Function, m.Got), nil
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", line, err)
		}
	}
	return "", nil
}

// do carries out lines up to the first that fails, unless one did before. It reports whether all went well.
func (x *trying) do(lines ...string) bool {
	for _, line := range lines {
		if x.failed {
			return false
		}
		if err := x.Line(line); err != nil {
			x.fails(line, err)
			x.failed, x.dead = true, errors.Is(err, errHost)
			return false
		}
		x.r.Passed++
	}
	return !x.failed
}

// fails notes a failure, with the mechanisms before for which the same came of the same function.
func (x *trying) fails(line string, err error) {
	x.r.fail(0, x.trial.mechanism+": "+line, err)
	last := len(x.r.Failures) - 1
	f := x.r.Failures[last]
	for i := range x.r.Failures[:last] {
		if like := &x.r.Failures[i]; like.Text == f.Text && like.Says == f.Says && f.Kind == Wrong && functionRE.FindString(like.Call) == functionRE.FindString(f.Call) {
			if !strings.HasPrefix(like.Call, x.trial.mechanism+":") && !slices.Contains(like.Also, x.trial.mechanism) {
				like.Also = append(like.Also, x.trial.mechanism)
			}
			x.r.Failures = x.r.Failures[:last]
			return
		}
	}
}

// alone carries out a line that is for itself: whatever comes of it, the next begins in a session without an operation.
func (x *trying) alone(says, line string) {
	x.r.says = says
	if x.failed {
		return
	}
	if x.do(line) || x.dead {
		return
	}
	x.failed = false
	x.do("C_CloseSession t", "C_OpenSession slot CKF_SERIAL_SESSION|CKF_RW_SESSION NULL NULL &t")
}

// mechanism is the word of the mechanism.
func (x *trying) mechanism() string { return x.trial.word() }

// has reports whether there is a key of a name, or lines make it now. A trial can do without.
func (x *trying) has(name string, lines []string) bool {
	if _, made := x.Vars[name]; made {
		return true
	}
	for _, line := range lines {
		if x.failed || x.Line(line) != nil {
			delete(x.Vars, name) // a call that failed has answered with a handle of nothing
			return false
		}
	}
	return len(lines) > 0
}

// authenticates reports whether the mechanism can tell that a text was changed.
func (x *trying) authenticates() bool {
	return strings.HasSuffix(x.trial.mechanism, "_GCM") || strings.HasSuffix(x.trial.mechanism, "_CCM") || strings.HasSuffix(x.trial.mechanism, "_POLY1305")
}

func (x *trying) decryption() {
	m := x.mechanism()
	x.do("C_EncryptInit t "+m+" ek", "C_Encrypt t data ct="+x.room, "expect ct != data", "C_DecryptInit t "+m+" dk", "C_Decrypt t ct pt="+x.room, "expect pt = data",
		"C_DecryptInit t "+m+" dk", "C_Decrypt t odd:ct pt="+x.room, "expect pt = data")
	if x.authenticates() {
		x.do("C_DecryptInit t "+m+" dk", "C_Decrypt t flip:ct "+x.room+" -> CKR_ENCRYPTED_DATA_INVALID|CKR_AEAD_DECRYPT_FAILED",
			"C_DecryptInit t "+m+" dk", "C_Decrypt t ct[0:8] "+x.room+" -> CKR_ENCRYPTED_DATA_INVALID|CKR_ENCRYPTED_DATA_LEN_RANGE|CKR_AEAD_DECRYPT_FAILED")
	}
}

// cuts are where data are cut into parts: after a byte, within a block and at the end of one.
var cuts = []int{0, 1, 17, 32}

// parts carries out an Update for each part of bytes, and keeps what they give, joined, as joined.
func (x *trying) parts(update, bytes string, gives bool) {
	n := len(x.Vars.Bytes(bytes))
	var joined []byte
	for i, from := range cuts {
		to := n
		if i+1 < len(cuts) {
			to = min(cuts[i+1], n)
		}
		line := fmt.Sprintf("%s t %s[%d:%d]", update, bytes, min(from, n), to)
		if gives {
			line += " part=" + x.room
		}
		if !x.do(line) {
			return
		}
		joined = append(joined, x.Vars.Bytes("part")...)
	}
	x.Vars.setBytes("joined", joined)
}

func (x *trying) encryptionInParts() {
	m := x.mechanism()
	x.do("C_EncryptInit t "+m+" ek", "C_Encrypt t data ct="+x.room, "C_EncryptInit t "+m+" ek")
	x.parts("C_EncryptUpdate", "data", true)
	x.do("C_EncryptFinal t last="+x.room, "expect joined++last = ct", "C_DecryptInit t "+m+" dk")
	x.parts("C_DecryptUpdate", "ct", true)
	x.do("C_DecryptFinal t last="+x.room, "expect joined++last = data")
}

// roomFor asks for the length of a result, gives too little room, then as much as it takes. The call has its input and ends before the room.
func (x *trying) roomFor(call, result string) {
	if !x.do(call+" n=query", call+" short="+x.room+"/1 -> CKR_BUFFER_TOO_SMALL") {
		return
	}
	short := x.Vars.Number("short.len")
	if !x.do(call + " " + result + "=" + x.room + "/n.len") {
		return
	}
	x.do("expect n.len >= "+result+".len", fmt.Sprintf("expect %d >= %s.len", short, result))
}

func (x *trying) encryptionLengths() {
	m := x.mechanism()
	x.do("C_EncryptInit t " + m + " ek")
	x.roomFor("C_Encrypt t data", "ct")
	x.do("C_DecryptInit t " + m + " dk")
	x.roomFor("C_Decrypt t ct", "pt")
	x.do("expect pt = data")
	if !x.trial.whole && !x.f.whole {
		x.do("C_EncryptInit t "+m+" ek", "C_EncryptUpdate t data part="+x.room, "C_EncryptFinal t n=query", "C_EncryptFinal t last="+x.room+"/n.len", "expect part++last = ct")
	}
}

// refuse tries keys that an Init function refuses: none, one that may not, and one of another type.
func (x *trying) refuse(begin, barred string) {
	m := x.mechanism()
	x.alone("A handle of no key is CKR_KEY_HANDLE_INVALID", begin+" t "+m+" 999999 -> CKR_KEY_HANDLE_INVALID")
	if x.has("nek", x.f.none) {
		x.alone("A key whose attributes do not allow the operation is CKR_KEY_FUNCTION_NOT_PERMITTED", begin+" t "+m+" "+barred+" -> CKR_KEY_FUNCTION_NOT_PERMITTED")
	}
	if x.has("other", x.f.unlike) {
		other := "other"
		if strings.HasPrefix(begin, "C_Decrypt") || strings.HasPrefix(begin, "C_Sign") {
			if _, pair := x.Vars["otherprivate"]; pair {
				other = "otherprivate"
			}
		}
		x.alone("A key of a type that the mechanism does not take is CKR_KEY_TYPE_INCONSISTENT", begin+" t "+m+" "+other+" -> CKR_KEY_TYPE_INCONSISTENT")
	}
	x.r.says = "There is one operation of a kind at a time in a session, and its result ends it"
}

func (x *trying) encryptionRefused() {
	m := x.mechanism()
	x.refuse("C_EncryptInit", "nek")
	x.refuse("C_DecryptInit", "ndk")
	x.do("C_Encrypt t data "+x.room+" -> CKR_OPERATION_NOT_INITIALIZED", "C_EncryptInit t "+m+" ek", "C_EncryptInit t "+m+" ek -> CKR_OPERATION_ACTIVE", "C_Encrypt t data ct="+x.room,
		"C_Encrypt t data "+x.room+" -> CKR_OPERATION_NOT_INITIALIZED", "C_Decrypt t ct "+x.room+" -> CKR_OPERATION_NOT_INITIALIZED")
}

func (x *trying) verification() {
	m := x.mechanism()
	x.do("C_SignInit t "+m+" dk", "C_Sign t data sig="+x.room, "C_VerifyInit t "+m+" ek", "C_Verify t data sig",
		"C_VerifyInit t "+m+" ek", "C_Verify t data flip:sig -> CKR_SIGNATURE_INVALID",
		"C_VerifyInit t "+m+" ek", "C_Verify t flip:data sig -> CKR_SIGNATURE_INVALID",
		"C_VerifyInit t "+m+" ek", "C_Verify t data sig[0:3] -> CKR_SIGNATURE_LEN_RANGE|CKR_SIGNATURE_INVALID")
}

func (x *trying) signatureInParts() {
	m := x.mechanism()
	x.do("C_SignInit t " + m + " dk")
	x.parts("C_SignUpdate", "data", false)
	x.do("C_SignFinal t sig="+x.room, "C_VerifyInit t "+m+" ek", "C_Verify t data sig", "C_VerifyInit t "+m+" ek")
	x.parts("C_VerifyUpdate", "data", false)
	x.do("C_VerifyFinal t sig", "C_VerifyInit t "+m+" ek", "C_VerifyUpdate t data", "C_VerifyFinal t flip:sig -> CKR_SIGNATURE_INVALID")
}

func (x *trying) signatureLengths() {
	m := x.mechanism()
	x.do("C_SignInit t " + m + " dk")
	x.roomFor("C_Sign t data", "sig")
	x.do("C_VerifyInit t "+m+" ek", "C_Verify t data sig")
	if !x.trial.whole && !x.f.whole {
		x.do("C_SignInit t "+m+" dk", "C_SignUpdate t data")
		x.roomFor("C_SignFinal t", "sig")
		x.do("C_VerifyInit t "+m+" ek", "C_Verify t data sig")
	}
}

func (x *trying) signatureRefused() {
	m := x.mechanism()
	x.refuse("C_SignInit", "ndk")
	x.refuse("C_VerifyInit", "nek")
	x.do("C_Sign t data "+x.room+" -> CKR_OPERATION_NOT_INITIALIZED", "C_SignInit t "+m+" dk", "C_SignInit t "+m+" dk -> CKR_OPERATION_ACTIVE", "C_Sign t data sig="+x.room,
		"C_Sign t data "+x.room+" -> CKR_OPERATION_NOT_INITIALIZED", "C_Verify t data sig -> CKR_OPERATION_NOT_INITIALIZED")
}

func (x *trying) digestInParts() {
	m := x.mechanism()
	x.do("C_DigestInit t "+m, "C_Digest t data whole="+x.room, "C_DigestInit t "+m)
	x.parts("C_DigestUpdate", "data", false)
	x.do("C_DigestFinal t d="+x.room, "expect d = whole", "C_DigestInit t "+m, "C_DigestFinal t nothing="+x.room, "expect nothing != whole")
}

func (x *trying) digestLengths() {
	m := x.mechanism()
	x.do("C_DigestInit t " + m)
	x.roomFor("C_Digest t data", "whole")
	x.do("C_DigestInit t "+m, "C_DigestUpdate t data")
	x.roomFor("C_DigestFinal t", "d")
	x.do("expect d = whole", "expect n.len = d.len")
}

func (x *trying) digestRefused() {
	m := x.mechanism()
	x.do("C_Digest t data "+x.room+" -> CKR_OPERATION_NOT_INITIALIZED", "C_DigestUpdate t data -> CKR_OPERATION_NOT_INITIALIZED", "C_DigestFinal t "+x.room+" -> CKR_OPERATION_NOT_INITIALIZED",
		"C_DigestInit t "+m, "C_DigestInit t "+m+" -> CKR_OPERATION_ACTIVE", "C_DigestUpdate t data", "C_DigestFinal t d="+x.room, "C_DigestFinal t "+x.room+" -> CKR_OPERATION_NOT_INITIALIZED")
}
