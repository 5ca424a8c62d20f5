package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// A ContactStore keeps people. A contact that is not there, or is of the other mode, is survey.ErrNotFound; a cursor that
// is none is a survey.InvalidError.
type ContactStore interface {
	Contacts(ctx context.Context, f survey.ContactFilter) (items []survey.Contact, next string, err error)
	Person(ctx context.Context, mode survey.Mode, id string, limit int) (survey.Person, error)
	MergeContacts(ctx context.Context, mode survey.Mode, id, into, actor string, now time.Time) error
	RecordConsent(ctx context.Context, mode survey.Mode, contactID string, r survey.ConsentRecord) error
}

// An Eraser gives everything that is kept about a person, and forgets it.
type Eraser interface {
	ExportContact(ctx context.Context, mode survey.Mode, id string) (survey.Dossier, error)
	EraseContact(ctx context.Context, mode survey.Mode, id, actor string, now time.Time) (survey.Erasure, error)
}

// personSends is how many sends the answer about one person lists.
const personSends = 50

// listContacts is GET /v1/contacts: all people, or those whom one id names.
func (a *API) listContacts(c *fiber.Ctx) error {
	q, err := queryOf(c, append(survey.IdentityKinds(), "cursor", "limit")...)
	if err != nil {
		return err
	}
	f := survey.ContactFilter{Mode: web.Key(c).Mode}
	if f.Cursor, f.Limit, err = q.page(); err != nil {
		return err
	}
	for _, kind := range survey.IdentityKinds() {
		given := strings.Clone(c.Query(kind))
		if given == "" {
			continue
		}
		if f.Identity.Kind != "" {
			return web.NewProblem(web.CodeBadRequest, "both "+f.Identity.Kind+" and "+kind+" are given; look for one of them")
		}
		if f.Identity, err = a.identity(kind, given); err != nil {
			return err
		}
	}
	items, next, err := a.cfg.Contacts.Contacts(c.UserContext(), f)
	if err != nil {
		return unlisted("contacts", err)
	}
	views := make([]contactView, len(items))
	for i, x := range items {
		views[i] = viewContact(x)
	}
	return sendList(c, views, next)
}

// identity brings an id into the form in which it is kept.
func (a *API) identity(kind, given string) (survey.Identity, error) {
	x, code, refusal := a.sends.phones.identity(kind, given)
	if code != "" {
		return x, web.NewProblem(web.CodeBadRequest, kind+" "+refusal)
	}
	return x, nil
}

// identity brings an id into the form in which sends keep it, or gives the code of a problem and why.
func (p *phones) identity(kind, given string) (x survey.Identity, code, refusal string) {
	x = survey.Identity{Kind: kind, Value: given}
	switch kind {
	case survey.ByEmail:
		if x.Value, refusal = email(given); refusal != "" {
			code = web.CodeInvalidEmail
		}
	case survey.ByPhone:
		// A «+» that was not encoded arrives as a space.
		if strings.HasPrefix(given, " ") {
			given = "+" + given[1:]
		}
		x.Value, code, refusal = p.phone(given)
	case survey.ByViberID:
		if refusal = viberFault(given); refusal != "" {
			code = web.CodeInvalidValue
		}
	}
	return x, code, refusal
}

// A Finder makes of what a person typed the id that it may be.
type Finder struct{ phones *phones }

// NewFinder gives one that is safe for concurrent use.
func NewFinder() *Finder { return &Finder{newPhones()} }

// Find lists what the words may be, the likeliest first: an email address, a phone in any form, an external id, a Viber id.
func (f *Finder) Find(words string) []survey.Identity {
	words = strings.TrimSpace(words)
	if words == "" || len(words) > maxEmail {
		return nil
	}
	var all []survey.Identity
	for _, kind := range []string{survey.ByEmail, survey.ByPhone, survey.ByExternalID, survey.ByViberID} {
		if x, code, _ := f.phones.identity(kind, words); code == "" {
			all = append(all, x)
		}
	}
	return all
}

// Normal brings an id of a kind into the form in which sends keep it; a survey.InvalidError when it is none.
func (f *Finder) Normal(kind, given string) (survey.Identity, error) {
	x, code, refusal := f.phones.identity(kind, strings.TrimSpace(given))
	if code == "" && x.Value == "" {
		code, refusal = web.CodeMissingMember, "is missing"
	}
	if code != "" {
		return x, survey.InvalidError{{Pointer: "/address", Code: code, Detail: refusal}}
	}
	return x, nil
}

// contactID is the id in the path.
func contactID(c *fiber.Ctx) (string, error) {
	id := strings.Clone(c.Params("id"))
	if _, ok := survey.RawID(survey.ContactPrefix, id); !ok {
		return "", fmt.Errorf("%w: no contact has such an id", survey.ErrNotFound)
	}
	return id, nil
}

// showContact is GET /v1/contacts/{id}.
func (a *API) showContact(c *fiber.Ctx) error {
	id, err := contactID(c)
	if err != nil {
		return err
	}
	if _, err := queryOf(c); err != nil {
		return err
	}
	return a.answerPerson(c, http.StatusOK, id)
}

func (a *API) answerPerson(c *fiber.Ctx, status int, id string) error {
	p, err := a.cfg.Contacts.Person(c.UserContext(), web.Key(c).Mode, id, personSends)
	if err != nil {
		return fmt.Errorf("look up contact: %w", err)
	}
	return sendJSON(c, status, viewPerson(p))
}

// mergeContact is POST /v1/contacts/{id}/merge.
func (a *API) mergeContact(c *fiber.Ctx) error {
	id, err := contactID(c)
	if err != nil {
		return err
	}
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	into, err := a.readMerge(src)
	if err != nil {
		return err
	}
	if err := a.cfg.Contacts.MergeContacts(c.UserContext(), web.Key(c).Mode, id, into, web.Key(c).ID, a.now()); err != nil {
		return fmt.Errorf("merge contacts: %w", err)
	}
	return a.answerPerson(c, http.StatusOK, into)
}

func (a *API) readMerge(src string) (into string, err error) {
	r := a.readers.take(src)
	defer a.readers.give(r)
	for ok := r.begin(); ok && r.more(); {
		if name := r.name(); name != "into" {
			r.unknown(name, "into")
			continue
		}
		into = strings.Clone(r.text(maxWord))
		if _, ok := survey.RawID(survey.ContactPrefix, into); !ok && into != "" {
			r.wrong(web.CodeInvalidValue, "is no id of a contact; it begins with con_")
		}
	}
	if into == "" && !blamed(r, "/into") {
		r.wrongAt("/into", web.CodeMissingMember, "say whose id survives, such as con_01K…")
	}
	return into, r.finish()
}

// recordConsent is POST /v1/contacts/{id}/consents.
func (a *API) recordConsent(c *fiber.Ctx) error {
	id, err := contactID(c)
	if err != nil {
		return err
	}
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	rec, err := a.readConsent(src)
	if err != nil {
		return err
	}
	rec.Actor, rec.RecordedAt = web.Key(c).ID, a.now()
	if rec.At.IsZero() {
		rec.At = rec.RecordedAt
	}
	if err := a.cfg.Contacts.RecordConsent(c.UserContext(), web.Key(c).Mode, id, rec); err != nil {
		return fmt.Errorf("record consent: %w", err)
	}
	return sendJSON(c, http.StatusCreated, viewConsent(rec))
}

func (a *API) readConsent(src string) (survey.ConsentRecord, error) {
	r := a.readers.take(src)
	defer a.readers.give(r)
	var rec survey.ConsentRecord
	for ok := r.begin(); ok && r.more(); {
		switch name := r.name(); name {
		case "basis":
			rec.Basis = strings.Clone(r.text(maxWord))
		case "source":
			rec.Source = strings.Clone(r.text(maxID))
		case "at":
			rec.At = r.time()
		case "channel":
			rec.Channel = readChannel(r)
		default:
			r.unknown(name, "basis", "source", "at", "channel")
		}
	}
	if rec.Basis == "" && !blamed(r, "/basis") {
		r.wrongAt("/basis", web.CodeMissingMember, "a consent has a basis, such as opt_in, existing_customer, withdrawn or objected")
	}
	return rec, r.finish()
}

// exportContact is GET /v1/contacts/{id}/export.
func (a *API) exportContact(c *fiber.Ctx) error {
	id, err := contactID(c)
	if err != nil {
		return err
	}
	if _, err := queryOf(c); err != nil {
		return err
	}
	d, err := a.cfg.Eraser.ExportContact(c.UserContext(), web.Key(c).Mode, id)
	if err != nil {
		return fmt.Errorf("export contact: %w", err)
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+d.ID+`.json"`)
	return sendJSON(c, http.StatusOK, ViewDossier(d))
}

// eraseContact is POST /v1/contacts/{id}/erase. The id is in the body again: nobody erases by a slip.
func (a *API) eraseContact(c *fiber.Ctx) error {
	id, err := contactID(c)
	if err != nil {
		return err
	}
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	if err := a.readErase(src, id); err != nil {
		return err
	}
	done, err := a.cfg.Eraser.EraseContact(c.UserContext(), web.Key(c).Mode, id, web.Key(c).ID, a.now())
	if err != nil {
		return fmt.Errorf("erase contact: %w", err)
	}
	return sendJSON(c, http.StatusOK, erasureView(done))
}

func (a *API) readErase(src, id string) error {
	r := a.readers.take(src)
	defer a.readers.give(r)
	confirmed := ""
	for ok := r.begin(); ok && r.more(); {
		if name := r.name(); name != "confirm" {
			r.unknown(name, "confirm")
			continue
		}
		if confirmed = r.text(maxWord); confirmed != id {
			r.wrong(web.CodeInvalidValue, "is not the id of this contact; write it again, because nothing brings an erased person back")
		}
	}
	if confirmed == "" && !blamed(r, "/confirm") {
		r.wrongAt("/confirm", web.CodeMissingMember, "write the id of the contact again, because nothing brings an erased person back")
	}
	return r.finish()
}
