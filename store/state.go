package store

import (
	"crypto/sha256"
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/softcsp/softcsp/internal/secret"
)

// A state is the authenticated part of the header that changes.
type state struct {
	number, count uint64
	setHash       setHash
}

const (
	stateHead = 8 + 8
	stateSize = stateHead + chacha20poly1305.NonceSizeX + setHashSize + chacha20poly1305.Overhead
)

// stateData returns the associated data of the state: all of the header that nobody without the keys may change.
func stateData(x tx, v uint16, head []byte) []byte {
	ad := append([]byte("softcsp state"), 0, byte(v))
	for _, part := range [][]byte{x.get(bHeader, headerStatic), x.get(bHeader, headerSlots[User]), x.get(bHeader, headerSlots[SO])} {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(part)))
		ad = append(ad, part...)
	}
	return append(ad, head...)
}

// sealState returns the state as it stands in the file. The rest of the header is in x already. The caller runs inside use.
func (k *Keys) sealState(x tx, s *state) []byte {
	b := make([]byte, stateHead+chacha20poly1305.NonceSizeX, stateSize)
	binary.BigEndian.PutUint64(b, s.number)
	binary.BigEndian.PutUint64(b[8:], s.count)
	random(b[stateHead:])
	ad := stateData(x, version, b[:stateHead])
	secret.Do(func() { b = newAEAD(k.purposeKey(version, forState)).Seal(b, b[stateHead:], s.setHash.encode(), ad) })
	return b
}

// openState reads the state and verifies the header. The caller runs inside use.
func (k *Keys) openState(x tx) (*state, error) {
	b := x.get(bHeader, headerState)
	if len(b) != stateSize {
		return nil, tampered("the header's state is damaged")
	}
	v, err := k.token.readHeader(x)
	if err != nil {
		return nil, err
	}
	if !k.canRead(v.version) {
		return nil, errRolledBack
	}
	s := &state{number: beUint64(b), count: beUint64(b[8:])}
	nonce := b[stateHead : stateHead+chacha20poly1305.NonceSizeX]
	ad := stateData(x, v.version, b[:stateHead])
	secret.Do(func() {
		var plain []byte
		if plain, err = newAEAD(k.purposeKey(v.version, forState)).Open(nil, nonce, b[stateHead+len(nonce):], ad); err == nil {
			s.setHash.decode(plain)
		}
	})
	if err != nil {
		return nil, tampered("the header was changed by something else than softcsp")
	}
	return s, nil
}

// headerDigestOf returns a digest of the whole header as the state sees it.
func headerDigestOf(x tx) [sha256.Size]byte {
	return sha256.Sum256(stateData(x, 0, x.get(bHeader, headerState)))
}
