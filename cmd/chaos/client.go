package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"
)

// call makes one request of a backend.
func (w *world) call(ctx context.Context, method, path, key, mediaType string, body []byte) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, method, w.api.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// insist repeats a call until it has an answer that is one, as a sane backend does. It gives up with ctx.
func (w *world) insist(ctx context.Context, method, path, key, mediaType string, body []byte) (status int, text []byte, err error) {
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		status, text, err = w.call(ctx, method, path, key, mediaType, body)
		inFlight := status == http.StatusConflict && bytes.Contains(text, []byte(`in_flight`))
		if err == nil && status < 500 && status != http.StatusTooManyRequests && !inFlight {
			return status, text, nil
		}
		if !rest(ctx, wait) {
			return status, text, fmt.Errorf("%s %s: %w", method, path, context.Cause(ctx))
		}
	}
}

// rest waits; it is false when ctx ended first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// An answer is what is said to one order.
type answer struct {
	ID     string `json:"id"`
	Status any    `json:"status"` // of the send, or of HTTP in a batch
}

// ask asks for the orders of a call.
func (w *world) ask(ctx context.Context, a ask) error {
	now := time.Now()
	path, media, body := "/v1/sends", "application/json", []byte(nil)
	if a.single {
		body = a.orders[0].body(now)
	} else {
		path, media = "/v1/sends/batch", "application/x-ndjson"
		for _, o := range a.orders {
			body = append(append(body, o.body(now)...), '\n')
		}
	}
	status, text, err := w.insist(ctx, http.MethodPost, path, a.key, media, body)
	if err != nil {
		return err
	}
	var batch struct{ Items []answer }
	var one answer
	switch {
	case status == http.StatusUnprocessableEntity && a.single && a.orders[0].life > 0:
	case status != http.StatusAccepted:
		w.broke("%s answered %d: %.300s", path, status, text)
		return nil
	case a.single:
		err = json.Unmarshal(text, &one)
	default:
		err = json.Unmarshal(text, &batch)
	}
	if a.single {
		batch.Items = []answer{one}
	}
	if err != nil || len(batch.Items) != len(a.orders) {
		w.broke("%s answered %d items for %d orders: %v", path, len(batch.Items), len(a.orders), err)
		return nil
	}
	for i, o := range a.orders {
		w.accepted(ctx, o, batch.Items[i].ID)
	}
	return nil
}

// broke notes an answer that the contract does not know.
func (w *world) broke(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// accepted notes the send of an order; "" = it was refused.
func (w *world) accepted(ctx context.Context, o *order, id string) {
	w.mu.Lock()
	w.asked++
	had := w.ids[o.tx]
	switch {
	case id == "" && o.life > 0:
		w.refused++
	case id == "":
		w.wrong = append(w.wrong, "order "+o.tx+" was refused")
	case had != "" && had != id:
		w.wrong = append(w.wrong, fmt.Sprintf("transaction %s is %s and %s", o.tx, had, id))
	default:
		w.ids[o.tx] = id
	}
	w.mu.Unlock()
	if o.kind == cancelling && id != "" {
		wait := rand.N(w.linger) //nolint:gosec // chance
		w.person(func() { w.cancel(ctx, id, wait) })
	}
}

// cancel takes a send back after a while, and notes when that was confirmed.
func (w *world) cancel(ctx context.Context, id string, wait time.Duration) {
	if !rest(ctx, wait) {
		return
	}
	status, text, err := w.insist(ctx, http.MethodPost, "/v1/sends/"+id+"/cancel", "", "application/json", nil)
	if err != nil {
		return
	}
	if status == http.StatusConflict { // it has its outcome: maybe this very one, and the answer was lost
		if status, text, err = w.insist(ctx, http.MethodGet, "/v1/sends/"+id, "", "", nil); err != nil {
			return
		}
	}
	var got answer
	if err := json.Unmarshal(text, &got); err != nil || status != http.StatusOK {
		w.broke("cancel of %s was answered with %d: %.300s", id, status, text)
		return
	}
	if got.Status == "cancelled" {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.cancelled[id] = time.Now()
	}
}

// suppress puts a number on the list.
func (w *world) suppress(ctx context.Context, o *order) error {
	for _, a := range [][2]string{{"sms", o.phone}, {"email", o.email}} {
		body := fmt.Sprintf(`{"channel":%q,"address":%q}`, a[0], a[1])
		status, text, err := w.insist(ctx, http.MethodPost, "/v1/suppressions", "", "application/json", []byte(body))
		if err != nil {
			return err
		}
		if status != http.StatusCreated {
			return fmt.Errorf("suppress: %d %.300s", status, text)
		}
	}
	return nil
}

// listed gives the status of every send as the API lists them.
func (w *world) listed(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	for cursor := ""; ; {
		status, text, err := w.insist(ctx, http.MethodGet, "/v1/sends?limit=200&cursor="+url.QueryEscape(cursor), "", "", nil)
		if err != nil {
			return nil, err
		}
		var page struct {
			Items []struct{ ID, Status string }
			Next  string
		}
		if err := json.Unmarshal(text, &page); err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("list of sends: %d %.300s", status, text)
		}
		for _, s := range page.Items {
			all[s.ID] = s.Status
		}
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}
