package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

// Suppressions are the addresses that are not written to.
type Suppressions interface {
	// List gives those of an address, in any form in which people type it; all, in the order of addresses, when words is "".
	List(ctx context.Context, mode survey.Mode, words, cursor string) (items []survey.Suppression, next string, err error)
	// Add answers a survey.InvalidError when there is no such address.
	Add(ctx context.Context, s survey.Suppression) error
	// Lift removes exactly one; survey.ErrNotFound when it is not there.
	Lift(ctx context.Context, l survey.Lift) error
}

// A suppressionsView is the list, with the form that adds one.
type suppressionsView struct {
	page
	Words   string
	Mode    survey.Mode
	Rows    []suppressionRow
	Next    string // query of the next page
	Surveys []survey.Survey
	Problem string
	Form    survey.Suppression
	Other   elsewhere // when there are no rows
}

// elsewhere is what the same list has in the other mode.
type elsewhere struct {
	Mode  survey.Mode
	Query string // of its page
	Count string // in words, "" = none
}

type suppressionRow struct {
	survey.Suppression
	Where, Scoped, Why, Who string
	Erased                  bool // the address is a hash
	When                    time.Time
}

func (c *Console) suppressionRow(ctx context.Context, s survey.Suppression) suppressionRow {
	row := suppressionRow{
		Suppression: s, Where: channelName(s.Channel), Why: words(s.Reason), Who: c.deps.Users.Actor(ctx, s.Source), When: s.At,
		Erased: strings.HasPrefix(s.Address, "hmac:"),
	}
	switch s.Scope {
	case survey.ScopeAll:
		row.Scoped = "Everything"
	case survey.ScopeBrand:
		row.Scoped = "Brand " + s.Subject
	case survey.ScopeSurvey:
		row.Scoped = s.Subject
		if sv, ok := c.surveys[s.Subject]; ok {
			row.Scoped = sv.Name
		}
	case survey.ScopeUnreachable:
		row.Scoped = "Reaches nobody"
	default:
		row.Scoped = row.Where + " only"
	}
	return row
}

// modeOf is the mode that a page is about: live, unless it asks for test.
func modeOf(given string) survey.Mode {
	if given == string(survey.Test) {
		return survey.Test
	}
	return survey.Live
}

func (c *Console) suppressions(f *fiber.Ctx) error {
	v := suppressionsView{Mode: modeOf(f.Query("mode")), Words: strings.TrimSpace(strings.Clone(f.Query("q")))}
	switch f.Query("done") {
	case "added":
		v.Toast = "Nothing is sent there any more."
	case "lifted":
		v.Toast = "The address may be written to again."
	}
	return c.showSuppressions(f, v, strings.Clone(f.Query("cursor")))
}

func (c *Console) showSuppressions(f *fiber.Ctx, v suppressionsView, cursor string) error {
	toast := v.Toast
	v.page = c.pageOf(f, "Suppressions", "suppressions")
	v.Toast, v.Surveys = toast, c.deps.Surveys
	items, next, err := c.deps.Suppressions.List(f.UserContext(), v.Mode, v.Words, cursor)
	if err != nil {
		return fmt.Errorf("list suppressions: %w", err)
	}
	if next != "" {
		v.Next = "?" + url.Values{"cursor": {next}, "mode": {string(v.Mode)}}.Encode()
	}
	for _, s := range items {
		v.Rows = append(v.Rows, c.suppressionRow(f.UserContext(), s))
	}
	if len(v.Rows) == 0 {
		if v.Other, err = c.elsewhere(f.UserContext(), v.Mode, v.Words); err != nil {
			return err
		}
	}
	return c.show(f, "suppressions", v)
}

// elsewhere counts the suppressions of the other mode, so that nobody takes an empty list for all there is.
func (c *Console) elsewhere(ctx context.Context, mode survey.Mode, words string) (elsewhere, error) {
	e, query := elsewhere{Mode: survey.Test}, url.Values{}
	if mode == survey.Test {
		e.Mode = survey.Live
	}
	query.Set("mode", string(e.Mode))
	if words != "" {
		query.Set("q", words)
	}
	e.Query = "?" + query.Encode()
	items, next, err := c.deps.Suppressions.List(ctx, e.Mode, words, "")
	if err != nil {
		return e, fmt.Errorf("list suppressions: %w", err)
	}
	switch {
	case next != "":
		e.Count = fmt.Sprintf("more than %d", len(items))
	case len(items) > 0:
		e.Count = "the " + strconv.Itoa(len(items))
	}
	return e, nil
}

// suppressionForm reads which suppression a form is about.
func suppressionForm(f *fiber.Ctx) survey.Suppression {
	return survey.Suppression{
		Mode: modeOf(posted(f, "mode")), Channel: survey.Channel(posted(f, "channel")), Address: strings.TrimSpace(posted(f, "address")),
		Scope: posted(f, "scope"), Subject: posted(f, "subject"),
	}
}

func (c *Console) addSuppression(f *fiber.Ctx) error {
	s := suppressionForm(f)
	if id, ok := strings.CutPrefix(s.Scope, "survey:"); ok {
		s.Scope, s.Subject = survey.ScopeSurvey, id
	}
	s.Reason, s.Source, s.At = strings.TrimSpace(posted(f, "reason")), sessionOf(f).UserID, c.deps.Now()
	if s.Reason == "" {
		s.Reason = "manual"
	}
	known := s.Scope == survey.ScopeAll || s.Scope == survey.ScopeChannel || s.Scope == survey.ScopeSurvey && c.surveys[s.Subject].ID != ""
	var err error = survey.InvalidError{{Detail: "choose a channel and what is stopped"}}
	if known && slices.Contains(survey.SendChannels(), s.Channel) {
		err = c.deps.Suppressions.Add(f.UserContext(), s)
	}
	if wrong, ok := errors.AsType[survey.InvalidError](err); ok && len(wrong) > 0 {
		f.Status(http.StatusUnprocessableEntity)
		return c.showSuppressions(f, suppressionsView{Mode: s.Mode, Form: s, Problem: "The address " + wrong[0].Detail + ". Nothing was added."}, "")
	}
	if err != nil {
		return fmt.Errorf("suppress: %w", err)
	}
	return f.Redirect(root+"/suppressions?done=added&mode="+string(s.Mode), http.StatusSeeOther)
}

func (c *Console) liftSuppression(f *fiber.Ctx) error {
	s, why := suppressionForm(f), strings.TrimSpace(posted(f, "why"))
	if why == "" || len(why) > 200 {
		f.Status(http.StatusUnprocessableEntity)
		return c.showSuppressions(f, suppressionsView{Mode: s.Mode, Problem: "Say in a few words why the address may be written to again. Nothing was lifted."}, "")
	}
	err := c.deps.Suppressions.Lift(f.UserContext(), survey.Lift{
		Mode: s.Mode, Channel: s.Channel, Address: s.Address, Scope: s.Scope, Subject: s.Subject, Actor: sessionOf(f).UserID, Why: why, At: c.deps.Now(),
	})
	if err != nil && !errors.Is(err, survey.ErrNotFound) { // somebody lifted it meanwhile: that is what was wanted
		return fmt.Errorf("lift suppression: %w", err)
	}
	return f.Redirect(root+"/suppressions?done=lifted&mode="+string(s.Mode), http.StatusSeeOther)
}
