package console

import (
	"context"
	"strings"

	"github.com/odziv/odziv/survey"
)

// A branch is a survey in the tree of messages.
type branch struct {
	ID, Name, Metric string
	Current          bool
	Version          int
	Drafts           int
	Kinds            []kindNode
}

// A kindNode is a kind of message with its channels.
type kindNode struct {
	Name    string
	Current bool
	Leaves  []leaf
}

// A leaf is a message on one channel; its locales are the last level.
type leaf struct {
	Name, Icon string
	Path       string // in the locale that is looked at
	Find       string // what a search looks in
	Current    bool
	State      state
	Locales    []localeNode
}

// A localeNode is a text.
type localeNode struct {
	Locale
	Path  string
	State state
	Notes string // beside a tab that is not whole
	Ring  string // stroke-dasharray of the share of the kind's channels that are done
	Class string
	On    bool
}

// treeOf builds a branch; at is the place that is looked at, or its locale alone.
func (c *Console) treeOf(w work, at place, current bool) branch {
	b := branch{
		ID: w.survey.ID, Name: w.survey.Name, Metric: strings.ToUpper(string(w.survey.Metric)), Current: current,
		Version: w.version, Drafts: len(w.drafts),
	}
	if at.Locale == "" {
		at.Locale = w.survey.DefaultLocale
	}
	for _, s := range w.slots() {
		name := kindName(s.Kind)
		if len(b.Kinds) == 0 || b.Kinds[len(b.Kinds)-1].Name != name {
			b.Kinds = append(b.Kinds, kindNode{Name: name})
		}
		k := &b.Kinds[len(b.Kinds)-1]
		l := leaf{
			Name: channelName(s.Channel), Icon: channelIcon(s.Channel), Path: place{s.Kind, s.Channel, at.Locale}.path(w.survey.ID),
			Find:    strings.ToLower(w.survey.Name + " " + name + " " + channelName(s.Channel)),
			Current: current && s.Kind == at.Kind && s.Channel == at.Channel,
			State:   c.stateOf(w, place{s.Kind, s.Channel, at.Locale}),
		}
		for _, loc := range c.localesOf(w.survey) {
			p := place{s.Kind, s.Channel, loc.Tag}
			l.Locales = append(l.Locales, localeNode{Locale: loc, Path: p.path(w.survey.ID), State: c.stateOf(w, p)})
		}
		k.Leaves = append(k.Leaves, l)
		k.Current = k.Current || l.Current
	}
	return b
}

// tree gives all surveys; mine is loaded already.
func (c *Console) tree(ctx context.Context, mine *work, at place) ([]branch, error) {
	out := make([]branch, 0, len(c.names))
	for _, id := range c.names {
		if mine != nil && id == mine.survey.ID {
			out = append(out, c.treeOf(*mine, at, true)) //nolint:contextcheck // lint takes no context: it reads a bounded text
			continue
		}
		w, err := c.workOf(ctx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, c.treeOf(w, place{Locale: at.Locale}, false)) //nolint:contextcheck // as above
	}
	return out, nil
}

// tabs are the locales of a message, each with the share of the kind's channels that are done.
func (c *Console) tabs(w work, at place) []localeNode {
	var out []localeNode
	for _, loc := range c.localesOf(w.survey) {
		p := place{at.Kind, at.Channel, loc.Tag}
		done, all, errs := 0, 0, 0
		for _, s := range w.slots() {
			if s.Kind != at.Kind {
				continue
			}
			all++
			switch st := c.stateOf(w, place{s.Kind, s.Channel, loc.Tag}); st.Mark {
			case "dot--bad":
				errs++
			case "dot--hole":
			default:
				done++
			}
		}
		n := localeNode{Locale: loc, Path: p.path(w.survey.ID), State: c.stateOf(w, p), On: loc.Tag == at.Locale, Ring: ringOf(done, all)}
		switch {
		case errs > 0:
			n.Class, n.Notes = "b", count(errs, "error")
		case done < all:
			n.Class, n.Notes = "w", ratio(done, all)
		case loc.Tag == w.survey.DefaultLocale:
			n.Notes = "fallback"
		}
		out = append(out, n)
	}
	return out
}

// localesOf keeps the survey's order.
func (c *Console) localesOf(s survey.Survey) []Locale {
	out := make([]Locale, 0, len(s.Locales))
	for _, tag := range s.Locales {
		out = append(out, c.locale(tag))
	}
	return out
}

// kindName is what people call a kind of message.
func kindName(k survey.Kind) string {
	role, segment, _ := strings.Cut(string(k), ".")
	switch {
	case k == survey.ScaleLow:
		return "Least score"
	case k == survey.ScaleHigh:
		return "Greatest score"
	case k == survey.OptOut:
		return "Opt-out"
	case role == "followup":
		return "Follow-up to " + segment + "s"
	case role == "thanks":
		return "Thanks to " + segment + "s"
	default:
		return capital(string(k))
	}
}

func channelName(c survey.Channel) string {
	switch c {
	case survey.Email:
		return "Email"
	case survey.SMS:
		return "SMS"
	case survey.Viber:
		return "Viber"
	case survey.Chat:
		return "Chat"
	case survey.Web:
		return "Web page"
	default:
		return string(c)
	}
}

func channelIcon(c survey.Channel) string {
	switch c {
	case survey.Email:
		return "mail"
	case survey.Viber:
		return "viber"
	case survey.Web:
		return "web"
	default:
		return "sms"
	}
}
