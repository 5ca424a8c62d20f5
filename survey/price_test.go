package survey_test

import (
	"testing"

	"github.com/odziv/odziv/survey"
)

func TestTariff(t *testing.T) {
	t.Parallel()
	tariff, err := survey.NewTariff("EUR", "0.1", map[string]string{"+385": "0.0375", "+38591": "0.03", "+98": "0"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, to string
		units    int
		want     string
	}{
		{"by country", "+385981234567", 3, "0.1125"},
		{"the longest prefix", "+385911234567", 1, "0.03"},
		{"everywhere else", "+48123456789", 2, "0.2"},
		{"free", "+989121234567", 5, "0"},
		{"whole", "+48123456789", 10, "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tariff.Price(tt.to, tt.units); got != tt.want {
				t.Errorf("price %q, want %q", got, tt.want)
			}
		})
	}
	if got := (survey.Tariff{}).Price("+385", 1); got != "" {
		t.Errorf("price %q without a tariff", got)
	}
	for name, err := range map[string]error{
		"currency": second(survey.NewTariff("euro", "1", nil)), "unit": second(survey.NewTariff("EUR", "1,5", nil)),
		"prefix": second(survey.NewTariff("EUR", "", map[string]string{"385": "1"})), "amount": second(survey.NewTariff("EUR", "", map[string]string{"+385": "-1"})),
		"dot": second(survey.NewTariff("EUR", ".", nil)),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func second(_ survey.Tariff, err error) error { return err }
