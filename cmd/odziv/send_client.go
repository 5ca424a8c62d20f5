package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	tries       = 8           // of one batch, about two minutes without Retry-After
	firstPause  = time.Second // doubles with each try
	longPause   = 30 * time.Second
	mostPause   = 10 * time.Minute // a longer Retry-After ends the run
	callTimeout = time.Minute
	maxAnswer   = 64 << 20
)

// A batchClient sends batches to a gateway and tries again for as long as that can help.
type batchClient struct {
	http *http.Client
	url  string // of the gateway, without a slash at its end
	key  Secret
	now  func() time.Time
	note func(string) // tells people why it waits
}

// A lineResult is what the gateway says to one line.
type lineResult struct {
	Duplicate bool
	Refusal   string // "" = accepted
}

// A problem is an error answer of the gateway (RFC 9457).
type problem struct {
	Title  string `json:"title"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Code    string `json:"code"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

func (p problem) String() string {
	var parts []string
	for _, e := range p.Errors {
		parts = append(parts, strings.TrimPrefix(e.Pointer+": "+e.Detail, ": "))
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, "; ")
	case p.Detail != "":
		return p.Detail
	case p.Title != "":
		return p.Title
	default:
		return p.Code
	}
}

// A retryError is a failure that may pass.
type retryError struct {
	err   error
	after time.Duration // 0 = the gateway named none
}

func (e *retryError) Error() string { return e.err.Error() }
func (e *retryError) Unwrap() error { return e.err }

// post hands a batch of lines over and gives a result for each. The same key with the same body is answered as
// it was the first time, so a try whose answer was lost doubles nothing. Such an answer to the first try is that of a
// run before, and its lines are duplicates, unless lost says that this run may have handed the batch over already.
func (c *batchClient) post(ctx context.Context, key string, body []byte, lines int, lost bool) ([]lineResult, error) {
	for try := 1; ; try++ {
		results, replayed, err := c.once(ctx, key, body, lines)
		if replayed && try == 1 && !lost {
			for i := range results {
				results[i].Duplicate = results[i].Refusal == ""
			}
		}
		var again *retryError
		if err == nil || !errors.As(err, &again) || ctx.Err() != nil {
			return results, err
		}
		pause := again.after
		if pause == 0 {
			pause = min(firstPause<<(try-1), longPause)
			pause = pause/2 + rand.N(pause/2) //nolint:gosec // spreads callers, hides nothing
		}
		if try == tries || pause > mostPause {
			return nil, fmt.Errorf("the gateway does not take the batch: %w", err)
		}
		c.note(fmt.Sprintf("%v; try %d of %d in %s", err, try+1, tries, pause.Round(time.Second/10)))
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, ctx.Err()
		case <-wait.C:
		}
	}
}

// once makes one try; replayed tells that the answer was kept from an earlier one.
func (c *batchClient) once(ctx context.Context, key string, body []byte, lines int) (results []lineResult, replayed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v1/sends/batch", bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set("Authorization", "Bearer "+string(c.key))
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Idempotency-Key", key)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, false, &retryError{err: fmt.Errorf("the gateway does not answer: %w", err)}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, false, &retryError{err: fmt.Errorf("the answer broke off: %w", err)}
	}
	if res.StatusCode/100 == 2 {
		results, err = readResults(answer, lines)
		return results, res.Header.Get("Idempotency-Replayed") == "true", err
	}
	return nil, false, c.refused(res, answer)
}

// refused makes an error of an answer that is no result.
func (c *batchClient) refused(res *http.Response, answer []byte) error {
	var p problem
	_ = json.Unmarshal(answer, &p) // else the status says it alone
	err := fmt.Errorf("the gateway answered %s: %s", res.Status, p)
	if p.String() == "" {
		err = fmt.Errorf("the gateway answered %s", res.Status)
	}
	switch res.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w; the key needs the scope sends:write (odziv keys create --scope sends:write)", err)
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return fmt.Errorf("%w; is %s the address of an Odziv gateway?", err, c.url)
	case http.StatusConflict, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return &retryError{err, retryAfter(res.Header.Get("Retry-After"), c.now())}
	}
	if res.StatusCode >= http.StatusInternalServerError {
		return &retryError{err, retryAfter(res.Header.Get("Retry-After"), c.now())}
	}
	return err
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3); 0 when there is none.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < int(longest/time.Second) {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// readResults reads the answer to a batch: one result for each line, in their order.
func readResults(answer []byte, lines int) ([]lineResult, error) {
	var got struct {
		Items []struct {
			ID        string   `json:"id"`
			Duplicate bool     `json:"duplicate"`
			Error     *problem `json:"error"`
		} `json:"items"`
	}
	if err := json.Unmarshal(answer, &got); err != nil {
		return nil, fmt.Errorf("the gateway's answer cannot be read: %w", err)
	}
	if len(got.Items) != lines {
		return nil, fmt.Errorf("the gateway gave %d results for %d lines", len(got.Items), lines)
	}
	results := make([]lineResult, lines)
	for i, item := range got.Items {
		switch {
		case item.Error != nil:
			results[i].Refusal = cmp.Or(item.Error.String(), "refused without a reason")
		case item.ID == "":
			return nil, fmt.Errorf("the gateway's answer has neither id nor error for line %d of the batch", i+1)
		default:
			results[i].Duplicate = item.Duplicate
		}
	}
	return results, nil
}
