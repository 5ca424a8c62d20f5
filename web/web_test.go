package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

func newApp(t *testing.T, change ...func(*web.Config)) (*fiber.App, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	cfg := web.Config{
		PublicURL: "https://ask.example.hr", Now: time.Now,
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&cfg)
	}
	return web.New(cfg), &log
}

func get(t *testing.T, app *fiber.App, path string, headers ...string) (int, map[string][]string, string) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
	for i := 1; i < len(headers); i += 2 {
		req.Header.Set(headers[i-1], headers[i])
	}
	res, err := app.Test(req, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(body)
}

func TestProblemOf(t *testing.T) {
	t.Parallel()
	one := survey.FieldError{Pointer: "/a", Code: web.CodeWrongType, Detail: "is x"}
	tests := []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"invalid", survey.InvalidError{one}, 422, web.CodeWrongType},
		{"invalid twice alike", survey.InvalidError{one, one}, 422, web.CodeWrongType},
		{"invalid in two ways", survey.InvalidError{one, {Code: web.CodeTooLong}}, 422, web.CodeInvalidRequest},
		{"wrapped", fmt.Errorf("accept: %w", survey.InvalidError{one}), 422, web.CodeWrongType},
		{"unreadable", survey.InvalidError{{Code: web.CodeInvalidJSON}}, 400, web.CodeInvalidJSON},
		{"not signed", survey.InvalidError{{Code: web.CodeInvalidSignature}}, 401, web.CodeInvalidSignature},
		{"a code that nobody knows", survey.InvalidError{{Code: "odd"}}, 422, "odd"},
		{"not found", fmt.Errorf("look up: %w", survey.ErrNotFound), 404, web.CodeNotFound},
		{"conflict", fmt.Errorf("cancel: %w", survey.ErrConflict), 409, web.CodeConflict},
		{"no key", &auth.Error{Code: auth.CodeMissingKey}, 401, web.CodeMissingKey},
		{"no scope", &auth.Error{Code: auth.CodeMissingScope}, 403, web.CodeMissingScope},
		{"too late", fmt.Errorf("accept: %w", context.DeadlineExceeded), 503, web.CodeUnavailable},
		{"in doubt", fmt.Errorf("accept: %w: %w", survey.ErrInDoubt, io.ErrUnexpectedEOF), 503, web.CodeUnavailable},
		{"away", fmt.Errorf("plan: %w: %w", survey.ErrUnavailable, survey.ErrNotFound), 503, web.CodeUnavailable},
		{"of the server", fiber.ErrRequestEntityTooLarge, 413, web.CodeTooLarge},
		{"of the server, unknown", fiber.ErrTeapot, 500, web.CodeInternal},
		{"a problem", fmt.Errorf("x: %w", web.NewProblem(web.CodeBusy, "")), 503, web.CodeBusy},
		{"anything else", errors.New("dial postgres://user:secret@host"), 500, web.CodeInternal},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := web.ProblemOf(tt.err)
			if p.Status != tt.status || p.Code != tt.code || strings.Contains(p.Detail, "secret") {
				t.Errorf("got %d %s %q; want %d %s", p.Status, p.Code, p.Detail, tt.status, tt.code)
			}
		})
	}
}

// TestAround is what every answer goes through.
func TestAround(t *testing.T) {
	t.Parallel()
	app, log := newApp(t)
	app.Get("/s/:token", func(c *fiber.Ctx) error {
		deadline, ok := c.UserContext().Deadline()
		if !ok || time.Until(deadline) > time.Minute {
			t.Error("no deadline")
		}
		return c.Type("html").SendString("<p>hello")
	})
	app.Get("/panic", func(*fiber.Ctx) error { panic("boom") })

	status, header, _ := get(t, app, "/s/secret-token?to=ana@example.hr", "X-Request-Id", "mine-1")
	if status != 200 || header["X-Request-Id"][0] != "mine-1" {
		t.Errorf("%d, request id %v", status, header["X-Request-Id"])
	}
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Strict-Transport-Security", "X-Frame-Options"} {
		if len(header[name]) != 1 {
			t.Errorf("%s is %q", name, header[name])
		}
	}
	if l := log.String(); strings.Contains(l, "secret-token") || strings.Contains(l, "ana@") || !strings.Contains(l, "route=/s/:token") || !strings.Contains(l, "mine-1") {
		t.Errorf("logged %s", l)
	}

	get(t, app, "/s/secret-token/unknown")
	if strings.Contains(log.String(), "secret-token") {
		t.Errorf("logged %s", log)
	}

	status, header, body := get(t, app, "/panic", "X-Request-Id", "a b\"c")
	id := header["X-Request-Id"][0]
	if status != 500 || !strings.HasPrefix(id, "req_") || !strings.Contains(body, id) || strings.Contains(body, "boom") {
		t.Errorf("panic: %d %s, id %s", status, body, id)
	}
	if l := log.String(); !strings.Contains(l, "boom") || !strings.Contains(l, "web_test.go") || !strings.Contains(l, id) {
		t.Errorf("logged %s", l)
	}
}

func TestProxiesAreNotBelieved(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t, func(c *web.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")} })
	app.Get("/ip", func(c *fiber.Ctx) error { return c.SendString(c.IP() + " " + c.Hostname() + " " + c.Protocol()) })
	if _, _, body := get(t, app, "/ip", "X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https"); body != "0.0.0.0 example.com http" {
		t.Errorf("got %q", body)
	}
}

// A proxy adds to the right of X-Forwarded-For; what is left of the last one that is trusted was written by whoever likes.
func TestClientAddress(t *testing.T) {
	t.Parallel()
	here := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")} // tests come from 0.0.0.0
	tests := []struct {
		name    string
		trusted []netip.Prefix
		header  []string // lines of X-Forwarded-For
		want    string
	}{
		{"no proxy", nil, []string{"6.6.6.6"}, "0.0.0.0"},
		{"not of a proxy", here[1:], []string{"6.6.6.6"}, "0.0.0.0"},
		{"proxy without the header", here, nil, "0.0.0.0"},
		{"one proxy", here, []string{"203.0.113.7"}, "203.0.113.7"},
		{"the client says it is another", here, []string{"6.6.6.6, 203.0.113.7"}, "203.0.113.7"},
		{"two proxies", here, []string{"6.6.6.6, 203.0.113.7, 10.1.2.3"}, "203.0.113.7"},
		{"two proxies, a line each", here, []string{"6.6.6.6", "203.0.113.7", "10.1.2.3"}, "203.0.113.7"},
		{"the client says it is a proxy", here, []string{"10.9.9.9, 203.0.113.7"}, "203.0.113.7"},
		{"a client beside the proxies", here, []string{"10.1.2.3"}, "10.1.2.3"},
		{"IPv6", here, []string{"6.6.6.6,2001:db8::7,fd00::1"}, "2001:db8::7"},
		{"IPv4 written as IPv6", here, []string{"203.0.113.7, ::ffff:10.1.2.3"}, "203.0.113.7"},
		{"with a port", here, []string{"203.0.113.7:4711, [fd00::1]:80"}, "203.0.113.7"},
		{"no address", here, []string{"6.6.6.6, unknown"}, "0.0.0.0"},
		{"no address before a proxy", here, []string{"6.6.6.6, unknown, 10.1.2.3"}, "10.1.2.3"},
		{"empty", here, []string{""}, "0.0.0.0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			app, _ := newApp(t, func(c *web.Config) { c.TrustedProxies = tt.trusted })
			app.Get("/ip", func(c *fiber.Ctx) error { return c.SendString(c.IP()) })
			req := httptest.NewRequestWithContext(t.Context(), "GET", "/ip", nil)
			req.Header["X-Forwarded-For"] = tt.header
			res, err := app.Test(req, 20_000)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if err != nil || string(got) != tt.want {
				t.Errorf("%s, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestReady(t *testing.T) {
	t.Parallel()
	var fault error
	app, log := newApp(t, func(c *web.Config) {
		c.Ready = []web.Check{
			{Name: "store", Run: func(context.Context) error { return nil }},
			{Name: "redis", Run: func(context.Context) error { return fault }},
		}
	})
	if status, _, body := get(t, app, "/readyz"); status != 200 || body != `{"checks":{"redis":"ok","store":"ok"},"status":"ready"}` {
		t.Errorf("%d %s", status, body)
	}
	fault = errors.New("dial redis://:secret@host")
	if status, _, body := get(t, app, "/readyz"); status != 503 || body != `{"checks":{"redis":"failing","store":"ok"},"status":"not ready"}` {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(log.String(), "check=redis") {
		t.Errorf("logged %s", log)
	}
	if status, _, body := get(t, app, "/healthz"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}

// TestEveryCodeHasAPage: every constant is in the table, and no code in the API or here is a bare string.
func TestEveryCodeHasAPage(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	web.NewDocs([]byte("openapi: 3.1.0\ninfo: {title: x}\n"), "https://ask.example.hr").Mount(app)
	seen := map[string]bool{}
	for _, c := range web.Codes() {
		if seen[c.Code] || c.Title == "" || c.What == "" || c.Fix == "" || c.Status < 400 {
			t.Errorf("row %+v is there twice or has holes", c)
		}
		seen[c.Code] = true
		status, _, body := get(t, app, web.ProblemPath(c.Code))
		if status != 200 || !strings.Contains(body, c.Code) || !strings.Contains(body, strconv.Itoa(c.Status)) {
			t.Errorf("page of %s: %d", c.Code, status)
		}
		if _, _, list := get(t, app, "/docs/problems"); !strings.Contains(list, web.ProblemPath(c.Code)) {
			t.Errorf("%s is not in the list", c.Code)
		}
	}
	for _, pattern := range []string{"*.go", "api/*.go", "../auth/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || files == nil {
			t.Fatal(pattern, err)
		}
		for _, name := range files {
			if !strings.HasSuffix(name, "_test.go") {
				codesIn(t, name, seen)
			}
		}
	}
}

func codesIn(t *testing.T, name string, known map[string]bool) {
	t.Helper()
	src, err := os.ReadFile(name) //nolint:gosec // a file of this repository
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	check := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if code, _ := strconv.Unquote(lit.Value); code != "" && !known[code] {
				t.Errorf("%s uses the code %q, which has no page", name, code)
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Code" {
				check(n.Value)
			}
		case *ast.ValueSpec:
			for i, id := range n.Names {
				if strings.HasPrefix(id.Name, "Code") && i < len(n.Values) {
					check(n.Values[i])
				}
			}
		}
		return true
	})
}

func TestProblemIsJSON(t *testing.T) {
	t.Parallel()
	app, _ := newApp(t)
	status, header, body := get(t, app, "/nowhere")
	var p web.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil || status != 404 || header["Content-Type"][0] != web.ContentTypeProblem {
		t.Fatalf("%v %d %s", err, status, body)
	}
	if p.Type != "https://ask.example.hr/docs/problems/not-found" || p.Title == "" || p.RequestID != header["X-Request-Id"][0] {
		t.Errorf("got %+v", p)
	}
}
