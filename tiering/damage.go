package tiering

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of stripes; the errors returned wrap them.
var (
	ErrCorrupt = errors.New("corrupt")                  // bytes are not what was written
	ErrTooFew  = errors.New("too few members are left") // of a stripe, to decode from
)

// Damage is what is wrong with one member of a stripe.
type Damage struct {
	Slot int
	Name string
	Err  error
}

// String names slot and file, and says what is wrong.
func (d Damage) String() string { return fmt.Sprintf("slot %d (%s): %v", d.Slot, d.Name, d.Err) }

// StripeError says which members of a stripe cannot be used, and why.
type StripeError struct {
	Stripe string
	Scheme Scheme
	Damage []Damage
	Err    error // what follows from it, such as ErrTooFew; nil if nothing does
}

// Error names every member that cannot be used, and why.
func (e *StripeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "stripe %s (%v): ", e.Stripe, e.Scheme)
	if e.Err != nil {
		fmt.Fprintf(&b, "%v: ", e.Err)
	}
	for i, d := range e.Damage {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(d.String())
	}
	return b.String()
}

// Unwrap gives errors.Is all that is wrong.
func (e *StripeError) Unwrap() []error {
	all := make([]error, 0, len(e.Damage)+1)
	if e.Err != nil {
		all = append(all, e.Err)
	}
	for _, d := range e.Damage {
		all = append(all, d.Err)
	}
	return all
}

// fault makes the error for what is wrong by slot, and for what follows from
// that; nil if nothing is wrong.
func (s *Stripe) fault(bad []error, follows error) error {
	e := &StripeError{Stripe: s.ID, Scheme: s.Scheme, Err: follows}
	for slot, err := range bad {
		if err != nil {
			e.Damage = append(e.Damage, Damage{slot, s.Name(slot), err})
		}
	}
	if len(e.Damage) == 0 {
		return nil
	}
	return e
}
