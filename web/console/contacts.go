package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

// People are contacts. What is not there is survey.ErrNotFound.
type People interface {
	// Find gives those whom an id names, in any form in which people type it; all, newest first, when words is "".
	Find(ctx context.Context, words, cursor string) (items []survey.Contact, next string, err error)
	Person(ctx context.Context, id string) (survey.Person, error)
	Merge(ctx context.Context, id, into, actor string) error
	// Export gives one JSON document with all that is kept.
	Export(ctx context.Context, id string) ([]byte, error)
	Erase(ctx context.Context, id, actor string) (survey.Erasure, error)
}

// eraseWord is what is typed before a person is erased.
const eraseWord = "erase"

// A peopleView is the list of contacts.
type peopleView struct {
	page
	Words string
	Rows  []personRow
	Next  string // query of the next page
}

type personRow struct {
	ID, Person, Address string
	More                int // ids that the row does not show
	Mode                survey.Mode
	Erased              bool
	At                  time.Time
}

// A personView is one person.
type personView struct {
	page
	personRow
	Facts        []fact
	Identities   []identityRow
	Consents     []consentRow
	Suppressions []suppressionRow
	Sends        []reachedRow
	Events       []eventRow
	Merged       []string
	Problem      string
	Problems     string // of which form: merge or erase
	Into         string
	EraseWord    string
}

type identityRow struct{ Kind, Value string }

type consentRow struct {
	Mark, Basis, Source, Channel, Who, SendID string
	At                                        time.Time
}

type reachedRow struct {
	sendRow
	Channel, Score, ScoreMark string
}

// contacts lists people, or finds some.
func (c *Console) contacts(f *fiber.Ctx) error {
	words := strings.TrimSpace(strings.Clone(f.Query("q")))
	items, next, err := c.deps.People.Find(f.UserContext(), words, strings.Clone(f.Query("cursor")))
	if err != nil && !badCursor(err) {
		return fmt.Errorf("find contacts: %w", err)
	}
	v := peopleView{page: c.pageOf(f, "Contacts", "contacts"), Words: words}
	if next != "" {
		v.Next = "?" + url.Values{"cursor": {next}}.Encode()
	}
	for _, x := range items {
		v.Rows = append(v.Rows, personRowOf(x))
	}
	if f.Query("done") == "erased" {
		v.Toast = "The person is erased."
	}
	return c.show(f, "contacts", v)
}

// badCursor reports whether an error is the fault of an address that was changed by hand: then the list is empty.
func badCursor(err error) bool {
	_, ok := errors.AsType[survey.InvalidError](err)
	return ok
}

func personRowOf(x survey.Contact) personRow {
	row := personRow{ID: x.ID, Person: x.Name, Mode: x.Mode, At: x.UpdatedAt, Erased: len(x.Identities) == 0 && !x.ErasedAt.IsZero()}
	shown := 0
	for _, kind := range []string{survey.ByPhone, survey.ByEmail, survey.ByViberID, survey.ByExternalID} {
		for _, y := range x.Identities {
			if y.Kind == kind && row.Address == "" {
				row.Address, shown = y.Value, 1
			}
		}
	}
	row.More = len(x.Identities) - shown
	switch {
	case row.Erased:
		row.Person = "Erased person"
	case row.Person == "":
		row.Person, row.Address = row.Address, ""
	}
	if row.Person == "" {
		row.Person = x.ID
	}
	return row
}

// contact shows one person.
func (c *Console) contact(f *fiber.Ctx) error {
	v, err := c.personView(f)
	if err != nil {
		return err
	}
	if f.Query("done") == "merged" {
		v.Toast = "The two contacts are one person now."
	}
	return c.show(f, "contact", v)
}

func (c *Console) personView(f *fiber.Ctx) (personView, error) {
	ctx, id := f.UserContext(), strings.Clone(f.Params("id"))
	p, err := c.deps.People.Person(ctx, id)
	if err != nil {
		return personView{}, fmt.Errorf("load contact: %w", err)
	}
	v := personView{personRow: personRowOf(p.Contact), Merged: p.Merged, EraseWord: eraseWord}
	v.page = c.pageOf(f, v.Person, "contacts")
	v.Facts = []fact{{"Contact", p.ID}, {"Mode", string(p.Mode)}, {"Brand", p.Brand}, {"Known since", p.CreatedAt.In(c.deps.Zone).Format("2 Jan 2006")}}
	if !p.ErasedAt.IsZero() {
		v.Facts = append(v.Facts, fact{"Erased", p.ErasedAt.In(c.deps.Zone).Format("2 Jan 2006, 15:04")})
	}
	v.Facts = withValue(v.Facts)
	for _, x := range p.Identities {
		v.Identities = append(v.Identities, identityRow{kindWords(x.Kind), x.Value})
	}
	for _, r := range p.Consents {
		row := consentRow{Basis: words(r.Basis), Source: r.Source, Who: c.deps.Users.Actor(ctx, r.Actor), SendID: r.SendID, At: r.At, Mark: "good"}
		if survey.Withdraws(r.Basis) {
			row.Mark = "bad"
		}
		if r.Channel != "" {
			row.Channel = channelName(r.Channel)
		}
		v.Consents = append(v.Consents, row)
	}
	for _, x := range p.Suppressions {
		v.Suppressions = append(v.Suppressions, c.suppressionRow(ctx, x))
	}
	for _, s := range p.Sends {
		row := reachedRow{sendRow: c.sendRow(s.Send), Channel: "—"}
		if s.Channel != "" {
			row.Channel = channelName(s.Channel)
		}
		if s.Response != nil {
			row.Score, row.ScoreMark = fmt.Sprint(s.Response.Score), markOfSegment(s.Response.Segment)
		}
		row.At = s.Send.CreatedAt
		v.Sends = append(v.Sends, row)
	}
	for _, e := range p.Events {
		row := eventRowOf(survey.Event{Type: e.Type, At: e.At, Data: e.Data})
		row.Why = "by " + c.deps.Users.Actor(ctx, e.Actor)
		v.Events = append(v.Events, row)
	}
	return v, nil
}

func markOfSegment(s survey.Segment) string {
	switch s {
	case survey.Promoter:
		return "p"
	case survey.Passive:
		return "n"
	case survey.Detractor:
		return "d"
	default:
		return ""
	}
}

func kindWords(kind string) string {
	switch kind {
	case survey.ByExternalID:
		return "External id"
	case survey.ByViberID:
		return "Viber id"
	default:
		return capital(kind)
	}
}

// words makes a code readable.
func words(code string) string { return capital(strings.ReplaceAll(code, "_", " ")) }

func withValue(facts []fact) []fact {
	kept := facts[:0]
	for _, x := range facts {
		if x.Value != "" {
			kept = append(kept, x)
		}
	}
	return kept
}

// mergeContact joins this contact with another, whose id survives.
func (c *Console) mergeContact(f *fiber.Ctx) error {
	id, into := strings.Clone(f.Params("id")), strings.TrimSpace(posted(f, "into"))
	err := survey.ErrNotFound
	if _, ok := survey.RawID(survey.ContactPrefix, into); ok {
		err = c.deps.People.Merge(f.UserContext(), id, into, sessionOf(f).UserID)
	}
	if errors.Is(err, survey.ErrNotFound) {
		return c.refuse(f, "merge", "No contact of this mode has that id. Nothing was merged.", into)
	}
	if err != nil {
		return fmt.Errorf("merge contacts: %w", err)
	}
	return f.Redirect(root+"/contacts/"+url.PathEscape(into)+"?done=merged", http.StatusSeeOther)
}

// refuse shows the person again with what was wrong in one of the forms.
func (c *Console) refuse(f *fiber.Ctx, form, problem, into string) error {
	v, err := c.personView(f)
	if err != nil {
		return err
	}
	v.Problem, v.Problems, v.Into = problem, form, into
	f.Status(http.StatusUnprocessableEntity)
	return c.show(f, "contact", v)
}

// eraseContact forgets a person, once the word was typed.
func (c *Console) eraseContact(f *fiber.Ctx) error {
	id := strings.Clone(f.Params("id"))
	if strings.TrimSpace(posted(f, "confirm")) != eraseWord {
		return c.refuse(f, "erase", "Type «"+eraseWord+"» to erase this person. Nothing was changed.", "")
	}
	if _, err := c.deps.People.Erase(f.UserContext(), id, sessionOf(f).UserID); err != nil {
		return fmt.Errorf("erase contact: %w", err)
	}
	return f.Redirect(root+"/contacts?done=erased", http.StatusSeeOther)
}

// exportContact gives the browser a file.
func (c *Console) exportContact(f *fiber.Ctx) error {
	id := strings.Clone(f.Params("id"))
	doc, err := c.deps.People.Export(f.UserContext(), id)
	if err != nil {
		return fmt.Errorf("export contact: %w", err)
	}
	if _, ok := survey.RawID(survey.ContactPrefix, id); !ok {
		return survey.ErrNotFound
	}
	f.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSONCharsetUTF8)
	f.Set(fiber.HeaderContentDisposition, `attachment; filename="`+id+`.json"`)
	return f.Send(doc)
}
