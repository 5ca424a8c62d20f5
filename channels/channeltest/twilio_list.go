package channeltest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// words are the last status of each message and its error code. The zero value knows nothing.
type words struct {
	mu   sync.Mutex
	last map[string][2]string // guarded by mu: by sid
}

func (w *words) note(sid, word, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last == nil {
		w.last = map[string][2]string{}
	}
	if old := w.last[sid]; wordRank(word) >= wordRank(old[0]) {
		w.last[sid] = [2]string{word, code}
	}
}

func (w *words) of(sid string) (word, code string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if got, ok := w.last[sid]; ok {
		return got[0], got[1]
	}
	return "queued", ""
}

func wordRank(word string) int {
	return slices.Index([]string{"", "queued", "sending", "sent", "failed", "undelivered", "delivered", "read"}, word)
}

// play does what the script says about m.
func (t *Twilio) play(m Received) {
	for _, r := range t.cfg.Callbacks.Script(m) {
		t.later(r.After, func(ctx context.Context) {
			if r.Lost || m.StatusURL == "" {
				t.words.note(m.ID, r.Word, r.Code)
				return
			}
			_ = t.Status(ctx, m, r.Word, r.Code)
		})
	}
}

// list is GET of the Messages resource: what was taken, newest first, by To, From and the time since DateSent. It has one page.
//
// Source: https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
func (t *Twilio) list(w http.ResponseWriter, r *http.Request) {
	if !t.known(w, r) {
		return
	}
	t.mu.Lock()
	t.lookups++
	t.mu.Unlock()
	path := "/2010-04-01/Accounts/" + t.cfg.AccountSID + "/Messages.json"
	q, err := url.ParseQuery(r.URL.RawQuery)
	if r.URL.Path != path || err != nil {
		t.violate("GET %s; want %s", r.URL.Path, path)
		t.refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	size := 50
	var since, before time.Time
	for name := range q {
		switch name {
		case "To", "From", "Page", "PageToken":
		case "PageSize":
			size, _ = strconv.Atoi(q.Get(name))
		case "DateSent>":
			since = t.date(q.Get(name))
		case "DateSent<":
			before = t.date(q.Get(name))
		default:
			t.violate("GET: parameter %s is unknown", name)
		}
	}
	if size < 1 || size > 1000 {
		t.violate("GET: PageSize %d", size)
		size = 1000
	}
	found := []map[string]any{}
	for _, m := range slices.Backward(t.Received()) {
		here := (q.Get("To") == "" || q.Get("To") == m.To) && (q.Get("From") == "" || q.Get("From") == m.From)
		if here && !m.At.Truncate(time.Second).Before(since) && (before.IsZero() || !m.At.Truncate(time.Second).After(before)) && len(found) < size {
			found = append(found, t.resource(m))
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"messages": found, "page": 0, "page_size": size, "start": 0, "end": max(len(found)-1, 0), "first_page_uri": path + "?PageSize=" + strconv.Itoa(size) + "&Page=0",
		"next_page_uri": nil, "previous_page_uri": nil, "uri": r.URL.RequestURI(),
	})
}

// date reads what Twilio reads: a day, or a moment in UTC.
func (t *Twilio) date(s string) time.Time {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, s); err == nil {
			return at
		}
	}
	t.violate("GET: DateSent %q is no date", s)
	return time.Time{}
}

// resource is one message as the list shows it. The status URL is not part of it.
func (t *Twilio) resource(m Received) map[string]any {
	word, code := t.words.of(m.ID)
	var fault any
	if n, err := strconv.Atoi(code); err == nil {
		fault = n
	}
	at := m.At.UTC().Format(time.RFC1123Z)
	return map[string]any{
		"account_sid": t.cfg.AccountSID, "api_version": "2010-04-01", "body": m.Text, "date_created": at, "date_sent": at, "date_updated": at,
		"direction": "outbound-api", "error_code": fault, "error_message": nil, "from": m.From, "messaging_service_sid": nil,
		"num_media": "0", "num_segments": strconv.Itoa(segments(m.Text)), "price": nil, "price_unit": nil, "sid": m.ID,
		"status": word, "to": m.To, "uri": "/2010-04-01/Accounts/" + t.cfg.AccountSID + "/Messages/" + m.ID + ".json",
	}
}

// Lookups is how often the list of messages was asked for.
func (t *Twilio) Lookups() int { t.mu.Lock(); defer t.mu.Unlock(); return t.lookups }
