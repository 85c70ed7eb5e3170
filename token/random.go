package token

import (
	"os"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/randombytes"
)

// GenerateRandom implements C_GenerateRandom, section 5.21.2: random bytes are those of the operating system's generator.
func (m *Module) GenerateRandom(h ck.SessionHandle, out []byte) error {
	a, _, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	randombytes.Fill(out)
	return nil
}

// SeedRandom implements C_SeedRandom, section 5.21.1: it mixes the seed into the operating system's generator.
func (m *Module) SeedRandom(h ck.SessionHandle, seed []byte) error {
	a, _, err := m.session(h)
	if err != nil {
		return err
	}
	defer a.endCall()
	return reseed(seed)
}

// reseed writes a seed to the operating system's generator, which mixes it into what it has. Where it does not take one,
// seeding is not supported: the generator needs no help.
func reseed(seed []byte) error {
	f, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return ck.CKR_RANDOM_SEED_NOT_SUPPORTED
	}
	defer f.Close()
	const maxSeed = 1 << 16 // of what is longer the rest adds nothing
	if _, err := f.Write(ck.Clone(seed[:min(len(seed), maxSeed)])); err != nil {
		return ck.CKR_FUNCTION_FAILED
	}
	return nil
}
