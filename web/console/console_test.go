package console_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/console"
)

const hrSMS = "/console/messages/" + nps + "/invitation/sms/hr"

// An answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// A request is one of the tests'; a form makes it a POST.
type request struct {
	path   string
	form   url.Values
	cookie string
	header map[string]string
}

func do(t testing.TB, app *fiber.App, r request) answer {
	t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if r.form != nil {
		method, body = http.MethodPost, strings.NewReader(r.form.Encode())
	}
	req := httptest.NewRequestWithContext(t.Context(), method, r.path, body)
	if r.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if r.cookie != "" {
		req.Header.Set("Cookie", "odziv_session="+r.cookie)
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	res, err := app.Test(req, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(raw)}
}

// get and post are a signed-in browser's.
func get(t testing.TB, app *fiber.App, path string) answer {
	t.Helper()
	return do(t, app, request{path: path, cookie: goodToken})
}

func post(t testing.TB, app *fiber.App, path string, kv ...string) answer {
	t.Helper()
	form := url.Values{"csrf": {goodCSRF}}
	for i := 0; i+1 < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	return do(t, app, request{path: path, form: form, cookie: goodToken, header: map[string]string{"Sec-Fetch-Site": "same-origin"}})
}

// typing is what the editor sends while somebody types.
func typing(t testing.TB, app *fiber.App, path string, kv ...string) answer {
	t.Helper()
	form := url.Values{"csrf": {goodCSRF}, "base": {"1"}}
	for i := 0; i+1 < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	return do(t, app, request{path: path + "/draft", form: form, cookie: goodToken, header: map[string]string{"HX-Request": "true"}})
}

func want(t *testing.T, a answer, status int, words ...string) {
	t.Helper()
	if a.status != status {
		t.Fatalf("status %d, want %d: %.400s", a.status, status, a.body)
	}
	for _, w := range words {
		if !strings.Contains(a.body, w) {
			t.Errorf("answer is without %q: %.3000s", w, a.body)
		}
	}
}

func wantNot(t *testing.T, a answer, words ...string) {
	t.Helper()
	for _, w := range words {
		if strings.Contains(a.body, w) {
			t.Errorf("answer has %q", w)
		}
	}
}

func TestPagesNeedASession(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	f.addSends()
	tests := []struct {
		name, path, cookie string
		status             int
		location           string
	}{
		{"no cookie", "/console/messages", "", 303, "/console/sign-in?next=%2Fconsole%2Fmessages"},
		{"wrong cookie", hrSMS, "guess", 303, "/console/sign-in?next=" + url.QueryEscape(hrSMS)},
		{"a send", "/console/sends/snd_0", "", 303, "/console/sign-in?next=%2Fconsole%2Fsends%2Fsnd_0"},
		{"unknown page", "/console/nothing", "", 303, "/console/sign-in?next=%2Fconsole%2Fnothing"},
		{"signed in, root", "/console", goodToken, 303, "/console/messages"},
		{"signed in, unknown page", "/console/nothing", goodToken, 404, ""},
		{"signed in, unknown survey", "/console/messages/nope/invitation/sms/hr", goodToken, 404, ""},
		{"signed in, unknown locale", "/console/messages/" + nps + "/invitation/sms/xx", goodToken, 404, ""},
		{"signed in, unknown version", "/console/versions/" + nps + "/9", goodToken, 404, ""},
		{"signed in, version that is no number", "/console/versions/" + nps + "/x", goodToken, 404, ""},
		{"signed in, unknown send", "/console/sends/snd_x", goodToken, 404, ""},
		{"door while signed in", "/console/sign-in", goodToken, 303, "/console/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := do(t, app, request{path: tt.path, cookie: tt.cookie})
			if a.status != tt.status || a.header.Get("Location") != tt.location {
				t.Errorf("%d to %q, want %d to %q", a.status, a.header.Get("Location"), tt.status, tt.location)
			}
		})
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		form     url.Values
		status   int
		location string
		words    string
	}{
		{"right", url.Values{"email": {goodEmail}, "password": {goodPassword}}, 303, "/console/", ""},
		{"right, with a page to go on to", url.Values{"email": {goodEmail}, "password": {goodPassword}, "next": {hrSMS}}, 303, hrSMS, ""},
		{"another site to go on to", url.Values{"email": {goodEmail}, "password": {goodPassword}, "next": {"//evil.example"}}, 303, "/console/", ""},
		{"backslash to go on to", url.Values{"email": {goodEmail}, "password": {goodPassword}, "next": {`/console/\evil.example`}}, 303, "/console/", ""},
		{"wrong password", url.Values{"email": {goodEmail}, "password": {"x"}}, 401, "", "Email and password do not match. 4 tries left"},
		{"unknown person", url.Values{"email": {"who@lipa.example"}, "password": {"x"}}, 401, "", "Email and password do not match. 4 tries left"},
		{"nothing", url.Values{}, 401, "", "Email and password do not match."},
		{"markup as email", url.Values{"email": {`"><script>x</script>`}}, 401, "", "&#34;&gt;&lt;script&gt;"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			app, _ := newConsole(t)
			a := do(t, app, request{path: "/console/sign-in", form: tt.form})
			want(t, a, tt.status, tt.words)
			if got := a.header.Get("Location"); got != tt.location {
				t.Errorf("to %q, want %q", got, tt.location)
			}
			cookie := a.header.Get("Set-Cookie")
			if tt.status != 303 {
				if cookie != "" {
					t.Errorf("cookie %q", cookie)
				}
				return
			}
			for _, part := range []string{"odziv_session=" + goodToken, "path=/console", "HttpOnly", "SameSite=Lax"} {
				if !strings.Contains(cookie, part) {
					t.Errorf("cookie %q is without %s", cookie, part)
				}
			}
			if strings.Contains(cookie, "secure") {
				t.Errorf("cookie %q cannot be kept over http", cookie)
			}
		})
	}
}

func TestCookieIsSecureOverHTTPS(t *testing.T) {
	t.Parallel()
	app, _ := newConsole(t, func(d *console.Deps) { d.PublicURL = "https://ask.lipa.example" })
	a := do(t, app, request{path: "/console/sign-in", form: url.Values{"email": {goodEmail}, "password": {goodPassword}}})
	if !strings.Contains(a.header.Get("Set-Cookie"), "secure") {
		t.Errorf("cookie %q", a.header.Get("Set-Cookie"))
	}
}

func TestGuessingIsSlowedDown(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	try := func(email, password string) answer {
		return do(t, app, request{path: "/console/sign-in", form: url.Values{"email": {email}, "password": {password}}})
	}
	for range 5 {
		want(t, try(goodEmail, "x"), 401)
	}
	a := try(goodEmail, goodPassword)
	want(t, a, 429, "Please wait 15 seconds")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	want(t, try("other@lipa.example", "x"), 401) // somebody else is not held up
	f.advance(16 * time.Second)
	want(t, try(strings.ToUpper(goodEmail), "x"), 401) // the same account, however it is spelled
	want(t, try(goodEmail, goodPassword), 429, "Please wait 30 seconds")
	f.advance(31 * time.Second)
	want(t, try(goodEmail, goodPassword), 303)
	want(t, try(goodEmail, "x"), 401, "4 tries left")
}

func TestFirstRunAndDemo(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	f.users = 0
	want(t, do(t, app, request{path: "/console/sign-in"}), 200, "odziv user create")
	want(t, do(t, app, request{path: "/console/sign-in/demo", form: url.Values{}}), 404)

	demo, _ := newConsole(t, func(d *console.Deps) {
		d.DemoLogin = func(_ ctx) (string, error) { return goodToken, nil }
	})
	want(t, do(t, demo, request{path: "/console/sign-in"}), 200, "Sign in as demo")
	a := do(t, demo, request{path: "/console/sign-in/demo", form: url.Values{}})
	want(t, a, 303)
	if !strings.Contains(a.header.Get("Set-Cookie"), goodToken) {
		t.Error("no cookie")
	}
}

func TestForeignFormsAreRefused(t *testing.T) {
	t.Parallel()
	own := url.Values{"csrf": {goodCSRF}, "text": {"changed"}}
	tests := []struct {
		name   string
		path   string
		form   url.Values
		header map[string]string
		status int
	}{
		{"own page", hrSMS + "/draft", own, map[string]string{"Sec-Fetch-Site": "same-origin"}, 303},
		{"own page, old browser", hrSMS + "/draft", own, map[string]string{"Origin": "http://example.com"}, 303}, // the tests' host
		{"public address", hrSMS + "/draft", own, map[string]string{"Origin": "http://127.0.0.1:8080"}, 303},
		{"cross site", hrSMS + "/draft", own, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"same site, other origin", hrSMS + "/draft", own, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{"other origin", hrSMS + "/draft", own, map[string]string{"Origin": "https://evil.example"}, 403},
		{"no origin to name", hrSMS + "/draft", own, map[string]string{"Origin": "null"}, 403},
		{"no token", hrSMS + "/draft", url.Values{"text": {"changed"}}, nil, 403},
		{"wrong token", hrSMS + "/draft", url.Values{"csrf": {"x"}, "text": {"changed"}}, nil, 403},
		{"token in the address", hrSMS + "/draft?csrf=" + goodCSRF, url.Values{"text": {"changed"}}, nil, 403},
		{"publish without token", "/console/publish/" + nps, url.Values{}, nil, 403},
		{"roll back without token", "/console/versions/" + nps + "/1/rollback", url.Values{}, nil, 403},
		{"sign-out without token", "/console/sign-out", url.Values{}, nil, 403},
		{"sign-in from another site", "/console/sign-in", url.Values{}, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			app, f := newConsole(t)
			a := do(t, app, request{path: tt.path, form: tt.form, cookie: goodToken, header: tt.header})
			want(t, a, tt.status)
			if _, saved := f.draft(survey.Invitation, survey.SMS, "hr"); saved != (tt.status == 303) {
				t.Errorf("draft saved: %t", saved)
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	app, _ := newConsole(t)
	a := get(t, app, hrSMS)
	want(t, a, 200)
	csp := a.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(csp, part) {
			t.Errorf("%q is without %s", csp, part)
		}
	}
	wantNot(t, answer{body: csp}, "unsafe")
	wantNot(t, a, " style=", "<style", "onclick=", "javascript:")
	if again := get(t, app, hrSMS).header.Get("Content-Security-Policy"); again == csp {
		t.Error("the nonce is the same twice")
	}
	for _, name := range []string{"editor.js", "console.css", "tokens.css"} {
		b := do(t, app, request{path: "/console/assets/" + name, header: map[string]string{"Accept-Encoding": "gzip"}})
		want(t, b, 200)
		if b.header.Get("Content-Encoding") != "gzip" || b.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v", name, b.header)
		}
	}
	want(t, do(t, app, request{path: "/console/assets/..%2fconsole.go"}), 404)
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	app, _ := newConsole(t)
	want(t, post(t, app, "/console/sign-out"), 303)
	want(t, get(t, app, "/console/messages"), 303)
}

func TestSignedOutWhileTypingLosesNothing(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	delete(f.signedIn, goodToken)
	a := typing(t, app, hrSMS, "text", "words")
	want(t, a, 401, "You are signed out", `hx-swap-oob="true"`)
	if a.header.Get("HX-Reswap") != "none" || a.header.Get("X-Fragment") == "" {
		t.Errorf("%v", a.header)
	}
}

func TestSends(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	want(t, get(t, app, "/console/sends"), 200, "Nothing was sent yet")
	f.addSends()
	a := get(t, app, "/console/sends")
	want(t, a, 200, "Ana Kovačević", "Suppressed", "opted out", "&lt;b&gt;Marta&lt;/b&gt;")
	wantNot(t, a, "<b>Marta")
	a = get(t, app, "/console/sends/snd_0")
	want(t, a, 200, "Send accepted", "Answer recorded", "value 9", "SM1",
		"Would wait if it were live: window (local 23:30); passed suppression", "channel sms · attempt att_1")
	wantNot(t, a, "map[")
	if strings.Index(a.body, "Send accepted") > strings.Index(a.body, "Send completed") {
		t.Error("the story does not begin at its beginning")
	}
}

func TestIndexShowsEveryText(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	f.drafts[nps] = []survey.Text{
		{Kind: survey.Invitation, Channel: survey.SMS, Locale: "pl", Text: "{{ contact.frist_name }}"},
		{Kind: survey.Invitation, Channel: survey.SMS, Locale: "sl", Text: "Ocenite nas od 0 do 10."},
		{Kind: survey.Reminder, Channel: survey.SMS, Locale: "hr"},
	}
	a := get(t, app, "/console/messages")
	want(t, a, 200, "3 drafts", "1 error", "draft", "empty", "published", "فارسی", "Српски")
	if got, all := strings.Count(a.body, `class="cell"`), 3*17*7; got != all {
		t.Errorf("%d texts, want %d", got, all)
	}
}

func TestEscaping(t *testing.T) {
	t.Parallel()
	app, f := newConsole(t)
	evil := `</textarea><script>alert(1)</script><img src=x onerror=alert(1)>`
	a := typing(t, app, hrSMS, "text", evil)
	want(t, a, 200, "&lt;script&gt;")
	wantNot(t, a, "<script>alert", "<img src=x")
	for _, path := range []string{hrSMS, "/console/publish/" + nps, "/console/messages"} {
		wantNot(t, get(t, app, path), "<script>alert", "<img src=x")
	}
	d, _ := f.draft(survey.Invitation, survey.SMS, "hr")
	if diff := cmp.Diff(evil, d.Text); diff != "" {
		t.Error(diff)
	}
	mail := "/console/messages/" + nps + "/invitation/email/hr"
	want(t, typing(t, app, mail, "subject", "<i>s</i>", "text", "x {{ links.page }}", "html", "<p>{{ links.page }}</p><script>alert(1)</script>"), 200, "&lt;i&gt;s&lt;/i&gt;")
	frame := get(t, app, mail+"/frame")
	want(t, frame, 200, "<p>")
	if csp := frame.header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "sandbox; default-src 'none'") {
		t.Errorf("the mail's frame lets %q", csp)
	}
}
