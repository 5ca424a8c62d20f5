package channels_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/odziv/odziv/channels"
)

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		name, value string
		want        time.Duration
	}{
		{"none", "", 0},
		{"seconds", "7", 7 * time.Second},
		{"date", "Sat, 21 Nov 2026 12:01:00 GMT", time.Minute},
		{"date gone by", "Sat, 21 Nov 2026 11:00:00 GMT", 0},
		{"negative", "-5", 0},
		{"words", "soon", 0},
		{"a year", "31536000", 24 * time.Hour},
		{"beyond all", "99999999999999999999", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := channels.Answer{Header: http.Header{"Retry-After": {tt.value}}}
			if got := a.RetryAfter(now); got != tt.want {
				t.Errorf("RetryAfter = %s; want %s", got, tt.want)
			}
		})
	}
}

func TestAnswerFault(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]channels.Fault{
		200: channels.Unconfirmed, 302: channels.Misconfigured, 400: channels.Rejected, 401: channels.Misconfigured,
		403: channels.Misconfigured, 404: channels.Misconfigured, 408: channels.Transient, 422: channels.Rejected,
		429: channels.Transient, 500: channels.Transient, 502: channels.Unconfirmed, 503: channels.Transient,
		504: channels.Unconfirmed,
	} {
		if got := (channels.Answer{Status: status}).Fault(); got != want {
			t.Errorf("Fault of %d = %s; want %s", status, got, want)
		}
	}
}

func TestExchangeErrorsHideTheURL(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/Accounts/AC0123456789", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = channels.Exchange(channels.NewHTTPClient(0), req)
	if e, ok := errors.AsType[*channels.Error](err); !ok || e.Fault != channels.Transient || strings.Contains(err.Error(), "AC0123456789") {
		t.Errorf("Exchange = %v", err)
	}
}
