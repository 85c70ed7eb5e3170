package csp

import (
	"crypto/sha256"
	"slices"

	"github.com/softcsp/softcsp/capi"
	"github.com/softcsp/softcsp/ck"
)

// containerApplication is the CKA_APPLICATION of the data object that a container is known by.
const containerApplication = "softcsp CryptoAPI container"

var (
	yes = ck.BoolValue(true)
	no  = ck.BoolValue(false)
)

func attribute(t ck.AttributeType, v []byte) ck.Attribute { return ck.Attribute{Type: t, Value: v} }

func ulongAttribute(t ck.AttributeType, u uint) ck.Attribute { return attribute(t, ck.UlongValue(u)) }

// containerTemplate is the template of a container's data object; without a name, of any container's.
func containerTemplate(name string) []ck.Attribute {
	t := []ck.Attribute{
		ulongAttribute(ck.CKA_CLASS, uint(ck.CKO_DATA)), attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_PRIVATE, no),
		attribute(ck.CKA_APPLICATION, []byte(containerApplication)),
	}
	if name != "" {
		t = append(t, attribute(ck.CKA_LABEL, []byte(name)))
	}
	return t
}

// keyPairID is the CKA_ID of a container's key pair.
func keyPairID(name string, spec uint32) []byte {
	sum := sha256.Sum256([]byte(name))
	return append(sum[:16:16], byte(spec))
}

// findObjects returns the objects that have all of the template.
func (c *Context) findObjects(template []ck.Attribute) ([]ck.ObjectHandle, error) {
	c.opMu.Lock()
	defer c.opMu.Unlock()
	if err := c.cryptoki.FindObjectsInit(c.session, template); err != nil {
		return nil, translated(err)
	}
	defer c.cryptoki.FindObjectsFinal(c.session) //nolint:errcheck // it was begun
	var all []ck.ObjectHandle
	for page := make([]ck.ObjectHandle, 64); ; {
		n, err := c.cryptoki.FindObjects(c.session, page)
		if err != nil {
			return nil, translated(err)
		}
		if n == 0 {
			return all, nil
		}
		all = append(all, page[:n]...)
	}
}

// openContainer does what the flags say with the container of the context's name.
func (c *Context) openContainer() error {
	there, err := c.findObjects(containerTemplate(c.name))
	if err != nil {
		return err
	}
	switch {
	case c.flags&capi.CRYPT_DELETEKEYSET != 0:
		if len(there) == 0 {
			return capi.NTE_BAD_KEYSET
		}
		return c.deleteContainer(there)
	case c.flags&capi.CRYPT_NEWKEYSET == 0:
		if len(there) == 0 {
			return capi.NTE_BAD_KEYSET
		}
		return nil
	case len(there) != 0:
		return capi.NTE_EXISTS
	}
	err = c.makeContainer()
	if err == capi.NTE_SILENT_CONTEXT {
		c.containerPending, err = true, nil // until CryptSetProvParam gives the PIN
	}
	return err
}

// makeContainer makes the container's data object.
func (c *Context) makeContainer() error {
	if err := c.login(); err != nil {
		return err
	}
	if _, err := c.cryptoki.CreateObject(c.session, containerTemplate(c.name)); err != nil {
		return translated(err)
	}
	c.mu.Lock()
	c.containerPending = false
	c.mu.Unlock()
	return nil
}

// deleteContainer destroys the container's key pairs, and then itself.
func (c *Context) deleteContainer(marks []ck.ObjectHandle) error {
	if err := c.login(); err != nil {
		return err
	}
	var all []ck.ObjectHandle
	for _, spec := range [...]uint32{capi.AT_KEYEXCHANGE, capi.AT_SIGNATURE} {
		pair, err := c.findObjects([]ck.Attribute{attribute(ck.CKA_TOKEN, yes), attribute(ck.CKA_ID, keyPairID(c.name, spec))})
		if err != nil {
			return err
		}
		all = append(all, pair...)
	}
	for _, o := range append(all, marks...) {
		if err := c.cryptoki.DestroyObject(c.session, o); err != nil {
			return translated(err)
		}
	}
	return nil
}

// listContainers lists the names of the containers.
func (c *Context) listContainers() ([]string, error) {
	marks, err := c.findObjects(containerTemplate(""))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, o := range marks {
		name, err := c.attributeValue(o, ck.CKA_LABEL)
		if err != nil {
			return nil, err
		}
		names = append(names, string(name))
	}
	slices.Sort(names)
	return names, nil
}

// attributeValue reads an attribute of an object.
func (c *Context) attributeValue(o ck.ObjectHandle, t ck.AttributeType) ([]byte, error) {
	rows := []ck.AttributeBuffer{{Type: t}}
	if err := c.cryptoki.GetAttributeValue(c.session, o, rows); err != nil {
		return nil, translated(err)
	}
	rows[0].Buffer = ck.Into(make([]byte, rows[0].N))
	if err := c.cryptoki.GetAttributeValue(c.session, o, rows); err != nil {
		return nil, translated(err)
	}
	return rows[0].Data[:rows[0].N], nil
}
