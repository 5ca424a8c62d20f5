package survey

import (
	"slices"
	"strings"
)

// An Op compares an attribute of a transaction.
type Op string

// The operators. Two numbers compare as decimals of any length, never as floats; everything else as text.
const (
	OpEq       Op = "eq"
	OpNe       Op = "ne" // holds for an absent attribute too
	OpIn       Op = "in" // equal to one of the values
	OpGt       Op = "gt" // numbers only, as the three below
	OpGte      Op = "gte"
	OpLt       Op = "lt"
	OpLte      Op = "lte"
	OpExists   Op = "exists"   // is there, and not empty; takes no value
	OpContains Op = "contains" // as text, in any case of letters
)

// A Condition is one test of one attribute. The zero value holds for an absent attribute only.
type Condition struct {
	Attribute string
	Op        Op
	Values    []string // one, any number for OpIn, none for OpExists
}

// Holds tells whether the condition is met; given is false when the transaction has no such attribute.
func (c Condition) Holds(value string, given bool) bool {
	is := func(other string) bool { return given && equal(value, other) }
	switch c.Op {
	case OpEq, OpIn:
		return slices.ContainsFunc(c.Values, is)
	case OpNe:
		return !slices.ContainsFunc(c.Values, is)
	case OpExists:
		return given && value != ""
	case OpContains:
		return given && slices.ContainsFunc(c.Values, func(part string) bool {
			return strings.Contains(strings.ToLower(value), strings.ToLower(part))
		})
	case OpGt, OpGte, OpLt, OpLte:
		return given && slices.ContainsFunc(c.Values, func(other string) bool { return c.ordered(value, other) })
	default:
		return false
	}
}

func (c Condition) ordered(value, other string) bool {
	a, okA := parseDecimal(value)
	b, okB := parseDecimal(other)
	if !okA || !okB {
		return false
	}
	order := a.compare(b)
	switch c.Op {
	case OpGt:
		return order > 0
	case OpGte:
		return order >= 0
	case OpLt:
		return order < 0
	default:
		return order <= 0
	}
}

func (c Condition) saw(value string, given bool) map[string]any {
	saw := map[string]any{"attribute": c.Attribute, "op": c.Op}
	if len(c.Values) > 0 {
		saw["wanted"] = c.Values
	}
	if given {
		saw["value"] = value
	}
	return saw
}

func equal(a, b string) bool {
	if a == b {
		return true
	}
	x, okX := parseDecimal(a)
	y, okY := parseDecimal(b)
	return okX && okY && x.compare(y) == 0
}

// IsDecimal tells whether a text is a number as conditions compare it: digits with an optional sign, point and
// exponent, as JSON writes them.
func IsDecimal(s string) bool {
	_, ok := parseDecimal(s)
	return ok
}

// A decimal is 0.digits times 10 to the power of point, without zeros at either end of digits. Zero has no digits.
type decimal struct {
	negative bool
	digits   string
	point    int
}

// parseDecimal reads a number of any length. Its exponent has at most four digits, and is never expanded.
func parseDecimal(s string) (d decimal, ok bool) {
	s = strings.TrimSpace(s)
	mantissa, exponent, scientific := s, "", false
	if at := strings.IndexAny(s, "eE"); at >= 0 {
		mantissa, exponent, scientific = s[:at], s[at+1:], true
	}
	mantissa, d.negative = sign(mantissa)
	whole, fraction, pointed := strings.Cut(mantissa, ".")
	if !digits(whole) || pointed && !digits(fraction) {
		return decimal{}, false
	}
	power := 0
	if scientific {
		plain, negative := sign(exponent)
		if !digits(plain) || len(plain) > 4 {
			return decimal{}, false
		}
		for i := range len(plain) {
			power = power*10 + int(plain[i]-'0')
		}
		if negative {
			power = -power
		}
	}
	all := whole + fraction
	left := strings.TrimLeft(all, "0")
	d.point = len(whole) - (len(all) - len(left)) + power
	if d.digits = strings.TrimRight(left, "0"); d.digits == "" {
		return decimal{}, true // minus zero is zero
	}
	return d, true
}

func sign(s string) (rest string, negative bool) {
	switch {
	case strings.HasPrefix(s, "-"):
		return s[1:], true
	case strings.HasPrefix(s, "+"):
		return s[1:], false
	default:
		return s, false
	}
}

// digits tells whether s is digits, at least one.
func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// compare is negative when a is less than b, 0 when they are equal.
func (a decimal) compare(b decimal) int {
	switch {
	case a.digits == "" && b.digits == "":
		return 0
	case a.digits == "":
		return -b.sign()
	case b.digits == "" || a.negative != b.negative:
		return a.sign()
	case a.point != b.point:
		return a.sign() * (a.point - b.point)
	default:
		return a.sign() * strings.Compare(a.digits, b.digits)
	}
}

// sign is of a number that is not zero.
func (a decimal) sign() int {
	if a.negative {
		return -1
	}
	return 1
}
