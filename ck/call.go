package ck

import (
	"strconv"
	"time"
)

// A Call is a call of a function of Cryptoki as a value: what the function is given and, once the call has been made, what it
// has answered. Each function uses the fields that its Arguments name; the others are zero. Intercept records a
// call as a Call, and Do makes the call that a Call describes; zcall.go, generated from the table of functions, has both.
//
// What a Call leads to lies in the caller's memory, as with the methods of Cryptoki, and is valid until the call returns. Much of it
// is secret: show only what its Arguments mark Public.
type Call struct {
	Function     Function
	Began, Ended time.Time
	Err          error // the answer, nil for CKR_OK

	Slot         SlotID
	Session      SessionHandle
	Flags        Flags
	User         UserType
	Type         MechanismType
	Number       uint   // an id, a size, a count
	TokenPresent bool   // of C_GetSlotList
	Name         string // of the function that is asked for
	Objects      [2]ObjectHandle
	Target       *ObjectHandle // what *phKey of C_DeriveKey holds: an argument and a result
	Mechanism    *Mechanism
	Parameter    *Param // of a message
	Templates    [2][]Attribute
	Asked        []AttributeBuffer // of C_GetAttributeValue: its rows, which the call fills
	Data         [2][]byte
	Output       *Buffer
	Async        *AsyncData
	InitArgs     *InitArgs

	// Fields for results only.
	Found         []ObjectHandle // room for what C_FindObjects finds; Number says how much that was
	Slots         []SlotID
	Mechanisms    []MechanismType
	Info          *Info
	SlotInfo      *SlotInfo
	TokenInfo     *TokenInfo
	SessionInfo   *SessionInfo
	MechanismInfo *MechanismInfo
}

// A CallField says in which field of a Call an argument or a result stands.
type CallField uint8

// The fields of a Call, each named as there.
const (
	FieldSlot CallField = iota
	FieldSession
	FieldFlags
	FieldUser
	FieldType
	FieldNumber
	FieldTokenPresent
	FieldName
	FieldObjects // with an index
	FieldTarget
	FieldMechanism
	FieldParameter
	FieldTemplates // with an index
	FieldAsked
	FieldData // with an index
	FieldOutput
	FieldAsync
	FieldInitArgs
	FieldFound
	FieldSlots
	FieldMechanisms
	FieldInfo
	FieldSlotInfo
	FieldTokenInfo
	FieldSessionInfo
	FieldMechanismInfo
)

// A Content says what bytes are.
type Content uint8

// What bytes are. Only what is Public may be shown to somebody else than the two ends of a call, and of a PIN not even its length.
const (
	Public Content = iota
	Secret         // data, keys, and what is made of them
	PIN
)

// An Argument says what one argument, or one result, of a function is.
type Argument struct {
	Name    string // in the standard: pData
	Field   CallField
	Index   uint8 // which element of the field
	Result  bool  // the function answers it; before the call there is nothing, or room
	Content Content
}

// A Step says what a function does, when it succeeds, with the operation that it belongs to.
type Step uint8

// The steps of an operation.
const (
	NoStep Step = iota
	Begins
	Continues
	Ends
)

// A functionRow is what the table says of a function.
type functionRow struct {
	name       string
	step       Step
	operations Flags
	arguments  []Argument
	do         func(*Call, Cryptoki) error // nil for what hands out lists of functions
}

// String returns the name of the function, C_Sign say.
func (f Function) String() string {
	if int(f) < len(functionRows) {
		return functionRows[f].name
	}
	return "C_" + strconv.Itoa(int(f))
}

// Arguments returns the arguments of the function in their order, and what it answers. The slice must not be changed.
func (f Function) Arguments() []Argument { return functionRows[f].arguments }

// Operation returns what the function does with an operation of the session, and with which, as CKF_SIGN or CKF_DIGEST|CKF_ENCRYPT.
func (f Function) Operation() (Step, Flags) { return functionRows[f].step, functionRows[f].operations }

// ParseFunction finds a function by its name, C_Sign.
func ParseFunction(name string) (Function, bool) {
	for f := range functionRows {
		if functionRows[f].name == name {
			return Function(f), true
		}
	}
	return 0, false
}

// Functions returns all functions that a Cryptoki has, in the order of the function lists.
func Functions() []Function {
	var all []Function
	for f := range functionRows {
		if functionRows[f].do != nil {
			all = append(all, Function(f))
		}
	}
	return all
}

// Do makes the call: it calls the function of m with what the Call holds, and keeps in it what m answers.
func (c *Call) Do(m Cryptoki) error {
	c.Err = CKR_FUNCTION_NOT_SUPPORTED
	if do := functionRows[c.Function].do; do != nil {
		c.Err = do(c, m)
	}
	return c.Err
}

// String tells no more than the function: what a Call holds is not for printing, neither by fmt nor to a log or as JSON.
func (c Call) String() string { return c.Function.String() }

// GoString implements fmt.GoStringer.
func (c Call) GoString() string { return c.Function.String() }

// MarshalText implements encoding.TextMarshaler, for log/slog and JSON.
func (c Call) MarshalText() ([]byte, error) { return []byte(c.Function.String()), nil }

// A Layer sees every call that is made to it. It makes the call with next, whose answers stand in the Call then, and returns what
// the caller is to be told; or it answers itself, without next.
type Layer func(call *Call, next func() error) error

// Intercept returns a Cryptoki whose calls go through the layer, and on to below. below may be nil where the layer never calls next.
func Intercept(below Cryptoki, layer Layer) Cryptoki { return &interceptor{below, layer} }

// An interceptor is a Cryptoki that makes a Call of each call.
type interceptor struct {
	below Cryptoki
	layer Layer
}

// run has the layer see a call.
func (i *interceptor) run(c *Call) error {
	c.Began = time.Now()
	return i.layer(c, func() error {
		err := c.Do(i.below)
		c.Ended = time.Now()
		return err
	})
}
