package store_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// A wire passes bytes to a server until it is cut.
type wire struct {
	ln     net.Listener
	server string
	mu     sync.Mutex
	dead   bool                  // guarded by mu
	open   map[net.Conn]struct{} // guarded by mu
}

func newWire(t *testing.T, server string) *wire {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{ln: ln, server: server, open: map[net.Conn]struct{}{}}
	t.Cleanup(func() {
		_ = ln.Close()
		w.cut(true)
	})
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go w.pass(c)
		}
	}()
	return w
}

// keep remembers a connection; false when the wire is cut.
func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		_ = c.Close()
		return false
	}
	w.open[c] = struct{}{}
	return true
}

func (w *wire) pass(c net.Conn) {
	to, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", w.server)
	if err != nil || !w.keep(c) || !w.keep(to) {
		_ = c.Close()
		return
	}
	go func() {
		_, _ = io.Copy(c, to)
		_ = c.Close()
	}()
	for buffer := make([]byte, 64<<10); ; {
		n, err := c.Read(buffer)
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

// cut ends all connections; with dead there will be no more.
func (w *wire) cut(dead bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead = dead
	for c := range w.open {
		_ = c.Close()
	}
	clear(w.open)
}

// A database that does not answer is no fault of ours or of the caller's: each call says that it may be made again, and works as soon as the
// database is back.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	there := storetest.PostgresURL(t)
	u, err := url.Parse(there)
	must(t, err)
	w := newWire(t, u.Host)
	u.Host = w.ln.Addr().String()
	s := storetest.OpenConfig(t, store.Config{URL: u.String()})
	ctx := t.Context()
	known := accept(t, s, newSend(1))[0].ID
	calls := map[string]func() error{
		"accept": func() error {
			_, err := s.Accept(ctx, []survey.Send{newSend(2)}, nil)
			return err
		},
		"apply": func() error {
			_, err := s.Apply(ctx, known, func(st *survey.State) error {
				st.Send.Tries++
				return nil
			})
			return err
		},
		"send": func() error {
			_, _, err := s.Send(ctx, known)
			return err
		},
		"list": func() error {
			_, _, err := s.Sends(ctx, survey.SendFilter{})
			return err
		},
		"events": func() error {
			_, _, err := s.Events(ctx, known, "", 0)
			return err
		},
		"suppressions": func() error {
			_, _, err := s.Suppressions(ctx, survey.Live, "", 0)
			return err
		},
		"contacts": func() error {
			_, _, err := s.Contacts(ctx, survey.ContactFilter{})
			return err
		},
		"ping": func() error { return s.Ping(ctx) },
	}
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s before: %v", name, err)
		}
	}
	w.cut(true)
	writes := map[string]bool{"accept": true, "apply": true, "contacts": true} // what waits for the writer: its statements may go with the commit
	for range 2 {                                                              // of connections that there were, and of none
		for name, call := range calls {
			if err := call(); !errors.Is(err, survey.ErrUnavailable) && (!writes[name] || !errors.Is(err, survey.ErrInDoubt)) {
				t.Errorf("%s without a database: %v", name, err)
			}
		}
	}
	w.cut(false)
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s after: %v", name, err)
		}
	}
}

// What surely was not made may be made again; of what was lost with its commit nobody knows.
func TestLostCommitIsInDoubt(t *testing.T) {
	t.Parallel()
	for with, want := range map[bool]error{false: survey.ErrUnavailable, true: survey.ErrInDoubt} {
		other := survey.ErrUnavailable
		if !with {
			other = survey.ErrInDoubt
		}
		if err := store.LostCommit(t.Context(), with); !errors.Is(err, want) || errors.Is(err, other) {
			t.Errorf("lost with the commit %t: %v; want %v", with, err, want)
		}
	}
}
