package console

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// A previewView is a message as a person would see it.
type previewView struct {
	Channel  survey.Channel
	Name     string
	Icon     string
	Brand    string
	Initial  string
	Lang     string
	Dir      string
	Clock    string
	Subject  string
	Text     string
	Lines    []string
	Buttons  []survey.Button
	Low      string // what the ends of the scale mean
	High     string
	Frame    string // address of the mail's document
	Meter    *meterView
	AsTyped  *meterView // when folding changes the price
	Problem  string     // why there is nothing to see
	Broken   bool       // by a fault, not by emptiness
	Question bool       // on the web: the question itself
}

// previews shows a text on each kind of screen that it is read on.
func (c *Console) previews(ctx context.Context, w work, t survey.Text, sample Sample) []previewView {
	if t.Channel == survey.Chat {
		return []previewView{c.preview(ctx, w, t, survey.SMS, sample), c.preview(ctx, w, t, survey.Viber, sample)}
	}
	return []previewView{c.preview(ctx, w, t, t.Channel, sample)}
}

// preview renders a text with sample data, by the engine that sends it.
func (c *Console) preview(ctx context.Context, w work, t survey.Text, over survey.Channel, sample Sample) previewView {
	loc := c.locale(t.Locale)
	v := previewView{
		Channel: over, Name: channelName(over), Icon: channelIcon(over), Brand: c.brandOf(w.survey), Lang: loc.Tag, Dir: dirOf(loc),
		Clock: survey.Digits(c.deps.Now().In(c.deps.Zone).Format("15:04"), loc.Tag), Question: t.Kind == survey.Question,
	}
	v.Initial = string([]rune(v.Brand)[:1])
	if empty(t) {
		v.Problem = "No words yet. Until there are some, customers of this language read the fallback."
		return v
	}
	r, err := c.render(ctx, w, t, over, sample)
	if err != nil {
		v.Problem, v.Broken = whyNot(err), true
		return v
	}
	v.Subject, v.Text = r.Subject, r.Text
	v.Lines = strings.Split(r.Text, "\n")
	switch over {
	case survey.SMS:
		v.Meter = meterOf(r.Text)
		if r.Folded {
			if plain, err := c.render(ctx, w, t, survey.Viber, sample); err == nil { // folded for SMS only
				v.AsTyped = meterOf(plain.Text)
			}
		}
	case survey.Email:
		v.Frame = fmt.Sprintf("%s/frame?sample=%s&v=%s", placeOf(t).path(w.survey.ID), sample, markOf(r.HTML))
	case survey.Viber:
		v.Buttons = keysOf(w.survey, t)
	case survey.Web, survey.Chat:
	}
	if len(v.Buttons) > 0 || v.Question {
		v.Low, v.High = c.plain(ctx, w, survey.ScaleLow, t.Locale), c.plain(ctx, w, survey.ScaleHigh, t.Locale)
	}
	return v
}

// plain renders a word of the page in the same locale, "" when it cannot.
func (c *Console) plain(ctx context.Context, w work, k survey.Kind, locale string) string {
	t := w.text(place{k, survey.Web, locale})
	if empty(t) {
		return ""
	}
	r, err := c.render(ctx, w, t, survey.Web, SampleFull)
	if err != nil {
		return ""
	}
	return r.Text
}

// brandOf is the name that customers know; an installation without one is called Odziv.
func (c *Console) brandOf(s survey.Survey) string {
	if name := c.deps.Renderer.Brand(s.Brand).Name; name != "" {
		return name
	}
	return "Odziv"
}

// mailFrame is the mail's document alone, for a frame in which nothing of it can act.
func (c *Console) mailFrame(f *fiber.Ctx) error {
	w, p, err := c.at(f)
	if err != nil {
		return err
	}
	sample := SampleFull
	if Sample(f.Query("sample")) == SampleBare {
		sample = SampleBare
	}
	f.Set(fiber.HeaderContentSecurityPolicy,
		"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'")
	f.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	r, err := c.render(f.UserContext(), w, w.text(p), p.Channel, sample)
	if err != nil {
		return f.Status(http.StatusUnprocessableEntity).SendString("<!doctype html><title>Not readable yet</title>")
	}
	return f.SendString(r.HTML)
}

// A meterView is what an SMS costs, as a bar with a cut at each segment.
type meterView struct {
	Segments int
	UCS2     bool
	Units    int
	Room     int
	Fill     float64 // of meterWidth
	Cuts     []float64
	Forced   []forced
	More     int  // forcing characters beyond those shown
	Script   bool // its letters are never GSM-7: no single character is to blame
	Warn     bool
}

// forced is a character that is not in GSM-7.
type forced struct{ Char, Code string }

const (
	meterWidth = 340
	maxForced  = 12
)

func meterOf(text string) *meterView {
	size := templates.SizeOf(text)
	m := &meterView{Segments: size.Segments, UCS2: size.UCS2, Units: size.Units, Room: size.Units + size.Left}
	if m.Room > 0 {
		m.Fill = meterWidth * float64(m.Units) / float64(m.Room)
	}
	for i := 1; i < m.Segments; i++ {
		m.Cuts = append(m.Cuts, meterWidth*float64(i)/float64(m.Segments))
	}
	for _, r := range templates.UCS2Chars(text) {
		switch {
		case unicode.Is(unicode.Cf, r): // isolates that we put around values
		case unicode.IsLetter(r) && !unicode.In(r, unicode.Latin, unicode.Greek):
			m.Script = true
		case len(m.Forced) == maxForced:
			m.More++
		default:
			m.Forced = append(m.Forced, forced{string(r), fmt.Sprintf("U+%04X", r)})
		}
	}
	m.Warn = m.UCS2 && !m.Script && m.Segments > 1
	return m
}
