package templates

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/odziv/odziv/survey"
)

// A Brand is who asks.
type Brand struct {
	Name     string
	Color    string // #rrggbb; "" = a calm green
	Logo     string // address of a picture, for pages; emails show a letter, which nothing blocks
	Domain   string
	Address  string // postal, under every email; "" = none
	Timezone string // IANA; "" = UTC
}

// A Source gives published releases, such as the store.
type Source interface {
	Release(ctx context.Context, surveyID string, version int) (survey.Release, error)
}

// A Request is one message to be made.
type Request struct {
	Survey  survey.Survey
	Version int    // of the release; 0 = only Texts
	Brand   string // key of the brand; "" = Survey.Brand
	Kind    survey.Kind
	Channel survey.Channel
	Locale  string
	Vars    map[string]any // of Vars
	Links   URLs
	Texts   []survey.Text // looked at before the release: drafts of a preview
}

// A Rendered is a message as it will be sent.
type Rendered struct {
	Subject  string // email only
	Text     string
	HTML     string         // email only
	Locale   string         // of the words that were found
	Channel  survey.Channel // under which the words were found
	Fallback string         // "", "locale:en", "channel:chat" or both with a space between
	RTL      bool
	Links    []string // addresses of ours that are in Text
	Segments int      // SMS only
	UCS2     bool     // SMS only
	Folded   bool     // SMS only: the locale's fold has changed it
}

// ErrNoText says that neither the locale nor its fallback has words for this message.
var ErrNoText = fmt.Errorf("no words for this message: %w", survey.ErrNotFound)

// ErrSource says that the release could not be read now; it may be later.
var ErrSource = errors.New("the messages cannot be read")

// A Renderer makes messages of releases. It keeps compiled the releases that were used last. Safe for concurrent use.
type Renderer struct {
	engine *Engine
	source Source
	packs  map[string]*Pack
	brands map[string]Brand

	palettes map[string]Palette // by color, of the brands
	frames   *frames

	mu       sync.Mutex
	releases map[releaseKey]*list.Element // guarded by mu; values are *release
	recent   *list.List                   // guarded by mu; front = used last
}

// maxReleases bounds what is kept compiled, about 100 kB each: sends live a week, so few versions are in use at once.
const maxReleases = 64

// NewRenderer makes messages of the releases of source. brands are by key; "" is the brand of surveys without one.
func NewRenderer(source Source, packs map[string]*Pack, brands map[string]Brand) *Renderer {
	r := &Renderer{
		engine: NewEngine(), source: source, packs: packs, brands: brands, palettes: make(map[string]Palette),
		releases: make(map[releaseKey]*list.Element), recent: list.New(),
		frames: newFrames(),
	}
	for _, b := range brands {
		r.palettes[b.Color] = PaletteOf(b.Color)
	}
	return r
}

// Engine is the engine of the renderer, for lint.
func (r *Renderer) Engine() *Engine { return r.engine }

// Packs are the locale packs of the renderer; not to be changed.
func (r *Renderer) Packs() map[string]*Pack { return r.packs }

// Pack is the pack of a locale; one without has the digits and words of English and the direction of its script.
func (r *Renderer) Pack(locale string) *Pack {
	if p := r.packs[locale]; p != nil {
		return p
	}
	p := fallbackPack(locale)
	if en := r.packs["en"]; en != nil {
		p.Page, p.Surveys = en.Page, en.Surveys
	}
	return p
}

// Brand is the brand of a key, else the one without a key, else one of that name alone.
func (r *Renderer) Brand(key string) Brand {
	if b, ok := r.brands[key]; ok {
		return b
	}
	if b, ok := r.brands[""]; ok {
		return b
	}
	return Brand{Name: key}
}

type textKey struct {
	kind    survey.Kind
	channel survey.Channel
	locale  string
}

type releaseKey struct {
	survey  string
	version int
}

// A release is one in use; its texts are compiled when first asked for.
type release struct {
	key   releaseKey
	texts map[textKey]survey.Text

	mu       sync.Mutex
	compiled map[textKey]*compiled // guarded by mu
}

// compiled is one text. A nil program stands for an empty source.
type compiled struct {
	src                 survey.Text
	subject, text, html *Program
	last                [2]atomic.Pointer[finished] // of text; the second as an SMS
}

// finished is what a marked text has become. Many texts hold nothing of the person, so that one message is like the
// one before.
type finished struct {
	marked, plain, text string // plain is not folded
	size                SMSSize
	folded              bool
}

// finish makes of marked text, of a locale that is always the same for a text, what is sent.
func (c *compiled) finish(marked string, sms bool, pack *Pack) *finished {
	last := &c.last[0]
	if sms {
		last = &c.last[1]
	}
	if f := last.Load(); f != nil && f.marked == marked {
		return f
	}
	f := &finished{marked: marked, plain: strings.TrimSpace(finishText(marked, pack.RTL, pack.Digits))}
	f.text = f.plain
	if sms {
		f.text = FoldSMS(f.plain, pack.SMSFold)
		f.folded, f.size = f.text != f.plain, SizeOf(f.text)
	}
	last.Store(f)
	return f
}

func (r *Renderer) release(ctx context.Context, key releaseKey) (*release, error) {
	r.mu.Lock()
	if e, ok := r.releases[key]; ok {
		r.recent.MoveToFront(e)
		rel, _ := e.Value.(*release)
		r.mu.Unlock()
		return rel, nil
	}
	r.mu.Unlock()
	found, err := r.source.Release(ctx, key.survey, key.version)
	if err != nil {
		if !errors.Is(err, survey.ErrNotFound) {
			err = fmt.Errorf("%w: %w", ErrSource, err)
		}
		return nil, fmt.Errorf("release %d of %s: %w", key.version, key.survey, err)
	}
	rel := &release{key: key, texts: index(found.Texts), compiled: make(map[textKey]*compiled)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.releases[key]; ok { // another was faster
		rel, _ = e.Value.(*release)
		return rel, nil
	}
	r.releases[key] = r.recent.PushFront(rel)
	if r.recent.Len() > maxReleases {
		oldest := r.recent.Back()
		r.recent.Remove(oldest)
		old, _ := oldest.Value.(*release)
		delete(r.releases, old.key)
	}
	return rel, nil
}

func index(texts []survey.Text) map[textKey]survey.Text {
	out := make(map[textKey]survey.Text, len(texts))
	for _, t := range texts {
		out[textKey{t.Kind, t.Channel, t.Locale}] = t
	}
	return out
}

func (r *Renderer) compiled(rel *release, key textKey) (*compiled, error) {
	rel.mu.Lock()
	defer rel.mu.Unlock()
	if c, ok := rel.compiled[key]; ok {
		return c, nil
	}
	c, err := r.compile(rel.texts[key])
	if err != nil {
		return nil, err
	}
	rel.compiled[key] = c
	return c, nil
}

func (r *Renderer) compile(t survey.Text) (*compiled, error) {
	c := &compiled{src: t}
	for _, part := range []struct {
		field  string
		source string
		into   **Program
	}{{FieldSubject, t.Subject, &c.subject}, {FieldText, t.Text, &c.text}, {FieldHTML, t.HTML, &c.html}} {
		if part.source == "" || (part.field != FieldText && t.Channel != survey.Email) {
			continue
		}
		p, err := r.engine.Compile(part.source)
		if err != nil {
			return nil, fmt.Errorf("%s of %s for %s in %s: %w", part.field, t.Kind, t.Channel, t.Locale, err)
		}
		*part.into = p
	}
	return c, nil
}

// found is where the words of a message were found.
type found struct {
	channel survey.Channel
	locale  string
}

func (f found) fallback(channel survey.Channel, locale string) string {
	var parts []string
	if f.locale != locale {
		parts = append(parts, "locale:"+f.locale)
	}
	if f.channel != channel {
		parts = append(parts, "channel:"+string(f.channel))
	}
	return strings.Join(parts, " ")
}

// lookup finds the words: the locale in every channel of the chain first, then the default locale. There is no
// fallback across scripts: who asked for Cyrillic gets the default rather than Latin by surprise.
func lookup(texts map[textKey]survey.Text, kind survey.Kind, channel survey.Channel, locale, defaultLocale string) (survey.Text, found, error) {
	chain := []survey.Channel{channel}
	switch channel {
	case survey.SMS, survey.Viber, survey.Web:
		chain = append(chain, survey.Chat)
	case survey.Email, survey.Chat:
	default:
	}
	for _, l := range []string{locale, defaultLocale} {
		for _, c := range chain {
			if t, ok := texts[textKey{kind, c, l}]; ok && strings.TrimSpace(t.Text) != "" {
				return t, found{c, l}, nil
			}
		}
	}
	return survey.Text{}, found{}, fmt.Errorf("%s for %s in %s: %w", kind, channel, locale, ErrNoText)
}

// Render makes a message of a published release. The error wraps ErrNoText when there are no words for it, ErrLimit
// when it was stopped, or is a *SourceError; it never holds a value of Vars.
func (r *Renderer) Render(ctx context.Context, req Request) (Rendered, error) {
	if len(req.Texts) > 0 {
		t, where, err := lookup(index(req.Texts), req.Kind, req.Channel, req.Locale, req.Locale)
		if err == nil {
			return r.draft(ctx, t, where, req)
		}
	}
	if req.Version == 0 {
		return Rendered{}, fmt.Errorf("%s for %s in %s: %w", req.Kind, req.Channel, req.Locale, ErrNoText)
	}
	rel, err := r.release(ctx, releaseKey{req.Survey.ID, req.Version})
	if err != nil {
		return Rendered{}, err
	}
	t, where, err := lookup(rel.texts, req.Kind, req.Channel, req.Locale, req.Survey.DefaultLocale)
	if err != nil {
		return Rendered{}, err
	}
	c, err := r.compiled(rel, textKey{t.Kind, t.Channel, t.Locale})
	if err != nil {
		return Rendered{}, err
	}
	return r.make(ctx, c, where, req)
}

// RenderText makes a message of a text that is not published: a preview or a test. Its kind, channel and locale are
// the text's; the question and the ends of the scale of an email come from Texts and the release of the request.
func (r *Renderer) RenderText(ctx context.Context, t survey.Text, req Request) (Rendered, error) {
	req.Kind, req.Locale = t.Kind, t.Locale
	if req.Channel == "" {
		req.Channel = t.Channel
	}
	return r.draft(ctx, t, found{t.Channel, t.Locale}, req)
}

func (r *Renderer) draft(ctx context.Context, t survey.Text, where found, req Request) (Rendered, error) {
	c, err := r.compile(t)
	if err != nil {
		return Rendered{}, err
	}
	return r.make(ctx, c, where, req)
}

func (r *Renderer) make(ctx context.Context, c *compiled, where found, req Request) (Rendered, error) {
	pack := r.Pack(where.locale)
	out := Rendered{
		Locale: where.locale, Channel: where.channel, Fallback: where.fallback(req.Channel, req.Locale), RTL: pack.RTL,
	}
	run := func(p *Program) (string, error) {
		if p == nil {
			return "", nil
		}
		s, err := p.run(ctx, req.Vars, req.Links, where.locale, pack.Digits)
		if err != nil {
			return "", fmt.Errorf("%s for %s in %s: %w", c.src.Kind, c.src.Channel, c.src.Locale, err)
		}
		return s, nil
	}
	marked, err := run(c.text)
	if err != nil {
		return Rendered{}, err
	}
	done := c.finish(marked, req.Channel == survey.SMS, pack)
	out.Text = done.text
	if done.plain == "" {
		return Rendered{}, fmt.Errorf("%s for %s in %s is empty: %w", c.src.Kind, c.src.Channel, c.src.Locale, ErrNoText)
	}
	for _, link := range []string{req.Links.Page, req.Links.Unsubscribe} {
		if link != "" && strings.Contains(done.plain, link) {
			out.Links = append(out.Links, link)
		}
	}
	out.Segments, out.UCS2, out.Folded = done.size.Segments, done.size.UCS2, done.folded
	if c.src.Channel != survey.Email {
		return out, nil
	}
	subject, err := run(c.subject)
	if err != nil {
		return Rendered{}, err
	}
	out.Subject = strings.Join(strings.Fields(finishText(subject, pack.RTL, pack.Digits)), " ") // a name cannot add a header
	if c.html != nil {
		html, err := run(c.html)
		if err != nil {
			return Rendered{}, err
		}
		out.HTML = finishHTML(html, pack.Digits)
		return out, nil
	}
	out.HTML, err = r.standardEmail(ctx, marked, out, pack, req)
	return out, err
}

// word finds a short text of the page, such as the question, for an email. "" when there is none.
func (r *Renderer) word(ctx context.Context, kind survey.Kind, locale string, req Request) (string, error) {
	req.Kind, req.Channel, req.Locale = kind, survey.Web, locale
	out, err := r.Render(ctx, req)
	if errors.Is(err, survey.ErrNotFound) {
		return "", nil
	}
	return out.Text, err
}

// Vars are the values that the messages of a send may use. resp is nil before the first answer.
func Vars(send survey.Send, brand Brand, sv survey.Survey, links URLs, resp *survey.Response) map[string]any {
	zone := time.UTC
	for _, name := range []string{send.Recipient.Timezone, brand.Timezone} {
		if z := zoneOf(name); z != nil {
			zone = z
			break
		}
	}
	name := oneLine(send.Recipient.Name)
	first, _, _ := strings.Cut(name, " ")
	of := send.Transaction
	attributes := make(map[string]any, len(of.Attributes))
	for k, v := range of.Attributes {
		attributes[k] = present(v)
	}
	date, at := "", ""
	if !of.OccurredAt.IsZero() {
		local := of.OccurredAt.In(zone)
		date, at = FormatDate(local, send.Locale), local.Format(time.RFC3339)
	}
	vars := map[string]any{
		"contact": map[string]any{"name": present(name), "first_name": present(first)},
		"brand":   map[string]any{"name": present(brand.Name)},
		"transaction": map[string]any{
			"id": present(of.ID), "type": present(of.Type), "touchpoint": present(of.Touchpoint),
			"date": present(date), "occurred_at": present(at), "attributes": attributes,
		},
		"links":   map[string]any{"page": present(links.Page), "unsubscribe": present(links.Unsubscribe)},
		"survey":  map[string]any{"min": sv.Min, "max": sv.Max},
		"score":   nil,
		"segment": nil,
	}
	if resp != nil {
		vars["score"], vars["segment"] = resp.Score, present(string(resp.Segment))
	}
	return vars
}

// present makes an empty value nil: in Liquid an empty string is true, and authors write {% if contact.first_name %}.
func present(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// oneLine is s with one blank where it has any number, and none around it.
func oneLine(s string) string {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c >= utf8.RuneSelf) || (c == ' ' && (i == 0 || i == len(s)-1 || s[i-1] == ' ')) {
			return strings.Join(strings.Fields(s), " ")
		}
	}
	return s
}

// zones are the time zones that were read from files, by name; the files bound how many there can be.
var zones sync.Map //nolint:gochecknoglobals // a table, filled as it is used

// zoneOf is a time zone, nil for a name that is none. "" is none.
func zoneOf(name string) *time.Location {
	if name == "" {
		return nil
	}
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location) //nolint:forcetypeassert // the only type in it
	}
	z, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	zones.Store(name, z)
	return z
}

// SampleSend is a send as previews and lint show it, with a person of the locale.
func SampleSend(sv survey.Survey, locale string) survey.Send {
	names := map[string]string{
		"hr": "Ana Kovač", "sr-Latn": "Jelena Đorđević", "sr-Cyrl": "Јелена Ђорђевић", "sl": "Maja Žagar",
		"pl": "Łucja Woźniak", "fa": "سارا محمدی",
	}
	name, ok := names[locale]
	if !ok {
		name = "Emma Clarke"
	}
	return survey.Send{
		ID: survey.IDOf(survey.SendPrefix, [16]byte{1}), Mode: survey.Test, Survey: sv.ID, Locale: locale,
		Recipient: survey.Recipient{Name: name},
		Transaction: survey.Transaction{
			ID: "10023", Type: "order.delivered", Touchpoint: "delivery",
			OccurredAt: time.Date(2026, time.November, 16, 14, 3, 0, 0, time.UTC),
			Attributes: map[string]string{"store": "Zagreb-1", "product": "SKU-1"},
		},
	}
}

// SampleVars are the values of SampleSend. Its links are as long as real ones.
func SampleVars(sv survey.Survey, locale string) map[string]any {
	send := SampleSend(sv, locale)
	links := NewLinks("https://ask.example.hr", make([]byte, 16)).URLs(send.ID)
	score := sv.Max
	resp := &survey.Response{Score: score, Segment: sv.Segment(score)}
	return Vars(send, Brand{Name: "Lipa"}, sv, links, resp)
}
