package main

import (
	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
)

func tokenUpgrade(a *app) *cobra.Command {
	user, so := userPIN(), soPIN()
	var t choice
	var bySO bool
	c := &cobra.Command{
		Use:   "upgrade [NAME]",
		Short: "Bring a token file of an older format up to date",
		Long: `Makes of a token file of format 1, which softcsp 0.2 wrote, one of format 2, which softcsp 0.2 does not read. The first login
with any program does the same. A copy of the file as it was is left beside it, with .v1 at the end of its name; whoever has it has the token as
it was. The keys of the token are kept apart as standard says, unless key_separation is "strict" in the configuration.`,
		Example: "  softcsp token upgrade --pin-file user.pin",
		RunE: func(*cobra.Command, []string) error {
			way, as, pin := store.User, ck.CKU_USER, user
			if bySO {
				way, as, pin = store.SO, ck.CKU_SO, so
			}
			return a.upgradeToken(t, way, as, pin)
		},
	}
	c.Flags().BoolVar(&bySO, "so", false, "as the security officer")
	t.addName(a, c)
	user.add(c.Flags())
	so.add(c.Flags())
	return c
}

// upgradeToken upgrades the token that is meant.
func (a *app) upgradeToken(t choice, way store.UserType, as ck.UserType, pin *secretSource) error {
	c, err := a.open()
	if err != nil {
		return err
	}
	defer c.close()
	return c.stored(t, func(token *store.Token, meant tok) error {
		secret, err := pin.read(a)
		if err != nil {
			return err
		}
		defer clear(secret)
		done, err := token.Upgrade(way, secret)
		if err != nil {
			return c.explainLogin(meant, as, err)
		}
		if !done {
			a.note("token %q is of the present format already", meant.info.Label)
			return nil
		}
		a.note("token %q was upgraded; the file as it was is %s", meant.info.Label, store.Locate(c.cfg, token.UUID())+store.CopySuffix)
		return nil
	})
}
