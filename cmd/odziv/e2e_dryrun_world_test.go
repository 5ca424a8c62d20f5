package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/odziv/odziv/channels/channeltest"
)

// A dryPerson may be named by any of these.
type dryPerson struct {
	ids      map[string]any // external_id, email, phone, viber_id
	name     string
	locale   string
	timezone string
	asked    []string // ids of transactions, each with its survey
}

// A dryWorld is a shop, its customers, and what happens between two sends. The same seed gives the same story.
type dryWorld struct {
	t      *testing.T
	p      *process
	ps     *providers
	rows   *rowCount
	r      *rand.Rand
	people []*dryPerson
	n      int // of transactions
	said   map[string]bool
}

func newDryWorld(t *testing.T, p *process, ps *providers, rows *rowCount, seed uint64) *dryWorld {
	w := &dryWorld{t: t, p: p, ps: ps, rows: rows, r: rand.New(rand.NewPCG(seed, 1)), said: map[string]bool{}} //nolint:gosec // repeatable on purpose
	prefixes := []string{"+38591123%04d", "+38164123%04d", "+48601123%03d", "+98912123%04d", "+1212555%04d"}
	for i := range 110 {
		q := &dryPerson{name: pick(w, "Ana Kovač", "Иван", "Łucja Żak", "مریم", ""), locale: pick(w, "hr", "sr-Latn", "sr-Cyrl", "sl", "pl", "fa", "en", "hr-BA")}
		q.ids = map[string]any{
			"external_id": fmt.Sprintf("c-%d", i), "email": fmt.Sprintf("kupac%d@posta.example", i),
			"phone": fmt.Sprintf(prefixes[i%len(prefixes)], 100+i), "viber_id": fmt.Sprintf("viber-person-%03d=", i),
		}
		if w.oneIn(3) {
			delete(q.ids, "external_id")
		}
		q.timezone = pick(w, "", zoneAt(13), zoneAt(13), zoneAt(13), zoneAt(13), zoneAt(1))
		w.people = append(w.people, q)
	}
	return w
}

func (w *dryWorld) oneIn(n int) bool { return w.r.IntN(n) == 0 }

func pick[T any](w *dryWorld, all ...T) T { return all[w.r.IntN(len(all))] }

// person is a new one seldom enough that people are asked again.
func (w *dryWorld) person() *dryPerson {
	return w.people[min(w.r.IntN(len(w.people)), w.r.IntN(len(w.people)))]
}

// request makes the next request, mostly a good one.
func (w *dryWorld) request() map[string]any {
	q := w.person()
	to := map[string]any{"name": q.name, "locale": q.locale, "timezone": q.timezone}
	named := false // by any of their ids: one person is several contacts until somebody names two of them together
	for _, kind := range []string{"external_id", "email", "phone", "viber_id"} {
		if id := q.ids[kind]; id != nil && (kind == "viber_id" && !named || !w.oneIn(3)) {
			to[kind], named = id, named || kind != "external_id"
		}
	}
	body := map[string]any{
		"survey":    pick(w, "nps-after-purchase", "nps-after-purchase", "nps-after-purchase", "csat-after-support", "ces-after-return"),
		"recipient": to,
	}
	w.transaction(q, body)
	w.way(body)
	if w.oneIn(4) {
		days := pick(w, 1, 10, 10, 200)
		body["consent"] = map[string]any{
			"basis": pick(w, "existing_customer", "opt_in", "opt_in", "opt_in", "existing_customer", "rumour", "withdrawn"), "source": "checkout",
			"at": time.Now().Add(-time.Duration(days) * 24 * time.Hour).UTC().Format(time.RFC3339),
		}
	}
	switch w.r.IntN(8) {
	case 0:
		to["timezone"] = zoneAt(1)
		body["expires_at"] = time.Now().Add(4 * time.Second).UTC().Format(time.RFC3339Nano)
	case 1:
		body["expires_at"] = time.Now().Add(26 * time.Hour).UTC().Format(time.RFC3339Nano)
	case 2:
		body["delay"] = "0s"
	}
	if w.oneIn(9) {
		w.spoil(body)
	}
	return body
}

// transaction adds one that is new, the same as one before, or none.
func (w *dryWorld) transaction(q *dryPerson, body map[string]any) {
	x := map[string]any{
		"type":       pick(w, "order.delivered", "order.delivered", "order.receipt", "ticket.closed"),
		"touchpoint": pick(w, "delivery", "delivery", "support", "short", "short", "short", "short", "store", "store"),
		"attributes": map[string]any{"store": pick(w, "Zagreb-1", "Split-2"), "tier": pick(w, "gold", "plain"), "amount": 12.5},
	}
	switch {
	case w.oneIn(5) && len(q.asked) > 0:
		id := pick(w, q.asked...)
		x["id"] = id
		body["survey"] = strings.Split(id, "|")[1]
	case w.oneIn(4):
	default:
		w.n++
		id := fmt.Sprintf("order-%d|%s", w.n, body["survey"])
		q.asked = append(q.asked, id)
		x["id"] = id
	}
	body["transaction"] = x
}

// way says over which channels, by which plan, or nothing.
func (w *dryWorld) way(body map[string]any) {
	switch w.r.IntN(5) {
	case 0:
		all := []string{"viber", "sms", "email"}
		w.r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		body["channels"] = all[:1+w.r.IntN(3)]
	case 1:
		body["plan"] = []map[string]any{
			{"channel": "viber", "success_status": pick(w, "delivered", "read"), "wait": "2h"},
			{"channel": "sms", "sender": pick(w, "sms", "sms-b"), "success_status": "answered", "wait": "1d"},
			{"channel": "email"},
		}
	case 2:
		body["plan"] = []map[string]any{{"channel": "sms", "sender": "sms-b"}, {"channel": "email", "sender": "mail", "wait": "10m"}}
	}
}

// spoil makes a request one that is refused.
func (w *dryWorld) spoil(body map[string]any) {
	to, _ := body["recipient"].(map[string]any)
	wrong := []func(){
		func() { body["recipent"] = to },
		func() { body["survey"] = "nps-after-purchases" },
		func() { delete(body, "survey") },
		func() { delete(body, "recipient") },
		func() { to["email"] = "kupac@" },
		func() { to["phone"] = "+385 1 6110 000" },
		func() { to["phone"] = "+385 91 12"; to["locale"] = "xx" },
		func() { to["timezone"] = "Europe/Zagrebb" },
		func() { clear(to); to["name"] = "Nobody" },
		func() { delete(body, "plan"); body["channels"] = []string{"fax"} },
		func() { delete(body, "plan"); body["channels"] = []string{"sms", "sms"} },
		func() { delete(body, "plan"); delete(to, "phone"); body["channels"] = []string{"sms"} },
		func() { delete(body, "channels"); body["plan"] = []any{} },
		func() {
			delete(body, "channels")
			body["plan"] = []map[string]any{{"channel": "sms", "sender": "nobody"}}
		},
		func() {
			body["channels"] = []string{"sms"}
			body["plan"] = []map[string]any{{"channel": "sms", "wait": "1s"}}
		},
		func() { body["expires_at"] = "2020-01-01T00:00:00Z" },
		func() { body["delay"], body["send_at"] = "1h", "2030-01-01T00:00:00Z" },
		func() { body["consent"] = map[string]any{"source": "checkout"} },
		func() { body["reminders"] = map[string]any{"count": 9} },
		func() { body["metadata"] = []int{1} },
		func() { body["transaction"] = "order-1" },
	}
	pick(w, wrong...)()
}

// happen lets something happen in the world, and waits until it is known.
func (w *dryWorld) happen() string {
	switch n := w.r.IntN(100); {
	case n < 13:
		w.suppress()
		return "suppressed"
	case n < 14:
		w.withdraw()
		return "withdrawn"
	case n < 15:
		w.erase()
		return "erased"
	case n < 23:
		return w.reply(pick(w, "9", "9", "9", "STOP"))
	case n < 27:
		return w.undelivered()
	default:
		return ""
	}
}

func (w *dryWorld) post(path string, body any, want int) {
	w.t.Helper()
	if status, text := request(w.t, http.MethodPost, w.p.url()+path, bootstrapKey, body); status != want {
		w.t.Fatalf("POST %s %v: %d %s", path, body, status, text)
	}
}

func (w *dryWorld) suppress() {
	q := w.person()
	channel, kind := "email", "email"
	switch w.r.IntN(3) {
	case 0:
		channel, kind = "sms", "phone"
	case 1:
		channel, kind = "viber", "viber_id"
	}
	body := map[string]any{"channel": channel, "address": q.ids[kind], "scope": pick(w, "all", "brand", "survey", "channel", "channel", "channel", "channel", "channel", "channel", "channel", "channel", "channel")}
	if body["scope"] == "survey" {
		body["subject"] = "nps-after-purchase"
	}
	w.post("/v1/suppressions", body, http.StatusCreated)
}

// contact is what is known of a person, "" when nothing is.
func (w *dryWorld) contact(q *dryPerson) string {
	var list struct{ Items []struct{ ID string } }
	w.p.call(http.MethodGet, "/v1/contacts?email="+fmt.Sprint(q.ids["email"]), nil, &list)
	if len(list.Items) == 0 {
		return ""
	}
	return list.Items[0].ID
}

func (w *dryWorld) withdraw() {
	if id := w.contact(w.person()); id != "" {
		status, text := request(w.t, http.MethodPost, w.p.url()+"/v1/contacts/"+id+"/consents", bootstrapKey, map[string]any{"basis": pick(w, "withdrawn", "objected")})
		if status/100 != 2 {
			w.t.Fatalf("withdraw: %d %s", status, text)
		}
	}
}

func (w *dryWorld) erase() {
	if id := w.contact(w.person()); id != "" {
		status, text := request(w.t, http.MethodPost, w.p.url()+"/v1/contacts/"+id+"/erase", bootstrapKey, map[string]any{"confirm": id})
		if status/100 != 2 {
			w.t.Fatalf("erase: %d %s", status, text)
		}
	}
}

// reply lets somebody answer the last invitation on the phone.
func (w *dryWorld) reply(text string) string {
	sms, viber := w.ps.twilio.Received(), w.ps.viber.Received()
	all := slices.Concat(sms, viber)
	if len(all) == 0 {
		return ""
	}
	m := pick(w, all...)
	if w.said[m.To] {
		return ""
	}
	w.said[m.To] = true
	var err error
	if strings.HasPrefix(m.To, "+") {
		err = w.ps.twilio.Reply(w.t.Context(), m.To, m.From, text, w.p.url()+"/webhooks/twilio/sms/inbound")
	} else {
		err = w.ps.viber.Reply(w.t.Context(), m.To, text)
	}
	if err != nil {
		w.t.Fatalf("a reply was not taken: %v", err)
	}
	w.quiet()
	return "said " + text
}

// undelivered lets Twilio say of a message that nobody has that number.
func (w *dryWorld) undelivered() string {
	all := slices.DeleteFunc(w.ps.twilio.Received(), func(m channeltest.Received) bool { return w.said[m.To] || m.StatusURL == "" })
	if len(all) == 0 {
		return ""
	}
	m := pick(w, all...)
	w.said[m.To] = true
	if err := w.ps.twilio.Status(w.t.Context(), m, "undelivered", "30005"); err != nil {
		w.t.Fatalf("a receipt was not taken: %v", err)
	}
	w.quiet()
	return "undelivered"
}

// quiet waits until nobody works on any send: nothing that came in is unread, nothing is claimed, and nothing is due soon.
func (w *dryWorld) quiet() {
	soon(w.t, "nothing is due", func() (string, bool) {
		n := w.rows.busy()
		return fmt.Sprint(n), n == 0
	})
	w.flush()
}

// flush lets the gateway write down who its contacts are: it does so in pauses.
func (w *dryWorld) flush() { w.p.call(http.MethodGet, "/v1/contacts?limit=1", nil, nil) }

func encodeBody(t *testing.T, body map[string]any) string {
	t.Helper()
	text, err := json.Marshal(maps.Clone(body))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// soon is await with a short breath: there are a thousand of them.
func soon(t *testing.T, what string, done func() (seen string, ok bool)) {
	t.Helper()
	tick := time.NewTicker(3 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for {
		seen, ok := done()
		if ok {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not in time; last seen: %s", what, seen)
		}
	}
}
