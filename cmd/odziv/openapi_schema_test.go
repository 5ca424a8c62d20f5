package main

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A schema is what openapi.yaml uses of JSON Schema; a word that it does not know is a fault of the document.
type schema struct {
	Ref         string             `json:"$ref"`
	Type        schemaTypes        `json:"type"`
	Properties  map[string]*schema `json:"properties"`
	Additional  *schemaOrFalse     `json:"additionalProperties"`
	Required    []string           `json:"required"`
	Items       *schema            `json:"items"`
	Enum        []any              `json:"enum"`
	Const       any                `json:"const"`
	Pattern     string             `json:"pattern"`
	Format      string             `json:"format"`
	Description string             `json:"description"`
	Examples    []any              `json:"examples"`
	Default     any                `json:"default"`
	UniqueItems bool               `json:"uniqueItems"`

	MinItems, MaxItems, MinLength, MaxLength, MaxProperties *int
	Minimum, Maximum                                        *float64
}

// UnmarshalJSON refuses words that check would pass over.
func (s *schema) UnmarshalJSON(text []byte) error {
	type plain schema
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.DisallowUnknownFields()
	return dec.Decode((*plain)(s))
}

// schemaTypes is one type or several.
type schemaTypes []string

func (t *schemaTypes) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '[' {
		return json.Unmarshal(text, (*[]string)(t))
	}
	*t = make([]string, 1)
	return json.Unmarshal(text, &(*t)[0])
}

// schemaOrFalse is additionalProperties: false (Of is nil) or a schema of them.
type schemaOrFalse struct{ Of *schema }

func (s *schemaOrFalse) UnmarshalJSON(text []byte) error {
	if string(text) == "false" {
		return nil
	}
	return json.Unmarshal(text, &s.Of)
}

// schemas are those of the document, by name.
type schemas map[string]*schema

// check says what of v, at the place at, is not as s says. A member that an object does not describe is a fault.
func (all schemas) check(at string, s *schema, v any) (faults []string) {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		of := all[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
		if of == nil {
			return []string{at + ": " + s.Ref + " is not there"}
		}
		return all.check(at, of, v)
	}
	wrong := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }
	if len(s.Type) > 0 && !slices.ContainsFunc(s.Type, func(t string) bool { return isOf(t, v) }) {
		wrong("%v is not of type %s", v, strings.Join(s.Type, " or "))
		return faults
	}
	if len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
		wrong("%v is none of %v", v, s.Enum)
	}
	if s.Const != nil && s.Const != v {
		wrong("%v is not %v", v, s.Const)
	}
	switch v := v.(type) {
	case string:
		faults = append(faults, s.checkText(at, v)...)
	case float64:
		if s.Minimum != nil && v < *s.Minimum || s.Maximum != nil && v > *s.Maximum {
			wrong("%v is outside of the limits", v)
		}
	case []any:
		if s.MinItems != nil && len(v) < *s.MinItems || s.MaxItems != nil && len(v) > *s.MaxItems {
			wrong("%d items", len(v))
		}
		for i, item := range v {
			faults = append(faults, all.check(fmt.Sprint(at, "/", i), s.Items, item)...)
		}
	case map[string]any:
		faults = append(faults, all.checkObject(at, s, v)...)
	}
	return faults
}

func (s *schema) checkText(at, v string) (faults []string) {
	if s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) {
		faults = append(faults, at+": "+v+" does not match "+s.Pattern)
	}
	if _, err := time.Parse(time.RFC3339, v); s.Format == "date-time" && err != nil {
		faults = append(faults, at+": "+err.Error())
	}
	if n := len(v); s.MaxLength != nil && n > *s.MaxLength || s.MinLength != nil && n < *s.MinLength {
		faults = append(faults, fmt.Sprintf("%s: %d bytes", at, n))
	}
	return faults
}

func (all schemas) checkObject(at string, s *schema, v map[string]any) (faults []string) {
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			faults = append(faults, at+": lacks "+name)
		}
	}
	if s.MaxProperties != nil && len(v) > *s.MaxProperties {
		faults = append(faults, fmt.Sprintf("%s: %d members", at, len(v)))
	}
	for name, member := range v {
		switch of := s.Properties[name]; {
		case of != nil:
			faults = append(faults, all.check(at+"/"+name, of, member)...)
		case s.Additional != nil && s.Additional.Of != nil:
			faults = append(faults, all.check(at+"/"+name, s.Additional.Of, member)...)
		case s.Additional != nil || len(s.Properties) > 0:
			faults = append(faults, at+": has "+name+", which is not described")
		}
	}
	return faults
}

func isOf(kind string, v any) bool {
	switch v := v.(type) {
	case nil:
		return kind == "null"
	case bool:
		return kind == "boolean"
	case string:
		return kind == "string"
	case float64:
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
	case []any:
		return kind == "array"
	case map[string]any:
		return kind == "object"
	default:
		return false
	}
}

// The checker refuses what it has to refuse: without that the examples prove nothing.
func TestSchemaCheck(t *testing.T) {
	t.Parallel()
	var all schemas
	if err := json.Unmarshal([]byte(`{"word": {"type": "string", "enum": ["a", "b"]}, "thing": {"type": "object", "required": ["n"], "properties": {
		"n": {"type": "integer", "minimum": 1}, "at": {"type": "string", "format": "date-time"}, "id": {"type": ["string", "null"], "pattern": "^x_", "maxLength": 4},
		"words": {"type": "array", "maxItems": 2, "items": {"$ref": "#/components/schemas/word"}}, "more": {"const": false},
		"free": {"type": "object"}, "texts": {"type": "object", "additionalProperties": {"type": "string"}}}}}`), &all); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, value, fault string }{
		{"good", `{"n":1,"at":"2026-11-20T14:03:00Z","id":null,"words":["a","b"],"more":false,"free":{"z":1},"texts":{"k":"v"}}`, ""},
		{"lacks", `{}`, "lacks n"},
		{"type", `{"n":"1"}`, "not of type integer"},
		{"fraction", `{"n":1.5}`, "not of type integer"},
		{"minimum", `{"n":0}`, "limits"},
		{"unknown", `{"n":1,"m":2}`, "not described"},
		{"enum in a list", `{"n":1,"words":["c"]}`, "/words/0: c is none of"},
		{"items", `{"n":1,"words":["a","b","a"]}`, "3 items"},
		{"time", `{"n":1,"at":"yesterday"}`, "/at"},
		{"pattern", `{"n":1,"id":"y_1"}`, "match"},
		{"length", `{"n":1,"id":"x_123"}`, "5 bytes"},
		{"const", `{"n":1,"more":true}`, "is not false"},
		{"member of free names", `{"n":1,"texts":{"k":1}}`, "/texts/k"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var v any
			if err := json.Unmarshal([]byte(tt.value), &v); err != nil {
				t.Fatal(err)
			}
			got := strings.Join(all.check("", all["thing"], v), "\n")
			if tt.fault == "" && got != "" || !strings.Contains(got, tt.fault) {
				t.Errorf("found %q, want %q", got, tt.fault)
			}
		})
	}
}
