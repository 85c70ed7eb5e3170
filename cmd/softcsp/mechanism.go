package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/mechanisms"
)

// A mechanismRow is a mechanism as mechanism list shows it.
type mechanismRow struct {
	Name  string   `json:"name"`
	Type  uint     `json:"type"`
	Min   uint     `json:"min_key_size"`
	Max   uint     `json:"max_key_size"`
	Flags []string `json:"flags"`
}

// A mechanismFilter says which mechanisms are meant: all that it leaves "".
type mechanismFilter struct{ text, use, keyType string }

// mechanismUses are the words of --for, and the flags of C_GetMechanismInfo that they stand for.
var mechanismUses = map[string]ck.Flags{
	"encrypt": ck.CKF_ENCRYPT, "decrypt": ck.CKF_DECRYPT, "digest": ck.CKF_DIGEST, "sign": ck.CKF_SIGN, "verify": ck.CKF_VERIFY,
	"generate": ck.CKF_GENERATE | ck.CKF_GENERATE_KEY_PAIR, "wrap": ck.CKF_WRAP, "unwrap": ck.CKF_UNWRAP, "derive": ck.CKF_DERIVE,
	"encapsulate": ck.CKF_ENCAPSULATE, "decapsulate": ck.CKF_DECAPSULATE,
}

func mechanismList(a *app) *cobra.Command {
	label := ""
	var only mechanismFilter
	uses := slices.Sorted(maps.Keys(mechanismUses))
	cmd := lists(a, &cobra.Command{
		Use:   "list [TEXT]",
		Short: "List the mechanisms of the library",
		Long: `Lists the mechanisms of the library with the key sizes and the uses that C_GetMechanismInfo tells: all, or those that have TEXT in
their names, those of a use, those of a type of keys. Where the configuration has a policy, it lists what the policy leaves: to all
tokens, or to one with the label that --token names.`,
		Example: "  softcsp mechanism list aes-gcm\n  softcsp mechanism list --for sign --type ec",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return tooMany(c, args[1], "a part of a name at most")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			if len(args) > 0 {
				only.text = args[0]
			}
			if only.use != "" {
				if only.use, err = oneOf("for", only.use, uses...); err != nil {
					return usage(c, err)
				}
			}
			shown, err := only.chosen()
			if err != nil {
				return usage(c, err)
			}
			client, err := a.open("store", "memory", "kdf", "test")
			if err != nil {
				return err
			}
			defer client.close()
			s, err := client.blank(label)
			if err != nil {
				return explain("making a token in memory", err)
			}
			return s.showMechanisms(shown)
		},
	})
	cmd.Flags().StringVarP(&label, "token", "t", "", "`label` of the token whose policy counts")
	cmd.Flags().StringVar(&only.use, "for", "", "`use`: "+strings.Join(uses, ", "))
	cmd.Flags().StringVar(&only.keyType, "type", "", "`type` of keys, as key generate has it: rsa, ec, aes, …")
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(uses, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(slices.Concat(typeNames(true), typeNames(false)), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// chosen returns the mechanisms that are meant, of those that the library has at all.
func (f mechanismFilter) chosen() (list []ck.MechanismType, err error) {
	var kind ck.KeyType
	if f.keyType != "" {
		if row := namedType(f.keyType, true); row != nil {
			kind = row.makes()
		} else if kind, err = secretType(f.keyType); err != nil {
			return nil, notAWord("--type", f.keyType, slices.Concat(typeNames(true), typeNames(false)), seeTypes)
		}
	}
	var words []string
	for _, t := range mechanisms.Types() {
		m := mechanisms.Lookup(t)
		words = append(words, t.String())
		switch {
		case !strings.Contains(plainWord(t.String()), plainWord(f.text)):
		case f.use != "" && m.Info().Flags&mechanismUses[f.use] == 0:
		case f.keyType != "" && !slices.Contains(m.Keys, kind) && m.Makes != kind:
		default:
			list = append(list, t)
		}
	}
	if near := nearest(f.text, words); len(list) == 0 && f.use == "" && f.keyType == "" && len(near) > 0 {
		return nil, misuse("no mechanism has %q in its name; did you mean %s?", f.text, either(near))
	}
	return list, nil
}

// showMechanisms shows those of some mechanisms that the token has.
func (s *session) showMechanisms(shown []ck.MechanismType) error {
	types, err := s.GetMechanismList(s.token.slot)
	if err != nil {
		return explain("listing mechanisms", err)
	}
	types = slices.DeleteFunc(types, func(t ck.MechanismType) bool { return !slices.Contains(shown, t) })
	if len(types) == 0 {
		s.app.note("there is no such mechanism, or a policy forbids it: see all with softcsp mechanism list")
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
