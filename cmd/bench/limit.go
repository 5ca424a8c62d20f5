package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/templates"
	"github.com/odziv/odziv/web"
	"github.com/odziv/odziv/web/api"
)

const benchKey = "odz_live_benchbenchbenchbenchbenchbench"

// nowhere is a store that keeps nothing: what is left is decoding and answering.
type nowhere struct {
	api.ContactStore // nil: nobody asks for people, nor for the work of operators
	api.Eraser
	api.BulkStore
	api.LetterStore
	nobodysLanes
}

// nobodysLanes is an alias: the name of the interface is that of its method.
type nobodysLanes = api.Lanes

func (n *nowhere) Accept(_ context.Context, sends []survey.Send, _ *survey.Idempotency) ([]survey.AcceptedSend, error) {
	out := make([]survey.AcceptedSend, len(sends))
	for i := range sends {
		out[i] = survey.AcceptedSend{ID: sends[i].ID, Send: sends[i]}
	}
	return out, nil
}

func (*nowhere) Replay(context.Context, string, string, time.Time) (survey.Replay, bool, error) {
	return survey.Replay{}, false, nil
}

func (*nowhere) Send(context.Context, string) (survey.Send, []survey.Attempt, error) {
	return survey.Send{}, nil, survey.ErrNotFound
}

func (*nowhere) Sends(context.Context, survey.SendFilter) ([]survey.Send, string, error) {
	return nil, "", nil
}

func (*nowhere) Events(context.Context, string, string, int) ([]survey.Event, string, error) {
	return nil, "", nil
}

func (*nowhere) Cancel(context.Context, string, string) (survey.Send, error) {
	return survey.Send{}, survey.ErrNotFound
}

func (*nowhere) Responses(context.Context, survey.ResponseFilter) ([]survey.Response, string, error) {
	return nil, "", nil
}

func (*nowhere) Response(context.Context, string) (survey.Response, error) {
	return survey.Response{}, survey.ErrNotFound
}
func (*nowhere) Keys(context.Context) ([]auth.Key, error)                { return nil, nil }
func (*nowhere) CreateKey(context.Context, auth.Key) error               { return nil }
func (*nowhere) RevokeKey(context.Context, string, time.Time) error      { return nil }
func (*nowhere) TouchKey(context.Context, string, time.Time) error       { return nil }
func (*nowhere) SuppressAll(context.Context, []survey.Suppression) error { return nil }
func (*nowhere) Lift(context.Context, survey.Lift) error                 { return nil }
func (*nowhere) KeyByHash(context.Context, [32]byte) (auth.Key, error) {
	return auth.Key{}, survey.ErrNotFound
}

func (*nowhere) Suppressions(context.Context, survey.Mode, string, int) ([]survey.Suppression, string, error) {
	return nil, "", nil
}

// Plan gives every send the same step.
func (*nowhere) Plan(s *survey.Send, _ survey.Wish) []survey.FieldError {
	s.Plan, s.Lane, s.SurveyVersion = []survey.Step{{Channel: survey.SMS, Sender: "sms", Success: survey.AttemptDelivered, Wait: time.Hour}}, "sms", 1
	return nil
}

// serveDecode is the API on a store that keeps nothing.
func serveDecode(ctx context.Context) error { return serveAPI(ctx, new(nowhere)) }

// serveAPI is the API, alone, on a store of sends; it keeps nothing else.
func serveAPI(ctx context.Context, sends api.SendStore) error {
	n := new(nowhere)
	keys, err := auth.NewKeys(n, benchKey, time.Now)
	if err != nil {
		return err
	}
	a, err := api.New(api.Config{
		Now: time.Now, IDs: new(survey.IDSource), Auth: keys, Sends: sends, Cancel: n, Responses: n, Keys: n, Suppressions: n, Contacts: n, Eraser: n, Planner: n,
		Ops: api.Ops{Bulk: n, Letters: n, Lanes: n}, Surveys: survey.Builtin(), Locale: templates.MatchLocale, Locales: templates.Locales(),
	})
	if err != nil {
		return err
	}
	app := web.New(web.Config{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	a.Mount(app) //nolint:contextcheck // fiber hands each request its own
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say("http://%s \n", ln.Addr())
	stop := context.AfterFunc(ctx, func() { _ = app.Shutdown() })
	defer stop()
	return app.Listener(web.Listener(ln))
}

// runCommit stores sends from as many goroutines as there would be connections, without HTTP: the group-commit limit.
func runCommit(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("commit", flag.ContinueOnError)
	url := f.String("database", "", "")
	dir := f.String("dir", "", "")
	length := f.Duration("seconds", 4*time.Second, "")
	per := f.Int("per", 1, "")
	conns := f.Int("conns", 64, "")
	if err := f.Parse(args); err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Config{URL: *url, Dir: *dir})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, *length)
	defer cancel()
	var ids survey.IDSource
	var n atomic.Int64
	var wg sync.WaitGroup
	start := time.Now()
	for range *conns {
		wg.Go(func() {
			for ctx.Err() == nil {
				batch := make([]survey.Send, *per)
				for i := range batch {
					batch[i] = sample(&ids, n.Add(1))
				}
				if _, err := s.Accept(context.WithoutCancel(ctx), batch, nil); err != nil {
					_, _ = fmt.Fprintln(os.Stderr, err)
					return
				}
			}
		})
	}
	wg.Wait()
	res := loadResult{Items: int(n.Load()), Seconds: time.Since(start).Seconds()}
	return errors.Join(json.NewEncoder(os.Stdout).Encode(res), s.Close())
}

// sample is what the generator's order becomes.
func sample(ids *survey.IDSource, i int64) survey.Send {
	now := time.Now().UTC()
	id := strconv.FormatInt(i, 10)
	s := survey.Send{
		ID: ids.New(survey.SendPrefix, now), Mode: survey.Live, Survey: "nps-after-purchase", SurveyVersion: 1, Locale: "hr", ContactID: "con_" + id,
		Recipient: survey.Recipient{
			ExternalID: "c-" + id, Name: "Ana Kovač", Email: "ana" + id + "@example.hr", Phone: "+38591" + strconv.FormatInt(1000000+i%9000000, 10),
			Locale: "hr", Timezone: "Europe/Zagreb",
		},
		Transaction: survey.Transaction{
			ID: "order-" + id, Type: "order.delivered", Touchpoint: "delivery", OccurredAt: now,
			Attributes: map[string]string{"store": "Zagreb-1", "department": "online", "employee": "e-17", "product": "SKU-1", "amount": "129.90", "currency": "EUR"},
		},
		Consent: &survey.Consent{Basis: "existing_customer", Source: "checkout", At: now},
		Plan:    []survey.Step{{Channel: survey.SMS, Sender: "sms", Success: survey.AttemptDelivered, Wait: time.Hour}},
		Status:  survey.Accepted, Kind: survey.Invitation, Lane: "sms", DueAt: now, CreatedAt: now, UpdatedAt: now, ExpiresAt: now.Add(7 * 24 * time.Hour), Actor: "bench",
	}
	return s
}
