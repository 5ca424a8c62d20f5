package templates

import (
	"crypto/rand"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"sync"
)

// Executing the layout costs many times what putting words into it does. So it is executed once for each form that an
// email can have, with a placeholder where words go, and cut there. What an author or a person has written is never
// in a frame: it is escaped, and put in, for each email.

// A frameKey is everything about an email that a frame depends on.
type frameKey struct {
	locale, brand, address, color                    string
	scale                                            scale
	before, after                                    int  // paragraphs
	question, hint, low, preheader, why, unsubscribe bool // whether there is one
}

// The slots of a frame. Those of the paragraphs before the scale begin at slotBefore, those after it at slotAfter.
const (
	slotSubject = iota
	slotPreheader
	slotQuestion
	slotHint
	slotLow
	slotHigh
	slotPage
	slotWhy
	slotUnsubscribe
	slotLeave
	slotBefore
	slotAfter = slotBefore + maxParagraphs
	slots     = slotAfter + maxParagraphs

	maxParagraphs = 40  // before or after the scale; an email with more has no frame
	maxFrames     = 256 // about 10 kB each: brands × locales × forms of an email
)

// A frame is an executed layout: literal[0] slot[0] literal[1] … literal[n].
type frame struct {
	literal []string
	slot    []int
	size    int // of all literals
}

// frames are the frames in use. The zero value keeps none. Safe for concurrent use.
type frames struct {
	mark string // before the two digits of a slot; random, so that no word can hold it

	mu   sync.RWMutex
	made map[frameKey]*frame // guarded by mu
}

func newFrames() *frames {
	return &frames{mark: "x" + rand.Text(), made: make(map[frameKey]*frame)}
}

// of gives the frame of a key, and makes it when there is none.
func (f *frames) of(key frameKey, execute func() (string, error)) (*frame, error) {
	f.mu.RLock()
	found := f.made[key]
	f.mu.RUnlock()
	if found != nil {
		return found, nil
	}
	html, err := execute()
	if err != nil {
		return nil, err
	}
	made := &frame{}
	for i, part := range strings.Split(html, f.mark) {
		if i > 0 {
			slot, err := strconv.Atoi(part[:2])
			if err != nil {
				return nil, fmt.Errorf("email layout: a placeholder is broken: %w", err)
			}
			made.slot = append(made.slot, slot)
			part = part[2:]
		}
		made.literal = append(made.literal, part)
		made.size += len(part)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.made) >= maxFrames {
		clear(f.made) // rare: a brand changes with a restart, and most installations have few
	}
	f.made[key] = made
	return made, nil
}

// fill puts escaped words into the frame.
func (f *frame) fill(words *[slots]string) string {
	size := f.size
	for _, s := range f.slot {
		size += len(words[s])
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString(f.literal[0])
	for i, s := range f.slot {
		b.WriteString(words[s])
		b.WriteString(f.literal[i+1])
	}
	return b.String()
}

// layoutEscaper escapes as html/template does in text and titles.
var layoutEscaper = strings.NewReplacer("\x00", "\ufffd", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", //nolint:gochecknoglobals // a table
	"<", "&lt;", ">", "&gt;")

// plainURL reports whether a web address is the same in an attribute, whoever escapes it.
func plainURL(s string) bool {
	if !isLink(s) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && (c < '0' || c > '9') && !strings.Contains("-._~:/?=", s[i:i+1]) {
			return false
		}
	}
	return true
}

// html puts d into the layout, by a frame where there can be one.
func (f *frames) html(d *emailData, brand Brand) (string, error) {
	if f.made == nil || len(d.Before) > maxParagraphs || len(d.After) > maxParagraphs || (d.Unsubscribe != "" && !plainURL(d.Unsubscribe)) {
		return d.html()
	}
	key := frameKey{
		locale: d.Lang, brand: brand.Name, address: brand.Address, color: brand.Color, scale: d.scale,
		before: len(d.Before), after: len(d.After),
		question: d.Question != "", preheader: d.Preheader != "", hint: d.Hint != "", low: d.Low != "", why: d.Why != "",
		unsubscribe: d.Unsubscribe != "",
	}
	key.scale.page = ""
	found, err := f.of(key, func() (string, error) { return f.empty(*d).html() })
	if err != nil {
		return "", err
	}
	var words [slots]string
	words[slotSubject], words[slotPreheader] = layoutEscaper.Replace(d.Subject), layoutEscaper.Replace(d.Preheader)
	words[slotQuestion], words[slotLeave] = layoutEscaper.Replace(d.Question), layoutEscaper.Replace(d.Leave)
	words[slotLow], words[slotHigh] = layoutEscaper.Replace(d.Low), layoutEscaper.Replace(d.High)
	words[slotHint], words[slotWhy] = string(d.Hint), string(d.Why)
	words[slotPage], words[slotUnsubscribe] = textEscaper.Replace(d.scale.page), d.Unsubscribe
	for i, p := range d.Before {
		words[slotBefore+i] = string(p) //nolint:gosec // counted above
	}
	for i, p := range d.After {
		words[slotAfter+i] = string(p) //nolint:gosec // counted above
	}
	return found.fill(&words), nil
}

// empty is d with a placeholder for every word that is there.
func (f *frames) empty(d emailData) *emailData {
	word := func(slot int, s string) string {
		if s == "" {
			return ""
		}
		return fmt.Sprintf("%s%02d", f.mark, slot)
	}
	html := func(slot int, s template.HTML) template.HTML { return template.HTML(word(slot, string(s))) } //nolint:gosec // letters and digits
	list := func(slot int, of []template.HTML) []template.HTML {
		out := make([]template.HTML, len(of))
		for i := range of {
			out[i] = html(slot+i, "there")
		}
		return out
	}
	d.Subject, d.Preheader = word(slotSubject, "there"), word(slotPreheader, d.Preheader)
	d.Question, d.Leave = word(slotQuestion, d.Question), word(slotLeave, "there")
	d.Low, d.High = word(slotLow, d.Low), word(slotHigh, "there")
	d.Hint, d.Why = html(slotHint, d.Hint), html(slotWhy, d.Why)
	d.scale.page, d.Unsubscribe = word(slotPage, d.scale.page), word(slotUnsubscribe, d.Unsubscribe)
	d.Before, d.After = list(slotBefore, d.Before), list(slotAfter, d.After)
	return &d
}
