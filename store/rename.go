package store

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
)

// maxLabel is the longest label that Rename gives, in bytes: what C_InitToken takes.
const maxLabel = 32

// Rename gives the token another label. The label is a part of the header, and the state vouches for the header: so it takes keys, whosever.
// Other processes find the new label when they next ask for the token's Info. Logins stay.
func (t *Token) Rename(k *Keys, label string) error {
	if label == "" || len(label) > maxLabel {
		return fmt.Errorf("%w: a label of %d bytes", ck.CKR_ARGUMENTS_BAD, len(label))
	}
	if err := k.alive(t); err != nil {
		return err
	}
	return t.change(k, func(c *change) error {
		h, err := t.readHeader(c.x)
		if err != nil {
			return err
		}
		renamed := *h
		renamed.label = label
		return c.x.put(bHeader, headerStatic, renamed.encode())
	})
}
