package console

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// maxField is the longest text of a field, in bytes: far beyond any message.
const maxField = 100 << 10

func (c *Console) home(f *fiber.Ctx) error { return f.Redirect(root+"/messages", http.StatusSeeOther) }

// An indexView is the whole tree on a page: surveys, kinds, channels, and every locale with its state.
type indexView struct {
	page
	Surveys []branch
	Locales [][]Locale // of each survey
}

func (c *Console) index(f *fiber.Ctx) error {
	surveys, err := c.tree(f.UserContext(), nil, place{})
	if err != nil {
		return err
	}
	v := indexView{page: c.pageOf(f, "Messages", "messages"), Surveys: surveys}
	for _, id := range c.names {
		v.Locales = append(v.Locales, c.localesOf(c.surveys[id]))
	}
	return c.show(f, "index", v)
}

// An editorView is the workshop.
type editorView struct {
	page
	Survey    survey.Survey
	Place     place
	Locale    Locale
	Kind      string
	Channel   string
	Icon      string
	Path      string
	Tree      []branch
	Tabs      []localeNode
	Heading   string
	Variables []variable
	Often     int // how many of them are shown at once
	Versions  []versionRow
	Others    []previewView // the same message on its other channels
	Test      testView
	liveView
}

// A liveView is what changes while typing.
type liveView struct {
	Live     bool // an open page asked: parts go out of band
	Survey   survey.Survey
	Text     survey.Text
	Draft    bool
	Base     int // the version that the writer started from
	Version  int // the current one
	Behind   bool
	SavedAt  string
	Remarks  []remarkView
	Gate     []gateLine
	Drafts   int
	State    state
	Sample   Sample
	Previews []previewView // of this message: chat is read on two kinds of phone
}

// at reads the place of a request and its words.
func (c *Console) at(f *fiber.Ctx) (work, place, error) {
	w, err := c.workOf(f.UserContext(), f.Params("survey"))
	if err != nil {
		return work{}, place{}, err
	}
	p := place{
		survey.Kind(strings.Clone(f.Params("kind"))), survey.Channel(strings.Clone(f.Params("channel"))),
		strings.Clone(f.Params("locale")),
	}
	if !w.has(p) {
		return work{}, place{}, survey.ErrNotFound
	}
	return w, p, nil
}

func (c *Console) editor(f *fiber.Ctx) error {
	w, p, err := c.at(f)
	if err != nil {
		return err
	}
	ctx := f.UserContext()
	v := editorView{
		Survey: w.survey, Place: p, Locale: c.locale(p.Locale), Kind: kindName(p.Kind),
		Channel: channelName(p.Channel), Icon: channelIcon(p.Channel), Path: p.path(w.survey.ID),
		Tabs: c.tabs(w, p), Variables: c.variables(w.survey, p.Locale),
		liveView: c.liveOf(f, w, p, w.version), Test: testView{To: defaultAddress(p), Can: p.Channel != survey.Web},
	}
	if v.Tree, err = c.tree(ctx, &w, p); err != nil {
		return err
	}
	if v.Versions, err = c.history(ctx, w.survey.ID, w.version); err != nil {
		return err
	}
	for _, s := range w.slots() {
		if s.Kind == p.Kind && s.Channel != p.Channel {
			if t := w.text(place{s.Kind, s.Channel, p.Locale}); !empty(t) {
				v.Others = append(v.Others, c.previews(ctx, w, t, v.Sample)...)
			}
		}
	}
	v.Heading = heading(p)
	v.Often = min(6, len(v.Variables))
	v.page = c.pageOf(f, v.Heading, "messages")
	v.Script = true
	switch f.Query("done") {
	case "published":
		v.Toast = fmt.Sprintf("Version %d is published. New sends use it.", w.version)
	case "discarded":
		v.Toast = "The draft is discarded."
	}
	return c.show(f, "editor", v)
}

// heading names a message: «Invitation by SMS».
func heading(p place) string {
	switch p.Channel {
	case survey.Web:
		return kindName(p.Kind) + " on the web page"
	case survey.Email, survey.Chat:
		return kindName(p.Kind) + " by " + string(p.Channel)
	default:
		return kindName(p.Kind) + " by " + channelName(p.Channel)
	}
}

// liveOf asks the engine about the place.
func (c *Console) liveOf(f *fiber.Ctx, w work, p place, base int) liveView {
	sample := SampleFull
	if Sample(f.Query("sample")) == SampleBare || Sample(posted(f, "sample")) == SampleBare {
		sample = SampleBare
	}
	t := w.text(p)
	_, draft := w.drafts[p]
	return liveView{
		Survey: w.survey, Text: t, Draft: draft, Base: base, Version: w.version, Behind: base != w.version,
		Remarks: c.remarks(w, t), Gate: c.gate(w), Drafts: len(w.drafts), State: c.stateOf(w, p),
		Sample: sample, Previews: c.previews(f.UserContext(), w, t, sample),
	}
}

// remarks leaves out what the meter beside says better.
func (c *Console) remarks(w work, t survey.Text) []remarkView {
	if empty(t) && empty(w.live[placeOf(t)]) && !slices.Contains(w.survey.Required, t.Locale) {
		return nil // nobody has begun
	}
	said := slices.Clone(c.lint(t, w.survey))
	return remarksOf(t, slices.DeleteFunc(said, func(r templates.Remark) bool { return r.Code == "sms_size" && r.Fix == "" }))
}

// saveDraft keeps what is typed and answers with remarks and preview of it.
func (c *Console) saveDraft(f *fiber.Ctx) error {
	w, p, err := c.at(f)
	if err != nil {
		return err
	}
	t, err := typed(f, p)
	if err != nil {
		return err
	}
	switch {
	case t == w.live[p] || (empty(t) && empty(w.live[p])):
		if _, was := w.drafts[p]; was {
			err = c.deps.Drafts.DropDraft(f.UserContext(), w.survey.ID, p.Kind, p.Channel, p.Locale)
		}
		delete(w.drafts, p)
	case t != w.drafts[p]:
		err = c.deps.Drafts.SaveDraft(f.UserContext(), w.survey.ID, t, sessionOf(f).UserID)
		w.drafts[p] = t
	}
	if err != nil {
		return fmt.Errorf("save draft of %s: %w", p.path(w.survey.ID), err)
	}
	if !live(f) {
		return f.Redirect(p.path(w.survey.ID), http.StatusSeeOther)
	}
	v := editorView{
		Survey: w.survey, Place: p, Locale: c.locale(p.Locale), Path: p.path(w.survey.ID), Tabs: c.tabs(w, p),
		liveView: c.liveOf(f, w, p, number(posted(f, "base"))),
	}
	v.Live, v.SavedAt = true, c.deps.Now().In(c.deps.Zone).Format("15:04:05")
	v.page = c.pageOf(f, "", "messages")
	return c.show(f, "live", v)
}

// typed reads the words of a form. Browsers send line ends as CRLF; texts have LF.
func typed(f *fiber.Ctx, p place) (survey.Text, error) {
	t := survey.Text{Kind: p.Kind, Channel: p.Channel, Locale: p.Locale, Text: field(f, "text")}
	if p.Channel == survey.Email {
		t.Subject, t.HTML = strings.ReplaceAll(field(f, "subject"), "\n", " "), field(f, "html")
		if strings.TrimSpace(t.HTML) == "" {
			t.HTML = ""
		}
	}
	if max(len(t.Text), len(t.Subject), len(t.HTML)) > maxField {
		return t, errTooLong
	}
	return t, nil
}

func field(f *fiber.Ctx, name string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(posted(f, name), "\r\n", "\n"), "\uFFFD")
}

func (c *Console) dropDraft(f *fiber.Ctx) error {
	w, p, err := c.at(f)
	if err != nil {
		return err
	}
	if err := c.deps.Drafts.DropDraft(f.UserContext(), w.survey.ID, p.Kind, p.Channel, p.Locale); err != nil &&
		!errors.Is(err, survey.ErrNotFound) {
		return fmt.Errorf("discard draft of %s: %w", p.path(w.survey.ID), err)
	}
	return f.Redirect(p.path(w.survey.ID)+"?done=discarded", http.StatusSeeOther)
}

// A testView is the form of a test send and what became of it.
type testView struct {
	Can     bool
	To      string
	PhoneAt string // where the message can be seen
	Problem string
}

// testSend sends the words as they are typed, so a test is of what is on the screen.
func (c *Console) testSend(f *fiber.Ctx) error {
	w, p, err := c.at(f)
	if err != nil {
		return err
	}
	if p.Channel == survey.Web {
		return survey.ErrNotFound
	}
	v := testView{Can: true, To: strings.TrimSpace(posted(f, "to"))}
	t := w.text(p)
	switch {
	case empty(t):
		v.Problem = "There are no words to send yet."
	case templates.HasErrors(c.lint(t, w.survey)):
		v.Problem = "The message has an error. Mend it first: a test shows what customers would get."
	default:
		v.PhoneAt, err = c.deps.TestSend(f.UserContext(), w.survey, t, v.To, sessionOf(f).UserID)
		if invalid, ok := errors.AsType[survey.InvalidError](err); ok {
			v.Problem = invalid[0].Detail
		} else if err != nil {
			return fmt.Errorf("test send of %s: %w", p.path(w.survey.ID), err)
		}
	}
	if v.Problem != "" {
		f.Status(http.StatusUnprocessableEntity)
		f.Set("X-Fragment", "test")
	}
	if live(f) {
		return c.show(f, "test-result", v)
	}
	if v.PhoneAt != "" {
		return f.Redirect(v.PhoneAt, http.StatusSeeOther)
	}
	return c.show(f, "problem", problemView{page: c.pageOf(f, "Not sent", "messages"), Title: "The test was not sent", Detail: v.Problem})
}

// defaultAddress is where tests go unless the writer says otherwise: a sandbox phone reaches nobody, whatever its number.
func defaultAddress(p place) string {
	if p.Channel == survey.Email {
		return "ana@example.hr"
	}
	if p.Locale == "fa" {
		return "+989121234567"
	}
	return "+385911234567"
}
