package channels

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// maxAnswer is how much of a provider's answer is read: a hundred times what any of them sends.
const maxAnswer = 1 << 20

// NewHTTPClient gives a client for one provider: so many connections are kept, and redirects, which would carry
// credentials elsewhere, are not followed. 0 connections means 64.
func NewHTTPClient(connections int) *http.Client {
	if connections <= 0 {
		connections = 64
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConns:        connections,
			MaxIdleConnsPerHost: connections,
			// Shorter than any provider's own limit: a request written into a connection that the other side
			// was just closing would be Unconfirmed.
			IdleConnTimeout:   20 * time.Second,
			ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
}

// An Answer is what a provider said, whole.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Exchange makes one request and reads the whole answer. The error is an *Error: Transient when nothing of the
// request was written, Unconfirmed when it may have arrived.
func Exchange(c *http.Client, req *http.Request) (Answer, error) {
	var written atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }}
	res, err := c.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace))) //nolint:gosec // the operator's own base_url
	if err != nil {
		fault := Transient
		if written.Load() {
			fault = Unconfirmed
		}
		return Answer{}, &Error{Fault: fault, Err: transportError(req.Context(), err)}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Answer{}, &Error{Err: fmt.Errorf("read answer %d: %w", res.StatusCode, transportError(req.Context(), err))}
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// transportError takes off the URL, which holds account ids, and says which deadline it was.
func transportError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// RetryAfter is how long the provider asks to wait, 0 when it does not; never more than a day.
//
// Source: RFC 9110, section 10.2.3.
func (a Answer) RetryAfter(now time.Time) time.Duration {
	v := a.Header.Get("Retry-After")
	if v == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.ParseInt(v, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), 24*time.Hour)
}

// Throttled reports whether the provider asks for fewer requests.
//
// Source: RFC 6585, section 4.
func (a Answer) Throttled() bool { return a.Status == http.StatusTooManyRequests }

// Fault classes an answer by its HTTP status alone, for providers that gave no code of their own. A gateway that
// timed out or could not read its upstream says nothing about whether the message was taken.
func (a Answer) Fault() Fault {
	switch {
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusRequestTimeout:
		return Transient
	case a.Status == http.StatusBadGateway, a.Status == http.StatusGatewayTimeout:
		return Unconfirmed
	case a.Status >= http.StatusInternalServerError:
		return Transient
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden, a.Status == http.StatusNotFound,
		a.Status >= 300 && a.Status < 400:
		return Misconfigured
	case a.Status >= http.StatusBadRequest:
		return Rejected
	default:
		return Unconfirmed
	}
}
