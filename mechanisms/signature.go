package mechanisms

import (
	"hash"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/secret"
)

// A signature is a signature with a private key, or its verification with a public key, in progress. The data is hashed; where the mechanism signs it
// as it is, it is collected.
type signature struct {
	inputBuffer
	hash  hash.Hash // nil for data as it is
	limit int       // how many bytes of that there may be
	size  int       // of the signature, or anySize
	ended bool

	sign   func(data []byte) ([]byte, error)
	verify func(data, sig []byte) error
}

// anySize is the size of signatures of different lengths: verify checks it.
const anySize = -1

var (
	_ Signer   = (*signature)(nil)
	_ Verifier = (*signature)(nil)
)

func (s *signature) Size() int { return s.size }

func (s *signature) Update(data []byte) error {
	switch {
	case s.ended:
		return ck.CKR_OPERATION_NOT_INITIALIZED
	case s.hash != nil:
		_, err := s.hash.Write(data)
		return err
	case len(data) > s.limit-len(s.data):
		return ck.CKR_DATA_LEN_RANGE
	}
	s.add(data)
	return nil
}

// message ends the operation and returns what is signed.
func (s *signature) message() ([]byte, error) {
	if s.ended {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	s.ended = true
	if s.hash != nil {
		return s.hash.Sum(nil), nil
	}
	return s.data, nil
}

func (s *signature) Sign(dst []byte) (n int, err error) {
	data, err := s.message()
	if err != nil {
		return 0, err
	}
	defer s.wipe()
	secret.Do(func() {
		var sig []byte
		sig, err = s.sign(data)
		n = copy(dst, sig)
	})
	return n, err
}

func (s *signature) Verify(sig []byte) error {
	data, err := s.message()
	if err != nil {
		return err
	}
	defer s.wipe()
	if len(sig) != s.size && s.size != anySize {
		return ck.CKR_SIGNATURE_LEN_RANGE
	}
	return s.verify(data, sig)
}
