package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// with makes a body of the least send with other members in it.
func with(recipient, more string) string {
	return `{"survey":"nps-after-purchase","recipient":{` + recipient + `}` + more + `}`
}

const toAna = `"email":"ana@example.hr"`

func gzipped(t testing.TB, n int) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBadInput: each answers what, where, why and how to fix, and stores nothing.
func TestBadInput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		body    string
		headers []string
		status  int
		code    string
		errors  string // pointer code, separated by commas
		says    string // part of the detail or of those of the errors
	}{
		{"unknown member", `{"survey":"nps-after-purchase","recipent":{` + toAna + `}}`, nil, 422, "unknown_member", "/recipent unknown_member", `did you mean "recipient"?`},
		{"unknown member inside", with(toAna+`,"emial":"x"`, ""), nil, 422, "unknown_member", "/recipient/emial unknown_member", `did you mean "email"?`},
		{"unknown member with escapes", with(toAna+`,"a/b~c":"x"`, ""), nil, 422, "unknown_member", "/recipient/a~1b~0c unknown_member", "known here are"},
		{"all faults at once", `{"survey":7,"recipient":{"email":"x","phone":"1","locale":"xx","timezone":"CET+1"},"delay":"soon","x":1}`, nil, 422, "invalid_request", "/survey wrong_type,/recipient/email invalid_email,/recipient/phone invalid_phone,/recipient/locale unknown_locale,/recipient/timezone unknown_timezone,/delay invalid_duration,/x unknown_member", "«errors» lists every one"},
		{"survey missing", `{"recipient":{` + toAna + `}}`, nil, 422, "missing_member", "/survey missing_member", "nps-after-purchase"},
		{"survey null", `{"survey":null,"recipient":{` + toAna + `}}`, nil, 422, "missing_member", "/survey missing_member", "say which survey"},
		{"unknown survey", `{"survey":"nps-after-purchas","recipient":{` + toAna + `}}`, nil, 422, "unknown_survey", "/survey unknown_survey", `did you mean "nps-after-purchase"?`},
		{"unknown survey like none", `{"survey":"zzz","recipient":{` + toAna + `}}`, nil, 422, "unknown_survey", "/survey unknown_survey", "there are ces-after-return"},
		{"viber id with a space", with(`"viber_id":"01234567 890A="`, ""), nil, 422, "invalid_value", "/recipient/viber_id invalid_value", "01234567890A="},
		{"viber id with a mark that is not seen", with(`"viber_id":"01234567890A=\u200b"`, ""), nil, 422, "invalid_value", "/recipient/viber_id invalid_value", "not seen"},
		{"viber id of 129 bytes", with(`"viber_id":"`+strings.Repeat("A", 129)+`"`, ""), nil, 422, "too_long", "/recipient/viber_id too_long", "128"},
		{"recipient missing", `{"survey":"nps-after-purchase"}`, nil, 422, "no_address", "/recipient no_address", "send email, phone or viber_id"},
		{"recipient of another type", `{"survey":"nps-after-purchase","recipient":"ana"}`, nil, 422, "wrong_type", "/recipient wrong_type", "is a string; it has to be an object"},
		{"no address", with(`"external_id":"c-1"`, ""), nil, 422, "no_address", "/recipient no_address", "send email"},
		{"no address for the channels", with(toAna, `,"channels":["sms","viber"]`), nil, 422, "no_address", "/recipient no_address", "sms needs phone"},
		{"unknown channel", with(toAna, `,"channels":["email","fax"]`), nil, 422, "unknown_channel", "/channels/1 unknown_channel", `"fax" is no channel`},
		{"channel twice", with(toAna, `,"channels":["email","email"]`), nil, 422, "unknown_channel", "/channels/1 unknown_channel", "twice"},
		{"no channel", with(toAna, `,"channels":[]`), nil, 422, "missing_member", "/channels missing_member", "names no channel"},
		{"channels of another type", with(toAna, `,"channels":"email"`), nil, 422, "wrong_type", "/channels wrong_type", "an array"},
		{"phone as a number", with(`"phone":385911234567`, ""), nil, 422, "wrong_type", "/recipient/phone wrong_type", "is a number; it has to be a string"},
		{"phone national", with(`"phone":"091 123 4567"`, ""), nil, 422, "invalid_phone", "/recipient/phone invalid_phone", "country code"},
		{"phone unreachable", with(`"phone":"+385 1 4567 890"`, ""), nil, 422, "unreachable_phone", "/recipient/phone unreachable_phone", "land line"},
		{"email bad", with(`"email":"ana@localhost"`, ""), nil, 422, "invalid_email", "/recipient/email invalid_email", "domain"},
		{"unknown locale", with(toAna+`,"locale":"xx"`, ""), nil, 422, "unknown_locale", "/recipient/locale unknown_locale", "sr-Cyrl"},
		{"unknown timezone", with(toAna+`,"timezone":"Mars/Olympus"`, ""), nil, 422, "unknown_timezone", "/recipient/timezone unknown_timezone", "Europe/Zagreb"},
		{"timezone of the host", with(toAna+`,"timezone":"Local"`, ""), nil, 422, "unknown_timezone", "/recipient/timezone unknown_timezone", ""},
		{"timezone as a path", with(toAna+`,"timezone":"../../etc/passwd"`, ""), nil, 422, "unknown_timezone", "/recipient/timezone unknown_timezone", ""},
		{"line end in a name", with(toAna+`,"name":"Ana\r\nBcc: x@example.com"`, ""), nil, 422, "invalid_value", "/recipient/name invalid_value", "control character"},
		{"nul in a name", with(toAna+`,"name":"Ana\u0000"`, ""), nil, 422, "invalid_value", "/recipient/name invalid_value", "control character"},
		{"long name", with(toAna+`,"name":"`+strings.Repeat("a", 201)+`"`, ""), nil, 422, "too_long", "/recipient/name too_long", "at most 200"},
		{"expired already", with(toAna, `,"expires_at":"2026-11-20T14:00:00Z"`), nil, 422, "invalid_time", "/expires_at invalid_time", "is over"},
		{"expires before due", with(toAna, `,"delay":"3d","expires_at":"2026-11-21T00:00:00Z"`), nil, 422, "invalid_time", "/expires_at invalid_time", "2026-11-23T14:05:00Z"},
		{"time without offset", with(toAna, `,"send_at":"2026-11-21 10:00"`), nil, 422, "invalid_time", "/send_at invalid_time", "RFC 3339"},
		{"delay and send_at", with(toAna, `,"delay":"1h","send_at":"2026-11-21T10:00:00Z"`), nil, 422, "invalid_time", "/delay invalid_time", "one of them"},
		{"delay too long", with(toAna, `,"delay":"400d"`), nil, 422, "invalid_duration", "/delay invalid_duration", "365d"},
		{"delay that overflows", with(toAna, `,"delay":"999999w999999w999999w"`), nil, 422, "invalid_duration", "/delay invalid_duration", ""},
		{"delay negative", with(toAna, `,"delay":"-1h"`), nil, 422, "invalid_duration", "/delay invalid_duration", ""},
		{"attribute of another type", with(toAna, `,"transaction":{"attributes":{"a":{"b":1}}}`), nil, 422, "wrong_type", "/transaction/attributes/a wrong_type", "a string, a number or a boolean"},
		{"51 attributes", with(toAna, `,"transaction":{"attributes":{`+many(51)+`}}`), nil, 422, "too_many", "/transaction/attributes too_many", "at most 50"},
		{"consent without basis", with(toAna, `,"consent":{"source":"x"}`), nil, 422, "missing_member", "/consent/basis missing_member", "basis"},
		{"metadata of another type", with(toAna, `,"metadata":[]`), nil, 422, "wrong_type", "/metadata wrong_type", "an object"},
		{"metadata too long", with(toAna, `,"metadata":{"a":"`+strings.Repeat("x", 4096)+`"}`), nil, 422, "too_long", "/metadata too_long", "4096"},
		{"null", `null`, nil, 422, "wrong_type", " wrong_type", "an object"},
		{"array", `[` + least + `]`, nil, 422, "wrong_type", " wrong_type", "is an array; it has to be an object"},
		{"duplicate member", with(toAna+`,`+toAna, ""), nil, 400, "duplicate_member", "/recipient/email duplicate_member", "twice"},
		{"broken", `{"survey":"nps-after-purchase",}`, nil, 400, "invalid_json", "? invalid_json", "at byte"},
		{"cut off", least[:40], nil, 400, "invalid_json", "? invalid_json", "cut off"},
		{"empty", ``, []string{"Content-Type", "application/json"}, 400, "invalid_json", " invalid_json", "the body is empty"},
		{"two values", least + least, nil, 400, "invalid_json", " invalid_json", "something follows"},
		{"garbage after", least + "x", nil, 400, "invalid_json", "? invalid_json", "at byte"},
		{"not UTF-8", with("\"name\":\"\xff\","+toAna, ""), nil, 400, "invalid_json", "? invalid_json", "UTF-8"},
		{"nested deep", with(toAna, `,"metadata":{"a":`+strings.Repeat("[", 30)+strings.Repeat("]", 30)+`}`), nil, 400, "invalid_json", "/metadata invalid_json", "too deep"},
		{"nested deep in an unknown member", with(toAna, `,"x":`+strings.Repeat("[", 9000)+strings.Repeat("]", 9000)), nil, 400, "invalid_json", "/x invalid_json", "too deep"},
		{"a form", "survey=x", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "unsupported_media_type", "", "«Content-Type: application/json»"},
		{"no type", least, []string{"Content-Type", ""}, 415, "unsupported_media_type", "", "Content-Type"},
		{"another charset", least, []string{"Content-Type", "application/json; charset=windows-1250"}, 415, "unsupported_media_type", "", "UTF-8"},
		{"gzip bomb", gzipped(t, 64<<20), []string{"Content-Encoding", "gzip"}, 415, "unsupported_content_encoding", "", "compressed"},
		{"no key", least, []string{"Authorization", ""}, 401, "missing_key", "", "odziv keys create"},
		{"another scheme", least, []string{"Authorization", "Basic YTpi"}, 401, "missing_key", "", "Bearer"},
		{"wrong key", least, []string{"Authorization", "Bearer odz_live_0000000000000000000000000000"}, 401, "invalid_key", "", "not known"},
		{"key of another make", least, []string{"Authorization", "Bearer sk_live_0000000000000000000000000000"}, 401, "invalid_key", "", "odz_live_"},
		{"idempotency key with a space", least, []string{"Idempotency-Key", "a b"}, 422, "invalid_idempotency_key", "", "visible ASCII"},
		{"idempotency key too long", least, []string{"Idempotency-Key", strings.Repeat("a", 256)}, 422, "invalid_idempotency_key", "", "255"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			got := r.call(t, "POST", "/v1/sends", tt.body, tt.headers...)
			p := got.problem(t)
			if got.status != tt.status || p.Status != tt.status || p.Code != tt.code {
				t.Errorf("got %d %s; want %d %s\n%s", got.status, p.Code, tt.status, tt.code, got.body)
			}
			var found, said []string
			for _, e := range p.Errors {
				if strings.HasPrefix(tt.errors, "? ") { // the decoder's place
					e.Pointer = "?"
				}
				found, said = append(found, e.Pointer+" "+e.Code), append(said, e.Detail)
			}
			if diff := cmp.Diff(tt.errors, strings.Join(found, ",")); diff != "" {
				t.Error(diff)
			}
			if all := p.Detail + strings.Join(said, " "); !strings.Contains(all, tt.says) || p.Detail == "" {
				t.Errorf("%q does not say %q", all, tt.says)
			}
			if want := publicURL + web.ProblemPath(tt.code); p.Type != want || p.RequestID == "" || p.RequestID != got.header.Get("X-Request-Id") {
				t.Errorf("type %q, request %q", p.Type, p.RequestID)
			}
			if ct := got.header.Get("Content-Type"); ct != web.ContentTypeProblem {
				t.Errorf("Content-Type %q", ct)
			}
			if (got.status == 401) != (got.header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate %q", got.header.Get("WWW-Authenticate"))
			}
			if len(r.sends) != 0 || len(r.replays) != 0 || r.wakes != 0 {
				t.Errorf("stored %d sends, %d answers, woken %d times", len(r.sends), len(r.replays), r.wakes)
			}
			if strings.Contains(r.log.String(), "ana@") || strings.Contains(r.log.String(), "odz_live") {
				t.Errorf("logged %s", r.log)
			}
		})
	}
}

func many(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprintf(`"a%d":%d`, i, i)
	}
	return strings.Join(parts, ",")
}

func TestBadQuery(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, says string
		status           int
	}{
		{"limit nought", "/v1/sends?limit=0", "from 1 to 200", 400},
		{"limit too large", "/v1/sends?limit=201", "from 1 to 200", 400},
		{"limit in words", "/v1/sends?limit=all", "from 1 to 200", 400},
		{"unknown parameter", "/v1/sends?stauts=sent", `did you mean "status"?`, 400},
		{"unknown status", "/v1/sends?status=gone", "is no status", 400},
		{"unknown segment", "/v1/responses?segment=fan", "is no segment", 400},
		{"no such path", "/v1/sent", "/docs", 404},
		{"not an id", "/v1/sends/x", "no such thing", 404},
		{"no such send", "/v1/sends/snd_01KAH3Q9V2J8T5N4E6R7W0XYZA", "no such thing", 404},
		{"no such response", "/v1/responses/rsp_01KAH3Q9V2J8T5N4E6R7W0XYZA", "no such thing", 404},
		{"no such problem", "/docs/problems/x", "no such thing", 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := newRig(t).call(t, "GET", tt.path, "")
			if p := got.problem(t); got.status != tt.status || !strings.Contains(p.Detail, tt.says) {
				t.Errorf("got %d %s", got.status, got.body)
			}
		})
	}
	t.Run("method", func(t *testing.T) {
		t.Parallel()
		got := newRig(t).call(t, "DELETE", "/v1/sends", "")
		if p := got.problem(t); got.status != 405 || p.Code != web.CodeMethodNotAllowed || got.header.Get("Allow") == "" {
			t.Errorf("got %d %s, Allow %q", got.status, got.body, got.header.Get("Allow"))
		}
	})
	t.Run("dry run", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		if got := r.call(t, "POST", "/v1/sends?dry_run=maybe", least); got.status != 400 {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if got := r.call(t, "POST", "/v1/sends?dry_run=true", least); got.status != 422 || got.problem(t).Code != web.CodePreview || len(r.sends) != 0 {
			t.Errorf("got %d %s", got.status, got.body)
		}
	})
}

func TestKeysAndModes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	test := r.key(t, survey.Test, auth.Admin)
	reader := r.key(t, survey.Live, auth.SendsRead)
	as := func(key string) []string { return []string{"Authorization", "Bearer " + key} }

	if got := r.call(t, "POST", "/v1/sends", least, as(reader)...); got.status != 403 || !strings.Contains(got.problem(t).Detail, `"sends:write"`) {
		t.Errorf("without the scope: %d %s", got.status, got.body)
	}
	var made struct{ ID string }
	if err := json.Unmarshal([]byte(r.call(t, "POST", "/v1/sends", least, as(test)...).body), &made); err != nil {
		t.Fatal(err)
	}
	if r.sends[made.ID].Mode != survey.Test {
		t.Errorf("made %+v", r.sends[made.ID])
	}
	for _, path := range []string{"/v1/sends/" + made.ID, "/v1/sends/" + made.ID + "/events"} {
		if got := r.call(t, "GET", path, "", as(test)...); got.status != 200 {
			t.Errorf("%s by the test key: %d", path, got.status)
		}
		if got := r.call(t, "GET", path, ""); got.status != 404 {
			t.Errorf("%s by a live key: %d", path, got.status)
		}
	}
	if got := r.call(t, "POST", "/v1/sends/"+made.ID+"/cancel", ""); got.status != 404 || r.sends[made.ID].Status != survey.Accepted {
		t.Errorf("cancel by a live key: %d", got.status)
	}
	if got := r.call(t, "GET", "/v1/sends", ""); got.body != `{"items":[]}` {
		t.Errorf("a live key lists %s", got.body)
	}
	if got := r.call(t, "GET", "/v1/senders", "", as(test)...); got.body != `{"items":[{"name":"phone","channel":"sms","driver":"sandbox","state":"ok","factor":1,"pending":0,"pending_more":false}]}` {
		t.Errorf("a test key reaches %s", got.body)
	}

	// a key gives only what it has, and works until it is revoked
	writer := r.key(t, survey.Live, auth.KeysWrite)
	if got := r.call(t, "POST", "/v1/keys", `{"name":"x","scopes":["admin"]}`, as(writer)...); got.status != 403 {
		t.Errorf("a key gave more than it has: %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", "/v1/keys", `{"name":"","scopes":["sneds:write"]}`); got.status != 422 || len(got.problem(t).Errors) != 2 {
		t.Errorf("bad key: %d %s", got.status, got.body)
	}
	var key struct{ ID, Secret, Mode string }
	if err := json.Unmarshal([]byte(r.call(t, "POST", "/v1/keys", `{"name":"shop","scopes":["sends:write"]}`).body), &key); err != nil {
		t.Fatal(err)
	}
	if got := r.call(t, "POST", "/v1/sends", least, as(key.Secret)...); got.status != 202 || key.Mode != "live" {
		t.Errorf("new key: %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", "/v1/keys", ""); strings.Contains(got.body, key.Secret) || !strings.Contains(got.body, key.ID) || strings.Contains(got.body, `"mode":"test"`) {
		t.Errorf("list of keys %s", got.body)
	}
	if got := r.call(t, "POST", "/v1/keys/"+key.ID+"/revoke", ""); got.status != 200 || !strings.Contains(got.body, "revoked_at") {
		t.Errorf("revoke: %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", "/v1/sends", least, as(key.Secret)...); got.status != 401 || got.problem(t).Code != web.CodeRevokedKey {
		t.Errorf("revoked key: %d %s", got.status, got.body)
	}
	if strings.Contains(r.log.String(), key.Secret) {
		t.Error("a key was logged")
	}
}

// awayPlanner cannot read what it needs, and awayPreview neither.
type awayPlanner struct{}

func (awayPlanner) Plan(*survey.Send, survey.Wish) []survey.FieldError {
	return []survey.FieldError{{Pointer: "/survey", Code: web.CodeUnavailable, Detail: "the store is away"}}
}

type awayPreview struct{}

func (awayPreview) Preview(context.Context, survey.Send) (map[string]any, error) {
	return nil, fmt.Errorf("facts: %w: dial secret", survey.ErrUnavailable)
}

// What cannot be planned or played for a fault of ours is not refused: it may be sent again as it is.
func TestPlanUnavailable(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, body string
		headers          []string
		change           func(*Config)
	}{
		{"send", "/v1/sends", least, nil, func(c *Config) { c.Planner = awayPlanner{} }},
		{"send by a key", "/v1/sends", least, []string{"Idempotency-Key", "k"}, func(c *Config) { c.Planner = awayPlanner{} }},
		{"batch", "/v1/sends/batch", least + "\n" + least, []string{"Content-Type", mediaNDJSON}, func(c *Config) { c.Planner = awayPlanner{} }},
		{"dry run, not planned", "/v1/sends?dry_run=true", least, nil, func(c *Config) { c.Planner, c.Preview = awayPlanner{}, preview{} }},
		{"dry run, not played", "/v1/sends?dry_run=true", least, nil, func(c *Config) { c.Preview = awayPreview{} }},
		{"dry run of an event", "/v1/events?dry_run=true", leastEvent, nil, func(c *Config) { c.Triggers, c.Preview = rules{new(bool)}, awayPreview{} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tt.change)
			got := r.call(t, "POST", tt.path, tt.body, tt.headers...)
			if p := got.problem(t); got.status != 503 || p.Code != web.CodeUnavailable || got.header.Get("Retry-After") == "" || strings.Contains(got.body, "secret") {
				t.Errorf("got %d, Retry-After %q: %s", got.status, got.header.Get("Retry-After"), got.body)
			}
			if len(r.sends) != 0 || !strings.Contains(r.log.String(), "unavailable") {
				t.Errorf("stored %d, logged %s", len(r.sends), r.log)
			}
		})
	}
}

func TestStoreFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fail = errors.New("disk is full")
	got := r.call(t, "POST", "/v1/sends", least, "Idempotency-Key", "k")
	if p := got.problem(t); got.status != 500 || strings.Contains(got.body, "disk") || !strings.Contains(r.log.String(), "disk is full") ||
		!strings.Contains(r.log.String(), p.RequestID) {
		t.Errorf("got %d %s, logged %s", got.status, got.body, r.log)
	}
	r.fail = nil
	if again := r.call(t, "POST", "/v1/sends", least, "Idempotency-Key", "k"); again.status != 202 {
		t.Errorf("again: %d %s", again.status, again.body)
	}
}
