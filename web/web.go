// Package web is everything that answers HTTP for people and programs; its sub-packages are the API, the console,
// the customer's pages and the sandbox.
package web

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/odziv/odziv/survey"
)

// Limits of every request, in bytes.
const (
	MaxBody          = 64 << 10                 // of a call
	MaxBatch         = 16 << 20                 // of a batch of sends
	maxHeader        = 16 << 10                 // of the header with its cookies
	slack            = 64 << 10                 // above MaxBatch, so that a body of exactly that size is not refused
	batchPath        = "/v1/sends/batch"        // one of the two paths with large bodies
	suppressionsPath = "/v1/suppressions/batch" // the other
	maxShop          = 1 << 20                  // of a shop's webhook: an order has many lines
	shopPath         = "/v1/triggers/"          // of shops, before kind and id
	requestID        = "X-Request-Id"           // header
)

// A Check tells whether a part that the program stands on is there.
type Check struct {
	Name string
	Run  func(context.Context) error
}

// Config is what New needs.
type Config struct {
	PublicURL string // under which people reach us, without a slash at the end
	Log       *slog.Logger
	Now       func() time.Time
	Timeout   time.Duration // of one request, 0 = 15 s; it is on every UserContext
	Ready     []Check       // of /readyz
	// TrustedProxies are those whose X-Forwarded-For is believed; nobody else's is. IP of a request is the rightmost address in it that
	// is of no trusted proxy.
	TrustedProxies []netip.Prefix
}

// New makes the server without any route of ours but /healthz and /readyz; serve it on a Listener. Whatever is mounted on it gets request
// ids, a deadline, limits, recovery from panics, and problems for errors.
func New(cfg Config) *fiber.App {
	if cfg.Timeout == 0 {
		cfg.Timeout = 15 * time.Second
	}
	s := &server{cfg: cfg, ids: new(survey.IDSource)}
	proxies := make([]string, len(cfg.TrustedProxies))
	for i, p := range cfg.TrustedProxies {
		proxies[i] = p.String()
	}
	app := fiber.New(fiber.Config{
		AppName:                 "odziv",
		DisableStartupMessage:   true,
		Immutable:               true,
		CaseSensitive:           true,
		BodyLimit:               MaxBatch + slack,
		ReadBufferSize:          maxHeader,
		ReadTimeout:             time.Minute, // 16 MiB at 2.5 Mbit/s
		WriteTimeout:            time.Minute,
		IdleTimeout:             2 * time.Minute,
		EnableTrustedProxyCheck: true,
		TrustedProxies:          proxies,
		ProxyHeader:             fiber.HeaderXForwardedFor,
		EnableIPValidation:      true,
		ErrorHandler:            s.fail,
	})
	app.Server().HeaderReceived = s.limits
	app.Use(s.around)
	app.Get("/healthz", func(c *fiber.Ctx) error { return c.JSON(fiber.Map{"status": "ok"}) })
	app.Get("/readyz", s.ready)
	return app
}

type server struct {
	cfg Config
	ids *survey.IDSource
}

// limits gives all but batches a small body, before anything of the body is read.
func (s *server) limits(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	path, _, _ := strings.Cut(string(h.RequestURI()), "?")
	limit := fasthttp.RequestConfig{MaxRequestBodySize: MaxBody}
	switch {
	case path == batchPath, path == suppressionsPath:
		limit.MaxRequestBodySize = MaxBatch
	case strings.HasPrefix(path, shopPath):
		limit.MaxRequestBodySize = maxShop
	}
	return limit
}

// ours is what callers learn of a fault that is not theirs.
const ours = "this is a fault of ours; it is in the log under the request id"

// around is what every request goes through.
func (s *server) around(c *fiber.Ctx) (err error) {
	start := time.Now()
	id := s.identify(c)
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Timeout) // fiber's own has neither deadline nor end
	defer cancel()
	c.SetUserContext(ctx)
	s.forwarded(c)
	defer func() {
		if v := recover(); v != nil {
			s.cfg.Log.ErrorContext(ctx, "request panicked", "request_id", id, "route", c.Route().Path,
				"panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			err = s.fail(c, NewProblem(CodeInternal, ours)) //nolint:contextcheck // it is in c
		}
		s.secure(c)
		s.access(ctx, c, id, start)
	}()
	if enc := c.Get(fiber.HeaderContentEncoding); enc != "" && !strings.EqualFold(enc, "identity") {
		err = NewProblem(CodeContentEncoding, "the body is compressed (Content-Encoding); send it as it is")
	} else {
		err = c.Next()
	}
	if err != nil {
		return s.fail(c, err)
	}
	return nil
}

// forwarded leaves of X-Forwarded-For the one address that a trusted proxy wrote and that is none itself: fiber's IP reads the leftmost,
// which the client may choose.
func (s *server) forwarded(c *fiber.Ctx) {
	if len(s.cfg.TrustedProxies) == 0 || !c.IsProxyTrusted() {
		return
	}
	lines := c.Request().Header.PeekAll(fiber.HeaderXForwardedFor)
	hops := strings.Split(string(bytes.Join(lines, []byte(","))), ",")
	client := ""
	for _, hop := range slices.Backward(hops) {
		ip, ok := address(strings.TrimSpace(hop))
		if !ok {
			break
		}
		client = ip.String()
		if !slices.ContainsFunc(s.cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			break
		}
	}
	c.Request().Header.Del(fiber.HeaderXForwardedFor)
	c.Request().Header.Set(fiber.HeaderXForwardedFor, client)
}

// address reads an address of X-Forwarded-For, to which some proxies add the port.
func address(s string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		with, portErr := netip.ParseAddrPort(s)
		ip, err = with.Addr(), portErr
	}
	return ip.Unmap().WithZone(""), err == nil
}

// identify takes the caller's request id if it is a harmless one, else makes one.
func (s *server) identify(c *fiber.Ctx) string {
	id := c.Get(requestID)
	if !harmless(id) {
		id = s.ids.New("req_", s.cfg.Now())
	}
	c.Locals(requestKey{}, id)
	c.Set(requestID, id)
	return id
}

type requestKey struct{}

// RequestID is the id of a request, "" when it never got as far as to have one.
func RequestID(c *fiber.Ctx) string {
	id, _ := c.Locals(requestKey{}).(string)
	return id
}

func harmless(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		switch b := id[i]; {
		case b >= '0' && b <= '9', b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b == '-', b == '_', b == '.':
		default:
			return false
		}
	}
	return true
}

// fail is the error handler: it gives the problem of an error and logs what is our fault.
func (s *server) fail(c *fiber.Ctx, err error) error {
	id := RequestID(c)
	if id == "" { // the server refused the request before any handler saw it
		id = s.identify(c)
		s.secure(c)
		if conn, ok := c.Context().Conn().(*lingerConn); ok {
			conn.early.Store(true)
		}
	}
	p := ProblemOf(err).At(s.cfg.PublicURL, id)
	if p.Status >= http.StatusInternalServerError && p.Cause != nil {
		s.cfg.Log.ErrorContext(c.UserContext(), "request failed", "request_id", id, "route", c.Route().Path,
			"status", p.Status, "error", p.Cause)
	}
	return p.send(c)
}

// policy lets a page load nothing from elsewhere and run no inline script. A page that needs another says so itself.
const policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

// secure sets what no answer should lack. Links to customers carry their token in the path, so no referrer is sent.
func (s *server) secure(c *fiber.Ctx) {
	h := &c.Response().Header
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	setUnlessSet(h, fiber.HeaderReferrerPolicy, "no-referrer")
	if strings.HasPrefix(s.cfg.PublicURL, "https://") {
		setUnlessSet(h, fiber.HeaderStrictTransportSecurity, "max-age=31536000")
	}
	if strings.HasPrefix(string(h.ContentType()), fiber.MIMETextHTML) {
		setUnlessSet(h, fiber.HeaderContentSecurityPolicy, policy)
		setUnlessSet(h, fiber.HeaderXFrameOptions, "SAMEORIGIN")
	}
}

func setUnlessSet(h *fasthttp.ResponseHeader, name, value string) {
	if len(h.Peek(name)) == 0 {
		h.Set(name, value)
	}
}

// access logs a request by its route: a path may hold a token, a query an address.
func (s *server) access(ctx context.Context, c *fiber.Ctx, id string, start time.Time) {
	level := slog.LevelDebug
	status := c.Response().StatusCode()
	if status >= http.StatusBadRequest {
		level = slog.LevelInfo
	}
	if !s.cfg.Log.Enabled(ctx, level) {
		return
	}
	s.cfg.Log.Log(ctx, level, "request answered", "request_id", id, "method", c.Method(), "route", c.Route().Path,
		"status", status, "took_us", time.Since(start).Microseconds())
}

// ready runs all checks at once. What is wrong goes into the log: the answer is public.
func (s *server) ready(c *fiber.Ctx) error {
	ctx, cancel := context.WithTimeout(c.UserContext(), 2*time.Second)
	defer cancel()
	results := make([]error, len(s.cfg.Ready))
	var running sync.WaitGroup
	for i, check := range s.cfg.Ready {
		running.Go(func() { results[i] = check.Run(ctx) })
	}
	running.Wait()
	status, word, checks := http.StatusOK, "ready", fiber.Map{}
	for i, check := range s.cfg.Ready {
		checks[check.Name] = "ok"
		if err := results[i]; err != nil {
			s.cfg.Log.WarnContext(ctx, "not ready", "check", check.Name, "error", err)
			status, word, checks[check.Name] = http.StatusServiceUnavailable, "not ready", "failing"
		}
	}
	return c.Status(status).JSON(fiber.Map{"status": word, "checks": checks})
}
