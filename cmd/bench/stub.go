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

// control serves /wait?n= and says where, in the form of announce; it returns when ctx ends.
func (c *counter) control(ctx context.Context, extra http.HandlerFunc, announce string) error {
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
	say(announce+"\n", ln.Addr())
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
	}, "http://%s ")
}
