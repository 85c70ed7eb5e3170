package conformance

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// What the model of history_test.go knows of operations.

func (m *model) cancel(s *modelSession) error {
	for kind, flag := range map[string]string{"Digest": "CKF_DIGEST", "Encrypt": "CKF_ENCRYPT"} {
		if m.chance.IntN(3) == 0 { // one of them, whichever comes first
			delete(s.ops, kind)
			return m.call("OK", "C_SessionCancel", s.handle, flag)
		}
	}
	return nil
}

// result is what an operation with data gives.
func result(kind string, data []byte) []byte {
	key, _ := hex.DecodeString(modelKey)
	switch kind {
	case "Digest":
		sum := sha256.Sum256(data)
		return sum[:]
	case "Sign", "Verify":
		mac := hmac.New(sha256.New, key)
		mac.Write(data)
		return mac.Sum(nil)
	}
	block, _ := aes.NewCipher(key)
	out := make([]byte, len(data))
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(out, data)
	return out
}

// operate begins an operation, or goes on with it, or tries to where there is none.
func (m *model) operate(s *modelSession, kind string) error {
	op := s.ops[kind]
	switch m.chance.IntN(5) {
	case 0, 1:
		return m.init(s, kind, op)
	case 2:
		return m.whole(s, kind, op)
	case 3:
		return m.update(s, kind, op)
	}
	return m.final(s, kind, op)
}

func (m *model) init(s *modelSession, kind string, op *modelOperation) error {
	mechanism := map[string]string{"Digest": "CKM_SHA256", "Sign": "CKM_SHA256_HMAC", "Verify": "CKM_SHA256_HMAC"}[kind]
	if mechanism == "" {
		mechanism = "CKM_AES_CTR:CK_AES_CTR_PARAMS{ulCounterBits=128,cb=rep:16:00}"
	}
	words := []string{s.handle, mechanism, s.key}
	switch kind {
	case "Digest":
		words = words[:2]
	case "Sign", "Verify":
		words[2] = s.mac
	}
	if op != nil && m.one(4) {
		delete(s.ops, kind)
		words[1] = "NULL"
		return m.call("OK", "C_"+kind+"Init", words...)
	}
	if op != nil {
		return m.call("OPERATION_ACTIVE", "C_"+kind+"Init", words...)
	}
	s.ops[kind] = &modelOperation{}
	return m.call("OK", "C_"+kind+"Init", words...)
}

func (m *model) some() []byte {
	b := make([]byte, 1+m.chance.IntN(70))
	for i := range b {
		b[i] = byte(m.chance.IntN(256))
	}
	return b
}

// whole is C_Digest and its like: with a length query or a short buffer before, sometimes.
func (m *model) whole(s *modelSession, kind string, op *modelOperation) error {
	data := m.some()
	want := result(kind, data)
	words := []string{s.handle, "hex:" + hex.EncodeToString(data)}
	switch {
	case kind == "Verify":
		return m.verify(s, op, "C_Verify", words, want)
	case op == nil:
		return m.call("OPERATION_NOT_INITIALIZED", "C_"+kind, append(words, "out:100")...)
	case op.parts:
		delete(s.ops, kind)
		return m.call("OPERATION_ACTIVE", "C_"+kind, append(words, "out:100")...)
	case m.one(3):
		op.whole = kind != "Sign"
		if m.one(2) {
			return m.call("OK", "C_"+kind, append(words, "query")...)
		}
		return m.call("BUFFER_TOO_SMALL", "C_"+kind, append(words, "out:0")...)
	}
	delete(s.ops, kind)
	return m.output("C_"+kind, append(words, "x=out:100"), want)
}

// verify verifies, with a signature that is right or wrong.
func (m *model) verify(s *modelSession, op *modelOperation, name string, words []string, right []byte) error {
	signature, want := slices.Clone(right), "OK"
	if m.one(3) {
		signature[m.chance.IntN(len(signature))] ^= 1
		want = "SIGNATURE_INVALID"
	}
	switch {
	case op == nil:
		want = "OPERATION_NOT_INITIALIZED"
	case op.parts && name == "C_Verify":
		want = "OPERATION_ACTIVE"
	}
	delete(s.ops, "Verify")
	return m.call(want, name, append(words, "hex:"+hex.EncodeToString(signature))...)
}

// output calls a function with output, and compares that.
func (m *model) output(name string, words []string, want []byte) error {
	if err := m.call("OK", name, words...); err != nil {
		return err
	}
	if got := m.vars.Bytes("x"); !slices.Equal(got, want) {
		return fmt.Errorf("%s gave %x, not %x", name, got, want)
	}
	return nil
}

func (m *model) update(s *modelSession, kind string, op *modelOperation) error {
	data := m.some()
	words := []string{s.handle, "hex:" + hex.EncodeToString(data)}
	crypts := kind == "Encrypt" || kind == "Decrypt"
	if crypts {
		words = append(words, "x=out:100")
	}
	switch {
	case op == nil:
		return m.call("OPERATION_NOT_INITIALIZED", "C_"+kind+"Update", words...)
	case op.whole:
		delete(s.ops, kind)
		return m.call("OPERATION_ACTIVE", "C_"+kind+"Update", words...)
	}
	before := len(op.data)
	op.parts, op.data = true, append(op.data, data...)
	if !crypts {
		return m.call("OK", "C_"+kind+"Update", words...)
	}
	return m.output("C_"+kind+"Update", words, result(kind, op.data)[before:])
}

func (m *model) final(s *modelSession, kind string, op *modelOperation) error {
	name := "C_" + kind + "Final"
	switch {
	case kind == "Verify":
		var data []byte
		if op != nil {
			data = op.data
		}
		return m.verify(s, op, name, []string{s.handle}, result(kind, data))
	case op == nil:
		return m.call("OPERATION_NOT_INITIALIZED", name, s.handle, "out:100")
	case op.whole:
		delete(s.ops, kind)
		return m.call("OPERATION_ACTIVE", name, s.handle, "out:100")
	case m.one(4):
		return m.call("OK", name, s.handle, "query")
	}
	delete(s.ops, kind)
	if kind == "Encrypt" || kind == "Decrypt" {
		return m.output(name, []string{s.handle, "x=out:100"}, nil)
	}
	return m.output(name, []string{s.handle, "x=out:100"}, result(kind, op.data))
}

// save saves a digest where there is nothing else. Other states, and what may be saved when nobody is logged in, have tests of
// their own.
func (m *model) save(s *modelSession) error {
	op := s.ops["Digest"]
	if len(s.ops) == 0 {
		return m.call("OPERATION_NOT_INITIALIZED", "C_GetOperationState", s.handle, "x=out:1000")
	}
	if op == nil || len(s.ops) > 1 || op.whole || m.user == "" {
		return nil
	}
	d := &modelDigest{m.new("d"), slices.Clone(op.data)}
	m.saved = append(m.saved, d)
	return m.call("OK", "C_GetOperationState", s.handle, d.state+"=out:1000")
}

func (m *model) restore(s *modelSession) error {
	if len(m.saved) == 0 || m.user == "" {
		return nil
	}
	d := m.saved[m.chance.IntN(len(m.saved))]
	free := func(x *modelSession) bool { return x != s && x.ops["Digest"] == nil }
	if len(m.sessions) > 1 && !slices.ContainsFunc(m.sessions, free) { // docs/limits.md says why
		return m.call("FUNCTION_FAILED", "C_SetOperationState", s.handle, d.state, "0", "0")
	}
	clear(s.ops)
	s.ops["Digest"] = &modelOperation{parts: len(d.data) > 0, data: slices.Clone(d.data)}
	return m.call("OK", "C_SetOperationState", s.handle, d.state, "0", "0")
}
