package sandbox

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	phone "github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/survey"
)

// A frame is what every page of the lab has.
type frame struct {
	CSS, JS   string
	PublicURL string
	Key       string
	Order     string // a transaction id that was not used before
	HasStart  bool
	Parts     []Part
	Surveys   []survey.Survey
	Real      string // the channels of real providers; "" = none
}

func (p *pages) frame() frame {
	f := frame{
		CSS: p.cssAt, JS: p.jsAt, PublicURL: p.PublicURL, Key: p.Key, HasStart: p.Landing != nil, Surveys: p.Surveys,
		Order: "order-" + strconv.FormatInt(p.Now().UnixMilli()%1e9, 10),
	}
	if p.Landing != nil {
		f.Parts = p.Landing.Parts
	}
	names := make([]string, 0, len(p.Real))
	for _, ch := range p.Real {
		names = append(names, channelName(ch))
	}
	f.Real = strings.Join(names, ", ")
	return f
}

// Ready tells how a part is.
func (p Part) Ready() bool { return p.State == "" || p.State == "ready" }

// A labPage is the page of the phones.
type labPage struct {
	frame

	Sent    string // id of the send that was just made
	Form    SendForm
	Faults  survey.InvalidError
	Samples []sample
	Magic   []phone.Recipient
	Locales []string
	Only    string // the one address that is shown, "" = the last active ones
	Threads []thread
	Older   []string // addresses that are not shown
	Log     []logLine
	LastID  string // of a message, for the example
}

// Chosen tells whether the form was for this channel alone.
func (l labPage) Chosen(ch string) bool {
	return len(l.Form.Channels) == 1 && string(l.Form.Channels[0]) == ch
}

// A thread is one phone: a channel of an address.
type thread struct {
	ID      string
	Channel survey.Channel
	To      string
	Sender  string
	Initial string
	Locale  string
	RTL     bool
	Subject string
	At      string // time of the last message
	ReplyTo string // id of the message that an answer answers, "" = none
	Items   []item
	Keys    []key
	Columns int // of the keyboard
	V       string

	last time.Time
}

// An item is one message in a thread.
type item struct {
	ID     string
	Me     bool
	Mail   bool // has a page of its own
	Dir    string
	Pieces []piece
	At     string
	Stamp  time.Time
	Gap    bool // the other side speaks next, or nobody
}

// A piece is a run of text, or a link.
type piece struct{ Text, URL string }

// A key is one button of a keyboard.
type key struct {
	Index     int
	Text, URL string
	Wide, On  bool
}

// A logLine is Understood, ready to show.
type logLine struct {
	Understood

	Quote bool // Said is what a person said
	Time  string
	Tone  string
}

// fill reads what the page shows: one address, or those last active.
func (p *pages) fill(ctx context.Context, l *labPage, only string) error {
	l.frame, l.Samples, l.Magic, l.Only = p.frame(), samples(), p.Magic, strings.Clone(only)
	if len(p.Surveys) > 0 {
		l.Locales = p.Surveys[0].Locales
	}
	all := []string{l.Only}
	if only == "" {
		var err error
		if all, err = p.Box.Phones(ctx); err != nil {
			return fmt.Errorf("list phones: %w", err)
		}
	}
	for i, to := range all {
		if len(l.Threads) >= maxThreads-1 {
			l.Older = all[i:]
			break
		}
		messages, err := p.read(ctx, to)
		if err != nil {
			return err
		}
		l.Threads = append(l.Threads, p.threads(to, messages)...)
	}
	slices.SortStableFunc(l.Threads, func(a, b thread) int { return b.last.Compare(a.last) })
	for _, t := range l.Threads {
		if l.LastID == "" {
			l.LastID = t.ReplyTo
		}
	}
	lines, err := p.Box.Log(ctx, l.Only, logLines)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	for _, u := range lines {
		l.Log = append(l.Log, p.line(u))
	}
	return nil
}

// read gives the last messages of an address.
func (p *pages) read(ctx context.Context, to string) ([]phone.Message, error) {
	var all []phone.Message
	after := ""
	for range maxPages {
		more, err := p.Box.Messages(ctx, to, after, pageSize)
		if err != nil {
			return nil, fmt.Errorf("read messages: %w", err)
		}
		all = append(all, more...)
		if len(more) < pageSize {
			break
		}
		after = more[len(more)-1].ID
	}
	return all, nil
}

// threads splits the messages of an address by channel.
func (p *pages) threads(to string, messages []phone.Message) []thread {
	var out []thread
	for _, ch := range []survey.Channel{survey.SMS, survey.Viber, survey.Email} {
		var own []phone.Message
		for _, m := range messages {
			if m.Channel == ch {
				own = append(own, m)
			}
		}
		if len(own) > 0 {
			out = append(out, p.thread(to, ch, own[max(0, len(own)-shown):]))
		}
	}
	return out
}

func (p *pages) thread(to string, ch survey.Channel, messages []phone.Message) thread {
	t := thread{ID: phoneID(to, ch), Channel: ch, To: to}
	said := ""
	for i, m := range messages {
		next := i+1 < len(messages)
		t.Items = append(t.Items, item{
			ID: m.ID, Me: m.Inbound, Mail: m.HTML != "" && !m.Inbound, Dir: direction(m), Pieces: pieces(m.Text, m.Links),
			At: p.clock(m.At), Stamp: m.At, Gap: !next || messages[i+1].Inbound != m.Inbound,
		})
		t.last = m.At
		if m.Inbound {
			said = m.Text
			continue
		}
		t.ReplyTo, t.Sender, t.Locale, t.RTL = m.ID, m.Sender, m.Locale, m.RTL
		t.Subject = cmp.Or(m.Subject, t.Subject)
		t.Keys, said = t.Keys[:0], ""
		for j, b := range m.Buttons {
			t.Keys = append(t.Keys, key{Index: j, Text: b.Text, URL: b.URL, Wide: b.URL != "" || utf8.RuneCountInString(b.Text) > 3})
		}
	}
	small := 0
	for i := range t.Keys {
		t.Keys[i].On = said != "" && t.Keys[i].Text == said
		if !t.Keys[i].Wide {
			small++
		}
	}
	t.Columns = 6
	if small == 5 || small == 7 {
		t.Columns = small
	}
	t.Sender = cmp.Or(p.Brand, t.Sender)
	t.Initial, t.At = initial(t.Sender), p.clock(t.last)
	t.V = hash(fmt.Appendf(nil, "%s %d", messages[len(messages)-1].ID, len(messages)))
	return t
}

// Dir is the direction of the screen.
func (t thread) Dir() string { return dir(t.RTL) }

// direction is that of the language of a message, which may begin with a brand in other letters. What a person says has
// no known language.
func direction(m phone.Message) string {
	if m.Inbound {
		return "auto"
	}
	return dir(m.RTL)
}

func dir(rtl bool) string {
	if rtl {
		return "rtl"
	}
	return "ltr"
}

// Short is enough of the address to know it by.
func (t thread) Short() string {
	name, _, mail := strings.Cut(t.To, "@")
	if mail {
		return name
	}
	return name[max(0, len(name)-4):]
}

// Name is the channel as people say it.
func (t thread) Name() string { return channelName(t.Channel) }

func channelName(c survey.Channel) string {
	switch c {
	case survey.SMS:
		return "SMS"
	case survey.Viber:
		return "Viber"
	case survey.Email:
		return "Email"
	case survey.Web:
		return "page"
	case survey.Chat:
		return "chat"
	default:
		return string(c)
	}
}

func (p *pages) clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(p.Zone).Format("15:04")
}

func (p *pages) line(u Understood) logLine {
	l := logLine{Understood: u, Time: u.At.In(p.Zone).Format("15:04:05"), Quote: u.Said != ""}
	switch u.Segment {
	case survey.Promoter:
		l.Tone = "good"
	case survey.Passive:
		l.Tone = "mid"
	case survey.Detractor:
		l.Tone = "bad"
	}
	return l
}

// Name is the channel as people say it.
func (l logLine) Name() string { return channelName(l.Channel) }

// phoneID names a phone on the page, without its address.
func phoneID(to string, ch survey.Channel) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(string(ch) + " " + to)) // never fails
	return "p-" + strconv.FormatUint(h.Sum64(), 36)
}

func initial(name string) string {
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return string(unicode.ToUpper(r))
		}
	}
	return "·"
}

// pieces cuts a text at the links that are in it.
func pieces(text string, links []string) []piece {
	var out []piece
	for text != "" {
		at, link := len(text), ""
		for _, l := range links {
			if i := strings.Index(text, l); l != "" && i >= 0 && (i < at || i == at && len(l) > len(link)) {
				at, link = i, l
			}
		}
		if at > 0 {
			out = append(out, piece{Text: text[:at]})
		}
		if link != "" {
			out = append(out, piece{Text: link, URL: link})
		}
		text = text[at+len(link):]
	}
	return out
}
