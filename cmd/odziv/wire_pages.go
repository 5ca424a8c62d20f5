package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	magic "github.com/odziv/odziv/channels/sandbox"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
	"github.com/odziv/odziv/web"
	"github.com/odziv/odziv/web/respond"
	"github.com/odziv/odziv/web/sandbox"
)

// respondents are the sends as their customers see them.
type respondents struct{ *gateway }

// View reads a send with the words of the release that it keeps, in a locale, "" for its own.
func (g respondents) View(ctx context.Context, sendID, locale string) (respond.View, error) {
	send, attempts, err := g.store.Send(ctx, sendID)
	if err != nil {
		return respond.View{}, err
	}
	asked, _ := send.Asks()
	sv, ok := g.bySurvey[asked]
	if !ok {
		return respond.View{}, fmt.Errorf("survey %s: %w", asked, survey.ErrNotFound)
	}
	if locale == "" {
		locale = send.Locale
	}
	v := respond.View{
		SendID: send.ID, Brand: respond.Brand{Name: g.brand.Name, Color: g.brand.Color}, Locale: locale, Locales: sv.Locales, Survey: sv,
		Followup: make(map[survey.Segment]string), Thanks: make(map[survey.Segment]string),
		Closed: send.Status == survey.Cancelled || send.Status == survey.Expired,
	}
	zone := g.policy.Atlas.Zone(send.Recipient, g.zone())
	v.ExpiresAt, v.AskedAt = send.ExpiresAt.In(zone), send.CreatedAt.In(zone)
	if len(attempts) > 0 {
		v.AskedAt = attempts[0].At.In(zone)
	}
	urls := g.links.URLs(send.ID)
	v.UnsubscribeURL = urls.Unsubscribe
	v.PagePath = "/s/" + g.links.Token(templates.PurposePage, send.ID)
	state, err := g.store.Load(ctx, []survey.Ref{{ID: send.ID, Epoch: send.Epoch}})
	if err != nil {
		return v, err
	}
	var resp *survey.Response
	if len(state) == 1 {
		resp = state[0].Response
		for _, sup := range state[0].Suppressions {
			v.Unsubscribed = v.Unsubscribed || sup.Scope == survey.ScopeAll
		}
	}
	if resp != nil {
		score := resp.Score
		v.Score, v.Complete = &score, resp.Complete
		for _, a := range resp.Answers {
			if a.Question == survey.QuestionComment {
				v.Comment = a.Text
			}
		}
	}
	return v, g.words(ctx, &v, send, resp)
}

// words fills in the texts of a page.
func (g respondents) words(ctx context.Context, v *respond.View, send survey.Send, resp *survey.Response) error {
	urls := g.links.URLs(send.ID)
	_, version := send.Asks()
	text := func(k survey.Kind, segment survey.Segment) (string, error) {
		vars := templates.Vars(send, g.brand, v.Survey, urls, resp)
		if segment != "" {
			vars["segment"] = string(segment)
		}
		r, err := g.renderer.Render(ctx, templates.Request{
			Survey: v.Survey, Version: version, Kind: k, Channel: survey.Web, Locale: v.Locale, Links: urls, Vars: vars,
		})
		return r.Text, err
	}
	var err error
	if v.Question, err = text(survey.Question, ""); err != nil {
		return err
	}
	if v.Low, err = text(survey.ScaleLow, ""); err != nil {
		return err
	}
	if v.High, err = text(survey.ScaleHigh, ""); err != nil {
		return err
	}
	for _, s := range []survey.Segment{survey.Promoter, survey.Passive, survey.Detractor} {
		if v.Followup[s], err = text(survey.Followup(s), s); err != nil {
			return err
		}
		if v.Thanks[s], err = text(survey.Thanks(s), s); err != nil {
			return err
		}
	}
	return nil
}

// Answer records what a customer posted, in one commit.
func (g respondents) Answer(ctx context.Context, sendID string, answers ...respond.Answer) error {
	now := time.Now()
	_, err := g.store.Apply(ctx, sendID, func(s *survey.State) error {
		asked, _ := s.Send.Asks()
		sv := g.bySurvey[asked]
		for _, a := range answers {
			in := survey.Answer{Question: a.Question, Value: a.Value, Text: a.Text}
			if err := survey.AnswerPage(s, sv, in, func(p string) string { return g.ids.New(p, now) }, now); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// Unsubscribe ends the invitations to the recipient of a send.
func (g respondents) Unsubscribe(ctx context.Context, sendID, source string, all bool) error {
	now := time.Now()
	_, err := g.store.Apply(ctx, sendID, func(s *survey.State) error {
		survey.Unsubscribe(s, source, all, now)
		return nil
	})
	return err
}

func (g *gateway) zone() *time.Location {
	zone, err := time.LoadLocation(g.brand.Timezone)
	if err != nil {
		return time.UTC
	}
	return zone
}

// box is what the sandbox phones hold.
type box struct{ *gateway }

// Phones lists the addresses that have messages, the last active first.
func (g box) Phones(ctx context.Context) ([]string, error) { return g.store.SandboxPhones(ctx) }

// Messages lists what an address got and said, oldest first.
func (g box) Messages(ctx context.Context, to, after string, limit int) ([]magic.Message, error) {
	return g.store.SandboxMessages(ctx, to, after, limit)
}

// Message is one of them.
func (g box) Message(ctx context.Context, id string) (magic.Message, error) {
	return g.store.SandboxMessage(ctx, id)
}

// Reply says something in answer to a message.
func (g box) Reply(ctx context.Context, m magic.Message, text string, button int) (string, error) {
	u, err := magic.Reply(m, text, button)
	if err != nil {
		return "", err
	}
	return reports{g.gateway}.keep(ctx, m.Sender, u)
}

// SendNow accepts a send of the page's form at once, as a test send.
func (g box) SendNow(ctx context.Context, f sandbox.SendForm) (string, error) {
	now := time.Now().UTC()
	send := survey.Send{
		ID: g.ids.New(survey.SendPrefix, now), Mode: survey.Test, Survey: f.Survey, Locale: f.Locale,
		Recipient:   survey.Recipient{Name: f.Name, Phone: f.Phone, Email: f.Email, Locale: f.Locale},
		Transaction: survey.Transaction{ID: "sandbox-" + g.ids.New("", now), Type: "order.delivered", Touchpoint: "delivery", OccurredAt: now},
		Status:      survey.Accepted, Kind: survey.Invitation, Actor: "sandbox", DueAt: now, CreatedAt: now, UpdatedAt: now,
		ExpiresAt: now.Add(7 * 24 * time.Hour),
	}
	if faults := g.plan.Plan(&send, survey.Wish{Channels: f.Channels}); len(faults) > 0 { //nolint:contextcheck // what it looks up, it keeps for all callers
		return "", survey.InvalidError(faults)
	}
	if _, err := g.store.Accept(ctx, []survey.Send{send}, nil); err != nil {
		return "", err
	}
	g.work.Wake()
	return send.ID, nil
}

// Log lists what was made of the last replies of an address, "" for all of them.
func (g box) Log(ctx context.Context, to string, limit int) ([]sandbox.Understood, error) {
	latest, err := g.store.LatestSandboxMessages(ctx, to, 200)
	if err != nil {
		return nil, err
	}
	ledgers := make(map[string][]survey.Event)
	var out []sandbox.Understood
	for _, m := range latest {
		if !m.Inbound || len(out) == limit {
			continue
		}
		events, ok := ledgers[m.SendID]
		if !ok {
			if events, _, err = g.store.Events(ctx, m.SendID, "", 200); err != nil && !errors.Is(err, survey.ErrNotFound) {
				return nil, err
			}
			ledgers[m.SendID] = events
		}
		out = append(out, understood(m, events))
	}
	return out, nil
}

// understood reads out of the ledger what was made of one reply. Events are newest first.
func understood(m magic.Message, events []survey.Event) sandbox.Understood {
	u := sandbox.Understood{At: m.At, Channel: m.Channel, Said: m.Text, Result: "not read yet"}
	var at time.Time
	for _, e := range events {
		if e.Type == "reply.received" && e.Data["inbound"] == m.AttemptID {
			at, u.Result = e.At, "kept"
		}
	}
	for _, e := range events {
		if at.IsZero() || !e.At.Equal(at) {
			continue
		}
		switch e.Type {
		case "answer.recorded":
			if v, ok := e.Data["value"].(float64); ok {
				score := int(v)
				u.Score = &score
				segment, _ := e.Data["segment"].(string)
				u.Segment, u.Result = survey.Segment(segment), "score"
			} else if u.Score == nil {
				u.Result = "comment"
			}
			u.Why, _ = e.Data["evidence"].(string)
		case "reply.ignored", "reply.kept":
			u.Result = e.Type[len("reply."):]
			u.Why, _ = e.Data["why"].(string)
		case "contact.suppressed":
			u.Result, u.Why = "opted out", "STOP wins"
		}
	}
	if u.Result == "kept" && u.Why == "" {
		u.Why = "could be a score: asked once"
	}
	return u
}

// planner plans sends and gives them the release that is current. Safe for concurrent use.
type planner struct {
	*gateway

	mu       sync.Mutex
	versions map[string]int // guarded by mu
	fault    error          // guarded by mu: why they could not be looked at last
	until    time.Time      // guarded by mu: when they are looked at again
}

// versionsTTL is how long a publication in another process may stay unnoticed.
const versionsTTL = time.Second

// Plan sets what a send needs to be accepted.
func (p *planner) Plan(s *survey.Send, wish survey.Wish) []survey.FieldError {
	s.Brand = p.bySurvey[s.Survey].Brand
	version, err := p.current(s.Survey)
	if err != nil {
		return []survey.FieldError{{Pointer: "/survey", Code: web.CodeUnavailable, Detail: "its messages cannot be read at present; send it again"}}
	}
	s.SurveyVersion = version
	if s.Locale == "" {
		s.Locale = p.bySurvey[s.Survey].DefaultLocale
	}
	if faults, ok := errors.AsType[survey.InvalidError](p.planner.Plan(s, wish)); ok {
		return faults
	}
	return nil
}

func (p *planner) current(id string) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().After(p.until) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		versions, err := p.store.CurrentVersions(ctx)
		if p.fault = err; err == nil {
			p.versions = versions
		} else {
			p.log.WarnContext(ctx, "current releases not read", "error", err)
		}
		p.until = time.Now().Add(versionsTTL)
	}
	if p.fault != nil && p.versions[id] == 0 {
		return 0, p.fault
	}
	return p.versions[id], nil // the last known release is as good while the store is away: whether the send can be kept, Accept says
}

// forget makes a publication of this process count at once.
func (p *planner) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = time.Time{}
}
