package token

import (
	"errors"
	"io"
	"slices"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// GenerateKeyPair implements C_GenerateKeyPair, section 5.18.2. Both keys come to be, or none.
func (m *Module) GenerateKeyPair(h ck.SessionHandle, mech *ck.Mechanism, public, private []ck.Attribute) (ck.ObjectHandle, ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, 0, err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_GENERATE_KEY_PAIR)
	if err != nil {
		return 0, 0, err
	}
	g := &pairGeneration{row: row, pub: generationRequest(row, publicKeyClass, public), priv: generationRequest(row, privateKeyClass, private)}
	for _, r := range [...]*request{g.pub, g.priv} {
		if err := s.checkTemplate(r); err != nil {
			return 0, 0, err
		}
	}
	return s.runGeneration("C_GenerateKeyPair", ck.CKF_GENERATE_KEY_PAIR, g, &mech.Param)
}

// A pairGeneration makes a key pair.
type pairGeneration struct {
	row           *mechanisms.Mechanism
	pub, priv     *request
	made, secrets []ck.Attribute
}

func (g *pairGeneration) compute(rand io.Reader, p *ck.Param) (err error) {
	g.made, g.secrets, err = g.row.GeneratePair(rand, p, withValueBits(g.pub.template, g.priv.template))
	return err
}

func (g *pairGeneration) finish(s *session) (ck.ObjectHandle, ck.ObjectHandle, error) {
	g.pub.fixed, g.priv.fixed = append(g.pub.fixed, g.made...), append(g.priv.fixed, g.secrets...)
	info, err := publicInfo(g.row.Makes, g.pub.template, g.made)
	if err != nil {
		return 0, 0, err
	}
	g.pub.fixed, g.priv.fixed = append(g.pub.fixed, info), append(g.priv.fixed, info)
	handles, _, err := s.makeObjects([]*request{g.pub, g.priv})
	if err != nil {
		return 0, 0, err
	}
	return handles[0], handles[1], nil
}

func (g *pairGeneration) results() []mechanisms.Result { return nil }

func (g *pairGeneration) copyArguments() {
	g.pub.template, g.priv.template = cloneTemplate(g.pub.template), cloneTemplate(g.priv.template)
}

func (g *pairGeneration) wipe() { wipeSecrets(g.row.Makes, g.secrets) }

// stopWhen stops nothing. Most pairs take no time; those of RSA can take minutes.
func (g *pairGeneration) stopWhen(func() bool) bool { return g.row.Makes != ck.CKK_RSA }

// withValueBits adds CKA_VALUE_BITS of the template of a private key to the template of the public one, which has all else that a mechanism
// needs to know.
func withValueBits(public, private []ck.Attribute) []ck.Attribute {
	for _, a := range private {
		if a.Type == ck.CKA_VALUE_BITS {
			return append(slices.Clip(public), a)
		}
	}
	return public
}

// publicInfo computes CKA_PUBLIC_KEY_INFO of a pair from the template of the public key and what the mechanism made.
func publicInfo(t ck.KeyType, lists ...[]ck.Attribute) (ck.Attribute, error) {
	added, err := mechanisms.Complete(ck.CKO_PUBLIC_KEY, t, func(t ck.AttributeType) []byte {
		for _, list := range lists {
			for _, a := range list {
				if a.Type == t {
					return a.Value
				}
			}
		}
		return nil
	})
	for _, a := range added {
		if a.Type == ck.CKA_PUBLIC_KEY_INFO {
			return a, err
		}
	}
	return ck.Attribute{}, errors.Join(ck.CKR_GENERAL_ERROR, err)
}

// wipeSecrets overwrites the secret values of a private key. Others, parameters of a curve say, may lie in the caller's memory.
func wipeSecrets(t ck.KeyType, attrs []ck.Attribute) {
	private := tables[objectType{ck.CKO_PRIVATE_KEY, uint(t)}]
	for _, a := range attrs {
		if i := private.find(a.Type); i < 0 || private.rows[i].rule.has(concealed) {
			clear(a.Value)
		}
	}
}
