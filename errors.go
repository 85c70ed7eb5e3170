package softcsp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

var (
	// ErrNotFound is the error where there is no token, key or certificate of a name.
	ErrNotFound = errors.New("softcsp: not found")
	// ErrClosed is the error of everything after Close.
	ErrClosed = errors.New("softcsp: the token is closed")
)

// A failure is an error, and what failed by it.
type failure struct {
	what string // "" where the error says it
	err  error
}

// failed makes an error the package's own.
func failed(what string, err error) error { return &failure{what, err} }

const prefix = "softcsp: "

// Error writes the name of the package once, also where the error comes from a part of it.
func (f *failure) Error() string {
	said := strings.TrimPrefix(f.err.Error(), prefix)
	if f.what == "" {
		return prefix + said
	}
	return prefix + f.what + ": " + said
}

func (f *failure) Unwrap() error { return f.err }

// loginError says what came of a login, and how many tries the PIN has left where that one was wrong.
func (t *Token) loginError(err error) error {
	if errors.Is(err, ck.CKR_PIN_INCORRECT) {
		switch n, triesErr := t.module.UserTries(t.slot); {
		case triesErr != nil:
		case n == 1:
			err = fmt.Errorf("%w: 1 try left before the PIN is locked", err)
		default:
			err = fmt.Errorf("%w: %d tries left before the PIN is locked", err, n)
		}
	}
	return failed(fmt.Sprintf("logging in to token %q", t.info.Label), err)
}
