package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
)

func TestMapColumns(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, header, row string }{
		{
			"as WooCommerce's own fields are called",
			"order_id,order_number,order_date,status,billing_first_name,billing_last_name,billing_email,billing_phone,billing_country,order_total,order_currency,customer_id",
			"77,10023,2026-11-20 14:03:00,completed,Ana,Kovač,ana@example.hr,091 234 5678,HR,129.90,EUR,0",
		},
		{
			"with titles for people",
			"Order Number,Order Status,Order Date,First Name (Billing),Last Name (Billing),Country Code (Billing),Email (Billing),Phone (Billing),Order Total Amount,Currency",
			"10023,completed,2026-11-20 14:03,Ana,Kovač,HR,ana@example.hr,+385 91 234 5678,129.90,EUR",
		},
		{
			"one name, another order",
			"Currency,Total,Status,E-mail,Telephone,Country,Customer name,Date,Order #",
			"EUR,129.90,completed,ana@example.hr,00385912345678,hr,Ana Kovač,20. 11. 2026 14:03,10023",
		},
	}
	want := sendRequest{
		Survey:    "nps-after-purchase",
		Recipient: survey.Recipient{Name: "Ana Kovač", Email: "ana@example.hr", Phone: "+385912345678", Locale: "hr"},
		Transaction: survey.Transaction{
			ID: "10023", Type: "order", Touchpoint: "delivery", OccurredAt: time.Date(2026, 11, 20, 14, 3, 0, 0, time.UTC),
			Attributes: map[string]string{"amount": "129.90", "currency": "EUR", "status": "completed"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cols, err := mapColumns(strings.Split(tt.header, ","), nil)
			if err != nil {
				t.Fatal(err)
			}
			m := &mapper{cols: cols, survey: "nps-after-purchase", touchpoint: "delivery", zone: time.UTC}
			body, err := m.request(record{fields: strings.Split(tt.row, ",")})
			if err != nil {
				t.Fatal(err)
			}
			var got sendRequest
			if err := json.Unmarshal(body, &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestMapColumnsAsTold(t *testing.T) {
	t.Parallel()
	header := []string{"Nr", "Kontakt", "billing_email", "Filiale", "status"}
	cols, err := mapColumns(header, map[string]string{
		"nr": "transaction_id", "Kontakt": "email", "Filiale": "attributes.store", "status": "-",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := columns{"transaction_id": {0}, "email": {1, 2}, "attributes.store": {3}}
	if diff := cmp.Diff(want, cols); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := cols.get([]string{"1", " ", "b@example.hr", "", ""}, "email"); got != "b@example.hr" {
		t.Errorf("the second column of an empty first is %q", got)
	}
}

func TestMapperRefuses(t *testing.T) {
	t.Parallel()
	header := []string{"order_number", "email", "phone", "country", "date"}
	tests := []struct{ name, row, want string }{
		{"no order number", ",a@example.hr,,HR,", "it has no order number: without it the same order could be asked about twice"},
		{"no address", "1,,,HR,", "it has no address: neither email nor phone"},
		{"phone too short", "1,a@example.hr,091 12,HR,", "the phone number does not exist in the numbering plan of HR"},
		{"phone in words", "1,a@example.hr,call me,HR,", "the phone number cannot be read"},
		{"phone without a country", "1,,091 234 5678,,", "the phone number is of no known country: write it with +, fill in the country, or add --country"},
		{"land line only", "1,,01 4567 890,HR,", "its only address is a land line, which receives no SMS"},
		{"country by name", "1,a@example.hr,,Croatia,", "the country is not one of the two-letter codes of ISO 3166, such as HR"},
		{"no such country", "1,a@example.hr,,QX,", "the country is not one of the two-letter codes of ISO 3166, such as HR"},
		{"two days in one", "1,a@example.hr,,HR,11/12/2026", "the date cannot be read: write it as 2026-11-20 14:03"},
		{"no such day", "1,a@example.hr,,HR,2026-02-30", "the date cannot be read: write it as 2026-11-20 14:03"},
		{"year one", "1,a@example.hr,,HR,0001-01-01", "the date cannot be read: write it as 2026-11-20 14:03"},
	}
	cols, err := mapColumns(header, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := &mapper{cols: cols, survey: "s", zone: time.UTC}
			_, err := m.request(record{fields: strings.Split(tt.row, ",")})
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestLandLineBesideAnEmail(t *testing.T) {
	t.Parallel()
	cols, err := mapColumns([]string{"order_number", "email", "phone"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &mapper{cols: cols, country: "HR"}
	r, err := m.recipient([]string{"1", "a@example.hr", "01 4567 890"}, "HR")
	if err != nil || r.Phone != "" || r.Email != "a@example.hr" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestE164(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, country, want string }{
		{"091 234 5678", "HR", "+385912345678"},
		{"+385 (0)91/234-5678", "HR", "+385912345678"},
		{"064 123 4567", "RS", "+381641234567"},
		{"0038164/123-4567", "HR", "+381641234567"},
		{"040 123 456", "SI", "+38640123456"},
		{"512 345 678", "PL", "+48512345678"},
		{"0912 345 6789", "IR", "+989123456789"},
		{"۰۹۱۲ ۳۴۵ ۶۷۸۹", "IR", "+989123456789"},
		{"٠٩١٢٣٤٥٦٧٨٩", "IR", "+989123456789"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, err := e164(tt.name, tt.country); err != nil || got != tt.want {
				t.Errorf("e164(%q, %s) = %s, %v; want %s", tt.name, tt.country, got, err, tt.want)
			}
		})
	}
}

func TestLocaleOf(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, noted, country, want string }{
		{"by country", "", "HR", "hr"},
		{"by country, Serbia", "", "RS", "sr-Latn"},
		{"by country, Slovenia", "", "SI", "sl"},
		{"by country, Poland", "", "PL", "pl"},
		{"by country, Iran", "", "IR", "fa"},
		{"no language for it", "", "FR", ""},
		{"WordPress", "hr_HR", "SI", "hr"},
		{"a language with a country", "EN-us", "HR", "en"},
		{"script is kept", "sr-Cyrl", "RS", "sr-Cyrl"},
		{"Serbian is stored with its script", "sr_RS", "HR", "sr-Latn"},
		{"unknown is the gateway's to judge", "xx", "HR", "xx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := localeOf(tt.noted, tt.country); got != tt.want {
				t.Errorf("localeOf(%q, %q) = %q, want %q", tt.noted, tt.country, got, tt.want)
			}
		})
	}
}

func FuzzMapper(f *testing.F) {
	f.Add("1", "a@example.hr", "091 234 5678", "HR", "2026-11-20", "hr")
	f.Add("", "", "۰۹۱۲", "ir", "20. 11. 2026.", "sr_RS")
	cols, err := mapColumns([]string{"order_number", "email", "phone", "country", "date", "language"}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id, email, phone, country, date, language string) {
		m := &mapper{cols: cols, survey: "s", zone: time.UTC}
		body, err := m.request(record{fields: []string{id, email, phone, country, date, language}})
		if err != nil {
			return
		}
		var got sendRequest
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		if got.Transaction.ID == "" || got.Recipient.Phone != "" && got.Recipient.Phone[0] != '+' {
			t.Errorf("%+v", got)
		}
		if strings.Contains(string(body), "\n") {
			t.Errorf("a request of two lines: %s", body)
		}
	})
}
