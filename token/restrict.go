package token

import (
	"fmt"

	"github.com/softcsp/softcsp/ck"
	"github.com/softcsp/softcsp/internal/config"
	"github.com/softcsp/softcsp/mechanisms"
)

// A restriction is which mechanisms the policy of the configuration allows with a token, for which operations and with keys of which sizes.
// nil allows everything.
type restriction map[ck.MechanismType]config.MechanismLimit

// restriction reads the policy for the token in the slot, by the label that the token has now.
func (s *appSlot) restriction() (restriction, error) {
	policy := s.app.config.Policy
	if policy == nil {
		return nil, nil
	}
	label := ""
	if token, err := s.storedToken(); err == nil {
		about, err := token.Info()
		if err != nil {
			return nil, err
		}
		label = about.Label
	}
	return policy.For(label, s.serial, mechanisms.Types()), nil
}

// allows reports whether a mechanism may be used for the operation of a flag of C_GetMechanismInfo.
func (r restriction) allows(t ck.MechanismType, flag ck.Flags) bool {
	if r == nil {
		return true
	}
	limit, ok := r[t]
	return ok && limit.Operations&flag != 0
}

// permitted returns the mechanisms of all that may be used for some operation.
func (r restriction) permitted(all []ck.MechanismType) []ck.MechanismType {
	if r == nil {
		return all
	}
	left := make([]ck.MechanismType, 0, len(r))
	for _, t := range all {
		if limit, ok := r[t]; ok && mechanisms.Lookup(t).Info().Flags&limit.Operations&operationFlags != 0 {
			left = append(left, t)
		}
	}
	return left
}

// operationFlags are the flags of C_GetMechanismInfo that name an operation.
const operationFlags = ck.CKF_ENCRYPT | ck.CKF_DECRYPT | ck.CKF_DIGEST | ck.CKF_SIGN | ck.CKF_SIGN_RECOVER | ck.CKF_VERIFY | ck.CKF_VERIFY_RECOVER |
	ck.CKF_GENERATE | ck.CKF_GENERATE_KEY_PAIR | ck.CKF_WRAP | ck.CKF_UNWRAP | ck.CKF_DERIVE | ck.CKF_ENCAPSULATE | ck.CKF_DECAPSULATE | messageFlags

const messageFlags = ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY

// info returns what C_GetMechanismInfo tells of a mechanism.
func (r restriction) info(row *mechanisms.Mechanism) ck.MechanismInfo {
	info := row.Info()
	limit := r[row.Type]
	if r == nil {
		return info
	}
	info.Flags &^= operationFlags &^ limit.Operations
	if info.Flags&messageFlags == 0 {
		info.Flags &^= ck.CKF_MULTI_MESSAGE
	}
	if info.MaxKeySize == 0 {
		return info // a mechanism without sizes
	}
	unit := row.Unit()
	info.MinKeySize = max(info.MinKeySize, (limit.MinBits+unit-1)/unit)
	if limit.MaxBits != 0 {
		info.MaxKeySize = min(info.MaxKeySize, limit.MaxBits/unit)
	}
	return info
}

// allowsSize tells whether a mechanism may be used with a key of this size.
func (r restriction) allowsSize(t ck.MechanismType, k *mechanisms.Key) error {
	limit, ok := r[t]
	if !ok || limit.MinBits == 0 && limit.MaxBits == 0 {
		return nil
	}
	bits := mechanisms.KeyBits(k)
	if bits != 0 && (bits < limit.MinBits || limit.MaxBits != 0 && bits > limit.MaxBits) {
		return fmt.Errorf("%w: the policy does not allow keys of %d bits", ck.CKR_KEY_SIZE_RANGE, bits)
	}
	return nil
}

// rowFor finds the row of a mechanism that has the operation of a flag, and may be used for it.
func (s *session) rowFor(mech *ck.Mechanism, flag ck.Flags) (*mechanisms.Mechanism, error) {
	if mech == nil {
		return nil, ck.CKR_ARGUMENTS_BAD
	}
	row := mechanisms.Lookup(mech.Type)
	if row == nil || !row.Has(flag) || !s.restriction.allows(mech.Type, flag) {
		return nil, ck.CKR_MECHANISM_INVALID
	}
	return row, nil
}
