package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/text/language"

	"github.com/odziv/odziv/survey"
)

// A sendRequest is the body of POST /v1/sends as far as a shop's export can fill it.
type sendRequest struct {
	Survey      string             `json:"survey"`
	Recipient   survey.Recipient   `json:"recipient"`
	Transaction survey.Transaction `json:"transaction"`
	Channels    []string           `json:"channels,omitempty"`
}

// What a column can be. Any other attribute of the transaction is attributes.<name>.
const (
	fieldID         = "transaction_id"
	fieldDate       = "occurred_at"
	fieldName       = "name"
	fieldFirstName  = "first_name"
	fieldLastName   = "last_name"
	fieldEmail      = "email"
	fieldPhone      = "phone"
	fieldViber      = "viber_id"
	fieldCountry    = "country"
	fieldLocale     = "locale"
	fieldTimezone   = "timezone"
	fieldExternalID = "external_id"
	attributePrefix = "attributes."
	fieldIgnored    = "-"
)

// columnNames are the columns of the common exports of WooCommerce (its own, the exporters of SkyVerge, WebToffee
// and AlgolPlus) as columnKey writes them, the best first.
func columnNames() map[string][]string {
	return map[string][]string{
		fieldID:         {"order_number", "order_number_formatted", "order_no", "order", "order_id"},
		fieldDate:       {"date_completed", "completed_date", "order_date", "date_created", "created_at", "date"},
		fieldName:       {"billing_full_name", "full_name_billing", "customer_name", "full_name", "customer", "name"},
		fieldFirstName:  {"billing_first_name", "first_name_billing", "first_name", "shipping_first_name", "first_name_shipping"},
		fieldLastName:   {"billing_last_name", "last_name_billing", "last_name", "shipping_last_name", "last_name_shipping"},
		fieldEmail:      {"billing_email", "email_billing", "customer_email", "email_address", "email", "e_mail"},
		fieldPhone:      {"billing_phone", "phone_billing", "mobile", "phone_number", "phone", "telephone", "shipping_phone", "phone_shipping"},
		fieldViber:      {"viber_id"},
		fieldCountry:    {"billing_country", "country_code_billing", "billing_country_code", "country_billing", "country_code", "country", "shipping_country", "country_code_shipping"},
		fieldLocale:     {"language", "locale", "wpml_language", "order_language", "customer_language", "lang"},
		fieldTimezone:   {"timezone", "time_zone"},
		fieldExternalID: {"customer_id", "customer_user", "user_id"},

		attributePrefix + "amount":          {"order_total", "order_total_amount", "total", "n_revenue"},
		attributePrefix + "currency":        {"order_currency", "currency"},
		attributePrefix + "store":           {"store", "shop", "branch", "store_name"},
		attributePrefix + "department":      {"department"},
		attributePrefix + "employee":        {"employee", "sales_person"},
		attributePrefix + "product":         {"sku", "product", "product_s", "products", "item_name"},
		attributePrefix + "status":          {"order_status", "status"},
		attributePrefix + "city":            {"billing_city", "city_billing", "city"},
		attributePrefix + "payment_method":  {"payment_method_title", "payment_method"},
		attributePrefix + "shipping_method": {"shipping_method_title", "shipping_method"},
	}
}

// columnKey is how names of columns are compared: «Phone (Billing)» is phone_billing.
func columnKey(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return strings.Join(words, "_")
}

// columns says where in a record each field is, the best column first.
type columns map[string][]int

// mapColumns recognises the columns of a header; given says it for some of them and wins.
func mapColumns(header []string, given map[string]string) (columns, error) {
	cols := columns{}
	taken := map[int]bool{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		field := given[name]
		at := slices.IndexFunc(header, func(h string) bool { return h == name || columnKey(h) == columnKey(name) })
		if at < 0 {
			return nil, fmt.Errorf("--map %s=%s: there is no such column%s; the columns are %s", name, field, meant(name, header), strings.Join(header, ", "))
		}
		if err := checkField(field); err != nil {
			return nil, fmt.Errorf("--map %s=%s: %w", name, field, err)
		}
		taken[at] = true
		if field != fieldIgnored {
			cols[field] = append(cols[field], at)
		}
	}
	for field, names := range columnNames() {
		for _, name := range names {
			for i, h := range header {
				if !taken[i] && columnKey(h) == name {
					cols[field] = append(cols[field], i)
				}
			}
		}
	}
	if cols[fieldID] == nil {
		return nil, fmt.Errorf("no column is the order number: say which is by --map \"<column>=%s\"; the columns are %s", fieldID, strings.Join(header, ", "))
	}
	if cols[fieldEmail] == nil && cols[fieldPhone] == nil && cols[fieldViber] == nil {
		return nil, fmt.Errorf("no column is an address: say which is by --map \"<column>=%s\" or \"<column>=%s\"; the columns are %s", fieldEmail, fieldPhone, strings.Join(header, ", "))
	}
	return cols, nil
}

func checkField(field string) error {
	if name, ok := strings.CutPrefix(field, attributePrefix); ok && name != "" || field == fieldIgnored {
		return nil
	}
	var known []string
	for f := range columnNames() {
		if !strings.HasPrefix(f, attributePrefix) {
			known = append(known, f)
		}
	}
	slices.Sort(known)
	if slices.Contains(known, field) {
		return nil
	}
	return fmt.Errorf("unknown field%s; a column can be %s, attributes.<name>, or - to leave it out", meant(field, known), strings.Join(known, ", "))
}

// get is the first of the field's columns that has something in it.
func (c columns) get(fields []string, field string) string {
	for _, at := range c[field] {
		if s := strings.TrimSpace(fields[at]); s != "" {
			return s
		}
	}
	return ""
}

// A mapper makes requests of records.
type mapper struct {
	cols       columns // nil for NDJSON
	survey     string
	locale     string // "" = by the order's language or country
	country    string // of orders that name none; "" = none
	touchpoint string
	channels   []string
	zone       *time.Location // of dates that name none
}

// request is the body for one record; the error says why the record is refused, without its content.
func (m *mapper) request(rec record) ([]byte, error) {
	if rec.fault != "" {
		return nil, errors.New(rec.fault)
	}
	if m.cols == nil {
		return m.object(rec.text)
	}
	req := sendRequest{Survey: m.survey, Channels: m.channels}
	country, err := m.countryOf(rec.fields)
	if err != nil {
		return nil, err
	}
	if req.Recipient, err = m.recipient(rec.fields, country); err != nil {
		return nil, err
	}
	if req.Transaction, err = m.transaction(rec.fields); err != nil {
		return nil, err
	}
	return json.Marshal(req)
}

func (m *mapper) countryOf(fields []string) (string, error) {
	name := strings.ToUpper(m.cols.get(fields, fieldCountry))
	if name == "" {
		return m.country, nil
	}
	region, err := language.ParseRegion(name)
	if err != nil || !region.IsCountry() || len(name) != 2 {
		return "", errors.New("the country is not one of the two-letter codes of ISO 3166, such as HR")
	}
	return name, nil
}

func (m *mapper) recipient(fields []string, country string) (survey.Recipient, error) {
	r := survey.Recipient{
		ExternalID: m.cols.get(fields, fieldExternalID),
		Name:       m.cols.get(fields, fieldName),
		Email:      m.cols.get(fields, fieldEmail),
		ViberID:    m.cols.get(fields, fieldViber),
		Timezone:   m.cols.get(fields, fieldTimezone),
		Locale:     m.locale,
	}
	if r.ExternalID == "0" { // WooCommerce's number of every guest: they are not one person
		r.ExternalID = ""
	}
	if full := strings.TrimSpace(m.cols.get(fields, fieldFirstName) + " " + m.cols.get(fields, fieldLastName)); full != "" {
		r.Name = full
	}
	if r.Locale == "" {
		r.Locale = localeOf(m.cols.get(fields, fieldLocale), country)
	}
	phone := m.cols.get(fields, fieldPhone)
	if phone == "" && r.Email == "" && r.ViberID == "" {
		return r, errors.New("it has no address: neither email nor phone")
	}
	if phone == "" {
		return r, nil
	}
	number, err := e164(phone, country)
	if errors.Is(err, errLandLine) && (r.Email != "" || r.ViberID != "") {
		return r, nil // nothing is wrong with it; the message goes to the other address
	}
	r.Phone = number
	return r, err
}

var errLandLine = errors.New("its only address is a land line, which receives no SMS")

// e164 reads a phone number as people of that country write it, in digits of any script.
func e164(number, country string) (string, error) {
	n, err := phonenumbers.Parse(number, country)
	switch {
	case errors.Is(err, phonenumbers.ErrInvalidCountryCode) && country == "":
		return "", errors.New("the phone number is of no known country: write it with +, fill in the country, or add --country")
	case err != nil:
		return "", errors.New("the phone number cannot be read")
	case !phonenumbers.IsValidNumber(n):
		return "", fmt.Errorf("the phone number does not exist in the numbering plan of %s", regionName(n, country))
	case phonenumbers.GetNumberType(n) == phonenumbers.FIXED_LINE:
		return "", errLandLine
	default:
		return phonenumbers.Format(n, phonenumbers.E164), nil
	}
}

func regionName(n *phonenumbers.PhoneNumber, country string) string {
	if r := phonenumbers.GetRegionCodeForCountryCode(int(n.GetCountryCode())); r != "" && r != "ZZ" && r != "001" {
		return r
	}
	return country
}

// localeOf is the language that the shop noted, else that of the country; "" leaves it to the survey.
func localeOf(noted, country string) string {
	noted = strings.ReplaceAll(noted, "_", "-")
	switch strings.ToLower(noted) {
	case "":
	case "sr", "sr-rs", "sr-yu", "sh":
		return "sr-Latn"
	default:
		base, region, found := strings.Cut(noted, "-")
		if found && len(region) == 2 { // hr_HR of WordPress is hr
			return strings.ToLower(base)
		}
		return noted
	}
	switch country {
	case "HR":
		return "hr"
	case "RS":
		return "sr-Latn"
	case "SI":
		return "sl"
	case "PL":
		return "pl"
	case "IR":
		return "fa"
	default:
		return ""
	}
}

func (m *mapper) transaction(fields []string) (survey.Transaction, error) {
	t := survey.Transaction{ID: m.cols.get(fields, fieldID), Type: "order", Touchpoint: m.touchpoint}
	if t.ID == "" {
		return t, errors.New("it has no order number: without it the same order could be asked about twice")
	}
	if date := m.cols.get(fields, fieldDate); date != "" {
		at, ok := parseDate(date, m.zone)
		if !ok {
			return t, errors.New("the date cannot be read: write it as 2026-11-20 14:03")
		}
		t.OccurredAt = at
	}
	for field := range m.cols {
		name, ok := strings.CutPrefix(field, attributePrefix)
		if v := m.cols.get(fields, field); ok && v != "" {
			if t.Attributes == nil {
				t.Attributes = map[string]string{}
			}
			t.Attributes[name] = v
		}
	}
	return t, nil
}

// parseDate reads the ways in which shops write a time. Day and month are told apart by form alone, so 11/12/2026,
// which is two days, is none of them.
func parseDate(s string, zone *time.Location) (time.Time, bool) {
	for _, layout := range []string{
		"2006-01-02 15:04:05", "2006-01-02 15:04", time.DateOnly, time.RFC3339, "2006-01-02T15:04:05",
		"2.1.2006 15:04:05", "2.1.2006 15:04", "2.1.2006", "2.1.2006.", "2. 1. 2006.", "2. 1. 2006", "2. 1. 2006 15:04",
	} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.UTC(), t.Year() >= 2000 && t.Year() < 2100
		}
	}
	return time.Time{}, false
}

// object fills in what a line of NDJSON leaves to the flags. Everything else is the API's to judge, as it is written.
func (m *mapper) object(text []byte) ([]byte, error) {
	var o map[string]json.RawMessage
	if err := json.Unmarshal(text, &o); err != nil || o == nil {
		return nil, errors.New("it is not one JSON object on one line")
	}
	filled := fill(o, "survey", m.survey, m.survey != "")
	filled = fill(o, "channels", m.channels, len(m.channels) > 0) || filled
	for _, part := range []struct{ of, member, value string }{
		{"recipient", "locale", m.locale},
		{"transaction", "touchpoint", m.touchpoint},
	} {
		var members map[string]json.RawMessage
		if json.Unmarshal(o[part.of], &members) == nil && members != nil && fill(members, part.member, part.value, part.value != "") {
			o[part.of], _ = json.Marshal(members) // they were just read
			filled = true
		}
	}
	if !filled {
		return bytes.TrimSpace(text), nil
	}
	return json.Marshal(o)
}

// fill sets a member that is missing, if wanted, and reports whether it did.
func fill(o map[string]json.RawMessage, name string, value any, wanted bool) bool {
	if _, ok := o[name]; ok || !wanted {
		return false
	}
	raw, err := json.Marshal(value)
	o[name] = raw
	return err == nil
}
