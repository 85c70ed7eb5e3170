package token

import (
	"crypto/rand"
	"io"
	"math/bits"

	"github.com/softcsp/softcsp/ck"
	erasing "github.com/softcsp/softcsp/internal/secret"
	"github.com/softcsp/softcsp/mechanisms"
)

// A generation makes the values of new objects, which can take long, and then the objects.
type generation interface {
	// compute makes the values. It changes nothing but the generation itself, and p.
	compute(rand io.Reader, p *ck.Param) error
	// finish makes the objects in a session: one, or the public and the private key of a pair.
	finish(s *session) (object, second ck.ObjectHandle, err error)
	// results are what is written to the caller's memory when the objects have been made.
	results() []mechanisms.Result
	// copyArguments copies the caller's arguments, so that the generation can outlive the call.
	copyArguments()
	// wipe forgets the values.
	wipe()
	// stopWhen has compute stop when stopped returns true. It returns false where compute takes long and cannot be stopped.
	stopWhen(stopped func() bool) bool
}

// generate runs a generation in a call.
func (s *session) generate(g generation, p *ck.Param) (object, second ck.ObjectHandle, err error) {
	before, stoppedByAny := s.generationsCancelled.Load(), s.stoppedFunc()
	stopped := func() bool { return s.generationsCancelled.Load() != before || stoppedByAny() }
	if !g.stopWhen(stopped) {
		j, err := s.newGenerationJob(g, p)
		if err != nil {
			return 0, 0, err
		}
		if j != nil {
			return s.awaitJob(j, stopped)
		}
	}
	defer g.wipe()
	if err := g.compute(rand.Reader, p); err != nil {
		return 0, 0, err
	}
	results := mechanisms.Derived{Results: g.results()}
	results.Ready()
	object, second, err = g.finish(s)
	if err == nil {
		results.Deliver()
	}
	return object, second, err
}

// GenerateKey implements C_GenerateKey, section 5.18.1.
func (m *Module) GenerateKey(h ck.SessionHandle, mech *ck.Mechanism, template []ck.Attribute) (ck.ObjectHandle, error) {
	a, s, err := m.session(h)
	if err != nil {
		return 0, err
	}
	defer a.endCall()
	row, err := s.rowFor(mech, ck.CKF_GENERATE)
	if err != nil {
		return 0, err
	}
	size, err := valueLen(template)
	if err != nil {
		return 0, err
	}
	var g generation
	switch {
	case row.FromPassword != nil:
		g = &passwordGeneration{row: row, template: template}
	case row.GenerateDomain != nil:
		r := generationRequest(row, domainClass, template)
		r.notKey = true
		if err := s.checkTemplate(r); err != nil {
			return 0, err
		}
		g = &domainGeneration{row: row, request: r}
	default:
		return s.generateSecret(row, &mech.Param, template, size)
	}
	object, _, err := s.runGeneration("C_GenerateKey", ck.CKF_GENERATE, g, &mech.Param)
	return object, err
}

// generateSecret makes a random secret key, which takes no time.
func (s *session) generateSecret(row *mechanisms.Mechanism, p *ck.Param, template []ck.Attribute, size uint) (ck.ObjectHandle, error) {
	var value []byte
	var err error
	erasing.Do(func() { value, err = row.Generate(rand.Reader, p, size) })
	if err != nil {
		return 0, err
	}
	defer clear(value)
	return s.makeGenerated(row, template, row.Makes, value, size == 0)
}

// makeGenerated makes the object of a secret key that was generated. fixedSize says that the mechanism decided its length.
func (s *session) makeGenerated(row *mechanisms.Mechanism, template []ck.Attribute, t ck.KeyType, value []byte, fixedSize bool) (ck.ObjectHandle, error) {
	fixed := []ck.Attribute{
		{Type: ck.CKA_CLASS, Value: secretKeyClass}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(t))}, {Type: ck.CKA_VALUE, Value: value},
	}
	if t == ck.CKK_HOTP {
		fixed[0].Value = otpKeyClass
	}
	if _, oneSize := mechanisms.Size(t); fixedSize && !oneSize {
		fixed = append(fixed, ck.Attribute{Type: ck.CKA_VALUE_LEN, Value: ck.UlongValue(uint(len(value)))})
	}
	return s.makeObject(&request{how: byGenerate, template: template, mechanism: row.Type, fixed: fixed})
}

// A passwordGeneration makes a secret key from a password.
type passwordGeneration struct {
	row      *mechanisms.Mechanism
	template []ck.Attribute
	d        mechanisms.Derived
}

func (g *passwordGeneration) compute(_ io.Reader, p *ck.Param) error {
	return g.row.FromPassword(p, g.template, &g.d)
}

func (g *passwordGeneration) finish(s *session) (ck.ObjectHandle, ck.ObjectHandle, error) {
	h, err := s.makeGenerated(g.row, g.template, g.d.Type, g.d.Value, true)
	return h, 0, err
}

func (g *passwordGeneration) results() []mechanisms.Result { return g.d.Results }
func (g *passwordGeneration) copyArguments()               { g.template = cloneTemplate(g.template) }
func (g *passwordGeneration) wipe()                        { g.d.Wipe() }

func (g *passwordGeneration) stopWhen(stopped func() bool) bool {
	g.d.Stopped = stopped
	return true
}

// A domainGeneration makes domain parameters.
type domainGeneration struct {
	row     *mechanisms.Mechanism
	request *request
	made    []ck.Attribute
	written []mechanisms.Result
}

func (g *domainGeneration) compute(rand io.Reader, p *ck.Param) (err error) {
	g.made, g.written, err = g.row.GenerateDomain(rand, p, g.request.template)
	return err
}

func (g *domainGeneration) finish(s *session) (ck.ObjectHandle, ck.ObjectHandle, error) {
	g.request.fixed = append(g.request.fixed, g.made...)
	h, err := s.makeObject(g.request)
	return h, 0, err
}

func (g *domainGeneration) results() []mechanisms.Result { return g.written }
func (g *domainGeneration) copyArguments()               { g.request.template = cloneTemplate(g.request.template) }
func (g *domainGeneration) wipe()                        {} // the parameters of a domain are public
func (g *domainGeneration) stopWhen(func() bool) bool    { return false }

// generationRequest returns the request for one key of a pair, or for domain parameters, that row generates.
func generationRequest(row *mechanisms.Mechanism, class []byte, template []ck.Attribute) *request {
	return &request{how: byGenerate, template: template, mechanism: row.Type,
		fixed: []ck.Attribute{{Type: ck.CKA_CLASS, Value: class}, {Type: ck.CKA_KEY_TYPE, Value: ck.UlongValue(uint(row.Makes))}}}
}

// checkTemplate finds errors of a template before the key is generated, which can take long.
func (s *session) checkTemplate(r *request) error {
	t, err := r.table()
	if err != nil {
		return err
	}
	user, _ := s.slot.currentLogin()
	r.isSO = user == theSO
	d := draft{table: t, bools: t.defaults}
	if t.class == ck.CKO_PRIVATE_KEY && user == theUser {
		d.bools |= 1 << rowPrivate
	}
	for _, a := range r.template {
		if err := d.putFromTemplate(r, a); err != nil {
			return err
		}
	}
	if missing := t.required[r.how] &^ d.decided; missing != 0 && !r.notKey { // the lengths of some domain parameters follow from their mechanism
		return attributeError(ck.CKR_TEMPLATE_INCOMPLETE, t.rows[bits.TrailingZeros64(missing)].Type)
	}
	return s.mayModify(&Object{table: t, bools: d.bools}, user)
}
