package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/odziv/odziv/auth"
	magic "github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
	"github.com/odziv/odziv/web/console"
)

// people are those who sign in to the console.
type people struct {
	store     *store.Store
	passwords interface { // *auth.Passwords
		Matches(ctx context.Context, password, hash string) (bool, error)
	}
	sessions *auth.Sessions
}

// SignIn answers survey.ErrNotFound when email and password do not match, whichever it is.
func (p *people) SignIn(ctx context.Context, email, password string) (string, error) {
	user, err := p.store.UserByEmail(ctx, email)
	if err != nil && !errors.Is(err, survey.ErrNotFound) {
		return "", err
	}
	ok, err := p.passwords.Matches(ctx, password, user.PasswordHash) // of nobody it is "", which takes as long
	if err != nil {
		return "", err
	}
	if !ok {
		return "", survey.ErrNotFound
	}
	token, _, err := p.sessions.Start(ctx, user.ID)
	return token, err
}

// Session gives who is signed in.
func (p *people) Session(ctx context.Context, token string) (console.Session, error) {
	s, err := p.sessions.Session(ctx, token)
	if err != nil {
		return console.Session{}, err
	}
	user, err := p.store.User(ctx, s.UserID)
	if err != nil {
		return console.Session{}, err
	}
	name := user.Name
	if name == "" {
		name = user.Email
	}
	return console.Session{UserID: user.ID, Name: name, CSRF: s.CSRF}, nil
}

// SignOut ends a session.
func (p *people) SignOut(ctx context.Context, token string) error { return p.sessions.End(ctx, token) }

// CountUsers tells how many may sign in.
func (p *people) CountUsers(ctx context.Context) (int, error) { return p.store.Users(ctx) }

// Actor is the name of whom an id stands for.
func (p *people) Actor(ctx context.Context, id string) string {
	user, err := p.store.User(ctx, id)
	switch {
	case err != nil:
		return id
	case user.Name != "":
		return user.Name
	default:
		return user.Email
	}
}

// publishing makes a publication count at once for sends of this process.
type publishing struct {
	*store.Store
	plan *planner
}

// Publish makes the texts the current release.
func (p publishing) Publish(ctx context.Context, id string, base int, texts []survey.Text, actor, note string) (survey.Release, error) {
	r, err := p.Store.Publish(ctx, id, base, texts, actor, note)
	p.plan.forget()
	return r, err
}

// workshopSends are the sends that the console shows.
type workshopSends struct{ *store.Store }

// Recent gives the newest sends of both modes.
func (w workshopSends) Recent(ctx context.Context, limit int) ([]survey.Send, error) {
	items, _, err := w.Sends(ctx, survey.SendFilter{Limit: limit})
	return items, err
}

// testSend puts a draft on a sandbox phone.
func (g *gateway) testSend(ctx context.Context, sv survey.Survey, t survey.Text, to, _ string) (string, error) {
	to = strings.TrimSpace(to)
	mail := t.Channel == survey.Email
	if to == "" || mail != strings.Contains(to, "@") || !mail && !strings.HasPrefix(to, "+") {
		return "", survey.InvalidError{{Pointer: "/to", Code: "invalid_address", Detail: "give a phone as +385911234567, or an address with @ for an email"}}
	}
	now := time.Now().UTC()
	send := templates.SampleSend(sv, t.Locale)
	urls := templates.NewLinks(g.public, make([]byte, 32)).URLs(send.ID) // opens nothing: it is signed by nobody
	resp := &survey.Response{Score: sv.Max, Segment: sv.Segment(sv.Max)}
	r, err := g.renderer.RenderText(ctx, t, templates.Request{
		Survey: sv, Kind: t.Kind, Channel: t.Channel, Locale: t.Locale, Links: urls, Vars: templates.Vars(send, g.brand, sv, urls, resp),
	})
	if err != nil {
		return "", survey.InvalidError{{Pointer: "/text", Code: "render_failed", Detail: err.Error()}}
	}
	channel := t.Channel
	if channel == survey.Chat || channel == survey.Web {
		channel = survey.SMS
	}
	m := magic.Message{
		ID: g.ids.New(survey.MessagePrefix, now), Kind: survey.TestMessage, Channel: channel, Sender: "console", To: to,
		Subject: r.Subject, Text: r.Text, HTML: r.HTML, Locale: r.Locale, RTL: r.RTL, At: now,
	}
	if err := g.store.PutSandboxMessage(ctx, m); err != nil {
		return "", err
	}
	return g.public + "/sandbox?to=" + url.QueryEscape(to), nil
}

// canceller ends sends for the API.
type canceller struct{ *gateway }

// Cancel is survey.ErrConflict when the send is over.
func (g canceller) Cancel(ctx context.Context, id, actor string) (survey.Send, error) {
	now := time.Now()
	s, err := g.store.Apply(ctx, id, func(s *survey.State) error { return survey.Cancel(s, actor, now) })
	return s.Send, err
}

// previewer tells what would become of a send.
type previewer struct{ *gateway }

// Preview decides and renders as the worker would, and stores nothing.
func (g previewer) Preview(ctx context.Context, send survey.Send) (map[string]any, error) {
	p, err := g.work.Preview(ctx, send)
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	return p, nil
}
