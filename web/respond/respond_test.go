package respond_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web/respond"
)

func TestLaw06GETChangesNothing(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	paths := []string{"/s/s-new", "/s/s-new?score=9", "/s/s-scored?score=9&comment=x&skip=1", "/s/s-done?change=1", "/u/u-new", "/u/u-new?List-Unsubscribe=One-Click", "/u/u-new?all=1", "/s/s-late", "/s/nobody", "/u/s-new"}
	for range 10 {
		for _, p := range paths {
			get(t, app, p)
			do(t, app, http.MethodHead, p, "", "")
		}
	}
	if f.writes != 0 {
		t.Errorf("%d GETs wrote %d times", 10*len(paths), f.writes)
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	_, app := newFake(t)
	tests := []struct {
		name   string
		path   string
		status int
		want   []string
		not    []string
	}{
		{"question", "/s/s-new", 200, []string{`lang="hr" dir="ltr"`, "Koliko je vjerojatno", `value="10"`, `class="dial n11"`, "nimalo vjerojatno", `href="/u/u-new"`}, []string{"checked", "role=\"alert\"", "<script", "style="}},
		{"one to five", "/s/s-csat", 200, []string{`class="dial n5"`, `value="1"`, `value="5"`}, []string{`value="0"`, `value="6"`}},
		{"one to seven", "/s/s-ces", 200, []string{`class="dial n7"`, `value="7"`}, []string{`value="8"`}},
		{"from a mail", "/s/s-new?score=9", 200, []string{`<input type="hidden" name="score" value="9">`, "još nije poslana", "Pošalji ocjenu 9", "change=1&amp;score=9"}, []string{`name="skip"`}},
		{"no such score in a mail", "/s/s-new?score=11", 200, []string{`class="dial n11"`}, []string{"checked"}},
		{"score of another script in a mail", "/s/s-new?score=%DB%B9", 200, []string{`class="dial n11"`}, []string{"checked"}},
		{"choosing anew from a mail", "/s/s-new?change=1&score=9", 200, []string{`value="9" checked`}, nil},
		{"comment of a detractor", "/s/s-scored", 200, []string{"Što nije bilo u redu?", "Ocjena je zabilježena.", `name="skip"`, `maxlength="4000"`}, []string{`type="hidden"`}},
		{"thanks", "/s/s-scored?step=thanks", 200, []string{"Hvala što ste nam rekli", "27.\u00a0studenoga 2026.", `href="?change=1"`}, []string{"2026.."}},
		{"thanks before an answer", "/s/s-new?step=thanks", 200, []string{`class="dial n11"`}, nil},
		{"answered", "/s/s-done", 200, []string{"Već ste odgovorili", "Vaša ocjena: 9", `href="?change=1"`}, nil},
		{"answered, same number in the mail again", "/s/s-done?score=9", 200, []string{"Već ste odgovorili"}, nil},
		{"answered, another number in the mail", "/s/s-done?score=2", 200, []string{`name="score" value="2"`, "još nije poslana"}, nil},
		{"changing", "/s/s-done?change=1", 200, []string{`value="9" checked`}, nil},
		{"comment kept while changing", "/s/s-done?step=comment", 200, []string{"Brzo i uredno.</textarea>"}, nil},
		{"expired", "/s/s-late", 410, []string{"Ova je anketa završila", "21.\u00a0studenoga 2026."}, []string{"<form"}},
		{"expired after an answer", "/s/s-late-done", 200, []string{"Već ste odgovorili", "Vaša ocjena: 9"}, []string{"change=1", "<form"}},
		{"closed", "/s/s-closed", 410, []string{"Ova je anketa završila"}, []string{"<form", "vrijedila do"}},
		{"token of another purpose", "/s/u-new", 404, []string{"We do not know this link"}, nil},
		{"send that is gone", "/s/s-nobody", 404, []string{"We do not know this link"}, nil},
		{"unsubscribe", "/u/u-new", 200, []string{"Ne želite više ankete?", `name="all" value="1" checked`, `href="/s/s-new"`, `method="post"`}, nil},
		{"unsubscribe after the end", "/u/u-late", 200, []string{"Ne želite više ankete?"}, nil},
		{"unsubscribed before", "/u/u-left", 200, []string{"Odjavljeni ste"}, []string{"<form"}},
		{"Persian", "/s/s-fa", 200, []string{`lang="fa" dir="rtl"`, `value="9"><b>۹</b>`, `<b>۱۰<i`, `value="10"`, "۲۹ آبان ۱۴۰۵"}, []string{`value="۹"`}},
		{"another language by choice", "/s/s-fa?lang=hr", 200, []string{`lang="hr" dir="ltr"`, `action="?lang=hr"`, `href="/u/u-fa?lang=hr"`, `value="9"><b>9</b>`}, nil},
		{"a language that is not there", "/s/s-new?lang=xx", 200, []string{`lang="hr"`, `action="?"`}, nil},
		{"two scripts", "/s/s-cyr", 200, []string{`<nav class="switch"`, ">Latinica</a>", `aria-current="true">Ћирилица</a>`, `hreflang="fa"`}, nil},
		{"one script", "/s/s-new", 200, []string{`<details class="lang"`, `hreflang="sr-Cyrl"`}, []string{`class="switch"`}},
		{"hostile names", "/s/s-evil", 200, []string{"&lt;script&gt;", "brand-1f6f5c-"}, []string{"<script", "</textarea><s", "</style"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := get(t, app, tt.path)
			if a.status != tt.status {
				t.Errorf("status %d, want %d", a.status, tt.status)
			}
			for _, w := range tt.want {
				if !strings.Contains(a.body, w) {
					t.Errorf("page lacks %q\n%s", w, a.body)
				}
			}
			for _, w := range tt.not {
				if strings.Contains(a.body, w) {
					t.Errorf("page has %q\n%s", w, a.body)
				}
			}
		})
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	_, app := newFake(t)
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
		"Referrer-Policy":         "no-referrer", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"X-Robots-Tag": "noindex, nofollow", "Set-Cookie": "", "Content-Language": "en", "Content-Type": "text/html; charset=utf-8",
	}
	for _, path := range []string{"/s/s-bold", "/s/nope", "/u/u-bold"} {
		a := get(t, app, path)
		got := map[string]string{}
		for k := range want {
			got[k] = a.header.Get(k)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("headers of %s (-want +got):\n%s", path, diff)
		}
	}
}

func TestUnknownSpeaksTheBrowsersLanguage(t *testing.T) {
	t.Parallel()
	_, app := newFake(t)
	tests := []struct{ name, accept, want string }{
		{"none", "", `lang="en"`},
		{"Croatian", "hr-HR,hr;q=0.9,en;q=0.8", `lang="hr"`},
		{"Persian", "fa-IR", `lang="fa" dir="rtl"`},
		{"Serbian in Latin", "sr-Latn-RS", `lang="sr-Latn"`},
		{"Serbian", "sr", `lang="sr-Cyrl"`},
		{"unknown", "xx, ja;q=0.5", `lang="en"`},
		{"broken", ";;;=q", `lang="en"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := get(t, app, "/s/nope", "Accept-Language", tt.accept)
			if a.status != http.StatusNotFound || !strings.Contains(a.body, tt.want) {
				t.Errorf("Accept-Language %q gave %d without %s", tt.accept, a.status, tt.want)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	score := func(n int) *int { return &n }
	long := strings.Repeat("ć", 4000)
	tests := []struct {
		name     string
		path     string
		form     string
		status   int
		location string
		answers  []respond.Answer
		want     string
	}{
		{"score", "/s/s-new", "score=9", 303, "?step=comment", []respond.Answer{{Question: "score", Value: score(9), Text: "9"}}, ""},
		{"nought", "/s/s-new", "score=0", 303, "?step=comment", []respond.Answer{{Question: "score", Value: score(0), Text: "0"}}, ""},
		{"language stays", "/s/s-fa?lang=en", "score=9", 303, "?lang=en&step=comment", []respond.Answer{{Question: "score", Value: score(9), Text: "9"}}, ""},
		{"score and comment of a mail", "/s/s-new", "score=9&comment=+Brzo!%0D%0AHvala+", 303, "?step=thanks", []respond.Answer{{Question: "score", Value: score(9), Text: "9"}, {Question: "comment", Text: "Brzo!\nHvala"}}, ""},
		{"comment", "/s/s-scored", "comment=kasnilo%00+je", 303, "?step=thanks", []respond.Answer{{Question: "comment", Text: "kasnilo je"}}, ""},
		{"finish without", "/s/s-scored", "comment=abandoned&skip=1", 303, "?step=thanks", []respond.Answer{{Question: "comment"}}, ""},
		{"longest comment", "/s/s-scored", "comment=" + url.QueryEscape(long), 303, "?step=thanks", []respond.Answer{{Question: "comment", Text: long}}, ""},
		{"change after the answer", "/s/s-done", "score=3", 303, "?step=comment", []respond.Answer{{Question: "score", Value: score(3), Text: "3"}}, ""},
		{"nothing chosen", "/s/s-new", "", 422, "", nil, "Odaberite jedan od brojeva"},
		{"score too great", "/s/s-new", "score=11", 422, "", nil, `role="alert"`},
		{"score of nought on 1–5", "/s/s-csat", "score=0", 422, "", nil, `role="alert"`},
		{"negative", "/s/s-new", "score=-1", 422, "", nil, `role="alert"`},
		{"signed", "/s/s-new", "score=%2B9", 422, "", nil, `role="alert"`},
		{"fraction", "/s/s-new", "score=9.5", 422, "", nil, `role="alert"`},
		{"Persian digit", "/s/s-fa", "score=%DB%B9", 422, "", nil, `role="alert"`},
		{"comment before a score", "/s/s-new", "comment=x", 422, "", nil, "Najprije odaberite broj"},
		{"too long", "/s/s-scored", "comment=" + url.QueryEscape(long+"x"), 422, "", nil, "4001 od najviše 4000"},
		{"too long, Persian", "/s/s-fa-scored", "comment=" + url.QueryEscape(long+"x"), 422, "", nil, "۴۰۰۱"},
		{"too long from a mail keeps the score", "/s/s-new", "score=9&comment=" + url.QueryEscape(long+"x"), 422, "", nil, `name="score" value="9"`},
		{"not UTF-8", "/s/s-scored", "comment=a%FFb", 422, "", nil, "a\uFFFDb</textarea>"},
		{"broken escape", "/s/s-scored", "comment=%ZZ", 400, "", nil, "Nešto kod nas nije u redu"},
		{"too large", "/s/s-scored", "comment=" + strings.Repeat("x", 300_000), 413, "", nil, "Nešto kod nas"},
		{"expired", "/s/s-late", "score=9", 410, "", nil, "Ova je anketa završila"},
		{"closed", "/s/s-closed", "score=9", 410, "", nil, "Ova je anketa završila"},
		{"unknown", "/s/nope", "score=9", 404, "", nil, "We do not know this link"},
		{"purpose", "/s/u-new", "score=9", 404, "", nil, "We do not know this link"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, app := newFake(t)
			a := post(t, app, tt.path, tt.form)
			if a.status != tt.status || a.header.Get("Location") != tt.location {
				t.Errorf("got %d to %q, want %d to %q", a.status, a.header.Get("Location"), tt.status, tt.location)
			}
			if diff := cmp.Diff(tt.answers, f.answers); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if !strings.Contains(a.body, tt.want) {
				t.Errorf("page lacks %q:\n%s", tt.want, a.body)
			}
		})
	}
}

func TestAnswerInFull(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	for _, step := range []struct{ form, next, want string }{
		{"score=2", "?step=comment", "Što nije bilo u redu?"},
		{"comment=Paket+je+kasnio.", "?step=thanks", "Vaša ocjena: 2"},
	} {
		a := post(t, app, "/s/s-new", step.form)
		if a.header.Get("Location") != step.next {
			t.Fatalf("%s leads to %q, want %q", step.form, a.header.Get("Location"), step.next)
		}
		if page := get(t, app, "/s/s-new"+step.next); !strings.Contains(page.body, step.want) {
			t.Errorf("page behind %s lacks %q", step.form, step.want)
		}
	}
	if page := get(t, app, "/s/s-new"); !strings.Contains(page.body, "Već ste odgovorili") {
		t.Error("page does not say that it was answered")
	}
	if f.writes != 2 {
		t.Errorf("%d writes, want 2", f.writes)
	}
}

func TestErrorsOfTheStore(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	f.fail = errors.New("disk is full of ana@example.hr")
	for _, a := range []answer{get(t, app, "/s/s-new?lang=hr"), post(t, app, "/s/s-new?lang=hr", "score=9"), get(t, app, "/u/u-new?lang=hr")} {
		if a.status != http.StatusInternalServerError || !strings.Contains(a.body, "Nešto kod nas nije u redu") || strings.Contains(a.body, "disk") {
			t.Errorf("got %d:\n%s", a.status, a.body)
		}
	}
	f.fail = fmt.Errorf("answer: %w", survey.ErrConflict)
	if a := post(t, app, "/s/s-new", "score=9"); a.status != http.StatusGone {
		t.Errorf("conflict gave %d, want 410", a.status)
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	var multi bytes.Buffer
	w := multipart.NewWriter(&multi)
	_ = w.WriteField("List-Unsubscribe", "One-Click")
	_ = w.Close()
	tests := []struct {
		name, path, contentType, body string
		status                        int
		gone                          []string
		want                          string
	}{
		{"one click", "/u/u-new", "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", 200, []string{"one_click all"}, "Odjavljeni ste"},
		{"one click, multipart", "/u/u-new", w.FormDataContentType(), multi.String(), 200, []string{"one_click all"}, "Odjavljeni ste"},
		{"one click after the end", "/u/u-late", "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", 200, []string{"one_click all"}, ""},
		{"page, all channels", "/u/u-new", "application/x-www-form-urlencoded", "all=1", 200, []string{"unsubscribe_link all"}, "ni na jednom kanalu"},
		{"page, this channel", "/u/u-new", "application/x-www-form-urlencoded", "", 200, []string{"unsubscribe_link one"}, "Odjavljeni ste"},
		{"unknown", "/u/nope", "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", 404, nil, ""},
		{"token of the survey", "/u/s-new", "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click", 404, nil, ""},
		{"another type", "/u/u-new", "application/json", "{}", 400, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, app := newFake(t)
			a := do(t, app, http.MethodPost, tt.path, tt.contentType, tt.body)
			if a.status != tt.status || a.header.Get("Location") != "" || !strings.Contains(a.body, tt.want) {
				t.Errorf("got %d to %q, want %d and %q:\n%s", a.status, a.header.Get("Location"), tt.status, tt.want, a.body)
			}
			if diff := cmp.Diff(tt.gone, f.gone); diff != "" {
				t.Errorf("unsubscribes (-want +got):\n%s", diff)
			}
			if again := do(t, app, http.MethodPost, tt.path, tt.contentType, tt.body); again.status != tt.status {
				t.Errorf("second time gave %d, want %d", again.status, tt.status)
			}
		})
	}
}

func TestCompressedFormIsRefused(t *testing.T) {
	t.Parallel()
	f, app := newFake(t)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte("score=9"))
	_ = z.Close()
	a := do(t, app, http.MethodPost, "/s/s-new", "application/x-www-form-urlencoded", b.String(), "Content-Encoding", "gzip")
	if a.status != http.StatusUnsupportedMediaType || f.writes != 0 {
		t.Errorf("got %d and %d writes", a.status, f.writes)
	}
}

var sheetLink = regexp.MustCompile(`href="\.\.(/s/static/[^"]+)"`)

// TestBudget holds page and sheets together under 18 kB, in every state and the longest language.
func TestBudget(t *testing.T) {
	t.Parallel()
	_, app := newFake(t)
	for _, path := range []string{"/s/s-new", "/s/s-fa", "/s/s-cyr", "/s/s-fa-scored", "/s/s-done", "/s/s-late", "/s/nope", "/u/u-fa", "/u/u-left"} {
		page := get(t, app, path)
		size := len(page.body)
		links := sheetLink.FindAllStringSubmatch(page.body, -1)
		if len(links) != 2 {
			t.Fatalf("%s has %d sheets, want 2", path, len(links))
		}
		for _, l := range links {
			css := get(t, app, l[1])
			if css.status != http.StatusOK || css.header.Get("Cache-Control") != "public, max-age=31536000, immutable" || !strings.HasPrefix(css.header.Get("Content-Type"), "text/css") {
				t.Errorf("%s: %d %v", l[1], css.status, css.header)
			}
			size += len(css.body)
		}
		if size > 18_000 {
			t.Errorf("%s and its sheets are %d bytes, more than 18 kB", path, size)
		}
		if strings.Contains(page.body, "http://") || strings.Contains(page.body, "https://") {
			t.Errorf("%s names another host", path)
		}
	}
}

func TestStatic(t *testing.T) {
	t.Parallel()
	_, app := newFake(t)
	tests := []struct {
		name, path, cache string
		status            int
	}{
		{"sheet of another version", "/s/static/survey-0000000000.css", "no-cache", 200},
		{"colour of another version", "/s/static/brand-112233-0000000000.css", "no-cache", 200},
		{"no colour", "/s/static/brand-zzzzzz-0000000000.css", "", 404},
		{"no such file", "/s/static/passwd", "", 404},
		{"path", "/s/static/..%2f..%2frespond.go", "", 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := get(t, app, tt.path)
			if a.status != tt.status || a.header.Get("Cache-Control") != tt.cache {
				t.Errorf("got %d, %q", a.status, a.header.Get("Cache-Control"))
			}
		})
	}
}

func TestMountNamesEveryMissingWord(t *testing.T) {
	t.Parallel()
	locales, _ := newLocales(t)
	broken := locales[0]
	broken.Words = map[string]string{}
	err := respond.Mount(fiber.New(), respond.Deps{Locales: []respond.Locale{broken}, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	var invalid survey.InvalidError
	if !errors.As(err, &invalid) || len(invalid) != len(respond.Keys()) {
		t.Errorf("got %v", err)
	}
	if err := respond.Mount(fiber.New(), respond.Deps{}); !errors.As(err, &invalid) {
		t.Errorf("no locales: got %v", err)
	}
}

// FuzzPost posts anything to anything: no panic, no 500, and no script of the customer in the page.
func FuzzPost(f *testing.F) {
	f.Add("s-new", "application/x-www-form-urlencoded", []byte("score=9&comment=x"))
	f.Add("s-scored", "application/x-www-form-urlencoded", []byte("comment=%FF<script>"))
	f.Add("u-new", "multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n"))
	f.Add("../..", "text/plain; =", []byte{0xff})
	_, app := newFake(f)
	f.Fuzz(func(t *testing.T, token, contentType string, body []byte) {
		if strings.ContainsFunc(contentType, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // no header could carry it
		}
		for _, base := range []string{"/s/", "/u/"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, base+url.PathEscape(token), bytes.NewReader(body))
			r.Header.Set("Content-Type", contentType)
			res, err := app.Test(r, -1)
			if err != nil {
				continue // the server itself could not read it
			}
			raw, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			a := answer{res.StatusCode, res.Header, string(raw)}
			if a.status >= 500 || strings.Contains(strings.ToLower(a.body), "<script") {
				t.Errorf("%s%q gave %d:\n%s", base, token, a.status, a.body)
			}
		}
	})
}
