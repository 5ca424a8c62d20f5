package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

//go:embed views/*.html
var viewFiles embed.FS

type views struct{ set *template.Template }

// A page is what every page has.
type page struct {
	Title   string
	Section string // of the navigation
	Nonce   string
	Brand   string
	CSRF    string
	User    string
	Initial string
	Toast   string
	Script  bool // the editor's
	Alarms  []alarm
}

func (c *Console) pageOf(f *fiber.Ctx, title, section string) page {
	s := sessionOf(f)
	nonce, _ := f.Locals(localNonce).(string)
	return page{
		Title: title, Section: section, Nonce: nonce, Brand: c.brandOf(survey.Survey{}), CSRF: s.CSRF, User: s.Name, Initial: initials(s.Name),
		Alarms: c.alarms(f),
	}
}

func loadViews(files assets, zone *time.Location) (views, error) {
	at := func(layout string) func(time.Time) string {
		return func(t time.Time) string { return t.In(zone).Format(layout) }
	}
	set, err := template.New("").Funcs(template.FuncMap{
		"asset":   files.address,
		"day":     at("2 Jan 2006, 15:04"),
		"date":    at("2 Jan"),
		"clock":   at("15:04:05.000"),
		"minute":  at("15:04"),
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"dir":     dirOf,
		"capital": capital,
		"is":      func(c survey.Channel, name string) bool { return string(c) == name },
		"count":   count,
		"px":      func(x float64) string { return fmt.Sprintf("%.1f", x) },
		"braces":  func(name string) string { return "{{ " + name + " }}" },
		"add":     func(a, b int) int { return a + b },
		"join":    strings.Join,
		"dict":    dict,
	}).ParseFS(viewFiles, "views/*.html")
	if err != nil {
		return views{}, fmt.Errorf("parse views: %w", err)
	}
	return views{set}, nil
}

// dict gives a template several things by name: the values stand after their names.
func dict(pairs ...any) map[string]any {
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return m
}

// show renders whole before it sends: a page is never half.
func (c *Console) show(f *fiber.Ctx, name string, data any) error {
	var out bytes.Buffer
	if err := c.views.set.ExecuteTemplate(&out, name, data); err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	f.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return f.Send(out.Bytes())
}

// initials are the first letters of the first two words of a name.
func initials(name string) string {
	words := strings.Fields(name)
	var out strings.Builder
	for _, w := range words[:min(len(words), 2)] {
		r, _ := utf8.DecodeRuneInString(w)
		out.WriteRune(unicode.ToUpper(r))
	}
	return out.String()
}

func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// markOf tells one document from another.
func markOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

// ringOf is the stroke of a tab's ring: its circle has the radius 5.
func ringOf(done, all int) string {
	if all == 0 {
		return "0 31.4"
	}
	return fmt.Sprintf("%.1f 31.4", 31.4*float64(done)/float64(all))
}

func ratio(done, all int) string { return fmt.Sprintf("%d of %d", done, all) }
