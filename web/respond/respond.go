// Package respond serves what a customer opens: the page of a survey and the page that ends all surveys. Pages work
// without a script, set no cookie, load nothing from elsewhere, and change nothing on a GET (law 6).
package respond

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/language"

	"github.com/odziv/odziv/survey"
)

//go:embed views/*.html static/survey.css
var files embed.FS

// Purposes of a token.
const (
	PurposeSurvey      = "s"
	PurposeUnsubscribe = "u"
)

// Sources of an unsubscribe; they are the reasons of a survey.Suppression.
const (
	SourceLink     = "unsubscribe_link"
	SourceOneClick = "one_click"
)

// Tokens opens the tokens of links.
type Tokens interface {
	// Open gives the send of a token that was made for this purpose.
	Open(purpose, token string) (sendID string, ok bool)
}

// Sends is what the pages show and change.
type Sends interface {
	// View reads a send with its words in a locale, "" for the send's own, and changes nothing. survey.ErrNotFound.
	View(ctx context.Context, sendID, locale string) (View, error)
	// Answer records answers in one commit. survey.ErrConflict when the survey takes none any more.
	Answer(ctx context.Context, sendID string, answers ...Answer) error
	// Unsubscribe ends the invitations to the recipient of a send: on the channel of the send alone, or on all. Doing it
	// again changes nothing.
	Unsubscribe(ctx context.Context, sendID, source string, allChannels bool) error
}

// An Answer is what a customer posted.
type Answer struct {
	Question string // survey.QuestionScore or survey.QuestionComment
	Value    *int   // the score; nil for words
	Text     string // verbatim; a comment of "" means «finished without one»
}

// A View is a send as its customer sees it. Texts are plain, rendered, and of the release that the send keeps.
type View struct {
	SendID         string
	Brand          Brand
	Locale         string   // of the texts
	Locales        []string // in which this survey can be read
	Survey         survey.Survey
	Question       string
	Low, High      string // what the least and the greatest score mean
	Followup       map[survey.Segment]string
	Thanks         map[survey.Segment]string
	Score          *int // nil before it is known
	Comment        string
	Complete       bool      // nothing more will be asked
	Closed         bool      // takes no answers, whatever ExpiresAt says
	Unsubscribed   bool      // from all channels
	AskedAt        time.Time // in the zone of the reader, as ExpiresAt
	ExpiresAt      time.Time // zero = never
	PagePath       string    // of the survey, such as /s/…; "" = no link to it
	UnsubscribeURL string    // "" = no link to it
}

// Deps is what the pages stand on.
type Deps struct {
	Tokens  Tokens
	Sends   Sends
	Locales []Locale // the first is for readers of none of them
	Brand   Brand    // speaks where no send is known
	Log     *slog.Logger
	Now     func() time.Time
}

// pages serves. It holds nothing that changes.
type pages struct {
	Deps
	views   *template.Template
	css     []byte
	cssName string
	matcher language.Matcher
}

// Mount adds /s/… and /u/… to an app. A survey.InvalidError names the words that the locales lack.
func Mount(app fiber.Router, d Deps) error {
	var bad survey.InvalidError
	tags := make([]language.Tag, 0, len(d.Locales))
	for i, l := range d.Locales {
		bad = append(bad, l.check(i)...)
		tag, err := language.Parse(l.ID)
		if err != nil {
			bad = append(bad, survey.FieldError{Pointer: "/" + strconv.Itoa(i) + "/id", Code: "invalid", Detail: fmt.Sprintf("%q is no BCP 47 tag", l.ID)})
		}
		tags = append(tags, tag)
	}
	if len(d.Locales) == 0 {
		bad = append(bad, survey.FieldError{Pointer: "", Code: "missing", Detail: "the pages need at least one locale"})
	}
	if len(bad) > 0 {
		return bad
	}
	p := &pages{Deps: d, matcher: language.NewMatcher(tags)}
	views, err := template.ParseFS(files, "views/*.html")
	if err != nil {
		return fmt.Errorf("parse views: %w", err)
	}
	css, err := files.ReadFile("static/survey.css")
	if err != nil {
		return fmt.Errorf("read style sheet: %w", err)
	}
	p.views, p.css, p.cssName = views, css, "survey-"+hash(css)+".css"

	app.Get("/s/static/:name", p.static)
	app.Get("/s/:token", p.page(PurposeSurvey, p.show))
	app.Post("/s/:token", p.page(PurposeSurvey, p.answer))
	app.Get("/u/:token", p.page(PurposeUnsubscribe, p.confirm))
	app.Post("/u/:token", p.page(PurposeUnsubscribe, p.unsubscribe))
	return nil
}

// static serves the style sheets. Their names hold a hash of what is in them, so they may be kept for ever; a name of
// another version of the program gets what this one has, for now.
func (p *pages) static(c *fiber.Ctx) error {
	name := c.Params("name")
	css, current := p.css, p.cssName
	if rest, ok := strings.CutPrefix(name, "brand-"); ok {
		hex, _, _ := strings.Cut(rest, "-")
		if _, ok := parseColor(hex); !ok {
			return fiber.ErrNotFound
		}
		current, css = Brand{Color: "#" + hex}.sheet()
	} else if !strings.HasPrefix(name, "survey-") {
		return fiber.ErrNotFound
	}
	cache := "no-cache"
	if name == current {
		cache = "public, max-age=31536000, immutable"
	}
	c.Set(fiber.HeaderCacheControl, cache)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentType, "text/css; charset=utf-8")
	return c.Send(css)
}

// page opens the token, reads the view, and turns every error into a page that a customer can read.
func (p *pages) page(purpose string, serve func(*fiber.Ctx, *screen) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		secure(c)
		unknown := &screen{Locale: p.reader(c), View: View{Brand: p.Brand}}
		id, ok := p.Tokens.Open(purpose, c.Params("token"))
		if !ok {
			return p.render(c, http.StatusNotFound, "unknown", unknown)
		}
		asked := p.asked(c)
		v, err := p.Sends.View(c.UserContext(), id, asked)
		if err == nil {
			s := &screen{View: v, Locale: p.locale(v.Locale), lang: asked, Early: v.ExpiresAt.IsZero() || p.Now().Before(v.ExpiresAt)}
			if s.menu(p.Locales); serveErr(serve(c, s), &err) {
				return nil
			}
			unknown = s
		}
		switch {
		case errors.Is(err, survey.ErrNotFound):
			return p.render(c, http.StatusNotFound, "unknown", unknown)
		case errors.Is(err, survey.ErrConflict):
			return p.render(c, http.StatusGone, "expired", unknown)
		case errors.Is(err, errTooLarge):
			return p.render(c, http.StatusRequestEntityTooLarge, "problem", unknown)
		case errors.Is(err, errUnreadable):
			return p.render(c, http.StatusBadRequest, "problem", unknown)
		case errors.Is(err, errEncoding):
			return p.render(c, http.StatusUnsupportedMediaType, "problem", unknown)
		}
		p.Log.ErrorContext(c.UserContext(), "customer page failed", "send_id", id, "method", c.Method(), "error", err)
		return p.render(c, http.StatusInternalServerError, "problem", unknown)
	}
}

// serveErr hands over the error of a handler and reports whether there was none.
func serveErr(got error, err *error) bool {
	*err = got
	return got == nil
}

// secure sets what every page has in common.
//
// Source: https://owasp.org/www-project-secure-headers/
func secure(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer")
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")
	c.Set("X-Robots-Tag", "noindex, nofollow")
}

// asked is the locale that the reader chose on the page, "" when none.
func (p *pages) asked(c *fiber.Ctx) string {
	lang := c.Query("lang")
	for _, l := range p.Locales {
		if l.ID == lang {
			return l.ID
		}
	}
	return ""
}

// reader is the locale of somebody of whom nothing is known but the browser.
func (p *pages) reader(c *fiber.Ctx) Locale {
	if id := p.asked(c); id != "" {
		return p.locale(id)
	}
	tags, _, err := language.ParseAcceptLanguage(c.Get(fiber.HeaderAcceptLanguage))
	if err != nil {
		return p.Locales[0]
	}
	_, i, confidence := p.matcher.Match(tags...)
	if confidence == language.No {
		i = 0
	}
	return p.Locales[i]
}

func (p *pages) locale(id string) Locale {
	for _, l := range p.Locales {
		if l.ID == id {
			return l
		}
	}
	return p.Locales[0]
}

// render answers with a page; nothing is sent before all of it is made.
func (p *pages) render(c *fiber.Ctx, status int, view string, s *screen) error {
	s.css = p.cssName
	s.brandCSS, _ = s.View.Brand.sheet()
	var out bytes.Buffer
	if err := p.views.ExecuteTemplate(&out, view+".html", s); err != nil {
		return fmt.Errorf("render %s: %w", view, err)
	}
	c.Set(fiber.HeaderContentLanguage, s.Locale.ID)
	c.Set(fiber.HeaderVary, fiber.HeaderAcceptLanguage)
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.Status(status).Send(out.Bytes())
}

func (p *pages) closed(v View) bool {
	return v.Closed || !v.ExpiresAt.IsZero() && !p.Now().Before(v.ExpiresAt)
}

// show decides what a customer sees first. It must not call anything that changes.
func (p *pages) show(c *fiber.Ctx, s *screen) error {
	v := s.View
	s.Fixed = p.closed(v)
	tapped, ok := readScore(c.Query("score"), v.Survey.Min, v.Survey.Max)
	step := c.Query("step")
	switch {
	case s.Fixed && v.Score != nil:
		return p.render(c, http.StatusOK, "answered", s)
	case s.Fixed:
		return p.render(c, http.StatusGone, "expired", s)
	case c.Query("change") != "":
		s.Chosen = v.Score
		if ok {
			s.Chosen = &tapped
		}
		return p.render(c, http.StatusOK, "score", s)
	case ok && (v.Score == nil || *v.Score != tapped):
		s.Chosen, s.Unsent = &tapped, true
		return p.render(c, http.StatusOK, "comment", s)
	case v.Score == nil:
		return p.render(c, http.StatusOK, "score", s)
	case step == "thanks":
		return p.render(c, http.StatusOK, "thanks", s)
	case v.Complete && step != "comment":
		return p.render(c, http.StatusOK, "answered", s)
	default:
		s.Chosen = v.Score
		return p.render(c, http.StatusOK, "comment", s)
	}
}

// answer takes a score, a comment, or both: a page that was reached from a mail's number posts both at once.
func (p *pages) answer(c *fiber.Ctx, s *screen) error {
	v := s.View
	if p.closed(v) {
		return survey.ErrConflict
	}
	form, err := p.form(c)
	if err != nil {
		return err
	}
	var answers []Answer
	hasScore, hasComment := form.Has("score"), form.Has("comment") || form.Has("skip")
	s.Chosen = v.Score
	if hasScore || !hasComment {
		score, ok := readScore(form.Get("score"), v.Survey.Min, v.Survey.Max)
		if !ok {
			s.Error = s.W("choose_score")
			return p.render(c, http.StatusUnprocessableEntity, "score", s)
		}
		s.Chosen, s.Unsent = &score, true
		answers = append(answers, Answer{Question: survey.QuestionScore, Value: &score, Text: strconv.Itoa(score)})
	} else if v.Score == nil {
		s.Error = s.W("choose_first")
		return p.render(c, http.StatusUnprocessableEntity, "score", s)
	}
	if hasComment {
		text, err := readComment(form.Get("comment"))
		if form.Has("skip") {
			text, err = "", nil
		}
		switch {
		case errors.Is(err, errNotText):
			s.Error = s.W(wordNotText)
		case errors.Is(err, errTooLong):
			s.Error = s.W(wordTooLong, "length", s.N(utf8.RuneCountInString(text)), "max", s.N(maxComment))
		}
		if err != nil {
			s.View.Comment = text
			return p.render(c, http.StatusUnprocessableEntity, "comment", s)
		}
		answers = append(answers, Answer{Question: survey.QuestionComment, Text: text})
	}
	if err := p.Sends.Answer(c.UserContext(), v.SendID, answers...); err != nil {
		return err
	}
	step := "comment"
	if hasComment {
		step = "thanks"
	}
	return see(c, s.To("step", step))
}

// errEncoding: a browser never compresses what it posts, and what inflates has no limit.
var errEncoding = errors.New("content encodings are not taken")

func (p *pages) form(c *fiber.Ctx) (form, error) {
	if c.Get(fiber.HeaderContentEncoding) != "" {
		return form{}, errEncoding
	}
	v, err := decodeForm(c.Get(fiber.HeaderContentType), c.BodyRaw())
	return form{v}, err
}

// see answers a POST with the place of the next page. The reference is relative, so it holds behind any proxy.
func see(c *fiber.Ctx, to string) error {
	c.Set(fiber.HeaderLocation, to)
	return c.SendStatus(http.StatusSeeOther)
}
