package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
)

// A mechanismRow is a mechanism as mechanism list shows it.
type mechanismRow struct {
	Name  string   `json:"name"`
	Type  uint     `json:"type"`
	Min   uint     `json:"min_key_size"`
	Max   uint     `json:"max_key_size"`
	Flags []string `json:"flags"`
}

func mechanismList(a *app) *cobra.Command {
	label := ""
	cmd := lists(a, &cobra.Command{
		Use:   "list",
		Short: "List the mechanisms of the library",
		Long: `Lists the mechanisms of the library with the key sizes and the uses that C_GetMechanismInfo tells. Where the configuration
has a policy, it lists what the policy leaves: to all tokens, or to one with the label that --token names.`,
		Example: "  softcsp mechanism list --json",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			c, err := a.open("store", "memory", "kdf", "test")
			if err != nil {
				return err
			}
			defer c.close()
			s, err := c.blank(label)
			if err != nil {
				return explain("making a token in memory", err)
			}
			return s.showMechanisms()
		},
	})
	cmd.Flags().StringVarP(&label, "token", "t", "", "`label` of the token whose policy counts")
	return cmd
}

func (s *session) showMechanisms() error {
	types, err := s.GetMechanismList(s.token.slot)
	if err != nil {
		return explain("listing mechanisms", err)
	}
	rows := make([]mechanismRow, 0, len(types))
	var text [][]string
	for _, t := range types {
		info, err := s.GetMechanismInfo(s.token.slot, t)
		if err != nil {
			return explain(t.String(), err)
		}
		r := mechanismRow{Name: t.String(), Type: uint(t), Min: info.MinKeySize, Max: info.MaxKeySize, Flags: []string{}}
		for _, f := range ck.MechanismFlagNames(info.Flags) {
			r.Flags = append(r.Flags, strings.ToLower(strings.TrimPrefix(f, "CKF_")))
		}
		rows = append(rows, r)
		size := ""
		if r.Max != 0 {
			size = fmt.Sprintf("%d-%d", r.Min, r.Max)
		}
		text = append(text, []string{r.Name, size, strings.Join(r.Flags, " ")})
	}
	return s.app.show(rows, []string{"NAME", "KEY SIZE", "USES"}, text)
}
