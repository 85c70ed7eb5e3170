package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/softcsp/softcsp/ck"
)

// A Policy is what the section [policy] of a configuration file says: which mechanisms tokens have, for which operations, and
// with which sizes of keys. It takes away from what softcsp can do and adds nothing.
type Policy struct {
	rules []policyRule
}

// A policyRule is one section: of all tokens, or of one.
type policyRule struct {
	token  string // a label or serial number, "" for all tokens
	allow  []ck.MechanismType
	limits []MechanismLimit // a mechanism may be in several
	only   bool             // nothing but allow
	deny   []ck.MechanismType
}

// A MechanismLimit is what a policy leaves of a mechanism.
type MechanismLimit struct {
	Type ck.MechanismType
	// Operations are the flags of C_GetMechanismInfo that it keeps.
	Operations ck.Flags
	// MinBits and MaxBits are the sizes of keys, MaxBits 0 for no limit.
	MinBits, MaxBits uint
}

// policyOperations are the names of operations, and the flags that each stands for.
var policyOperations = []struct {
	name  string
	flags ck.Flags
}{
	{"encrypt", ck.CKF_ENCRYPT | ck.CKF_MESSAGE_ENCRYPT}, {"decrypt", ck.CKF_DECRYPT | ck.CKF_MESSAGE_DECRYPT}, {"digest", ck.CKF_DIGEST},
	{"sign", ck.CKF_SIGN | ck.CKF_MESSAGE_SIGN}, {"sign_recover", ck.CKF_SIGN_RECOVER},
	{"verify", ck.CKF_VERIFY | ck.CKF_MESSAGE_VERIFY}, {"verify_recover", ck.CKF_VERIFY_RECOVER},
	{"generate", ck.CKF_GENERATE}, {"generate_key_pair", ck.CKF_GENERATE_KEY_PAIR}, {"wrap", ck.CKF_WRAP}, {"unwrap", ck.CKF_UNWRAP},
	{"derive", ck.CKF_DERIVE}, {"encapsulate", ck.CKF_ENCAPSULATE}, {"decapsulate", ck.CKF_DECAPSULATE},
}

// For returns the limits of the mechanisms of a token, nil where nothing is limited. A mechanism that is not in the map is denied.
func (p *Policy) For(label, serial string, all []ck.MechanismType) map[ck.MechanismType]MechanismLimit {
	if p == nil {
		return nil
	}
	limits := make(map[ck.MechanismType]MechanismLimit, len(all))
	for _, t := range all {
		limits[t] = MechanismLimit{Type: t, Operations: ^ck.Flags(0)}
	}
	applies := false
	for _, r := range p.rules {
		if r.token == "" || r.token == label || r.token == serial {
			r.apply(limits)
			applies = true
		}
	}
	if !applies {
		return nil
	}
	return limits
}

// apply takes away what the rule does.
func (r *policyRule) apply(limits map[ck.MechanismType]MechanismLimit) {
	for t := range limits {
		if r.only && !slices.Contains(r.allow, t) || slices.Contains(r.deny, t) {
			delete(limits, t)
		}
	}
	for _, more := range r.limits {
		l, ok := limits[more.Type]
		if !ok {
			continue
		}
		l.Operations &= more.Operations
		l.MinBits = max(l.MinBits, more.MinBits)
		if more.MaxBits != 0 && (l.MaxBits == 0 || more.MaxBits < l.MaxBits) {
			l.MaxBits = more.MaxBits
		}
		limits[more.Type] = l
	}
}

// String tells whom the policy is about, for people.
func (p *Policy) String() string {
	if p == nil {
		return ""
	}
	var of []string
	for _, r := range p.rules {
		if r.token == "" {
			of = append(of, "all tokens")
		} else {
			of = append(of, r.token)
		}
	}
	return strings.Join(of, ", ")
}

// parsePolicy reads the section [policy].
func parsePolicy(section any) (*Policy, error) {
	t, ok := section.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("policy must be a section")
	}
	var p Policy
	own := maps.Clone(t)
	delete(own, "token")
	if len(own) > 0 {
		r, err := parseRule("policy", own)
		if err != nil {
			return nil, err
		}
		p.rules = append(p.rules, r)
	}
	tokens, err := sections("policy.token", t["token"])
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		r, err := parseRule("policy.token."+name, tokens[name])
		if err != nil {
			return nil, err
		}
		r.token = name
		p.rules = append(p.rules, r)
	}
	return &p, nil
}

// sections reads a section of sections, which may be missing.
func sections(where string, v any) (map[string]map[string]any, error) {
	if v == nil {
		return nil, nil
	}
	t, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s must be a section", where)
	}
	all := make(map[string]map[string]any, len(t))
	for name, v := range t {
		if all[name], ok = v.(map[string]any); !ok {
			return nil, fmt.Errorf("%s.%s must be a section", where, name)
		}
	}
	return all, nil
}

// parseRule reads the rule of all tokens or of one.
func parseRule(where string, t map[string]any) (r policyRule, err error) {
	if err = onlyKeys(where, t, "allow", "deny", "mechanism"); err != nil {
		return r, err
	}
	_, r.only = t["allow"]
	if r.allow, err = mechanismsOf(where+".allow", t["allow"]); err != nil {
		return r, err
	}
	if r.deny, err = mechanismsOf(where+".deny", t["deny"]); err != nil {
		return r, err
	}
	limits, err := sections(where+".mechanism", t["mechanism"])
	if err != nil {
		return r, err
	}
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		l, err := parseLimit(where+".mechanism."+name, limits[name])
		if err != nil {
			return r, err
		}
		types := ck.MatchMechanisms(name)
		if len(types) == 0 {
			return r, fmt.Errorf("%s.mechanism: there is no mechanism %q", where, name)
		}
		for _, l.Type = range types {
			r.limits = append(r.limits, l)
		}
	}
	return r, nil
}

// onlyKeys finds a key that is none.
func onlyKeys(where string, t map[string]any, names ...string) error {
	for _, key := range slices.Sorted(maps.Keys(t)) {
		if !slices.Contains(names, key) {
			return fmt.Errorf("%s: there is no setting %q; there are %s", where, key, strings.Join(names, ", "))
		}
	}
	return nil
}

// mechanismsOf reads a list of mechanisms' names, in which * stands for anything.
func mechanismsOf(where string, v any) (types []ck.MechanismType, err error) {
	for _, name := range list(where, v, &err) {
		found := ck.MatchMechanisms(name)
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: there is no mechanism %q", where, name)
		}
		types = append(types, found...)
	}
	return types, err
}

// list reads a list of texts, which may be missing.
func list(where string, v any, err *error) (texts []string) {
	if v == nil {
		return nil
	}
	all, ok := v.([]any)
	for _, v := range all {
		text, is := v.(string)
		ok = ok && is
		texts = append(texts, text)
	}
	if !ok {
		*err = fmt.Errorf("%s must be a list of names", where)
		return nil
	}
	return texts
}

// parseLimit reads what is left of a mechanism.
func parseLimit(where string, t map[string]any) (l MechanismLimit, err error) {
	if err = onlyKeys(where, t, "min_bits", "max_bits", "operations"); err != nil {
		return l, err
	}
	l.Operations = ^ck.Flags(0)
	if v, ok := t["operations"]; ok {
		l.Operations = 0
		for _, name := range list(where+".operations", v, &err) {
			flags := operation(name)
			if flags == 0 {
				return l, fmt.Errorf("%s.operations: there is no operation %q; there are %s", where, name, operationNames())
			}
			l.Operations |= flags
		}
	}
	for key, to := range map[string]*uint{"min_bits": &l.MinBits, "max_bits": &l.MaxBits} {
		switch n, ok := t[key].(int64); {
		case t[key] == nil:
		case !ok || n < 1 || n > 1<<31:
			return l, fmt.Errorf("%s.%s must be a whole number of bits", where, key)
		default:
			*to = uint(n)
		}
	}
	if l.MaxBits != 0 && l.MaxBits < l.MinBits {
		return l, fmt.Errorf("%s: max_bits is less than min_bits", where)
	}
	return l, err
}

// operation returns the flags of an operation, 0 where there is none of that name.
func operation(name string) ck.Flags {
	for _, o := range policyOperations {
		if o.name == name {
			return o.flags
		}
	}
	return 0
}

func operationNames() string {
	var names []string
	for _, o := range policyOperations {
		names = append(names, o.name)
	}
	return strings.Join(names, ", ")
}
