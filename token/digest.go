package token

import (
	"encoding"
	"hash"

	"github.com/softcsp/softcsp/ck"
	erasing "github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
)

// A digestOperation is a message digest in progress. A derivation of a mechanism with FromDigest finishes it: from then on
// it takes no more data, but can be derived from again and tells its value.
type digestOperation struct {
	active   bool
	parts    bool
	whole    bool // C_Digest has told the length of the digest: only C_Digest may go on
	finished bool
	// interrupted is set while data is hashed, and stays set where that faulted in the caller's memory: the state of the hash is half changed.
	interrupted bool
	row         *mechanisms.Hash
	hash        hash.Hash
	fresh       []byte // the state of the hash before all input, nil where another digest cannot have it
	idle        idleHash
}

// An idleHash is the hash of a digest that is over, for the next one with the same mechanism.
type idleHash struct {
	row   *mechanisms.Hash
	hash  hash.Hash
	fresh []byte
}

// end ends a digest. The last input, perhaps a password, is in the state of the hash until its block is full, and Reset does not remove
// it from there: so it is overwritten, by the state before all input where that can be had.
func (d *digestOperation) end() {
	idle := d.idle
	switch {
	case d.hash == nil:
	case d.fresh != nil && d.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(d.fresh) == nil:
		idle = idleHash{d.row, d.hash, d.fresh}
	default:
		erasing.Overwrite(d.hash)
	}
	*d = digestOperation{idle: idle}
}

// begin begins a digest with a hash of a mechanism.
func (d *digestOperation) begin(m *mechanisms.Mechanism, p *ck.Param) error {
	plain := p.Len() == 0
	if i := d.idle; plain && i.row != nil && i.row == m.Hash {
		*d = digestOperation{active: true, row: i.row, hash: i.hash, fresh: i.fresh}
		return nil
	}
	state, err := m.Digest(p)
	if err != nil {
		return err
	}
	*d = digestOperation{active: true, row: m.Hash, hash: state}
	if plain {
		d.fresh = freshState(state)
	}
	return nil
}

// freshState returns the state of a hash, nil where a hash does not tell it or takes none.
func freshState(h hash.Hash) []byte {
	m, ok := h.(encoding.BinaryMarshaler)
	if _, takes := h.(encoding.BinaryUnmarshaler); !ok || !takes {
		return nil
	}
	state, err := m.MarshalBinary()
	if err != nil {
		return nil
	}
	return state
}

// write adds data. The stack on which it is hashed is erased.
func (d *digestOperation) write(data []byte) error {
	d.interrupted = true
	erasing.Do(func() { d.hash.Write(data) })
	d.interrupted = false
	return nil
}

// value appends the hash value to b. The copy of the state that Sum makes is erased.
func (d *digestOperation) value(b []byte) (v []byte) {
	erasing.Do(func() { v = d.hash.Sum(b) })
	return v
}

// activeDigest returns the digest that is in progress.
func (s *session) activeDigest() (*digestOperation, error) {
	d := &s.digest
	if d.interrupted {
		d.end()
	}
	if !d.active {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	return d, nil
}

// unfinishedDigest returns the digest if it takes more data.
func (s *session) unfinishedDigest() (*digestOperation, error) {
	d, err := s.activeDigest()
	switch {
	case err != nil:
		return nil, err
	case d.finished:
		s.deviceError = mechanisms.ErrDigestFinished.Code
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	return d, nil
}

// digestInParts returns the digest if it takes more data in parts. One whose length C_Digest was asked for does not, and ends.
func (s *session) digestInParts() (*digestOperation, error) {
	d, err := s.unfinishedDigest()
	if err == nil && d.whole {
		d.end()
		err = ck.CKR_OPERATION_ACTIVE
	}
	return d, err
}

// DigestInit implements C_DigestInit, section 5.12.1.
func (m *Module) DigestInit(h ck.SessionHandle, mech *ck.Mechanism) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	d := &s.digest
	switch {
	case mech == nil && d.active:
		d.end()
		return nil
	case mech == nil:
		return ck.CKR_ARGUMENTS_BAD
	case d.active:
		return ck.CKR_OPERATION_ACTIVE
	}
	row := mechanisms.Lookup(mech.Type)
	if row == nil || row.Digest == nil || !s.restriction.allows(mech.Type, ck.CKF_DIGEST) {
		return ck.CKR_MECHANISM_INVALID
	}
	return d.begin(row, &mech.Param)
}

// Digest implements C_Digest, section 5.12.2.
func (m *Module) Digest(h ck.SessionHandle, data []byte, out *ck.Buffer) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	d, err := s.unfinishedDigest()
	if err != nil {
		return err
	}
	if d.parts {
		d.end()
		return ck.CKR_OPERATION_ACTIVE
	}
	d.whole = true
	return s.finishDigest(data, out)
}

// finishDigest adds data and writes the hash value, if there is a buffer that can hold it, which ends the digest.
func (s *session) finishDigest(data []byte, out *ck.Buffer) error {
	d := &s.digest
	size := d.hash.Size()
	if out.Query(size) {
		return out.Fill(size, nil)
	}
	d.interrupted = true
	if len(data) <= chunkSize {
		erasing.Do(func() {
			d.hash.Write(data)
			d.hash.Sum(out.Data[:0])
		})
	} else {
		if err := s.inChunks(data, d.write); err != nil {
			d.end()
			return err
		}
		d.value(out.Data[:0])
	}
	out.N = uint(size)
	d.end()
	return nil
}

// DigestUpdate implements C_DigestUpdate, section 5.12.3.
func (m *Module) DigestUpdate(h ck.SessionHandle, data []byte) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	d, err := s.digestInParts()
	if err != nil {
		return err
	}
	d.parts = true
	if err := s.inChunks(data, d.write); err != nil {
		d.end()
		return err
	}
	return nil
}

// DigestKey implements C_DigestKey, section 5.12.4: the value of a secret key.
func (m *Module) DigestKey(h ck.SessionHandle, key ck.ObjectHandle) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	d, err := s.digestInParts()
	if err != nil {
		return err
	}
	k, err := s.useKey(key, &keyUse{purpose: anyPurpose, takes: keyToDigest, oneCall: true})
	if err != nil {
		return err
	}
	defer k.release()
	d.parts = true
	return d.write(k.key().Value)
}

// DigestFinal implements C_DigestFinal, section 5.12.5.
func (m *Module) DigestFinal(h ck.SessionHandle, out *ck.Buffer) error {
	s, err := m.lock(h)
	if err != nil {
		return err
	}
	defer s.unlock()
	d, err := s.activeDigest()
	if err != nil {
		return err
	}
	if d.whole {
		d.end()
		return ck.CKR_OPERATION_ACTIVE
	}
	return s.finishDigest(nil, out)
}
