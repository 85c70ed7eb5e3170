package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

func tokenInit(a *app) *cobra.Command {
	so, user := soPIN(), userPIN()
	so.confirm, user.confirm = true, true
	var name, kdf, separation string
	c := &cobra.Command{
		Use:   "init --label LABEL",
		Short: "Make a token",
		Long: `Makes a token: one sealed file in the token directory, with a PIN for the security officer, who can set a new user PIN,
and a PIN for the user, who can use keys. A PIN has 4 to 255 bytes.

--kdf says what a guess at a PIN costs whoever has the file: interactive takes 19 MiB of memory and 2 passes of
Argon2id, sensitive 64 MiB and 3, and test 64 KiB and 1, which protects nothing and is for labs.

--separation says how far the token's keys are kept apart, for as long as it is not initialised anew: strict keeps off the
known attacks on keys by their own functions, standard does what PKCS#11 asks for.`,
		Example: "  softcsp token init --label lab --so-pin-file so.pin --pin-file user.pin",
		Args:    exactly(0, ""),
		RunE: func(c *cobra.Command, _ []string) error {
			if name == "" || len(name) > labelLen {
				return usage(c, fmt.Errorf("--label: a token needs a label of 1 to %d bytes", labelLen))
			}
			if !slices.Contains([]string{"", "interactive", "sensitive", "test"}, kdf) {
				return usage(c, fmt.Errorf("--kdf is %q, but can be interactive, sensitive or test", kdf))
			}
			if _, err := store.ParseSeparation(separation); err != nil {
				return usage(c, fmt.Errorf("--separation is %q, but can be strict or standard", separation))
			}
			return a.initToken(name, kdf, separation, so, user)
		},
	}
	c.Flags().StringVarP(&name, "label", "l", "", "`name` of the token, 32 bytes at most")
	c.Flags().StringVar(&kdf, "kdf", "", "cost of a PIN: `interactive`, sensitive or test (default: the configuration's)")
	c.Flags().StringVar(&separation, "separation", "", "how far keys are kept apart: `strict` or standard (default: the configuration's, else strict)")
	so.add(c.Flags())
	user.add(c.Flags())
	return lists(a, c)
}

// initToken makes a token. Both PINs are read before anything is made.
func (a *app) initToken(name, kdf, separation string, so, user *secretSource) error {
	var pairs []string
	if kdf != "" {
		pairs = []string{"kdf", kdf}
	}
	if separation != "" {
		pairs = append(pairs, "key_separation", separation)
	}
	c, err := a.open(pairs...)
	if err != nil {
		return err
	}
	defer c.close()
	if store.Volatile(c.cfg) {
		return fmt.Errorf("the store is %q: a token made here would be gone with this command; a program that loads the library makes its own", c.cfg.Store)
	}
	list, free, err := c.tokens()
	if err != nil {
		return err
	}
	for _, t := range list {
		if t.info.Label == name {
			return fmt.Errorf("there is a token %q in %s already: choose another label", name, c.where())
		}
	}
	sopin, err := so.read(a)
	if err != nil {
		return err
	}
	defer clear(sopin)
	pin, err := user.read(a)
	if err != nil {
		return err
	}
	defer clear(pin)
	for _, p := range [][]byte{sopin, pin} {
		if len(p) < 4 || len(p) > 255 {
			return explain("token init", ck.CKR_PIN_LEN_RANGE)
		}
	}
	if err := c.module.MakeToken(free, sopin, pin, label(name)); err != nil {
		return explain("making the token", err)
	}
	t := tok{slot: free}
	if t.info, err = c.GetTokenInfo(free); err != nil {
		return explain("reading the new token", err)
	}
	return a.showTokens(c, []tok{t})
}

// setPIN logs in as the user or the security officer, and sets the user PIN.
func (s *session) setPIN(as ck.UserType, pin, next []byte) error {
	if err := s.loginWith(as, pin); err != nil {
		return err
	}
	if as == ck.CKU_SO {
		return explain("setting the user PIN", s.InitPIN(s.handle, next))
	}
	return explain("changing the user PIN", s.SetPIN(s.handle, pin, next))
}

func tokenList(a *app) *cobra.Command {
	return lists(a, &cobra.Command{
		Use:   "list",
		Short: "List tokens",
		Long: `Lists the tokens there are: label, serial number, the slot that programs see it in, how many tries each PIN has left,
how far its keys are kept apart, the cost of a PIN, and the file.`,
		Example: "  softcsp token list --json",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.open()
			if err != nil {
				return err
			}
			defer c.close()
			list, _, err := c.tokens()
			if err != nil {
				return err
			}
			if len(list) == 0 {
				a.note("there is no token in %s; make one with: softcsp token init --label NAME", c.where())
			}
			return a.showTokens(c, list)
		},
	})
}

// A tokenRow is a token as token list shows it.
type tokenRow struct {
	Label     string `json:"label"`
	Serial    string `json:"serial"`
	Slot      uint   `json:"slot"`
	UserPIN   bool   `json:"user_pin"`
	UserTries uint   `json:"user_tries"`
	SOTries   uint   `json:"so_tries"`
	MaxTries  uint   `json:"max_tries"`
	KDF       string `json:"kdf"`
	Relaxed   bool   `json:"relaxed"`
	Format    int    `json:"format"`
	// Separation is how far the token's keys are kept apart; Voucher is the SHA-256 of the key that its public objects are signed under.
	Separation string `json:"separation"`
	Voucher    string `json:"voucher,omitempty"`
	File       string `json:"file"`
}

func (a *app) showTokens(c *client, list []tok) error {
	infos, err := c.infos()
	if err != nil {
		return explain("reading tokens", err)
	}
	rows := make([]tokenRow, 0, len(list))
	var text [][]string
	for _, t := range list {
		i := infos[t.info.SerialNumber]
		r := tokenRow{
			Label: t.info.Label, Serial: t.info.SerialNumber, Slot: uint(t.slot),
			UserPIN:   t.info.Flags&ck.CKF_USER_PIN_INITIALIZED != 0,
			UserTries: i.UserTries, SOTries: i.SOTries, MaxTries: i.MaxTries, KDF: i.KDF, Relaxed: i.Relaxed,
			Format: i.Version, Separation: i.Separation.String(), Voucher: i.Voucher,
		}
		if i.UUID != "" {
			r.File = store.Locate(c.cfg, i.UUID)
		}
		rows = append(rows, r)
		text = append(text, []string{
			r.Label, r.Serial, fmt.Sprint(r.Slot), r.pin(), fmt.Sprintf("%d of %d", r.SOTries, r.MaxTries), r.Separation, r.cost(), r.File,
		})
	}
	return a.show(rows, []string{"LABEL", "SERIAL", "SLOT", "USER PIN", "SO PIN", "KEYS", "COST", "FILE"}, text)
}

func (r *tokenRow) pin() string {
	switch {
	case !r.UserPIN:
		return "not set"
	case r.UserTries == 0:
		return "locked"
	}
	return fmt.Sprintf("%d of %d", r.UserTries, r.MaxTries)
}

func (r *tokenRow) cost() string {
	if r.Relaxed {
		return strings.TrimPrefix(r.KDF+", relaxed", ", ")
	}
	return r.KDF
}

func tokenPIN(a *app) *cobra.Command {
	old, so := userPIN(), soPIN()
	fresh := &secretSource{what: "new PIN", flag: "new-pin", fallback: "SOFTCSP_NEW_PIN", confirm: true}
	var t choice
	var bySO bool
	c := &cobra.Command{
		Use:   "pin [NAME]",
		Short: "Set a new user PIN",
		Long: `Sets a new user PIN: with the old one, or as the security officer with --so, which also unlocks a PIN that was locked
after too many wrong ones.`,
		Example: "  softcsp token pin --pin-file old.pin --new-pin-file new.pin\n  softcsp token pin --so --so-pin-file so.pin --new-pin-file new.pin",
		RunE: func(*cobra.Command, []string) error {
			return a.with(t, func(s *session) error {
				as, current := ck.CKU_USER, old
				if bySO {
					as, current = ck.CKU_SO, so
				}
				pin, err := current.read(a)
				if err != nil {
					return err
				}
				defer clear(pin)
				next, err := fresh.read(a)
				if err != nil {
					return err
				}
				defer clear(next)
				return s.setPIN(as, pin, next)
			})
		},
	}
	c.Flags().BoolVar(&bySO, "so", false, "as the security officer")
	t.addName(a, c)
	old.add(c.Flags())
	so.add(c.Flags())
	fresh.add(c.Flags())
	return c
}
