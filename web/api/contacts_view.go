package api

import (
	"cmp"
	"encoding/json"
	"time"
	"unicode/utf8"

	"github.com/odziv/odziv/survey"
)

// A contactView is a person as lists show them.
type contactView struct {
	ID         string            `json:"id"`
	Mode       survey.Mode       `json:"mode"`
	Brand      string            `json:"brand"`
	Name       string            `json:"name"`
	Identities []survey.Identity `json:"identities"`
	Merged     []string          `json:"merged"`
	CreatedAt  time.Time         `json:"created_at"`
	UpdatedAt  time.Time         `json:"updated_at"`
	ErasedAt   time.Time         `json:"erased_at,omitzero"`
}

func viewContact(c survey.Contact) contactView {
	v := contactView{
		ID: c.ID, Mode: c.Mode, Brand: c.Brand, Name: c.Name, Identities: c.Identities, Merged: c.Merged,
		CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(), ErasedAt: c.ErasedAt.UTC(),
	}
	if v.Identities == nil {
		v.Identities = []survey.Identity{}
	}
	if v.Merged == nil {
		v.Merged = []string{}
	}
	if c.ErasedAt.IsZero() {
		v.ErasedAt = time.Time{}
	}
	return v
}

// A personView is one person with what happened.
type personView struct {
	contactView
	Consents     []consentView        `json:"consents"`
	Suppressions []survey.Suppression `json:"suppressions"`
	Unreachable  []unreachableView    `json:"unreachable"`
	Sends        []reachedView        `json:"sends"`
	Events       []contactEventView   `json:"events"`
}

type consentView struct {
	Basis      string         `json:"basis"`
	Source     string         `json:"source"`
	At         time.Time      `json:"at"`
	Channel    survey.Channel `json:"channel,omitempty"`
	SendID     string         `json:"send_id,omitempty"`
	Actor      string         `json:"actor"`
	RecordedAt time.Time      `json:"recorded_at"`
}

func viewConsent(r survey.ConsentRecord) consentView {
	return consentView{r.Basis, r.Source, r.At.UTC(), r.Channel, r.SendID, r.Actor, r.RecordedAt.UTC()}
}

// An unreachableView is an address that reaches nobody.
type unreachableView struct {
	Channel survey.Channel `json:"channel"`
	Address string         `json:"address"`
	At      time.Time      `json:"at"`
}

// A reachedView is a send in short, and what came of it.
type reachedView struct {
	ID        string         `json:"id"`
	Survey    string         `json:"survey"`
	Status    survey.Status  `json:"status"`
	Reason    survey.Reason  `json:"reason"`
	Channel   survey.Channel `json:"channel,omitempty"`
	Metric    *metricView    `json:"metric,omitempty"`
	ContactID string         `json:"contact_id"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
}

// A contactEventView is one row of what happened to a contact.
type contactEventView struct {
	ID        string         `json:"id"`
	ContactID string         `json:"contact_id"`
	Type      string         `json:"type"`
	Actor     string         `json:"actor"`
	At        time.Time      `json:"at"`
	Data      map[string]any `json:"data,omitempty"`
}

func viewPerson(p survey.Person) personView {
	v := personView{
		contactView: viewContact(p.Contact), Consents: []consentView{}, Suppressions: []survey.Suppression{},
		Unreachable: []unreachableView{}, Sends: []reachedView{}, Events: []contactEventView{},
	}
	for _, r := range p.Consents {
		v.Consents = append(v.Consents, viewConsent(r))
	}
	for _, x := range p.Suppressions {
		if x.Scope == survey.ScopeUnreachable {
			v.Unreachable = append(v.Unreachable, unreachableView{x.Channel, x.Address, x.At.UTC()})
		} else {
			v.Suppressions = append(v.Suppressions, x)
		}
	}
	for _, s := range p.Sends {
		asked, _ := s.Send.Asks()
		r := reachedView{
			ID: s.Send.ID, Survey: asked, Status: s.Send.Status, Reason: s.Send.Reason, Channel: s.Channel, ContactID: s.Send.ContactID,
			CreatedAt: s.Send.CreatedAt.UTC(), UpdatedAt: s.Send.UpdatedAt.UTC(),
		}
		if x := s.Response; x != nil {
			r.Metric = &metricView{x.Metric, x.Score, x.Segment}
		}
		v.Sends = append(v.Sends, r)
	}
	for _, e := range p.Events {
		v.Events = append(v.Events, contactEventView{e.ID, e.ContactID, e.Type, e.Actor, e.At.UTC(), e.Data})
	}
	return v
}

// An erasureView tells what an erasure removed.
type erasureView struct {
	ContactID    string `json:"contact_id"`
	Sends        int    `json:"sends"`
	Cancelled    int    `json:"cancelled"`
	Answers      int    `json:"answers"`
	Inbound      int    `json:"inbound"`
	Messages     int    `json:"messages"`
	Suppressions int    `json:"suppressions"`
	Pending      bool   `json:"pending"`
}

// A DossierView is the document with everything that is kept about one person.
type DossierView struct {
	MadeAt  time.Time         `json:"made_at"`
	Contact personView        `json:"contact"`
	Sends   []fileView        `json:"sends"`
	Inbound []inboundView     `json:"inbound"`
	Sandbox []json.RawMessage `json:"sandbox"`
}

type fileView struct {
	sendView
	Attempts []fullAttemptView `json:"attempts"`
	Events   []survey.Event    `json:"events"`
	Response *responseView     `json:"response,omitempty"`
}

type fullAttemptView struct {
	attemptView
	Address string `json:"address"`
}

type inboundView struct {
	ID     string    `json:"id"`
	Sender string    `json:"sender"`
	At     time.Time `json:"at"`
	Text   string    `json:"text,omitempty"`  // the body as it came
	Bytes  []byte    `json:"bytes,omitempty"` // in base64, when it is no text
}

// ViewDossier gives the document of GET /v1/contacts/{id}/export.
func ViewDossier(d survey.Dossier) DossierView {
	v := DossierView{
		MadeAt: d.Made.UTC(), Contact: viewPerson(d.Person), Sends: []fileView{}, Inbound: []inboundView{}, Sandbox: []json.RawMessage{},
	}
	for _, f := range d.Files {
		x := fileView{sendView: viewSend(f.Send), Attempts: []fullAttemptView{}, Events: f.Events}
		for _, at := range f.Attempts {
			x.Attempts = append(x.Attempts, fullAttemptView{viewAttempt(at), at.Address})
		}
		if f.Response != nil {
			r := viewResponse(*f.Response)
			x.Response = &r
		}
		v.Sends = append(v.Sends, x)
	}
	for _, in := range d.Inbound {
		x := inboundView{ID: in.ID, Sender: in.Sender, At: in.At.UTC()}
		if utf8.Valid(in.Body) {
			x.Text = string(in.Body)
		} else {
			x.Bytes = in.Body
		}
		v.Inbound = append(v.Inbound, x)
	}
	for _, m := range d.Sandbox {
		v.Sandbox = append(v.Sandbox, json.RawMessage(cmp.Or(m, "null")))
	}
	return v
}
