package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/softcsp/softcsp/ck"
)

// A keyChoice is the flags that say which key is meant, and what a new key is called.
type keyChoice struct{ label, id string }

func (k *keyChoice) add(f *pflag.FlagSet) {
	f.StringVarP(&k.label, "label", "l", "", "`label` of the key")
	f.StringVar(&k.id, "id", "", "CKA_ID of the key in `hex` digits")
}

func (k *keyChoice) given() bool { return k.label != "" || k.id != "" }

func (k keyChoice) String() string {
	var words []string
	if k.label != "" {
		words = append(words, fmt.Sprintf("with the label %q", k.label))
	}
	if k.id != "" {
		words = append(words, "with the id "+k.id)
	}
	return strings.Join(words, " and ")
}

// template returns the attributes that the flags stand for.
func (k *keyChoice) template() []ck.Attribute {
	var t []ck.Attribute
	if k.label != "" {
		t = append(t, ck.Attribute{Type: ck.CKA_LABEL, Value: []byte(k.label)})
	}
	if id, err := k.idBytes(); err == nil && len(id) > 0 {
		t = append(t, ck.Attribute{Type: ck.CKA_ID, Value: id})
	}
	return t
}

func (k *keyChoice) idBytes() ([]byte, error) {
	id, err := hex.DecodeString(k.id)
	if err != nil {
		return nil, fmt.Errorf("--id: %q is not an even number of hex digits", k.id)
	}
	return id, nil
}

// matching returns the secret keys of the token that are meant.
func (c *client) matching(h ck.SessionHandle, k keyChoice) ([]ck.ObjectHandle, error) {
	if _, err := k.idBytes(); err != nil {
		return nil, err
	}
	t := append(k.template(), ck.Attribute{Type: ck.CKA_CLASS, Value: ck.UlongValue(uint(ck.CKO_SECRET_KEY))})
	list, err := c.find(h, t)
	return list, explain("looking for the key", err)
}

// key returns the one secret key that is meant.
func (c *client) key(h ck.SessionHandle, k keyChoice) (ck.ObjectHandle, error) {
	list, err := c.matching(h, k)
	switch {
	case err != nil:
		return 0, err
	case len(list) == 0:
		return 0, notFound("there is no secret key %s in the token\nsee which there are with: softcsp object list --login", k)
	case len(list) > 1:
		return 0, notFound("there are %d secret keys %s: choose one with --label and --id", len(list), k)
	}
	return list[0], nil
}
