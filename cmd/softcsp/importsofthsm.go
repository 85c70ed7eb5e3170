package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/pkcs11uri"
	"github.com/softcsp/softcsp/internal/softhsm"
	"github.com/softcsp/softcsp/store"
)

const importSoftHSMHelp = `Takes over the objects of a SoftHSM2 token, keys that are not extractable among them, with their labels, ids, dates, usage
and what is said of their past. DIR is the directory of the token, or the one that softhsm2.conf calls
directories.tokendir; where that has several tokens --from-token says which. Both stores of SoftHSM2 are read, files and
SQLite. The old token is only read, and stays as it is.

The PIN of the old token, its user's or its security officer's, comes from --from-pin-file, --from-pin-fd or
--from-pin-env. The user's is the user PIN of the new token, too, unless another is given: --pin-file, --pin-fd, --pin-env.

Where there is no token that --token names, it is made: that takes the PIN of a new security officer, --so-pin-file,
--so-pin-fd or --so-pin-env. The security officer's PIN is also what CKA_TRUSTED of an object is kept with.

Each object is taken over as a whole or not at all, and the report says of each which it was, what is different, and why.
What is there already is not made again, so that the command can be repeated. It exits with 1 if anything was not taken
over, and with 5 if something in the old token is damaged. --dry-run makes nothing, and reports what would come of it.`

// A softHSMImport is the flags of the command.
type softHSMImport struct {
	dir, from        string
	token            choice
	fromPIN, pin, so *secretSource
	dry              bool
	officer          []byte // the PIN of the security officer, once it was read
}

func importSoftHSM(a *app) *cobra.Command {
	m := &softHSMImport{
		fromPIN: &secretSource{what: "PIN of the SoftHSM2 token", flag: "from-pin", fallback: "SOFTCSP_FROM_PIN"},
		so:      soPIN(), pin: userPIN(),
	}
	c := &cobra.Command{
		Use:   "import-softhsm DIR",
		Short: "Take over a token of SoftHSM2",
		Long:  importSoftHSMHelp,
		Example: `  softcsp import-softhsm /var/lib/softhsm/tokens --from-pin-file old.pin --token lab --so-pin-file so.pin
  softcsp import-softhsm /var/lib/softhsm/tokens --from-token web --from-pin-file old.pin --dry-run`,
		Args: exactly(1, "the DIR of a SoftHSM2 token, or of several"),
		RunE: func(_ *cobra.Command, args []string) error {
			m.dir = args[0]
			return a.importSoftHSM(m)
		},
	}
	c.Flags().StringVar(&m.from, "from-token", "", "`label` or serial number of the SoftHSM2 token, where there are several")
	c.Flags().StringVarP(&m.token.name, "token", "t", "", "`label` of the token that takes them over, which is made if there is none (default: the only token, or the label of the old one)")
	complete(c.Flags(), "token", "token")
	_ = c.RegisterFlagCompletionFunc("from-token", func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return completeSoftHSM(args), cobra.ShellCompDirectiveNoFileComp
	})
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	c.Flags().BoolVar(&m.dry, "dry-run", false, "make nothing, and report what would come of it")
	m.fromPIN.add(c.Flags())
	m.pin.add(c.Flags())
	m.so.add(c.Flags())
	return lists(a, c)
}

// completeSoftHSM returns the labels of the tokens in the directory that the arguments name.
func completeSoftHSM(args []string) (words []string) {
	if len(args) != 1 {
		return nil
	}
	list, _ := softhsm.Find(args[0])
	for _, t := range list {
		words = appendWord(words, t.Label, t.Serial)
	}
	return words
}

// importSoftHSM opens the old token before anything is made.
func (a *app) importSoftHSM(m *softHSMImport) error {
	a.makesTokens = true
	old, err := m.find()
	if err != nil {
		return err
	}
	pin, err := m.fromPIN.read(a)
	if err != nil {
		return err
	}
	defer clear(pin)
	isUsers, err := old.Unlock(pin)
	if err != nil {
		return &failure{exitPIN, fmt.Errorf("SoftHSM2 token %q: %w: want its user's, or its security officer's", old.Label, err)}
	}
	defer old.Lock()
	t := &takeover{old: old, dry: m.dry, trusts: m.so.given(), seen: make(twins)}
	if t.names, err = old.Names(); err != nil {
		return explain("reading the SoftHSM2 token", err)
	}
	t.rows = make([]importRow, len(t.names))
	if m.pin.given() || !isUsers {
		if pin, err = m.pin.read(a); err != nil {
			return err
		}
		defer clear(pin)
	}
	c, err := a.open()
	if err != nil {
		return err
	}
	defer c.close()
	defer func() { clear(m.officer) }()
	if err := m.run(c, t, pin); err != nil {
		return t.interrupted(err)
	}
	return a.showImport(t)
}

// find returns the SoftHSM2 token that is meant.
func (m *softHSMImport) find() (*softhsm.Token, error) {
	all, bad := softhsm.Find(m.dir)
	var list []*softhsm.Token
	var labels []string
	for _, t := range all {
		labels = append(labels, fmt.Sprintf("%q (%s)", t.Label, t.Serial))
		if m.from == "" || m.from == t.Label || m.from == t.Serial {
			list = append(list, t)
		}
	}
	switch {
	case len(list) == 1 && (m.from != "" || bad == nil):
		return list[0], nil
	case errors.Is(bad, softhsm.ErrNoToken), errors.Is(bad, fs.ErrNotExist):
		return nil, notFound("%w\nsofthsm2.conf says where tokens are: directories.tokendir, as a rule /var/lib/softhsm/tokens", bad)
	case errors.Is(bad, softhsm.ErrDamaged) && len(all) > 0:
		return nil, &failure{exitDamaged, fmt.Errorf("%w\nthe others can be taken over: name one with --from-token: %s", bad, strings.Join(labels, ", "))}
	case errors.Is(bad, softhsm.ErrDamaged):
		return nil, &failure{exitDamaged, bad}
	case errors.Is(bad, fs.ErrPermission):
		return nil, fmt.Errorf("%w\non Debian the group softhsm may read the tokens of SoftHSM2, and root", bad)
	case bad != nil:
		return nil, explain("reading SoftHSM2 tokens", bad)
	case len(list) == 0:
		return nil, notFound("there is no SoftHSM2 token %q in %s; there are %s", m.from, m.dir, strings.Join(labels, ", "))
	}
	return nil, misuse("there are several SoftHSM2 tokens in %s: choose one by label or serial number with --from-token: %s", m.dir, strings.Join(labels, ", "))
}

// run takes the objects over into the token that is meant. pin is its user PIN.
func (m *softHSMImport) run(c *client, t *takeover, pin []byte) error {
	if store.Volatile(c.cfg) && !m.dry {
		return fmt.Errorf("the store is %q: what is taken over would be gone with this command", c.cfg.Store)
	}
	meant, found, err := m.pick(c, t.old.Label)
	switch {
	case err != nil:
		return err
	case !found && m.dry:
		t.target = m.token.name
		return c.app.rehearse(t)
	case !found:
		if meant, err = m.makeToken(c, pin); err != nil {
			return err
		}
		t.made, t.trusts = true, true
	}
	t.target = meant.info.Label
	if t.session, err = c.session(meant); err != nil {
		return err
	}
	defer t.session.close()
	bySO := t.trusts && !m.dry && t.hasTrusted()
	if bySO {
		if err := m.readOfficer(c.app); err != nil {
			return err
		}
		if err := t.loginWith(ck.CKU_SO, m.officer); err != nil {
			return err
		}
		if err := t.takeOver(func(trusted bool) bool { return trusted }); err != nil {
			return err
		}
		if err := t.Logout(t.handle); err != nil {
			return explain("logging out", err)
		}
	}
	if err := t.loginWith(ck.CKU_USER, pin); err != nil {
		return err
	}
	return t.takeOver(func(trusted bool) bool { return !trusted || !bySO })
}

// rehearse takes the objects over into a token in memory, which is gone then.
func (a *app) rehearse(t *takeover) (err error) {
	if t.session, err = a.scratch(); err != nil {
		return err
	}
	defer t.session.client.close()
	pin := []byte("scratch")
	err = t.Login(t.handle, ck.CKU_SO, pin)
	if err == nil {
		err = t.InitPIN(t.handle, pin)
	}
	if err == nil {
		err = t.Logout(t.handle)
	}
	if err == nil {
		err = t.Login(t.handle, ck.CKU_USER, pin)
	}
	if err != nil {
		return explain("making a token in memory", err)
	}
	return t.takeOver(func(bool) bool { return true })
}

// pick returns the token that takes the objects over, and whether there is one. One that has yet to be made has the label of the old one
// where no other is given.
func (m *softHSMImport) pick(c *client, label string) (meant tok, found bool, err error) {
	list, _, err := c.tokens()
	if err != nil {
		return tok{}, false, err
	}
	n := 0
	for _, t := range list {
		is, err := m.token.matches(t)
		if err != nil {
			return tok{}, false, fmt.Errorf("--token: %w", err)
		}
		if is {
			meant, n = t, n+1
		}
	}
	switch n {
	case 0:
		m.token.name = cmp.Or(m.token.name, label)
		return tok{}, false, nil
	case 1:
		return meant, true, nil
	}
	_, err = c.pick(m.token) // which says that there are several
	return tok{}, false, err
}

// readOfficer reads the PIN of the security officer, once.
func (m *softHSMImport) readOfficer(a *app) (err error) {
	if m.officer == nil {
		m.officer, err = m.so.read(a) // of the token that is there or of one that is made
	}
	return err
}

// makeToken makes the token that takes the objects over.
func (m *softHSMImport) makeToken(c *client, pin []byte) (tok, error) {
	name := m.token.name
	switch {
	case pkcs11uri.Is(name) || name == "" || len(name) > labelLen:
		return tok{}, notFound("there is no token %q in %s, and a new one needs a label of 1 to %d bytes: --token", name, c.where(), labelLen)
	case !m.so.given() && !term.IsTerminal(int(c.app.in.Fd())):
		return tok{}, notFound("there is no token %q in %s\nto have it made, give its security officer a PIN: --so-pin-file, --so-pin-fd or --so-pin-env", name, c.where())
	}
	m.so.confirm = true
	if err := m.readOfficer(c.app); err != nil {
		return tok{}, err
	}
	free, err := c.module.EmptySlot()
	if err != nil {
		return tok{}, err
	}
	t := tok{slot: free}
	if err := c.module.MakeToken(free, m.officer, pin, label(name)); err != nil {
		return tok{}, explain(fmt.Sprintf("making token %q", name), err)
	}
	if t.info, err = c.GetTokenInfo(free); err != nil {
		return tok{}, explain("reading the new token", err)
	}
	return t, nil
}
