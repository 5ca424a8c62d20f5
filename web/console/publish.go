package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// A gateLine is one thing that stops publishing.
type gateLine struct {
	Locale, Kind, Channel string
	Path                  string // "" when no message of the tree has it
	Message               string
	Severity              string
}

// remarksOfRelease are all remarks about what publishing would make current.
func (c *Console) remarksOfRelease(w work) []gateLine {
	var out []gateLine
	for _, r := range c.lintRelease(w.survey, w.merged()) {
		p := place{r.Kind, r.Channel, r.Locale}
		g := gateLine{Locale: r.Locale, Kind: kindName(r.Kind), Channel: channelName(r.Channel), Message: sentence(r.Message), Severity: r.Severity}
		if w.has(p) {
			g.Path = p.path(w.survey.ID)
		}
		out = append(out, g)
	}
	return out
}

// gate lists what stops publishing.
func (c *Console) gate(w work) []gateLine {
	var out []gateLine
	for _, g := range c.remarksOfRelease(w) {
		if g.Severity == templates.SeverityError {
			out = append(out, g)
		}
	}
	return out
}

// A publishView is the last look before publishing.
type publishView struct {
	page
	Survey   survey.Survey
	Version  int
	Next     int
	Seen     string
	Changes  []changeView
	Gate     []gateLine
	Warnings []gateLine
	Note     string
	Conflict *conflictView
}

// A conflictView tells who was faster; nothing is lost by it.
type conflictView struct {
	Version int
	Who     string
	When    time.Time
	Drafts  bool // only the drafts changed
}

// A changeView is a text before and after.
type changeView struct {
	Title string
	Path  string
	Lang  string
	Dir   string
	Parts []changedField
}

type changedField struct {
	Name   string
	Pieces []piece
}

func (c *Console) publishPage(f *fiber.Ctx) error {
	w, err := c.workOf(f.UserContext(), f.Params("survey"))
	if err != nil {
		return err
	}
	return c.show(f, "publish", c.publishViewOf(f, w))
}

func (c *Console) publishViewOf(f *fiber.Ctx, w work) publishView {
	v := publishView{
		page: c.pageOf(f, "Publish", "messages"), Survey: w.survey, Version: w.version, Next: w.version + 1, Seen: w.seen(),
		Note: posted(f, "note"),
	}
	for _, g := range c.remarksOfRelease(w) {
		switch g.Severity {
		case templates.SeverityError:
			v.Gate = append(v.Gate, g)
		case templates.SeverityWarning:
			v.Warnings = append(v.Warnings, g)
		}
	}
	for _, s := range w.slots() {
		for _, l := range w.survey.Locales {
			p := place{s.Kind, s.Channel, l}
			if t, ok := w.drafts[p]; ok {
				v.Changes = append(v.Changes, c.change(w.survey.ID, w.live[p], t, p))
			}
		}
	}
	return v
}

func (c *Console) change(surveyID string, before, after survey.Text, p place) changeView {
	v := changeView{
		Title: kindName(p.Kind) + " · " + channelName(p.Channel), Path: p.path(surveyID), Lang: p.Locale, Dir: dirOf(c.locale(p.Locale)),
	}
	for _, x := range []struct{ name, before, after string }{
		{"Subject", before.Subject, after.Subject}, {"Text", before.Text, after.Text}, {"HTML", before.HTML, after.HTML},
	} {
		if x.before != x.after {
			v.Parts = append(v.Parts, changedField{x.name, diff(x.before, x.after)})
		}
	}
	return v
}

// publish makes the drafts current, unless something stops it or somebody was faster.
func (c *Console) publish(f *fiber.Ctx) error {
	ctx := f.UserContext()
	w, err := c.workOf(ctx, f.Params("survey"))
	if err != nil {
		return err
	}
	v := c.publishViewOf(f, w)
	base := number(posted(f, "base"))
	switch {
	case base != w.version:
		return c.conflict(f, v)
	case posted(f, "seen") != v.Seen:
		v.Conflict = &conflictView{Drafts: true}
		f.Status(http.StatusConflict)
		return c.show(f, "publish", v)
	case len(v.Gate) > 0 || len(v.Changes) == 0:
		f.Status(http.StatusUnprocessableEntity)
		return c.show(f, "publish", v)
	}
	_, err = c.deps.Releases.Publish(ctx, w.survey.ID, base, w.merged(), sessionOf(f).UserID, noteOf(f))
	if errors.Is(err, survey.ErrConflict) {
		if w, err = c.workOf(ctx, w.survey.ID); err != nil {
			return err
		}
		return c.conflict(f, c.publishViewOf(f, w))
	}
	if err != nil {
		return fmt.Errorf("publish %s: %w", w.survey.ID, err)
	}
	back := root + "/versions/" + w.survey.ID
	if len(v.Changes) > 0 {
		back = v.Changes[0].Path
	}
	return f.Redirect(back+"?done=published", http.StatusSeeOther)
}

// conflict shows the same page against what is current now.
func (c *Console) conflict(f *fiber.Ctx, v publishView) error {
	r, err := c.deps.Releases.Release(f.UserContext(), v.Survey.ID, v.Version)
	if err != nil {
		return fmt.Errorf("release %d of %s: %w", v.Version, v.Survey.ID, err)
	}
	v.Conflict = &conflictView{Version: r.Version, Who: c.deps.Users.Actor(f.UserContext(), r.Actor), When: r.At}
	f.Status(http.StatusConflict)
	return c.show(f, "publish", v)
}

// noteOf is what the publisher says about it: one line.
func noteOf(f *fiber.Ctx) string {
	note := []rune(strings.Join(strings.Fields(field(f, "note")), " "))
	return string(note[:min(len(note), 200)])
}

// A versionRow is a line of the history.
type versionRow struct {
	Number    int
	Path      string
	Published bool // the current one
	Who       string
	Initials  string
	Note      string
	At        time.Time
}

func (c *Console) history(ctx context.Context, surveyID string, current int) ([]versionRow, error) {
	list, err := c.deps.Releases.Releases(ctx, surveyID)
	if err != nil {
		return nil, fmt.Errorf("releases of %s: %w", surveyID, err)
	}
	out := make([]versionRow, 0, len(list))
	for _, r := range list {
		who := c.deps.Users.Actor(ctx, r.Actor)
		out = append(out, versionRow{
			Number: r.Version, Path: fmt.Sprintf("%s/versions/%s/%d", root, surveyID, r.Version), Published: r.Version == current, Who: who, Initials: initials(who), Note: r.Note, At: r.At,
		})
	}
	return out, nil
}

// A versionsView is the history of a survey, or one version of it.
type versionsView struct {
	page
	Survey  survey.Survey
	Current int
	Rows    []versionRow
	Row     versionRow
	Changes []changeView // from this version to the current one
	Texts   []versionText
}

type versionText struct {
	Title, Lang, Dir string
	Text             survey.Text
}

func (c *Console) versions(f *fiber.Ctx) error {
	w, err := c.workOf(f.UserContext(), f.Params("survey"))
	if err != nil {
		return err
	}
	v := versionsView{page: c.pageOf(f, "Versions", "messages"), Survey: w.survey, Current: w.version}
	if v.Rows, err = c.history(f.UserContext(), w.survey.ID, w.version); err != nil {
		return err
	}
	switch f.Query("done") {
	case "rolledback":
		v.Toast = fmt.Sprintf("Version %d is published with the words of before. Drafts are kept.", w.version)
	case "published":
		v.Toast = fmt.Sprintf("Version %d is published. New sends use it.", w.version)
	}
	return c.show(f, "versions", v)
}

// versionAt reads the version of the address.
func (c *Console) versionAt(f *fiber.Ctx) (work, survey.Release, error) {
	w, err := c.workOf(f.UserContext(), f.Params("survey"))
	if err != nil {
		return work{}, survey.Release{}, err
	}
	n := number(f.Params("version"))
	if n < 1 {
		return work{}, survey.Release{}, survey.ErrNotFound
	}
	r, err := c.deps.Releases.Release(f.UserContext(), w.survey.ID, n)
	if err != nil {
		return work{}, survey.Release{}, fmt.Errorf("release %d of %s: %w", n, w.survey.ID, err)
	}
	return w, r, nil
}

func (c *Console) version(f *fiber.Ctx) error {
	w, r, err := c.versionAt(f)
	if err != nil {
		return err
	}
	who := c.deps.Users.Actor(f.UserContext(), r.Actor)
	v := versionsView{
		page: c.pageOf(f, fmt.Sprintf("Version %d", r.Version), "messages"), Survey: w.survey, Current: w.version,
		Row: versionRow{Number: r.Version, Published: r.Version == w.version, Who: who, Initials: initials(who), Note: r.Note, At: r.At},
	}
	then := map[place]survey.Text{}
	for _, t := range r.Texts {
		then[placeOf(t)] = t
	}
	for _, s := range w.slots() {
		for _, l := range w.survey.Locales {
			p := place{s.Kind, s.Channel, l}
			if t, ok := then[p]; ok {
				v.Texts = append(v.Texts, versionText{
					Title: kindName(p.Kind) + " · " + channelName(p.Channel), Lang: l, Dir: dirOf(c.locale(l)), Text: t,
				})
			}
			if then[p] != w.live[p] {
				v.Changes = append(v.Changes, c.change(w.survey.ID, w.live[p], then[p], p))
			}
		}
	}
	return c.show(f, "version", v)
}

// rollBack publishes the words of an older version again, as a new one. Publishing takes drafts away, and these have
// nothing to do with it: they are put back.
func (c *Console) rollBack(f *fiber.Ctx) error {
	ctx := f.UserContext()
	w, r, err := c.versionAt(f)
	if err != nil {
		return err
	}
	base := number(posted(f, "base"))
	note := fmt.Sprintf("Rolled back to version %d", r.Version)
	if said := noteOf(f); said != "" {
		note += ": " + said
	}
	_, err = c.deps.Releases.Publish(ctx, w.survey.ID, base, r.Texts, sessionOf(f).UserID, note)
	if errors.Is(err, survey.ErrConflict) {
		f.Status(http.StatusConflict)
		return c.show(f, "problem", problemView{
			page: c.pageOf(f, "Not rolled back", "messages"), Title: "Somebody published meanwhile",
			Detail: "Nothing was rolled back. Look at the versions again, then decide.",
		})
	}
	if err != nil {
		return fmt.Errorf("roll back %s to %d: %w", w.survey.ID, r.Version, err)
	}
	for p, t := range w.drafts {
		if err := c.deps.Drafts.SaveDraft(ctx, w.survey.ID, t, sessionOf(f).UserID); err != nil {
			return fmt.Errorf("keep draft %s: %w", p.path(w.survey.ID), err)
		}
	}
	return f.Redirect(root+"/versions/"+w.survey.ID+"?done=rolledback", http.StatusSeeOther)
}

// number reads a count from a form; what is none is -1.
func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
