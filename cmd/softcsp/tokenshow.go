package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/store"
	"github.com/softcsp/softcsp/token"
)

func tokenShow(a *app) *cobra.Command {
	t := &target{pin: userPIN()}
	c := &cobra.Command{
		Use:   "show [NAME]",
		Short: "Show all that is known of a token",
		Long: `Shows a token: label, serial number, slot, URI, file and its size, the version of its format, how far its keys are kept
apart, what a guess at a PIN costs, the tries that are left, its flags as programs see them, how many objects there are, and what to
paste so that programs use it.

How many objects there are of each class is counted with the user PIN; without it the public ones alone are.

A file that is damaged, as far as "softcsp token check" sees that without a PIN, is said to be so, and the exit code is 5.`,
		Example: "  softcsp token show lab --pin-file user.pin",
		RunE: func(*cobra.Command, []string) error {
			return a.with(t.token, func(s *session) error { return a.showToken(s, t) })
		},
	}
	t.token.addName(a, c)
	t.pin.add(c.Flags())
	t.addLogin(c)
	return lists(a, c)
}

// A tokenDetail is a token as token show shows it.
type tokenDetail struct {
	tokenRow
	Size       int64    `json:"size"`
	Durability string   `json:"durability"`
	Flags      []string `json:"flags"`
	// Classes has how many objects there are of each class, of those that are seen: LoggedIn says whether private ones are.
	LoggedIn bool           `json:"logged_in"`
	Classes  map[string]int `json:"classes"`
}

// durability is the setting that a token was made with.
func durability(relaxed bool) string {
	if relaxed {
		return "relaxed"
	}
	return "full"
}

func (a *app) showToken(s *session, t *target) error {
	d := tokenDetail{LoggedIn: t.login || t.pin.given()}
	if d.LoggedIn {
		if err := s.login(ck.CKU_USER, t.pin); err != nil {
			return err
		}
	}
	infos, err := s.infos()
	if err != nil {
		return explain("reading the token", err)
	}
	info, err := s.GetTokenInfo(s.token.slot) // with the flags as they are after the login
	if err != nil {
		return explain("reading the token", err)
	}
	s.token.info = info
	d.tokenRow = s.row(s.token, infos[info.SerialNumber])
	d.Durability, d.Flags = durability(d.Relaxed), tokenFlags(info.Flags)
	if st, err := os.Stat(d.File); err == nil {
		d.Size = st.Size()
	}
	damage := s.checkQuickly(infos[info.SerialNumber])
	if damage != nil {
		d.Damage = damage.Error()
	}
	if d.Classes, err = s.classes(); err != nil {
		return explain("counting objects", err)
	}
	d.Library, _ = libraryPath()
	d.Clients = a.linesFor(d.Library, s.token)
	if err := a.show(d, nil, d.rows()); err != nil {
		return err
	}
	if !a.json {
		if _, err := fmt.Fprintf(a.out, "\n%s\n", pasted(d.Clients)); err != nil {
			return err
		}
	}
	if damage != nil {
		return &failure{exitDamaged, fmt.Errorf("token %q is damaged: %w\nsee all that is wrong with: softcsp token check --token %s", d.Label, damage, d.Serial)}
	}
	return nil
}

// classes counts the objects that the session sees, by their class.
func (s *session) classes() (map[string]int, error) {
	list, _, err := s.survey(anyNoun.selection())
	if err != nil {
		return nil, err
	}
	p := s.app.progress("counting objects")
	defer p.end()
	count := map[string]int{}
	for i, o := range list {
		p.at(int64(i), int64(len(list)))
		class, err := s.ulong(o, ck.CKA_CLASS)
		if vanished(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		count[word("CKO_", ck.ObjectClass(class))]++
	}
	return count, nil
}

// rows are what people see of a token.
func (d *tokenDetail) rows() [][]string {
	rows := [][]string{}
	if d.Damage != "" {
		rows = append(rows, []string{"damaged", d.Damage})
	}
	return append(rows, [][]string{
		{"label", d.Label},
		{"serial number", d.Serial},
		{"slot", fmt.Sprint(d.Slot)},
		{"URI", d.URI},
		{"file", dash(d.File)},
		{"size", fmt.Sprintf("%d KiB", (d.Size+1023)>>10)},
		{"format", fmt.Sprint(d.Format)},
		{"keys apart", d.Separation},
		{"cost of a PIN", d.KDF + ": " + store.DescribeKDF(d.KDF)},
		{"durability", d.Durability},
		{"user PIN", left(d.userPIN())},
		{"SO PIN", left(d.soPIN())},
		{"public key", dash(d.Voucher)},
		{"flags", strings.Join(d.Flags, " ")},
		{"objects", d.objects()},
		{"library", d.Library},
	}...)
}

// left completes what userPIN and soPIN say.
func left(s string) string {
	if strings.Contains(s, " of ") {
		return s + " tries left"
	}
	return s
}

// objects says how many objects there are, and of which classes as far as that is seen.
func (d *tokenDetail) objects() string {
	var words []string
	seen := 0
	for _, class := range slices.Sorted(maps.Keys(d.Classes)) {
		words = append(words, amount(uint64(d.Classes[class]), objectOf(class)))
		seen += d.Classes[class]
	}
	text := fmt.Sprint(d.Objects)
	if len(words) > 0 {
		text += ": " + strings.Join(words, ", ")
	}
	if hidden := int(d.Objects) - seen; hidden > 0 && !d.LoggedIn {
		text += fmt.Sprintf("; %d that only the PIN shows", hidden)
	}
	return text
}

// objectOf names an object of a class in words that take a plural.
func objectOf(class string) string {
	switch class {
	case "data", "trust":
		return class + " object"
	case "domain-parameters":
		return "domain parameter object"
	}
	return strings.ReplaceAll(class, "-", " ")
}

// flagNames are the names of the flags of a token, in the order of their bits.
var flagNames = []struct {
	flag ck.Flags
	name string
}{
	{ck.CKF_RNG, "rng"}, {ck.CKF_WRITE_PROTECTED, "write-protected"}, {ck.CKF_LOGIN_REQUIRED, "login-required"},
	{ck.CKF_USER_PIN_INITIALIZED, "user-pin-initialized"}, {ck.CKF_RESTORE_KEY_NOT_NEEDED, "restore-key-not-needed"},
	{ck.CKF_CLOCK_ON_TOKEN, "clock-on-token"}, {ck.CKF_PROTECTED_AUTHENTICATION_PATH, "protected-authentication-path"},
	{ck.CKF_DUAL_CRYPTO_OPERATIONS, "dual-crypto-operations"}, {ck.CKF_TOKEN_INITIALIZED, "token-initialized"},
	{ck.CKF_USER_PIN_COUNT_LOW, "user-pin-count-low"}, {ck.CKF_USER_PIN_FINAL_TRY, "user-pin-final-try"}, {ck.CKF_USER_PIN_LOCKED, "user-pin-locked"},
	{ck.CKF_SO_PIN_COUNT_LOW, "so-pin-count-low"}, {ck.CKF_SO_PIN_FINAL_TRY, "so-pin-final-try"}, {ck.CKF_SO_PIN_LOCKED, "so-pin-locked"},
	{ck.CKF_ASYNC_SESSION_SUPPORTED, "async-session-supported"}, {token.FlagWeakKDF, "softcsp-weak-kdf"}, {token.FlagRelaxed, "softcsp-relaxed"},
}

// tokenFlags returns the names of flags; one without a name is a number.
func tokenFlags(flags ck.Flags) (names []string) {
	for _, f := range flagNames {
		if flags&f.flag != 0 {
			names = append(names, f.name)
			flags &^= f.flag
		}
	}
	if flags != 0 {
		names = append(names, fmt.Sprintf("%#x", uint64(flags)))
	}
	return names
}
