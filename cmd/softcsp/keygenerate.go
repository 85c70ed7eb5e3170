package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/attrtext"
	"github.com/softcsp/softcsp/mechanisms"
)

// A generation is what key generate was asked for.
type generation struct {
	typ, usage, mechanism, parameters   string
	start, end, allowed                 string
	exponent                            uint
	extractable, sensitive, public      bool
	alwaysAuthenticate, wrapWithTrusted bool
	duplicate, trusted                  bool
	officer                             *secretSource
	attributes                          []string
	target                              *target
	what                                *generatedType
	template                            *keyTemplate
	mech                                ck.MechanismType
	further                             []ck.Attribute // for the private or secret key
	dates                               []ck.Attribute // for all
}

const generateHelp = `Makes a key, or a pair of keys, in the token. --type says of which type and size:

%s
What follows the colon may be left out: then it is what stands first here. Any other length that keys of the type can have will do, and any
name of a curve: ec:P-256, ec:secp256r1 and ec:prime256v1 are ec:p256.

--usage says what the key is for: sign, verify, encrypt, decrypt, wrap, unwrap, derive, encapsulate, decapsulate, sign-recover,
verify-recover, with commas between them. Of a pair each key gets its part: "sign" lets the private key sign, and the public
key verify. Without --usage it is what the type is mostly for, but not wrapping: in a token whose keys are kept apart ("softcsp
token init --separation") a key that wraps others does nothing else.

A key never leaves the token, and is not revealed, unless it is made --extractable. With --sensitive too it leaves only wrapped by another key
("softcsp key wrap"). --public makes the key one that is seen and used without a PIN. --trusted makes such a secret key, and lets it
wrap keys which only trusted keys wrap (CKA_TRUSTED): it needs the security officer's PIN in place of the user's. The public key of a pair becomes
trusted by "softcsp key set --so".

Without --id a pair gets the SHA-1 hash of its public key, as certificates name keys (RFC 5280), and a secret key a random id.
--parameters takes the domain parameters of DSA, DH and X9.42 DH keys from a PEM file ("openssl dsaparam"); the size is then
left out.`

func keyGenerate(a *app) *cobra.Command {
	g := &generation{target: newTarget("key"), officer: soPIN()}
	c := &cobra.Command{
		Use:   "generate --type TYPE --label LABEL",
		Short: "Make a key or a pair of keys",
		Long:  fmt.Sprintf(generateHelp, generatedHelp()),
		Example: `  softcsp key generate --type ec:p256 --label web --pin-file user.pin
  softcsp key generate --type rsa:4096 --label ca --usage sign --end 2036-12-31 --pin-file user.pin
  softcsp key generate --type aes:256 --label backup --usage wrap,unwrap --pin-file user.pin`,
		Args: exactly(0, ""),
	}
	f := c.Flags()
	f.StringVar(&g.typ, "type", "", "`type` and size of the key: rsa:3072, ec:p256, ed25519, aes:256, ...")
	f.StringVar(&g.usage, "usage", "", "`uses` of the key: sign,verify,... (default: those of the type)")
	f.BoolVar(&g.extractable, "extractable", false, "the key may leave the token")
	f.BoolVar(&g.sensitive, "sensitive", false, "an --extractable key leaves the token only wrapped by another")
	f.BoolVar(&g.public, "public", false, "CKA_PRIVATE false: a private or secret key is seen and used without the PIN")
	f.BoolVar(&g.alwaysAuthenticate, "always-authenticate", false, "each use of the private key needs the PIN again")
	f.BoolVar(&g.wrapWithTrusted, "wrap-with-trusted", false, "only keys that the security officer trusts wrap the key")
	f.BoolVar(&g.trusted, "trusted", false, "make a public secret key that is trusted to wrap, as the security officer")
	f.StringVar(&g.start, "start", "", "`date` from which the key is used: YYYY-MM-DD")
	f.StringVar(&g.end, "end", "", "`date` until which the key is used")
	f.StringVar(&g.allowed, "allowed-mechanisms", "", "`mechanisms` that the private or secret key is used with, and no others: CKM_AES_GCM,... or CKM_AES_*")
	f.StringArrayVar(&g.attributes, "attribute", nil, "further attribute of the private or secret key: `NAME=VALUE`")
	f.UintVar(&g.exponent, "exponent", 65537, "public `exponent` of an RSA key")
	f.StringVar(&g.parameters, "parameters", "", "PEM `file` with the domain parameters of a DSA or DH key")
	f.StringVar(&g.mechanism, "mechanism", "", "`mechanism` that makes the key, where a type has several: CKM_RSA_X9_31_KEY_PAIR_GEN")
	f.BoolVar(&g.duplicate, "duplicate", false, "make the key even if there is one of that label or id already")
	g.target.object.add(f)
	g.target.addToken(c)
	g.officer.add(f)
	_ = c.RegisterFlagCompletionFunc("type", completeTypes)
	_ = c.RegisterFlagCompletionFunc("usage", g.completeUsage)
	_ = c.RegisterFlagCompletionFunc("mechanism", g.completeMechanism)
	_ = c.RegisterFlagCompletionFunc("allowed-mechanisms", g.completeAllowed)
	c.RunE = func(*cobra.Command, []string) error {
		if err := g.check(); err != nil {
			return usage(c, err)
		}
		if g.trusted {
			return a.asOfficer(g.target, g.officer, g.run)
		}
		return a.on(g.target, g.run)
	}
	return lists(a, c)
}

// generatedHelp lists the types with their sizes: those of one size, and those with the name of a hash, without.
func generatedHelp() string {
	var b strings.Builder
	var single, hashed []string
	for _, t := range generatedTypes {
		switch {
		case t.what == "":
			single = append(single, t.name)
		case len(t.sizes) == 1 && strings.HasPrefix(t.name, "hmac-"):
			hashed = append(hashed, t.spelled())
		default:
			more := ""
			if len(t.sizes) > 6 {
				more = ", ..."
			}
			fmt.Fprintf(&b, "  %-15s %s%s\n", t.spelled(), strings.Join(t.sizes[:min(len(t.sizes), 6)], ", "), more)
		}
	}
	b.WriteString("\nOf one size:\n\n" + wrapped(single) + "\nFor HMAC with one hash alone, by default as long as its value:\n\n" + wrapped(hashed))
	return b.String()
}

// wrapped writes words on lines of some 80 characters.
func wrapped(words []string) string {
	var b strings.Builder
	line := " "
	for i, w := range words {
		if i < len(words)-1 {
			w += ","
		}
		if len(line)+len(w) > 78 {
			b.WriteString(line + "\n")
			line = " "
		}
		line += " " + w
	}
	return b.String() + line + "\n"
}

// completeTypes completes --type.
func completeTypes(_ *cobra.Command, _ []string, _ string) (words []string, _ cobra.ShellCompDirective) {
	for _, t := range generatedTypes {
		words = append(words, t.words()...)
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completeUsage completes the last word of --usage, for the type if it is known.
func (g *generation) completeUsage(_ *cobra.Command, _ []string, begun string) (words []string, _ cobra.ShellCompDirective) {
	before := begun[:strings.LastIndex(begun, ",")+1]
	t, _, err := findGenerated(g.typ)
	for _, u := range usages {
		if err != nil || slices.Contains(usagesFor(t.makes()), u.word) {
			words = append(words, before+u.word)
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeMechanism completes --mechanism: what makes keys of the type.
func (g *generation) completeMechanism(*cobra.Command, []string, string) (words []string, _ cobra.ShellCompDirective) {
	t, _, err := findGenerated(g.typ)
	for _, id := range mechanisms.Types() {
		m := mechanisms.Lookup(id)
		if (m.Generate != nil || m.GeneratePair != nil) && (err != nil || m.Makes == t.makes()) {
			words = append(words, id.String())
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// completeAllowed completes the last word of --allowed-mechanisms: what takes keys of the type.
func (g *generation) completeAllowed(_ *cobra.Command, _ []string, begun string) (words []string, _ cobra.ShellCompDirective) {
	before := begun[:strings.LastIndex(begun, ",")+1]
	t, _, err := findGenerated(g.typ)
	for _, id := range mechanisms.Types() {
		if err != nil || slices.Contains(mechanisms.Lookup(id).Keys, t.makes()) {
			words = append(words, before+id.String())
		}
	}
	return words, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// check finds what is wrong with the command line before anything is asked for.
func (g *generation) check() (err error) {
	switch {
	case g.typ == "":
		return errors.New("--type must be given: rsa:3072, ec:p256, ed25519, aes:256 or another")
	case g.target.object.label == "":
		return errors.New("--label must be given: what the key is called")
	case g.sensitive && !g.extractable:
		return errors.New("--sensitive goes with --extractable: any other key is sensitive")
	}
	if g.what, g.template, err = findGenerated(g.typ); err != nil {
		return err
	}
	if err := g.checkPair(); err != nil {
		return err
	}
	if err := g.checkUsage(); err != nil {
		return err
	}
	if err := g.readMechanism(); err != nil {
		return err
	}
	if _, err := g.target.object.template(); err != nil {
		return err
	}
	return g.readAttributes()
}

// checkPair looks at the flags that are for some types alone.
func (g *generation) checkPair() (err error) {
	t := g.what.makes()
	switch {
	case g.exponent != 65537 && t != ck.CKK_RSA:
		return errors.New("--exponent is for RSA keys")
	case g.exponent%2 == 0 || g.exponent < 3:
		return fmt.Errorf("--exponent is %d, but must be an odd number from 3", g.exponent)
	case g.trusted && g.what.isPair():
		return errors.New("--trusted is for secret keys: a pair is made by the user, and its public key becomes trusted by softcsp key set --so")
	case g.alwaysAuthenticate && !g.what.isPair():
		return errors.New("--always-authenticate is for private keys")
	case g.parameters == "":
	case t != ck.CKK_DSA && t != ck.CKK_DH && t != ck.CKK_X9_42_DH:
		return errors.New("--parameters is for keys of the types dsa, dh and dhx")
	case strings.Contains(g.typ, ":"):
		return fmt.Errorf("--parameters says how large the key is: --type %s", g.what.name)
	default:
		g.template, err = readDomain(g.parameters, t)
		return err
	}
	if t == ck.CKK_RSA {
		g.template.attrs = append(g.template.attrs, ck.Attribute{Type: ck.CKA_PUBLIC_EXPONENT, Value: big.NewInt(int64(g.exponent)).Bytes()})
	}
	return nil
}

// checkUsage looks whether keys of the type can be for what --usage says.
func (g *generation) checkUsage() error {
	if g.usage == "" {
		g.usage = g.what.uses
	}
	words, err := usagesOf(strings.ToLower(g.usage), g.what.makes())
	if err != nil {
		return err
	}
	can := usagesFor(g.what.makes())
	for _, w := range words {
		if !slices.Contains(can, w) {
			return fmt.Errorf("--usage: %q is not a use of %s keys: they are for %s", w, g.what.name, strings.Join(can, ", "))
		}
	}
	return nil
}

// uses are the attributes that say what a key of the class is for.
func (g *generation) uses(class ck.ObjectClass) []ck.Attribute {
	t, _ := usageTemplate(strings.ToLower(g.usage), class, g.what.makes()) // which check has read
	return t
}

// readMechanism reads --mechanism, which must make keys of the type.
func (g *generation) readMechanism() error {
	g.mech = g.what.mech
	if g.mechanism == "" {
		return nil
	}
	id, err := mechanismNamed("mechanism", g.mechanism)
	if err != nil {
		return err
	}
	m := mechanisms.Lookup(id)
	if m == nil || m.Makes != g.what.makes() || m.GeneratePair == nil && m.Generate == nil {
		return fmt.Errorf("--mechanism: %s does not make keys of the type %s", g.mechanism, g.what.name)
	}
	g.mech = id
	return nil
}

// readAttributes reads the flags that are attributes.
func (g *generation) readAttributes() (err error) {
	for _, d := range []struct {
		flag, text string
		typ        ck.AttributeType
		to         *[]ck.Attribute
	}{
		{"start", g.start, ck.CKA_START_DATE, &g.dates}, {"end", g.end, ck.CKA_END_DATE, &g.dates},
		{"allowed-mechanisms", g.allowed, ck.CKA_ALLOWED_MECHANISMS, &g.further},
	} {
		if d.text == "" {
			continue
		}
		v, err := attrtext.Parse(d.typ, d.text)
		if err != nil {
			return fmt.Errorf("--%s: %w", d.flag, err)
		}
		*d.to = append(*d.to, ck.Attribute{Type: d.typ, Value: v})
	}
	if g.end != "" && g.start != "" && string(g.dates[0].Value) > string(g.dates[1].Value) {
		return errors.New("--end is before --start")
	}
	for _, text := range g.attributes {
		a, err := assignment(text)
		if err != nil {
			return fmt.Errorf("--attribute: %w", err)
		}
		g.further = append(g.further, a)
	}
	return nil
}

// run makes the key in a session.
func (g *generation) run(s *session) error {
	id, err := hex.DecodeString(g.target.object.id)
	if err != nil {
		return err
	}
	classes := []ck.ObjectClass{ck.CKO_SECRET_KEY, ck.CKO_OTP_KEY, ck.CKO_PRIVATE_KEY, ck.CKO_PUBLIC_KEY}
	if err := s.checkFree(newName{[]byte(g.target.object.label), id, g.duplicate}, "key", classes...); err != nil {
		return err
	}
	if n, err := ck.Ulong(g.template.value(ck.CKA_MODULUS_BITS)); err == nil && n < 2048 {
		s.app.note("an RSA key of %d bits is for old programs and tests only", n)
	}
	var made []ck.ObjectHandle
	generate := g.secret
	if g.what.isPair() {
		generate = g.pair
	}
	work := func() error { made, err = generate(s, id); return err }
	if g.template.slow {
		err = s.app.waiting("making the key", work)
	} else {
		err = work()
	}
	if err != nil {
		return err
	}
	return s.showNew(made)
}

// value returns an attribute of the template, nil if it has none.
func (t *keyTemplate) value(typ ck.AttributeType) []byte {
	for _, a := range t.attrs {
		if a.Type == typ {
			return a.Value
		}
	}
	return nil
}

// common are the attributes of every key that is made.
func (g *generation) common(id []byte) []ck.Attribute {
	t := []ck.Attribute{{Type: ck.CKA_TOKEN, Value: ck.BoolValue(true)}, {Type: ck.CKA_LABEL, Value: []byte(g.target.object.label)}}
	if len(id) > 0 {
		t = append(t, ck.Attribute{Type: ck.CKA_ID, Value: id})
	}
	return append(t, g.dates...)
}

// guarded are the attributes that protect a private or secret key.
func (g *generation) guarded() []ck.Attribute {
	t := []ck.Attribute{
		{Type: ck.CKA_PRIVATE, Value: ck.BoolValue(!g.public && !g.trusted)},
		{Type: ck.CKA_EXTRACTABLE, Value: ck.BoolValue(g.extractable)},
		{Type: ck.CKA_SENSITIVE, Value: ck.BoolValue(!g.extractable || g.sensitive)},
	}
	if g.trusted {
		t = append(t, ck.Attribute{Type: ck.CKA_TRUSTED, Value: ck.BoolValue(true)})
	}
	if g.wrapWithTrusted {
		t = append(t, ck.Attribute{Type: ck.CKA_WRAP_WITH_TRUSTED, Value: ck.BoolValue(true)})
	}
	if g.alwaysAuthenticate {
		t = append(t, ck.Attribute{Type: ck.CKA_ALWAYS_AUTHENTICATE, Value: ck.BoolValue(true)})
	}
	return append(t, g.further...)
}

// randomID is the length of the id of a secret key in bytes.
const randomID = 8

// secret makes a secret key.
func (g *generation) secret(s *session, id []byte) ([]ck.ObjectHandle, error) {
	if len(id) == 0 {
		id = make([]byte, randomID)
		rand.Read(id)
	}
	t := slices.Concat(g.common(id), g.guarded(), g.uses(ck.CKO_SECRET_KEY), g.template.attrs)
	o, err := s.GenerateKey(s.handle, &ck.Mechanism{Type: g.mech}, t)
	if err != nil {
		return nil, explainChange("making the key", err)
	}
	return []ck.ObjectHandle{o}, nil
}

// pair makes a pair of keys, and gives it the hash of the public one as its id where it has none.
func (g *generation) pair(s *session, id []byte) ([]ck.ObjectHandle, error) {
	attrs, err := g.domain(s)
	if err != nil {
		return nil, err
	}
	public := slices.Concat(g.common(id), g.uses(ck.CKO_PUBLIC_KEY), attrs)
	private := slices.Concat(g.common(id), g.guarded(), g.uses(ck.CKO_PRIVATE_KEY))
	pub, priv, err := s.GenerateKeyPair(s.handle, &ck.Mechanism{Type: g.mech}, public, private)
	if err != nil {
		return nil, explainChange("making the keys", err)
	}
	if len(id) > 0 {
		return []ck.ObjectHandle{priv, pub}, nil
	}
	if err := s.identify(priv, pub); err != nil {
		return nil, errors.Join(err, s.DestroyObject(s.handle, priv), s.DestroyObject(s.handle, pub))
	}
	return []ck.ObjectHandle{priv, pub}, nil
}

// identify gives the keys of a pair the hash of the public one as their id.
func (s *session) identify(pair ...ck.ObjectHandle) error {
	info, err := s.publicKeyInfo(pair[0])
	if err != nil {
		return err
	}
	id, err := keyIdentifier(info)
	if err != nil {
		return err
	}
	for _, o := range pair {
		if err := s.SetAttributeValue(s.handle, o, []ck.Attribute{{Type: ck.CKA_ID, Value: id}}); err != nil {
			return explain("giving the keys their id", err)
		}
	}
	return nil
}
