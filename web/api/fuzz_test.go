package api

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// FuzzDecode: whatever comes, it is either a whole send or explained, and what is accepted is valid JSON.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		full, least, `{}`, `[]`, `null`, ``, `{"survey":"nps-after-purchase","recipient":{"phone":"+۹۸ ۹۱۲ ۱۲۳ ۴۵۶۷","locale":"fa"}}`,
		`{"delay":"1d12h","send_at":"2026-11-21T00:00:00+01:00"}`, `{"transaction":{"attributes":{"a":1e9,"b":true,"c":null}}}`,
		`{"metadata":{"a":[{"b":"\"]"}]}}`, `{"\u0073urvey":"\ud83d\ude00"}`, `{"recipient":{"email":"a@čevapi.hr"}}`,
	} {
		f.Add(s)
	}
	d := newRig(f).api.sends
	f.Fuzz(func(t *testing.T, src string) {
		s, errs, unreadable := d.decode(src, survey.Live, "key_1", noon)
		switch {
		case errs == nil:
			if !json.Valid([]byte(src)) || !utf8.ValidString(src) {
				t.Errorf("accepted what is no JSON: %q", src)
			}
			if s.Survey == "" || s.ContactID == "" || !s.ExpiresAt.After(s.DueAt) || s.Recipient.Email+s.Recipient.Phone+s.Recipient.ViberID == "" {
				t.Errorf("accepted half a send: %+v", s)
			}
		case unreadable && len(errs) != 1:
			t.Errorf("unreadable for %d reasons", len(errs))
		}
		for _, e := range errs {
			if e.Code == "" || e.Detail == "" || !utf8.ValidString(e.Detail) || e.Pointer != "" && e.Pointer[0] != '/' {
				t.Errorf("says little: %+v", e)
			}
			if p := web.ProblemOf(survey.InvalidError{e}); p.Title == "A member is wrong" {
				t.Errorf("code %s has no page", e.Code)
			}
		}
	})
}

// FuzzBatch: no line gets lost, whatever is beside it.
func FuzzBatch(f *testing.F) {
	for _, s := range []string{least + "\n" + least, "[" + least + "]", "{\n}", "[]", "[[],{}]", "\n\n1", "[1,", `[{"a":"]"}]`, "\r\n{}\r\n"} {
		f.Add(s)
	}
	a := newRig(f).api
	f.Fuzz(func(t *testing.T, src string) {
		lines, err := splitLines(src)
		if err == nil {
			want := 0
			for line := range strings.SplitSeq(src, "\n") {
				if strings.TrimSpace(line) != "" {
					want++
				}
			}
			if len(lines) != want {
				t.Errorf("%d lines of %d", len(lines), want)
			}
			a.decodeAll(lines, survey.Live, "key_1", noon)
		}
		elements, err := splitArray(src)
		var all []json.RawMessage
		if json.Unmarshal([]byte(src), &all) == nil && all != nil && (err != nil || len(elements) != len(all)) {
			t.Errorf("%d elements of %d: %v", len(elements), len(all), err)
		}
		a.decodeAll(elements, survey.Live, "key_1", noon)
		if err == nil && !json.Valid(a.results(elements, "index", accepted(elements), "req_1")) {
			t.Error("the answer is no JSON")
		}
	})
}

func accepted(entries []entry) (done []Accepted) {
	for _, e := range entries {
		if e.errs == nil {
			done = append(done, Accepted{ID: "snd_1", Send: e.send})
		}
	}
	return done
}

// FuzzPhone: what comes out is E.164 and stays as it is.
func FuzzPhone(f *testing.F) {
	for _, s := range []string{"+385911234567", "00385 (0)91 123 4567", "+۹۸۹۱۲۱۲۳۴۵۶۷", "+1-800-FLOWERS", "++1", "+39 06 1234"} {
		f.Add(s)
	}
	p := newPhones()
	f.Fuzz(func(t *testing.T, s string) {
		got, code, refusal := p.phone(s)
		if code != "" {
			if got != "" || refusal == "" {
				t.Errorf("phone(%q) = %q, %q, %q", s, got, code, refusal)
			}
			return
		}
		if again, code, _ := p.phone(got); again != got || code != "" || len(got) > 16 || strings.Trim(got[1:], "0123456789") != "" {
			t.Errorf("phone(%q) = %q, then %q, %q", s, got, again, code)
		}
	})
}

// FuzzEmail: what comes out is one bare address and stays as it is.
func FuzzEmail(f *testing.F) {
	for _, s := range []string{"ana@example.hr", `"a b"@example.hr`, "a@xn--a.hr", "ana@čevapi.hr", "a@b@c.hr", "Ana <ana@example.hr>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, refusal := email(s)
		if (got == "") != (refusal != "") {
			t.Errorf("email(%q) = %q, %q", s, got, refusal)
		}
		if got == "" {
			return
		}
		if again, _ := email(got); again != got || strings.ContainsAny(got, "\r\n<> ") || len(got) > 254+64 {
			t.Errorf("email(%q) = %q, then %q", s, got, again)
		}
	})
}
