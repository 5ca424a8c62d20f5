package survey

import (
	"fmt"
	"math/big"
	"strings"
)

// A Tariff is what one unit of a sender costs: an SMS segment, a mail. Amounts are decimals such as "0.0375". The zero value knows
// no price.
type Tariff struct {
	Currency string            // ISO 4217
	Unit     string            // everywhere else; "" = not known
	Prefixes map[string]string // by the beginning of an E.164 number, such as "+385"; the longest counts
}

// NewTariff checks its amounts.
func NewTariff(currency, unit string, prefixes map[string]string) (Tariff, error) {
	t := Tariff{Currency: currency, Unit: unit, Prefixes: prefixes}
	for prefix, amount := range prefixes {
		if !strings.HasPrefix(prefix, "+") || strings.Trim(prefix[1:], "0123456789") != "" || len(prefix) < 2 {
			return Tariff{}, fmt.Errorf("%q is not the beginning of a phone number: write + and digits, such as +385", prefix)
		}
		if err := checkAmount(amount); err != nil {
			return Tariff{}, err
		}
	}
	if unit != "" {
		if err := checkAmount(unit); err != nil {
			return Tariff{}, err
		}
	}
	if len(currency) != 3 || strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return Tariff{}, fmt.Errorf("%q is not a currency: write three letters, such as EUR", currency)
	}
	return t, nil
}

func checkAmount(amount string) error {
	digits := strings.Replace(amount, ".", "", 1)
	if digits == "" || strings.Trim(digits, "0123456789") != "" || len(amount) > 20 {
		return fmt.Errorf("%q is not an amount: write a decimal such as 0.0375", amount)
	}
	return nil
}

// Price is what units to an address cost, as a decimal without zeros at its end; "" when it is not known.
func (t Tariff) Price(to string, units int) string {
	amount, longest := t.Unit, 0
	for prefix, a := range t.Prefixes {
		if len(prefix) > longest && strings.HasPrefix(to, prefix) {
			amount, longest = a, len(prefix)
		}
	}
	r, ok := new(big.Rat).SetString(amount)
	if amount == "" || !ok {
		return ""
	}
	text := r.Mul(r, new(big.Rat).SetInt64(int64(units))).FloatString(20)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}
