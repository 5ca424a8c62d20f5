package survey

import (
	"errors"
	"fmt"
	"strings"
)

// What callers of this program's parts act on.
var (
	ErrNotFound = errors.New("not found")
	// ErrConflict: the state of the thing does not allow it, or another was faster.
	ErrConflict = errors.New("conflict")
	// ErrUnavailable: a part that is needed does not answer at present. The same call may be made again: nothing is doubled.
	ErrUnavailable = errors.New("unavailable")
	// ErrInDoubt: the answer to a change was lost, and it may have taken effect or not.
	ErrInDoubt = errors.New("in doubt")
)

// A FieldError is one fault of an input.
type FieldError struct {
	Pointer string `json:"pointer"` // JSON pointer (RFC 6901) of the place; "" is the whole
	Code    string `json:"code"`    // stable, for programs
	Detail  string `json:"detail"`  // what, why and how to fix, for people
}

// An InvalidError lists every fault of an input at once. It is never empty.
type InvalidError []FieldError

func (e InvalidError) Error() string {
	parts := make([]string, len(e))
	for i, f := range e {
		parts[i] = fmt.Sprintf("%s: %s", f.Pointer, f.Detail)
	}
	return strings.Join(parts, "; ")
}
