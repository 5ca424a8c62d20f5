package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"
)

// A counter counts what a provider received and lets others wait for a number.
type counter struct {
	mu   sync.Mutex
	n    int           // guarded by mu
	more chan struct{} // guarded by mu: closed and replaced at every change
}

func newCounter() *counter { return &counter{more: make(chan struct{})} }

func (c *counter) add() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	close(c.more)
	c.more = make(chan struct{})
	return c.n
}

// wait answers when n are there; it gives up with ctx.
func (c *counter) wait(ctx context.Context, n int) int {
	for {
		c.mu.Lock()
		got, more := c.n, c.more
		c.mu.Unlock()
		if got >= n {
			return got
		}
		select {
		case <-more:
		case <-ctx.Done():
			return got
		}
	}
}

// control serves /wait?n= and prints where; it returns when ctx ends.
func (c *counter) control(ctx context.Context, extra http.HandlerFunc, port string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		_, _ = fmt.Fprint(w, c.wait(r.Context(), n))
	})
	if extra != nil {
		mux.HandleFunc("/", extra)
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	say("http://%s %s\n", ln.Addr(), port)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// serveTwilio takes every message at once, as the Messages resource does.
func serveTwilio(ctx context.Context) error {
	c := newCounter()
	return c.control(ctx, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := c.add()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"sid":"SM%032d","status":"queued","num_segments":"1"}`, n)
	}, "")
}

// serveSMTP takes every mail.
func serveSMTP(ctx context.Context) error {
	c := newCounter()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := gosmtp.NewServer(sink{c})
	server.Domain = "localhost"
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	err = c.control(ctx, nil, ln.Addr().String())
	_ = server.Close()
	return errors.Join(err, ignoreClosed(<-done))
}

type sink struct{ c *counter }

func (s sink) NewSession(*gosmtp.Conn) (gosmtp.Session, error) { return s, nil }
func (sink) Mail(string, *gosmtp.MailOptions) error            { return nil }
func (sink) Rcpt(string, *gosmtp.RcptOptions) error            { return nil }
func (sink) Reset()                                            {}
func (sink) Logout() error                                     { return nil }
func (s sink) Data(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return err
	}
	s.c.add()
	return nil
}

// ignoreClosed: a server that was closed says so.
func ignoreClosed(err error) error {
	if errors.Is(err, gosmtp.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
