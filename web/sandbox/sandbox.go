// Package sandbox serves the phones of the sandbox: a page to look at and type on, and its JSON beside it. Nothing
// here reaches a real person.
package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	phone "github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/survey"
)

//go:embed views/*.html static/lab.css static/lab.js
var files embed.FS

// Box is what the phones hold and what can be done on them.
type Box interface {
	// Phones lists the addresses that have messages, the last active first.
	Phones(ctx context.Context) ([]string, error)
	// Messages lists what an address got and said, oldest first, from behind the message of an id; "" is all addresses,
	// or the start.
	Messages(ctx context.Context, to, after string, limit int) ([]phone.Message, error)
	// Message is one of them. survey.ErrNotFound.
	Message(ctx context.Context, id string) (phone.Message, error)
	// Reply says something in answer to a message: text, or the button of that index when it is not negative. The id is
	// that of the reply.
	Reply(ctx context.Context, m phone.Message, text string, button int) (id string, err error)
	// SendNow accepts a send at once, for a new transaction. A survey.InvalidError names members of SendForm.
	SendNow(ctx context.Context, f SendForm) (sendID string, err error)
	// Log lists what was made of the replies of an address, the newest first; "" is all addresses.
	Log(ctx context.Context, to string, limit int) ([]Understood, error)
}

// A SendForm is a send as somebody filled it in on the page.
type SendForm struct {
	Survey   string
	Locale   string
	Name     string
	Phone    string
	Email    string
	Channels []survey.Channel
}

// Understood is one line of the log: what came, and what was made of it.
type Understood struct {
	At      time.Time
	Channel survey.Channel
	Said    string         // verbatim, or what happened
	Score   *int           // nil when none was understood
	Segment survey.Segment // "" without a score
	Result  string         // in a word or two, such as «comment» or «asked once»; "" = none
	Why     string         // how it was read, or why not
}

// A Part is one part of the program on the start page.
type Part struct {
	Name, Where string
	State       string // in a word; "" is ready
}

// Landing is the start page.
type Landing struct{ Parts []Part }

// Deps is what the pages stand on.
type Deps struct {
	Box       Box
	Surveys   []survey.Survey
	Brand     string           // who writes to the phones; "" = the name of the sender
	PublicURL string           // without a slash at its end
	Key       string           // a test key to show in the curl; "" = none is shown
	Real      []survey.Channel // on which live sends leave for a provider; none = nothing leaves the machine
	Magic     []phone.Recipient
	Landing   *Landing       // nil = no start page at /
	Zone      *time.Location // of the clock on the phones; nil = UTC
	Now       func() time.Time
}

// Limits of the page and its JSON.
const (
	maxBody    = 64 << 10 // bytes
	maxText    = 4000     // characters of a reply
	maxList    = 1000     // messages of one answer
	pageSize   = 500      // messages read at once for the page
	maxPages   = 20       // and how often
	shown      = 40       // messages of one thread on the page
	maxThreads = 9
	logLines   = 40
)

// pages serves. It holds nothing that changes.
type pages struct {
	Deps
	views       *template.Template
	css, js     []byte
	cssAt, jsAt string
}

// Mount adds /sandbox, and / when there is a Landing, to an app. Handlers return errors for the app to answer.
func Mount(app fiber.Router, d Deps) error {
	if d.Zone == nil {
		d.Zone = time.UTC
	}
	views, err := template.ParseFS(files, "views/*.html")
	if err != nil {
		return fmt.Errorf("parse views: %w", err)
	}
	p := &pages{Deps: d, views: views}
	if p.css, err = files.ReadFile("static/lab.css"); err != nil {
		return fmt.Errorf("read style sheet: %w", err)
	}
	if p.js, err = files.ReadFile("static/lab.js"); err != nil {
		return fmt.Errorf("read script: %w", err)
	}
	p.cssAt, p.jsAt = "lab-"+hash(p.css)+".css", "lab-"+hash(p.js)+".js"

	if d.Landing != nil {
		app.Get("/", p.landing)
	}
	app.Get("/sandbox/static/:name", p.static)
	app.Get("/sandbox", p.lab)
	app.Get("/sandbox/live", p.live)
	app.Post("/sandbox/sends", p.send)
	app.Get("/sandbox/messages", p.messages)
	app.Get("/sandbox/messages/:id/html", p.mail)
	app.Post("/sandbox/messages/:id/replies", p.reply)
	return nil
}

// hash names a thing by what is in it.
func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:5])
}

// static serves sheet and script; their names hold a hash, so they may be kept for ever.
func (p *pages) static(c *fiber.Ctx) error {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderCacheControl, "no-cache")
	name := c.Params("name")
	if name == p.cssAt || name == p.jsAt {
		c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	}
	switch {
	case strings.HasPrefix(name, "lab-") && strings.HasSuffix(name, ".css"):
		c.Set(fiber.HeaderContentType, "text/css; charset=utf-8")
		return c.Send(p.css)
	case strings.HasPrefix(name, "lab-") && strings.HasSuffix(name, ".js"):
		c.Set(fiber.HeaderContentType, "text/javascript; charset=utf-8")
		return c.Send(p.js)
	default:
		return fiber.ErrNotFound
	}
}

// secure sets what the pages have in common. Mails are frames of this host, in a sandbox of their own.
func secure(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	c.Set(fiber.HeaderReferrerPolicy, "same-origin")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
}

// foreign refuses a form that another site posts through somebody's browser.
//
// Source: https://www.w3.org/TR/fetch-metadata/
func foreign(c *fiber.Ctx) error {
	if c.Get("Sec-Fetch-Site") == "cross-site" {
		return fiber.NewError(http.StatusForbidden, "forms of other sites are not taken")
	}
	return nil
}

func (p *pages) render(c *fiber.Ctx, status int, view string, data any) error {
	var out bytes.Buffer
	if err := p.views.ExecuteTemplate(&out, view, data); err != nil {
		return fmt.Errorf("render %s: %w", view, err)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Status(status).Send(out.Bytes())
}

// landing is the start page.
func (p *pages) landing(c *fiber.Ctx) error {
	secure(c)
	return p.render(c, http.StatusOK, "landing.html", p.frame())
}

// lab is the page of the phones.
func (p *pages) lab(c *fiber.Ctx) error {
	return p.page(c, http.StatusOK, labPage{Sent: c.Query("sent")})
}

func (p *pages) page(c *fiber.Ctx, status int, page labPage) error {
	secure(c)
	if err := p.fill(c.UserContext(), &page, c.Query("to")); err != nil {
		return err
	}
	return p.render(c, status, "lab.html", page)
}

// live is the part of the page that changes. Its ETag tells whether it did.
func (p *pages) live(c *fiber.Ctx) error {
	secure(c)
	var page labPage
	if err := p.fill(c.UserContext(), &page, c.Query("to")); err != nil {
		return err
	}
	if err := p.render(c, http.StatusOK, "live", page); err != nil {
		return err
	}
	tag := `"` + hash(c.Response().Body()) + `"`
	c.Set(fiber.HeaderETag, tag)
	if c.Get(fiber.HeaderIfNoneMatch) == tag {
		c.Response().ResetBody()
		return c.SendStatus(http.StatusNotModified)
	}
	return nil
}

// send takes the form, a sample, or a magic recipient.
func (p *pages) send(c *fiber.Ctx) error {
	if err := foreign(c); err != nil {
		return err
	}
	values, err := decodeForm(c)
	if err != nil {
		return err
	}
	f, err := p.sendForm(values)
	var id string
	if err == nil {
		id, err = p.Box.SendNow(c.UserContext(), f)
	}
	var invalid survey.InvalidError
	switch {
	case err != nil && wantsJSON(c):
		return err
	case errors.As(err, &invalid):
		return p.page(c, http.StatusUnprocessableEntity, labPage{Form: f, Faults: invalid})
	case err != nil:
		return err
	case wantsJSON(c):
		return c.Status(http.StatusAccepted).JSON(map[string]string{"id": id})
	}
	return see(c, "/sandbox?sent="+id)
}

// see answers a form with the place of the next page.
func see(c *fiber.Ctx, to string) error {
	c.Set(fiber.HeaderLocation, to)
	return c.SendStatus(http.StatusSeeOther)
}

func wantsJSON(c *fiber.Ctx) bool {
	return strings.HasPrefix(c.Get(fiber.HeaderAccept), fiber.MIMEApplicationJSON)
}

// messages lists what was sent to the phones; with inbound=true also what was said on them.
func (p *pages) messages(c *fiber.Ctx) error {
	limit := 200
	if s := c.Query("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > maxList {
			return survey.InvalidError{{Pointer: "/limit", Code: "invalid_value", Detail: fmt.Sprintf("limit is a whole number from 1 to %d", maxList)}}
		}
		limit = n
	}
	all, err := p.Box.Messages(c.UserContext(), strings.Clone(c.Query("to")), strings.Clone(c.Query("after")), limit)
	if err != nil {
		return err
	}
	out := struct {
		Items []phone.Message `json:"items"`
		Next  string          `json:"next,omitempty"`
	}{Items: make([]phone.Message, 0, len(all))}
	for _, m := range all {
		if m.Inbound && c.Query("inbound") != "true" {
			continue
		}
		if m.Buttons == nil {
			m.Buttons = []survey.Button{}
		}
		if m.Links == nil {
			m.Links = []string{}
		}
		out.Items = append(out.Items, m)
	}
	if len(all) == limit {
		out.Next = all[len(all)-1].ID
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.JSON(out)
}

// reply takes what a person says: JSON from programs, a form from the page.
func (p *pages) reply(c *fiber.Ctx) error {
	if err := foreign(c); err != nil {
		return err
	}
	m, err := p.Box.Message(c.UserContext(), strings.Clone(c.Params("id")))
	if err != nil {
		return err
	}
	text, button, isForm, err := decodeReply(c)
	if err == nil {
		err = check(m, text, button)
	}
	var id string
	if err == nil {
		id, err = p.Box.Reply(c.UserContext(), m, text, button)
	}
	page := isForm && !wantsJSON(c)
	var invalid survey.InvalidError
	switch {
	case page && errors.As(err, &invalid):
		return p.page(c, http.StatusUnprocessableEntity, labPage{Faults: invalid})
	case err != nil:
		return err
	case page:
		return see(c, "/sandbox#"+phoneID(m.To, m.Channel))
	}
	return c.Status(http.StatusAccepted).JSON(map[string]string{"id": id})
}

// check refuses what no phone could say.
func check(m phone.Message, text string, button int) error {
	switch {
	case m.Inbound:
		return survey.InvalidError{{Pointer: "", Code: "invalid_value", Detail: "this message is a reply itself; answer one that was sent to the phone"}}
	case button >= len(m.Buttons):
		return survey.InvalidError{{Pointer: "/button", Code: "invalid_value", Detail: fmt.Sprintf("the message has %d buttons; the first is 0", len(m.Buttons))}}
	case button >= 0 && m.Buttons[button].URL != "":
		return survey.InvalidError{{Pointer: "/button", Code: "invalid_value", Detail: "this button opens a page and says nothing"}}
	case button < 0 && strings.TrimSpace(text) == "":
		return survey.InvalidError{{Pointer: "/text", Code: "missing_member", Detail: "say something: text, or the index of a button"}}
	case len([]rune(text)) > maxText:
		return survey.InvalidError{{Pointer: "/text", Code: "too_long", Detail: fmt.Sprintf("a reply is at most %d characters long", maxText)}}
	}
	return nil
}

// mail shows a mail as it was rendered, with no right to run, load or send anything. Its links open beside the page.
func (p *pages) mail(c *fiber.Ctx) error {
	m, err := p.Box.Message(c.UserContext(), strings.Clone(c.Params("id")))
	if err != nil {
		return err
	}
	if m.HTML == "" || m.Inbound {
		return survey.ErrNotFound
	}
	c.Set(fiber.HeaderContentSecurityPolicy, "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderCacheControl, "private, max-age=86400") // a message never changes
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.SendString(beside(m.HTML))
}

// beside makes the links of a page open in another. The element goes behind the opening of the head, where there is
// one, so that the document type stays first.
func beside(html string) string {
	const base = `<base target="_blank">`
	lower := strings.ToLower(html)
	if i := strings.Index(lower, "<head"); i >= 0 {
		if end := strings.IndexByte(html[i:], '>'); end >= 0 && len(lower) == len(html) {
			return html[:i+end+1] + base + html[i+end+1:]
		}
	}
	return base + html
}
