package api

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// listSuppressions is GET /v1/suppressions. There is no filter by address: queries end up in the logs of proxies.
func (a *API) listSuppressions(c *fiber.Ctx) error {
	q, err := queryOf(c, "cursor", "limit")
	if err != nil {
		return err
	}
	cursor, limit, err := q.page()
	if err != nil {
		return err
	}
	items, next, err := a.cfg.Suppressions.Suppressions(c.UserContext(), web.Key(c).Mode, cursor, limit)
	if err != nil {
		return unlisted("suppressions", err)
	}
	return sendList(c, items, next)
}

// addSuppression is POST /v1/suppressions.
func (a *API) addSuppression(c *fiber.Ctx) error {
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	s, err := a.readSuppression(src, false)
	if err != nil {
		return err
	}
	a.stamp(c, &s)
	if err := a.cfg.Suppressions.SuppressAll(c.UserContext(), []survey.Suppression{s}); err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	return sendJSON(c, http.StatusCreated, s)
}

// stamp says of a suppression who made it, and when.
func (a *API) stamp(c *fiber.Ctx, s *survey.Suppression) {
	s.Mode, s.Source, s.At = web.Key(c).Mode, web.Key(c).ID, a.now()
	if s.Reason == "" {
		s.Reason = "manual"
	}
	if s.Scope == "" {
		s.Scope = survey.ScopeAll
	}
}

// liftSuppression is POST /v1/suppressions/lift. The address is in the body to keep it out of logs. Without a scope
// everything is lifted but that the address reaches nobody.
func (a *API) liftSuppression(c *fiber.Ctx) error {
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	s, err := a.readSuppression(src, true)
	if err != nil {
		return err
	}
	err = a.cfg.Suppressions.Lift(c.UserContext(), survey.Lift{
		Mode: web.Key(c).Mode, Channel: s.Channel, Address: s.Address, Scope: s.Scope, Subject: s.Subject,
		Actor: web.Key(c).ID, Why: s.Reason, At: a.now(),
	})
	if err != nil {
		return fmt.Errorf("lift suppression: %w", err)
	}
	return c.SendStatus(http.StatusNoContent)
}

// readSuppression reads one address with its scope, "" when none is named. One that is to be lifted may be of what is there no
// more, and of a scope that callers do not make.
func (a *API) readSuppression(src string, lifts bool) (survey.Suppression, error) {
	r := a.readers.take(src)
	defer a.readers.give(r)
	s := a.suppression(r, lifts)
	return s, r.finish()
}

// suppression reads the members; faults are the reader's.
func (a *API) suppression(r *reader, lifts bool) survey.Suppression {
	var s survey.Suppression
	channel, address := "", ""
	for ok := r.begin(); ok && r.more(); {
		switch name := r.name(); name {
		case "channel":
			channel = string(readChannel(r))
		case "address":
			address = strings.Clone(r.text(maxEmail))
		case "scope":
			s.Scope = readScope(r, lifts)
		case "subject":
			s.Subject = strings.Clone(r.text(maxWord))
		case "reason":
			s.Reason = strings.Clone(r.text(maxWord))
		default:
			r.unknown(name, "channel", "address", "scope", "subject", "reason")
		}
	}
	if channel == "" && !blamed(r, "/channel") {
		r.wrongAt("/channel", web.CodeMissingMember, "say which channel: viber, sms or email")
	}
	if address == "" && !blamed(r, "/address") {
		r.wrongAt("/address", web.CodeMissingMember, "say which address")
	}
	a.subject(r, s, lifts)
	s.Channel, s.Address = survey.Channel(channel), address
	if len(r.errs) == 0 && r.fault == nil {
		a.normal(r, &s)
	}
	return s
}

// subject checks that a scope has what it is about, and unless it is lifted, that there is such a thing.
func (a *API) subject(r *reader, s survey.Suppression, lifts bool) {
	switch {
	case blamed(r, "/scope") || blamed(r, "/subject"):
	case s.Scope == survey.ScopeSurvey && s.Subject == "":
		r.wrongAt("/subject", web.CodeMissingMember, "say which survey; there are "+strings.Join(a.sends.names, ", "))
	case s.Scope == survey.ScopeSurvey && !lifts:
		if _, ok := a.sends.surveys[s.Subject]; !ok {
			r.wrongAt("/subject", web.CodeUnknownSurvey, "there is no survey "+strconv.Quote(clip(s.Subject))+"; there are "+strings.Join(a.sends.names, ", "))
		}
	case s.Scope == survey.ScopeBrand && !lifts:
		a.brand(r, s.Subject)
	case s.Subject != "" && s.Scope != survey.ScopeSurvey && s.Scope != survey.ScopeBrand:
		r.wrongAt("/subject", web.CodeInvalidValue, "a subject goes with the scope brand or survey only; leave it out")
	}
}

// brand checks that a survey asks for a brand; the one that is not named is "".
func (a *API) brand(r *reader, subject string) {
	if slices.Contains(a.brands, subject) {
		return
	}
	named := slices.DeleteFunc(slices.Clone(a.brands), func(b string) bool { return b == "" })
	switch {
	case len(named) == 0:
		r.wrongAt("/subject", web.CodeInvalidValue, "there is one brand, and it has no name here; leave the subject out")
	case subject == "":
		r.wrongAt("/subject", web.CodeMissingMember, "say which brand; there are "+strings.Join(named, ", "))
	default:
		r.wrongAt("/subject", web.CodeInvalidValue, "there is no brand "+strconv.Quote(clip(subject))+"; there are "+strings.Join(named, ", "))
	}
}

func readChannel(r *reader) survey.Channel {
	word := r.text(maxWord)
	if word != "" && !slices.Contains(survey.SendChannels(), survey.Channel(word)) {
		r.wrong(web.CodeUnknownChannel, strconv.Quote(clip(word))+" is no channel; there are viber, sms, email")
	}
	return survey.Channel(strings.Clone(word))
}

func readScope(r *reader, lifts bool) string {
	word := r.text(maxWord)
	scopes := []string{survey.ScopeAll, survey.ScopeBrand, survey.ScopeSurvey, survey.ScopeChannel}
	if word != "" && !slices.Contains(scopes, word) && (!lifts || word != survey.ScopeUnreachable) {
		r.wrong(web.CodeInvalidValue, strconv.Quote(clip(word))+" is no scope; \"all\" stops everything, \"brand\" and \"survey\" what their subject names, \"channel\" this channel")
	}
	return strings.Clone(word)
}

func (a *API) normal(r *reader, s *survey.Suppression) {
	kind := survey.ByViberID
	switch {
	case s.Channel == survey.Email:
		kind = survey.ByEmail
	case s.Channel == survey.SMS || strings.HasPrefix(s.Address, "+"):
		kind = survey.ByPhone
	}
	x, code, refusal := a.sends.phones.identity(kind, s.Address)
	if code != "" {
		r.wrongAt("/address", code, refusal)
	}
	s.Address = x.Value
}
