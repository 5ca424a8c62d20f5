package respond

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/odziv/odziv/survey"
)

// form is what was posted.
type form struct{ url.Values }

// A screen is what a view shows; its methods are the words of the templates.
type screen struct {
	Locale   Locale
	View     View
	Chosen   *int   // the score that is marked
	Unsent   bool   // Chosen is not stored yet
	Fixed    bool   // nothing can be changed any more
	Early    bool   // closed before its day: there is no date to name
	All      bool   // unsubscribed from all channels just now
	Error    string // what to mend, in the reader's words
	Switch   []choice
	Menu     []choice
	lang     string // what the reader chose, "" = the send's own
	css      string
	brandCSS string
}

// A choice is a locale that the reader may go to.
type choice struct {
	ID, Name, To string
	Current      bool
}

// menu offers the other locales of the survey. Those of the same language in another script are a switch.
func (s *screen) menu(all []Locale) {
	own := base(s.Locale.ID)
	for _, l := range all {
		if !slices.Contains(s.View.Locales, l.ID) {
			continue
		}
		c := choice{ID: l.ID, Name: l.Name, To: "?lang=" + l.ID, Current: l.ID == s.Locale.ID}
		if name := script(l.ID); name != "" && base(l.ID) == own {
			c.Name = name
			s.Switch = append(s.Switch, c)
			continue
		}
		s.Menu = append(s.Menu, c)
	}
	if len(s.Switch) == 1 { // the other script is not offered
		s.Switch[0].Name = s.Locale.Name
		s.Menu, s.Switch = append(s.Switch, s.Menu...), nil
	}
	if len(s.Menu) == 1 && s.Menu[0].Current {
		s.Menu = nil
	}
}

func base(locale string) string {
	b, _, _ := strings.Cut(locale, "-")
	return b
}

// W is a word of the page: key and value by turns.
func (s *screen) W(key string, kv ...string) string { return s.Locale.word(key, kv...) }

// N is a number in the digits of the reader.
func (s *screen) N(n int) string { return s.Locale.number(strconv.Itoa(n)) }

// Dir is the direction of the page.
func (s *screen) Dir() string {
	if s.Locale.Dir == "rtl" {
		return "rtl"
	}
	return "ltr"
}

// Brand is the name of who speaks, kept apart from the sentence around it.
func (s *screen) Brand() string { return isolate(s.View.Brand.Name) }

// Initial is the letter in the mark of the brand.
func (s *screen) Initial() string { return s.View.Brand.initial() }

// CSS and BrandCSS are the names of the style sheets.
func (s *screen) CSS() string { return s.css }

// BrandCSS is the name of the sheet with the brand's colours.
func (s *screen) BrandCSS() string { return s.brandCSS }

// Until is the day until which an answer may change, "" = for ever.
func (s *screen) Until() string { return s.Locale.date(s.View.ExpiresAt) }

// Asked is the day on which the customer was asked.
func (s *screen) Asked() string { return s.Locale.date(s.View.AskedAt) }

// To is this page with a query: key and value by turns. The reader's language stays.
func (s *screen) To(kv ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(kv); i += 2 {
		q.Set(kv[i], kv[i+1])
	}
	if s.lang != "" {
		q.Set("lang", s.lang)
	}
	return "?" + q.Encode()
}

// Lang is the query that keeps the reader's language on another page of ours.
func (s *screen) Lang() string {
	if s.lang == "" {
		return ""
	}
	return "?lang=" + s.lang
}

// A cell is one score to tap.
type cell struct {
	Value   int // what is posted, always ASCII
	Text    string
	Means   string // of the ends, for those who do not see them beside it
	Checked bool
}

// Cells is the scale.
func (s *screen) Cells() []cell {
	v := s.View.Survey
	cells := make([]cell, 0, v.Max-v.Min+1)
	for n := v.Min; n <= v.Max; n++ {
		c := cell{Value: n, Text: s.N(n), Checked: s.Chosen != nil && *s.Chosen == n}
		switch n {
		case v.Min:
			c.Means = s.View.Low
		case v.Max:
			c.Means = s.View.High
		}
		cells = append(cells, c)
	}
	return cells
}

// Marked is the score that the page speaks of.
func (s *screen) Marked() int {
	switch {
	case s.Chosen != nil:
		return *s.Chosen
	case s.View.Score != nil:
		return *s.View.Score
	default:
		return s.View.Survey.Min
	}
}

func (s *screen) segment() survey.Segment { return s.View.Survey.Segment(s.Marked()) }

// Followup is the question after the score.
func (s *screen) Followup() string {
	return cmp.Or(s.View.Followup[s.segment()], s.W("comment_label"))
}

// Thanks is the last word.
func (s *screen) Thanks() string { return s.View.Thanks[s.segment()] }

// Promoter reports whether the customer was pleased.
func (s *screen) Promoter() bool { return s.segment() == survey.Promoter }

// MaxComment is the greatest length of a comment.
func (s *screen) MaxComment() int { return maxComment }
