package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/sandbox"
)

const formType = "application/x-www-form-urlencoded"

// reply is what came back, read whole.
type reply struct {
	status int
	header http.Header
	body   string
}

func do(t testing.TB, app *fiber.App, method, path, contentType, body string, header ...string) reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := app.Test(r, -1)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, string(raw)}
}

func get(t testing.TB, app *fiber.App, path string, header ...string) reply {
	t.Helper()
	return do(t, app, http.MethodGet, path, "", "", header...)
}

func TestMessages(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	f.fill()
	type list struct {
		Items []map[string]any `json:"items"`
		Next  string           `json:"next"`
	}
	tests := []struct {
		name, path string
		ids        []string
		next       string
	}{
		{"one phone, oldest first, without what was said", "/sandbox/messages?to=%2B385911234567", []string{"msg_0002", "msg_0004", "msg_0006"}, ""},
		{"after", "/sandbox/messages?to=%2B385911234567&after=msg_0002", []string{"msg_0004", "msg_0006"}, ""},
		{"with what was said", "/sandbox/messages?to=%2B385911234567&inbound=true", []string{"msg_0002", "msg_0003", "msg_0004", "msg_0005", "msg_0006"}, ""},
		{"limit", "/sandbox/messages?to=%2B385911234567&limit=1", []string{"msg_0002"}, "msg_0002"},
		{"all phones", "/sandbox/messages?limit=1000", []string{"msg_0000", "msg_0002", "msg_0004", "msg_0006", "msg_0007", "msg_0008"}, ""},
		{"no such phone", "/sandbox/messages?to=%2B1", []string{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := get(t, app, tt.path)
			var got list
			if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.Items == nil {
				t.Fatalf("%d %s: %v", a.status, a.body, err)
			}
			ids := []string{}
			for _, m := range got.Items {
				ids = append(ids, m["id"].(string))
			}
			if !slices.Equal(ids, tt.ids) || got.Next != tt.next {
				t.Errorf("got %v, next %q; want %v, %q", ids, got.Next, tt.ids, tt.next)
			}
		})
	}
	for _, bad := range []string{"0", "-1", "1001", "x"} {
		if a := get(t, app, "/sandbox/messages?limit="+bad); a.status != http.StatusUnprocessableEntity {
			t.Errorf("limit %s gave %d", bad, a.status)
		}
	}
}

// TestMessageShape: the members that other people's programs read, present even when empty.
func TestMessageShape(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	f.put(survey.SMS, "+385911234567", "hr", false, "", "0–10?", "", nil, nil, now)
	var got struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(get(t, app, "/sandbox/messages").body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"id": "msg_0000", "send_id": "snd_1", "channel": "sms", "sender": "phone", "to": "+385911234567", "subject": "",
		"text": "0–10?", "html": "", "buttons": []any{}, "links": []any{}, "at": "2026-11-21T17:03:00Z",
	}
	for k, v := range want {
		if diff := cmp.Diff(v, got.Items[0][k]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", k, diff)
		}
	}
}

func TestReply(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ж", 4001)
	tests := []struct {
		name, id, contentType, body string
		status                      int
		code                        string
		replies                     []string
	}{
		{"text", "msg_0002", "application/json", `{"text":"devet"}`, 202, "", []string{`msg_0002 "devet" -1`}},
		{"text as curl sends it", "msg_0002", formType, ` {"text":"devet"}`, 202, "", []string{`msg_0002 "devet" -1`}},
		{"text without a type", "msg_0002", "", `{"text":"۹"}`, 202, "", []string{`msg_0002 "۹" -1`}},
		{"button", "msg_0008", "application/json", `{"button":10}`, 202, "", []string{`msg_0008 "" 10`}},
		{"first button", "msg_0008", "application/json", `{"button":0}`, 202, "", []string{`msg_0008 "" 0`}},
		{"unknown message", "msg_9999", "application/json", `{"text":"9"}`, 404, "not_found", nil},
		{"a reply", "msg_0003", "application/json", `{"text":"9"}`, 422, "invalid_value", nil},
		{"no such button", "msg_0008", "application/json", `{"button":12}`, 422, "invalid_value", nil},
		{"message without buttons", "msg_0002", "application/json", `{"button":0}`, 422, "invalid_value", nil},
		{"negative button", "msg_0008", "application/json", `{"button":-1}`, 422, "wrong_type", nil},
		{"fraction", "msg_0008", "application/json", `{"button":1.5}`, 422, "wrong_type", nil},
		{"null text", "msg_0008", "application/json", `{"text":null}`, 422, "wrong_type", nil},
		{"number as text", "msg_0002", "application/json", `{"text":9}`, 422, "wrong_type", nil},
		{"both", "msg_0008", "application/json", `{"text":"9","button":9}`, 422, "invalid_request", nil},
		{"nothing", "msg_0002", "application/json", `{}`, 422, "missing_member", nil},
		{"blank", "msg_0002", "application/json", `{"text":" \n"}`, 422, "missing_member", nil},
		{"unknown member", "msg_0002", "application/json", `{"txt":"9"}`, 422, "unknown_member", nil},
		{"too long", "msg_0002", "application/json", `{"text":"` + long + `"}`, 422, "too_long", nil},
		{"cut", "msg_0002", "application/json", `{"text":"9`, 400, "invalid_json", nil},
		{"null", "msg_0002", "application/json", `null`, 400, "invalid_json", nil},
		{"array", "msg_0002", "application/json", `["9"]`, 400, "invalid_json", nil},
		{"two", "msg_0002", "application/json", `{"text":"9"}{}`, 400, "invalid_json", nil},
		{"not UTF-8", "msg_0002", "application/json", "{\"text\":\"\xff\"}", 400, "invalid_json", nil},
		{"large", "msg_0002", "application/json", `{"text":"` + strings.Repeat("x", 70_000) + `"}`, 413, "request entity too large", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, app := newFake(t)
			f.fill()
			a := do(t, app, http.MethodPost, "/sandbox/messages/"+tt.id+"/replies", tt.contentType, tt.body)
			var got struct{ ID, Code string }
			if err := json.Unmarshal([]byte(a.body), &got); err != nil {
				t.Fatalf("%d %s: %v", a.status, a.body, err)
			}
			if a.status != tt.status || got.Code != tt.code || (got.ID != "") != (tt.status == 202) {
				t.Errorf("got %d %s, want %d %s", a.status, a.body, tt.status, tt.code)
			}
			if diff := cmp.Diff(tt.replies, f.replies); diff != "" {
				t.Errorf("replies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReplyByForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, id, form, accept string
		status                 int
		replies                []string
	}{
		{"typed", "msg_0006", "text=hvala", "", 303, []string{`msg_0006 "hvala" -1`}},
		{"tapped", "msg_0008", "button=9", "", 303, []string{`msg_0008 "" 9`}},
		{"by the script", "msg_0008", "button=9", "application/json", 202, []string{`msg_0008 "" 9`}},
		{"nothing typed", "msg_0006", "text=+", "", 422, nil},
		{"no such button", "msg_0008", "button=99", "", 422, nil},
		{"no button", "msg_0008", "button=x", "", 422, nil},
		{"broken", "msg_0008", "text=%ZZ", "", 400, nil},
		{"another site", "msg_0006", "text=9", "cross", 403, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, app := newFake(t)
			f.fill()
			header := []string{"Accept", tt.accept}
			if tt.accept == "cross" {
				header = []string{"Sec-Fetch-Site", "cross-site"}
			}
			a := do(t, app, http.MethodPost, "/sandbox/messages/"+tt.id+"/replies", formType, tt.form, header...)
			if a.status != tt.status || (a.status == 303) != strings.HasPrefix(a.header.Get("Location"), "/sandbox#p-") {
				t.Errorf("got %d to %q, want %d", a.status, a.header.Get("Location"), tt.status)
			}
			if diff := cmp.Diff(tt.replies, f.replies); diff != "" {
				t.Errorf("replies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSendNow(t *testing.T) {
	t.Parallel()
	form := func(survey, channel, phone, email string) string {
		return url.Values{"survey": {survey}, "locale": {"hr"}, "channel": {channel}, "name": {"Ana"}, "phone": {phone}, "email": {email}}.Encode()
	}
	sms, mail := []survey.Channel{survey.SMS}, []survey.Channel{survey.Email}
	tests := []struct {
		name, body string
		status     int
		sent       []sandbox.SendForm
		want       string
	}{
		{"form", form("nps-after-purchase", "sms", " +385 91 1 ", ""), 303, []sandbox.SendForm{{Survey: "nps-after-purchase", Locale: "hr", Name: "Ana", Phone: "+385 91 1", Channels: sms}}, ""},
		{"mail", form("ces-after-return", "email", "", "a@b.hr"), 303, []sandbox.SendForm{{Survey: "ces-after-return", Locale: "hr", Name: "Ana", Email: "a@b.hr", Channels: mail}}, ""},
		{"sample", "sample=0", 303, []sandbox.SendForm{{Survey: "nps-after-purchase", Locale: "hr", Name: "Ana Kovač", Phone: "+385911234567", Channels: sms}}, ""},
		{"magic phone", "to=%2B385910000009", 303, []sandbox.SendForm{{Survey: "nps-after-purchase", Locale: "hr", Name: "Ana Kovač", Phone: "+385910000009", Channels: sms}}, ""},
		{"magic mail", "to=bounce%40sandbox.test", 303, []sandbox.SendForm{{Survey: "nps-after-purchase", Locale: "hr", Name: "Ana Kovač", Email: "bounce@sandbox.test", Channels: mail}}, ""},
		{"no number", form("nps-after-purchase", "sms", "", "a@b.hr"), 422, nil, "a phone needs a number"},
		{"no address", form("nps-after-purchase", "email", "+385", ""), 422, nil, "an email needs an address"},
		{"no survey", form("nope", "fax", "+385", ""), 422, nil, "choose one of the surveys"},
		{"no such sample", "sample=99", 422, nil, "no such sample"},
		{"what was typed stays, escaped", form("nps-after-purchase", "sms", "", `"><script>`), 422, nil, `value="&#34;&gt;&lt;script&gt;"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, app := newFake(t)
			a := do(t, app, http.MethodPost, "/sandbox/sends", formType, tt.body)
			if a.status != tt.status || !strings.Contains(a.body, tt.want) {
				t.Errorf("got %d, want %d and %q:\n%s", a.status, tt.status, tt.want, a.body)
			}
			if a.status == 303 && a.header.Get("Location") != "/sandbox?sent=snd_01K9ZC4V" {
				t.Errorf("leads to %q", a.header.Get("Location"))
			}
			if diff := cmp.Diff(tt.sent, f.sent); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
	f, app := newFake(t)
	f.fail = survey.InvalidError{{Pointer: "/recipient/phone", Code: "invalid_phone", Detail: "this is no number"}}
	if a := do(t, app, http.MethodPost, "/sandbox/sends", formType, "sample=0"); a.status != 422 || !strings.Contains(a.body, "this is no number") {
		t.Errorf("a refusal gave %d", a.status)
	}
	if a := do(t, app, http.MethodPost, "/sandbox/sends", formType, "sample=0", "Accept", "application/json"); a.status != 422 || !json.Valid([]byte(a.body)) {
		t.Errorf("a refusal to the script gave %d %s", a.status, a.body)
	}
	f.fail = errors.New("disk full")
	if a := do(t, app, http.MethodPost, "/sandbox/sends", formType, "sample=0"); a.status != 500 {
		t.Errorf("a fault gave %d", a.status)
	}
	if a := do(t, app, http.MethodPost, "/sandbox/sends", formType, "sample=0", "Sec-Fetch-Site", "cross-site"); a.status != 403 {
		t.Errorf("another site got %d", a.status)
	}
}

func TestPage(t *testing.T) {
	t.Parallel()
	full, app := newFake(t)
	full.fill()
	full.put(survey.SMS, "+385990000000", "en", false, "", `<script>alert(1)</script> javascript:alert(1)`, "", nil, []string{"javascript:alert(1)"}, now)
	_, empty := newFake(t)
	tests := []struct {
		name string
		app  *fiber.App
		path string
		want []string
		not  []string
	}{
		{"phones", app, "/sandbox", []string{
			`lang="sr-Cyrl"`, `class="keys k6"`, `name="button" value="11" class="w"`, `dir="rtl" lang="fa"`, `src="/sandbox/messages/msg_0007/html"`, `sandbox="allow-popups allow-popups-to-escape-sandbox"`,
			`<a href="http://127.0.0.1:7171/s/s-new" target="_blank" rel="noopener">`, "«devet»", `<span class="tag n">9</span><span class="tag good">promoter</span>`, "score9@example.com", "odz_test_4fJ7w2Kp9sXq",
			"&lt;script&gt;alert(1)", `href="#ZgotmplZ"`, `action="/sandbox/messages/msg_0006/replies"`,
		}, []string{"<script>", "style=", "ghost"}},
		{"one phone", app, "/sandbox?to=%2B385911234567", []string{"&#43;385911234567", "All phones", "«devet»", `href="/sandbox?to=%2b385911234567">Refresh`}, []string{"&#43;381645550110</bdi>", "«STOP»"}},
		{"sent", app, "/sandbox?sent=%3Cb%3E", []string{"Accepted as <code>&lt;b&gt;</code>"}, nil},
		{"empty", empty, "/sandbox", []string{`id="ghost0"`, "Send an SMS in Croatian", "Nothing yet."}, nil},
		{"empty, one phone", empty, "/sandbox?to=x", []string{"This phone has no messages."}, []string{"ghost0"}},
		{"start", empty, "/", []string{"Odziv is running.", "SQLite in ./data", "odz_test_4fJ7w2Kp9sXq", `class="pill warn">starting`, "The phones, 3 sample surveys and a key are ready."}, []string{"style="}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := get(t, tt.app, tt.path)
			if a.status != http.StatusOK || !strings.Contains(a.header.Get("Content-Security-Policy"), "script-src 'self';") {
				t.Errorf("got %d, %v", a.status, a.header)
			}
			for _, w := range tt.want {
				if !strings.Contains(a.body, w) {
					t.Errorf("page lacks %q\n%s", w, a.body)
				}
			}
			for _, w := range tt.not {
				if strings.Contains(a.body, w) {
					t.Errorf("page has %q", w)
				}
			}
		})
	}
}

// TestDirection: a message reads in the direction of its language, whatever letters it begins with; what a person says
// reads as it is written.
func TestDirection(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	const phone, mail = "+989121234567", "sara@example.ir"
	f.put(survey.SMS, phone, "fa", true, "", "Lipa: از ۰ تا ۱۰؟", "", nil, nil, now)
	f.said(survey.SMS, phone, "9 بود", now)
	f.put(survey.SMS, phone, "hr", false, "", "۹, Ana?", "", nil, nil, now)
	f.put(survey.Email, mail, "fa", true, "Lipa: خرید چطور بود؟", "Lipa متن", "", nil, nil, now)
	body := get(t, app, "/sandbox").body
	for _, want := range []string{
		`<p class="b" dir="rtl">Lipa: از`, `<p class="b me" dir="auto">9 بود`, `<p class="b" dir="ltr">۹, Ana`,
		`<bdi dir="rtl">Lipa: خرید`, `<p class="re in" dir="rtl">Lipa متن`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("page lacks %q\n%s", want, body)
		}
	}
}

func TestManyPhones(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	for i := range 30 {
		for range 60 {
			f.put(survey.SMS, fmt.Sprintf("+38591%07d", i), "hr", false, "", "0–10?", "", nil, nil, now)
		}
	}
	a := get(t, app, "/sandbox")
	if n := strings.Count(a.body, "<figure"); n > 9 {
		t.Errorf("%d phones on one page", n)
	}
	if !strings.Contains(a.body, "&#43;385910000000</bdi></a>") {
		t.Error("an old phone has no link")
	}
	if len(a.body) > 200_000 {
		t.Errorf("page is %d bytes", len(a.body))
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	f.fill()
	first := get(t, app, "/sandbox/live")
	tag := first.header.Get("ETag")
	if first.status != http.StatusOK || tag == "" || strings.Contains(first.body, "<html") {
		t.Fatalf("got %d, %q", first.status, tag)
	}
	if same := get(t, app, "/sandbox/live", "If-None-Match", tag); same.status != http.StatusNotModified || same.body != "" {
		t.Errorf("nothing new gave %d, %d bytes", same.status, len(same.body))
	}
	f.put(survey.SMS, "+385911234567", "hr", false, "", "Novo", "", nil, nil, now)
	if next := get(t, app, "/sandbox/live", "If-None-Match", tag); next.status != http.StatusOK || !strings.Contains(next.body, "Novo") {
		t.Errorf("something new gave %d", next.status)
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	f.fill()
	a := get(t, app, "/sandbox/messages/msg_0007/html")
	csp := a.header.Get("Content-Security-Policy")
	if a.status != http.StatusOK || !strings.HasPrefix(csp, "sandbox allow-popups") || strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("got %d, %q", a.status, csp)
	}
	if !strings.HasPrefix(a.body, `<!doctype html><html lang="fa" dir="rtl"><head><base target="_blank">`) {
		t.Errorf("begins with %.120s", a.body)
	}
	for _, id := range []string{"msg_0002", "msg_0003", "nope"} {
		if a := get(t, app, "/sandbox/messages/"+id+"/html"); a.status != http.StatusNotFound {
			t.Errorf("%s gave %d", id, a.status)
		}
	}
}

func TestNoLanding(t *testing.T) {
	t.Parallel()
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ErrorHandler: answer})
	if err := sandbox.Mount(app, sandbox.Deps{Box: &fake{}}); err != nil {
		t.Fatal(err)
	}
	if a := get(t, app, "/"); a.status != http.StatusNotFound {
		t.Errorf("/ gave %d", a.status)
	}
}

// TestRealSenders: where live sends leave the machine, no page says that nothing does.
func TestRealSenders(t *testing.T) {
	t.Parallel()
	const nothing, live = "nothing leaves this machine", "Real senders: Email, SMS"
	for _, real := range [][]survey.Channel{nil, {survey.Email, survey.SMS}} {
		app := fiber.New(fiber.Config{DisableStartupMessage: true, ErrorHandler: answer})
		err := sandbox.Mount(app, sandbox.Deps{Box: &fake{}, Surveys: survey.Builtin(), Landing: &sandbox.Landing{}, Real: real, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/sandbox"} {
			body := get(t, app, path).body
			if strings.Contains(body, nothing) != (real == nil) || strings.Contains(body, live) != (real != nil) {
				t.Errorf("%s with %v real:\n%s", path, real, body)
			}
		}
		if body := get(t, app, "/").body; !strings.Contains(body, "The phones and 3 sample surveys are ready.") {
			t.Errorf("without a key:\n%s", body)
		}
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	_, app := newFake(t)
	page := get(t, app, "/sandbox").body
	links := regexp.MustCompile(`"(/sandbox/static/[^"]+)"`).FindAllStringSubmatch(page, -1)
	if len(links) != 2 {
		t.Fatalf("page has %d static files", len(links))
	}
	for _, l := range links {
		if a := get(t, app, l[1]); a.status != http.StatusOK || a.header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %d, %q", l[1], a.status, a.header.Get("Cache-Control"))
		}
	}
	if a := get(t, app, "/sandbox/static/lab-0000000000.js"); a.status != http.StatusOK || a.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("script of another version: %d, %q", a.status, a.header.Get("Cache-Control"))
	}
	if a := get(t, app, "/sandbox/static/sandbox.go"); a.status != http.StatusNotFound {
		t.Errorf("source: %d", a.status)
	}
}

func FuzzReply(f *testing.F) {
	f.Add("msg_0008", "application/json", []byte(`{"button":9}`))
	f.Add("msg_0002", formType, []byte(`text=devet`))
	f.Add("../x", formType, []byte(`{"text":"\ud800"}`))
	f.Fuzz(func(t *testing.T, id, contentType string, body []byte) {
		if strings.ContainsFunc(contentType, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // no header could carry it
		}
		box, app := newFake(t)
		box.fill()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/sandbox/messages/"+url.PathEscape(id)+"/replies", strings.NewReader(string(body)))
		r.Header.Set("Content-Type", contentType)
		res, err := app.Test(r, -1)
		if err != nil {
			return // the server itself could not read it
		}
		_ = res.Body.Close()
		if res.StatusCode >= 500 {
			t.Errorf("%q to %q gave %d", body, id, res.StatusCode)
		}
		if (res.StatusCode < 400) != (len(box.replies) == 1) {
			t.Errorf("%q to %q gave %d and %d replies", body, id, res.StatusCode, len(box.replies))
		}
	})
}
