package twilio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	api "github.com/twilio/twilio-go/rest/api/v2010"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// lookupPage is how many messages to one number are looked through.
const lookupPage = 200

// clocks is how far Twilio's clock and ours may be apart.
const clocks = 2 * time.Minute

// Find gives Twilio's list of what was sent to the number. Twilio keeps no id of ours, and does not list the address of the
// status callback: the words and the time have to do, and the words may be changed or blanked on the way. DateSent is not asked for: what still waits has none.
//
// Source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
func (c *Channel) Find(ctx context.Context, l channels.Lookup) ([]channels.Update, error) {
	x := &call{ctx: ctx, c: c}
	page, err := x.api().PageMessage(new(api.ListMessageParams).SetTo(l.To).SetPageSize(lookupPage), "", "")
	switch {
	case x.err != nil:
		return nil, x.err
	case x.answer.Status >= 300:
		return nil, x.fault(err)
	case err != nil || page.Messages == nil:
		return nil, &channels.Error{Err: fmt.Errorf("answer %d that cannot be read", x.answer.Status)}
	}
	var found []channels.Update
	since, whole := l.Since.Add(-clocks), len(page.Messages) < lookupPage
	for i := range page.Messages {
		m := &page.Messages[i]
		at, dated := created(m)
		if dated && at.Before(since) {
			whole = true // newest first
			continue
		}
		if strings.HasPrefix(text(m.Direction), "inbound") {
			continue
		}
		if u, ok := update(m); ok {
			u.AttemptID, u.At, u.Text = l.AttemptID, at, text(m.Body)
			found = append(found, u)
		}
	}
	if !whole {
		return nil, &channels.Error{Err: errors.New("more messages to this number than are looked through")}
	}
	slices.SortStableFunc(found, func(a, b channels.Update) int { return a.At.Compare(b.At) })
	return found, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func created(m *api.ApiV2010Message) (at time.Time, ok bool) {
	at, err := time.Parse(time.RFC1123Z, text(m.DateCreated))
	return at, err == nil
}

// update is what a status callback of the message would say.
func update(m *api.ApiV2010Message) (u channels.Update, ok bool) {
	status, ok := statusOf(text(m.Status))
	if !ok || text(m.Sid) == "" {
		return u, false
	}
	u = channels.Update{Type: channels.StatusUpdate, Channel: survey.SMS, Status: status, ProviderID: *m.Sid}
	if status == survey.AttemptFailed {
		u.Fault = channels.Rejected
		if m.ErrorCode != nil {
			u.Code = strconv.Itoa(*m.ErrorCode)
			if f, known := faultOf(*m.ErrorCode); known {
				u.Fault = f
			}
		}
	}
	return u, true
}
