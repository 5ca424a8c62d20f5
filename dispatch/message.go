package dispatch

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
)

// message renders what is due and addresses it.
func (d *Dispatcher) message(ctx context.Context, sender Sender, s *survey.State) (m channels.Message, extra map[string]any, err error) {
	send := &s.Send
	defer func() {
		if v := recover(); v != nil { // one message at fault must not end the program, each time that its lease ends
			d.cfg.Log.ErrorContext(ctx, "renderer panicked", "send_id", send.ID, "stack", string(debug.Stack()))
			err = fmt.Errorf("render %s: panic", send.Kind)
		}
	}()
	asked, version := send.Asks()
	sv, ok := d.cfg.Surveys[asked]
	if !ok && send.Kind == survey.OptOut { // STOP is confirmed in the words under which the send was accepted
		sv, ok = survey.Survey{ID: asked, DefaultLocale: "en"}, true
	}
	if !ok {
		return channels.Message{}, nil, fmt.Errorf("survey %s is not installed", asked)
	}
	ch, to := s.Target()
	links := d.cfg.Links.URLs(send.ID)
	r, err := d.cfg.Renderer.Render(ctx, templates.Request{
		Survey: sv, Version: version, Kind: send.Kind, Channel: ch, Locale: send.Locale, Links: links,
		Vars: templates.Vars(*send, d.cfg.Brand, sv, links, s.Response),
	})
	if err != nil {
		return channels.Message{}, nil, fmt.Errorf("render %s for %s: %w", send.Kind, ch, err)
	}
	m = channels.Message{
		AttemptID: d.ids.New(survey.AttemptPrefix, d.cfg.Now()), SendID: send.ID, Kind: send.Kind, Mode: send.Mode, Channel: ch,
		To: to, ToName: send.Recipient.Name, Subject: r.Subject, Text: r.Text, HTML: r.HTML, Locale: r.Locale, RTL: r.RTL,
		Links: []string{links.Page},
	}
	if ch == survey.Email {
		m.UnsubscribeURL = links.Unsubscribe
	}
	if ch == survey.Viber && asks(send.Kind) {
		m.Buttons = keys(sv, send)
	}
	m.StatusURL = d.statusURL(sender, m.AttemptID)
	if r.Fallback != "" {
		extra = map[string]any{"fallback": r.Fallback}
	}
	return m, extra, nil
}

// statusURL is where a sender's provider reports about an attempt; "" where it cannot reach us.
func (d *Dispatcher) statusURL(sender Sender, attemptID string) string {
	if d.cfg.PublicURL == "" || sender.Sandbox {
		return ""
	}
	return d.cfg.PublicURL + "/webhooks/" + sender.Driver + "/" + sender.Name + "/status?attempt=" + attemptID
}

// asks reports whether a message of this kind asks for the score.
func asks(k survey.Kind) bool {
	return k == survey.Invitation || k == survey.Reminder || k == survey.Clarify
}

// keys are the scores under a Viber message.
func keys(sv survey.Survey, send *survey.Send) []survey.Button {
	out := make([]survey.Button, 0, sv.Max-sv.Min+1)
	for n := sv.Min; n <= sv.Max; n++ {
		out = append(out, survey.Button{Text: survey.Digits(strconv.Itoa(n), send.Locale), Payload: survey.Payload(send.ID, n)})
	}
	return out
}
