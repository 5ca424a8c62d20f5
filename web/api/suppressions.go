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
		return fmt.Errorf("list suppressions: %w", err)
	}
	return sendList(c, items, next)
}

// addSuppression is POST /v1/suppressions.
func (a *API) addSuppression(c *fiber.Ctx) error {
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	s, err := a.readAddress(src, "scope")
	if err != nil {
		return err
	}
	s.Mode, s.Reason, s.Source, s.At = web.Key(c).Mode, "manual", web.Key(c).ID, a.now()
	if err := a.cfg.Suppressions.Suppress(c.UserContext(), s); err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	return sendJSON(c, http.StatusCreated, s)
}

// liftSuppression is POST /v1/suppressions/lift. The address is in the body to keep it out of logs.
func (a *API) liftSuppression(c *fiber.Ctx) error {
	src, err := jsonBody(c)
	if err != nil {
		return err
	}
	s, err := a.readAddress(src)
	if err != nil {
		return err
	}
	if err := a.cfg.Suppressions.Lift(c.UserContext(), web.Key(c).Mode, s.Channel, s.Address); err != nil {
		return fmt.Errorf("lift suppression: %w", err)
	}
	return c.SendStatus(http.StatusNoContent)
}

// readAddress reads a channel and an address of it, in the form in which sends keep it. more may allow a scope.
func (a *API) readAddress(src string, more ...string) (survey.Suppression, error) {
	r := a.readers.take(src)
	defer a.readers.give(r)
	var channel, address string
	scope := survey.ScopeAll
	for ok := r.begin(); ok && r.more(); {
		switch name := r.name(); name {
		case "channel":
			if channel = r.text(maxWord); channel != "" && !slices.Contains(survey.SendChannels(), survey.Channel(channel)) {
				r.wrong(web.CodeUnknownChannel, strconv.Quote(clip(channel))+" is no channel; there are viber, sms, email")
			}
		case "address":
			address = r.text(maxEmail)
		default:
			if name != "scope" || len(more) == 0 {
				r.unknown(name, append(more, "channel", "address")...)
			} else if word := r.text(maxWord); word == survey.ScopeChannel {
				scope = survey.ScopeChannel
			} else if word != survey.ScopeAll && word != "" {
				r.wrong(web.CodeInvalidValue, strconv.Quote(clip(word))+" is no scope; \"all\" stops every survey, \"channel\" those on this channel")
			}
		}
	}
	if channel == "" && !blamed(r, "/channel") {
		r.wrongAt("/channel", web.CodeMissingMember, "say which channel: viber, sms or email")
	}
	if address == "" && !blamed(r, "/address") {
		r.wrongAt("/address", web.CodeMissingMember, "say which address")
	}
	s := survey.Suppression{Channel: survey.Channel(strings.Clone(channel)), Address: strings.Clone(address), Scope: scope}
	if len(r.errs) == 0 && r.fault == nil {
		a.normal(r, &s)
	}
	return s, r.finish()
}

func (a *API) normal(r *reader, s *survey.Suppression) {
	var code, refusal, made string
	switch {
	case s.Channel == survey.Email:
		if made, refusal = email(s.Address); refusal != "" {
			code = web.CodeInvalidEmail
		}
	case s.Channel == survey.SMS || strings.HasPrefix(s.Address, "+"):
		made, code, refusal = a.sends.phones.phone(s.Address)
	default:
		return // a Viber id is as it is
	}
	if code != "" {
		r.wrongAt("/address", code, refusal)
	}
	s.Address = made
}
