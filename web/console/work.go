package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// A place is where a text stands in a release.
type place struct {
	Kind    survey.Kind
	Channel survey.Channel
	Locale  string
}

func placeOf(t survey.Text) place { return place{t.Kind, t.Channel, t.Locale} }

func (p place) path(surveyID string) string {
	return fmt.Sprintf("%s/messages/%s/%s/%s/%s", root, surveyID, p.Kind, p.Channel, p.Locale)
}

func empty(t survey.Text) bool {
	return strings.TrimSpace(t.Subject) == "" && strings.TrimSpace(t.Text) == "" && strings.TrimSpace(t.HTML) == ""
}

// work is a survey's words under way: what is published and what is drafted over it.
type work struct {
	survey  survey.Survey
	version int // current
	live    map[place]survey.Text
	drafts  map[place]survey.Text
}

// workOf loads the words of a survey. What is current is read before the drafts: a release that is published
// between the two readings makes a conflict, never a mixture.
func (c *Console) workOf(ctx context.Context, id string) (work, error) {
	s, ok := c.surveys[id]
	if !ok {
		return work{}, survey.ErrNotFound
	}
	versions, err := c.deps.Releases.CurrentVersions(ctx)
	if err != nil {
		return work{}, fmt.Errorf("current versions: %w", err)
	}
	w := work{survey: s, version: versions[id], live: map[place]survey.Text{}, drafts: map[place]survey.Text{}}
	if w.version > 0 {
		r, err := c.deps.Releases.Release(ctx, id, w.version)
		if err != nil {
			return work{}, fmt.Errorf("release %d of %s: %w", w.version, id, err)
		}
		for _, t := range r.Texts {
			w.live[placeOf(t)] = t
		}
	}
	drafts, err := c.deps.Drafts.Drafts(ctx, id)
	if err != nil {
		return work{}, fmt.Errorf("drafts of %s: %w", id, err)
	}
	for _, t := range drafts {
		if t != w.live[placeOf(t)] && (!empty(t) || !empty(w.live[placeOf(t)])) {
			w.drafts[placeOf(t)] = t
		}
	}
	return w, nil
}

// text is what the writer works on at a place: the draft, else what is published, else nothing yet.
func (w work) text(p place) survey.Text {
	if t, ok := w.drafts[p]; ok {
		return t
	}
	if t, ok := w.live[p]; ok {
		return t
	}
	return survey.Text{Kind: p.Kind, Channel: p.Channel, Locale: p.Locale}
}

// slots lists the messages of a survey in the order of a conversation; what a release has beyond comes last.
func (w work) slots() []templates.Slot {
	out := templates.Slots()
	extra := map[templates.Slot]bool{}
	for _, texts := range []map[place]survey.Text{w.live, w.drafts} {
		for p := range texts {
			if s := (templates.Slot{Kind: p.Kind, Channel: p.Channel}); !slices.Contains(out, s) {
				extra[s] = true
			}
		}
	}
	more := make([]templates.Slot, 0, len(extra))
	for s := range extra {
		more = append(more, s)
	}
	slices.SortFunc(more, func(a, b templates.Slot) int {
		return strings.Compare(string(a.Kind)+" "+string(a.Channel), string(b.Kind)+" "+string(b.Channel))
	})
	return append(out, more...)
}

// merged is what publishing would make current.
func (w work) merged() []survey.Text {
	var out []survey.Text
	for _, s := range w.slots() {
		for _, l := range w.survey.Locales {
			if t := w.text(place{s.Kind, s.Channel, l}); !empty(t) {
				out = append(out, t)
			}
		}
	}
	return out
}

// seen is a mark of all drafts: publishing asks for the same ones that were looked at.
func (w work) seen() string {
	list := make([]survey.Text, 0, len(w.drafts))
	for _, t := range w.drafts {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b survey.Text) int {
		return strings.Compare(fmt.Sprint(placeOf(a)), fmt.Sprint(placeOf(b)))
	})
	raw, _ := json.Marshal(list) // strings only: it cannot fail
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}

// has reports whether a place is one of the survey's.
func (w work) has(p place) bool {
	return slices.Contains(w.survey.Locales, p.Locale) && slices.Contains(w.slots(), templates.Slot{Kind: p.Kind, Channel: p.Channel})
}

// lintCache remembers what lint said, since a page shows the state of every text. Safe for concurrent use.
type lintCache struct {
	mu   sync.Mutex
	said map[lintKey][]templates.Remark // guarded by mu
}

type lintKey struct {
	survey string
	text   survey.Text
}

// maxLinted texts are remembered; a survey has a few hundred.
const maxLinted = 4096

// lint asks about one text, once for the same words.
func (c *Console) lint(t survey.Text, s survey.Survey) []templates.Remark {
	key := lintKey{s.ID, t}
	c.linted.mu.Lock()
	said, ok := c.linted.said[key]
	c.linted.mu.Unlock()
	if ok {
		return said
	}
	said = c.lintText(t, s)
	c.linted.mu.Lock()
	defer c.linted.mu.Unlock()
	if c.linted.said == nil || len(c.linted.said) >= maxLinted {
		c.linted.said = map[lintKey][]templates.Remark{}
	}
	c.linted.said[key] = said
	return said
}

// A state is how a text stands, for its dot and its word.
type state struct {
	Mark  string // class of the dot
	Word  string
	Draft bool
}

func (c *Console) stateOf(w work, p place) state {
	t := w.text(p)
	_, draft := w.drafts[p]
	if empty(t) {
		return state{"dot--hole", "empty", draft}
	}
	errs, warns := 0, 0
	for _, r := range c.lint(t, w.survey) {
		switch r.Severity {
		case templates.SeverityError:
			errs++
		case templates.SeverityWarning:
			warns++
		}
	}
	switch {
	case errs > 0:
		return state{"dot--bad", count(errs, "error"), draft}
	case warns > 0:
		return state{"dot--warn", count(warns, "remark"), draft}
	case draft:
		return state{"dot--accent", "draft", draft}
	default:
		return state{"dot--good", "published", draft}
	}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
