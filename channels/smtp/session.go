package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/wneessen/go-mail/smtp"
)

// The commands of a transaction, as they stand in errors.
const (
	stageMail = "MAIL FROM"
	stageRcpt = "RCPT TO"
	stageData = "DATA"
	stageBody = "message"
	stageDot  = "end of message" // from here on the server may have taken it
)

// errStale: the connection was dead before MAIL FROM was accepted.
var errStale = errors.New("connection was closed while idle")

// A stageError is what went wrong, and at which command.
type stageError struct {
	stage string
	err   error // a *textproto.Error when the server answered
}

func (e *stageError) Error() string { return e.stage + ": " + e.err.Error() }
func (e *stageError) Unwrap() error { return e.err }

// A session is one connection; one goroutine uses it at a time.
type session struct {
	client  *gosmtp.Client
	raw     *conn
	timeout time.Duration // of each command
	used    time.Time
	fit     bool // for another message
}

// send makes one transaction. It uses the commands of go-mail's client one by one, because its SendWithSMTPClient hides
// at which of them the connection broke, and on that depends whether the message may have been taken.
func (s *session) send(ctx context.Context, e envelope) error {
	stop := context.AfterFunc(ctx, s.raw.abort)
	defer func() {
		if !stop() { // aborted, perhaps after the last answer
			s.fit = false
		}
	}()
	s.fit = false
	step := func(stage string, do func() error) error {
		if err := s.client.UpdateDeadline(s.timeout); err != nil {
			return &stageError{stage, err}
		}
		if err := do(); err != nil {
			return s.failed(stage, err)
		}
		return nil
	}
	if err := step(stageMail, func() error { return s.client.Mail(e.from) }); err != nil {
		return err
	}
	if err := step(stageRcpt, func() error { return s.client.Rcpt(e.to) }); err != nil {
		return err
	}
	var w io.WriteCloser
	err := step(stageData, func() (err error) { w, err = s.client.Data(); return err })
	if err != nil {
		return err
	}
	err = step(stageBody, func() error { _, err := w.Write(e.data); return err })
	if err != nil {
		return err
	}
	if err := step(stageDot, w.Close); err != nil {
		return err
	}
	s.fit = true
	return nil
}

// failed decides whether the connection can carry another message, and says where it broke.
func (s *session) failed(stage string, err error) error {
	if reply, ok := errors.AsType[*textproto.Error](err); ok && reply.Code != 421 {
		// After a refusal the server still holds what it heard of the transaction.
		s.fit = stage == stageDot || s.client.UpdateDeadline(s.timeout) == nil && s.client.Reset() == nil
	} else if stage == stageMail {
		err = fmt.Errorf("%w: %w", errStale, err)
	}
	return &stageError{stage, err}
}

// quit says goodbye without waiting long: the server may be gone.
func (s *session) quit() {
	if s.client.UpdateDeadline(time.Second) == nil {
		_ = s.client.Quit()
	}
	s.drop()
}

func (s *session) drop() { _ = s.raw.Close() }

// A conn is a connection that can be aborted for good: go-mail sets a new deadline before every command, and would lift
// the one that a cancelled context sets.
type conn struct {
	net.Conn
	mu      sync.Mutex
	aborted bool // guarded by mu
}

func (c *conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	_ = c.Conn.SetDeadline(time.Unix(1, 0))
}

// SetDeadline does nothing once the connection is aborted.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		return nil
	}
	return c.Conn.SetDeadline(t)
}

// A login signs in by the best mechanism that the server offers. One serves one connection.
//
// Source: RFC 4954; RFC 4616 (PLAIN), RFC 7677 (SCRAM-SHA-256).
type login struct {
	user, password, host string
	plain                bool // a password may go over a connection that is not encrypted: the operator said tls=none
	chosen               gosmtp.Auth
}

// Start chooses the mechanism.
func (l *login) Start(server *gosmtp.ServerInfo) (proto string, toServer []byte, err error) {
	offered := func(mechanism string) bool {
		return slices.ContainsFunc(server.Auth, func(s string) bool { return strings.EqualFold(s, mechanism) })
	}
	switch {
	case server.TLS && offered("PLAIN"):
		l.chosen = gosmtp.PlainAuth("", l.user, l.password, l.host, false)
	case offered("SCRAM-SHA-256"):
		l.chosen = gosmtp.ScramSHA256Auth(l.user, l.password)
	case offered("CRAM-MD5") && !server.TLS:
		l.chosen = gosmtp.CRAMMD5Auth(l.user, l.password)
	case offered("PLAIN"):
		l.chosen = gosmtp.PlainAuth("", l.user, l.password, l.host, l.plain)
	case offered("LOGIN"):
		l.chosen = gosmtp.LoginAuth(l.user, l.password, l.host, l.plain)
	case offered("CRAM-MD5"):
		l.chosen = gosmtp.CRAMMD5Auth(l.user, l.password)
	default:
		return "", nil, fmt.Errorf("server offers no way to sign in that is known here: %s", strings.Join(server.Auth, " "))
	}
	return l.chosen.Start(server)
}

// Next answers a challenge.
func (l *login) Next(fromServer []byte, more bool) ([]byte, error) {
	return l.chosen.Next(fromServer, more)
}
