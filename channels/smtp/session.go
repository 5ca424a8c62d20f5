package smtp

import (
	"context"
	"errors"
	"fmt"
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
	client    *gosmtp.Client
	raw       *conn
	timeout   time.Duration // of each command
	used      time.Time
	fit       bool // for another message
	pipelines bool // the server takes commands before it has answered the one before
	eightBit  bool
}

// send makes one transaction, in four round trips, or in two with a server that takes commands in a row. It does so on the
// connection itself, because go-mail's SendWithSMTPClient hides at which command it broke, and on that depends whether
// the message may have been taken.
func (s *session) send(ctx context.Context, e envelope) error {
	stop := context.AfterFunc(ctx, s.raw.abort)
	defer func() {
		if !stop() { // aborted, perhaps after the last answer
			s.fit = false
		}
	}()
	s.fit = false
	if strings.ContainsAny(e.from+e.to, "\r\n") {
		return &stageError{stageMail, errors.New("address has a line break")}
	}
	open := s.open
	if s.pipelines {
		open = s.openAtOnce
	}
	if err := open(e); err != nil {
		return err
	}
	if err := s.write(e.data); err != nil { // then the line that ends it is not out
		return s.failed(stageBody, err)
	}
	if err := s.answer(250); err != nil {
		return s.failed(stageDot, err)
	}
	s.fit = true
	return nil
}

// open says MAIL, RCPT and DATA, each when the one before is answered.
func (s *session) open(e envelope) error {
	for _, c := range s.commands(e) {
		err := s.write([]byte(c.line))
		if err == nil {
			err = s.answer(c.want)
		}
		if err != nil {
			return s.failed(c.stage, err)
		}
	}
	return nil
}

// openAtOnce says MAIL, RCPT and DATA in one go and then reads the three answers. The first that is no success is what
// became of the message. A server that is ready for the text of a message that nobody gets is given none.
//
// Source: RFC 2920, section 3.1.
func (s *session) openAtOnce(e envelope) error {
	commands := s.commands(e)
	if err := s.write([]byte(commands[0].line + commands[1].line + commands[2].line)); err != nil {
		return s.failed(stageMail, err)
	}
	var first error
	stage, ready, ended := "", false, false
	for _, c := range commands {
		err := s.answer(c.want)
		if err != nil && first == nil {
			first, stage = err, c.stage
		}
		ready = err == nil && c.stage == stageData
		if ended = closing(err); ended {
			break
		}
	}
	switch {
	case first == nil:
		return nil
	case ready:
		s.fit = s.write([]byte(".\r\n")) == nil && !closing(s.answer(250))
		return &stageError{stage, first}
	case ended && !closing(first): // there is nobody to take a RSET
		return &stageError{stage, first}
	default:
		return s.failed(stage, first)
	}
}

// closing reports whether err ends the connection: all but a refusal does.
func closing(err error) bool {
	reply, ok := errors.AsType[*textproto.Error](err)
	return err != nil && (!ok || reply.Code == 421)
}

// A command is a line of a transaction and the first digits of its success.
type command struct {
	stage, line string
	want        int
}

func (s *session) commands(e envelope) [3]command {
	body := ""
	if s.eightBit {
		body = " BODY=8BITMIME"
	}
	return [3]command{
		{stageMail, "MAIL FROM:" + e.from + body + "\r\n", 250},
		{stageRcpt, "RCPT TO:" + e.to + "\r\n", 25},
		{stageData, "DATA\r\n", 354},
	}
}

// write sends b at once.
func (s *session) write(b []byte) error {
	if err := s.client.UpdateDeadline(s.timeout); err != nil {
		return err
	}
	if _, err := s.client.Text.W.Write(b); err != nil {
		return err
	}
	return s.client.Text.W.Flush()
}

// answer reads one. Any other than want is a *textproto.Error.
func (s *session) answer(want int) error {
	if err := s.client.UpdateDeadline(s.timeout); err != nil {
		return err
	}
	_, _, err := s.client.Text.ReadResponse(want)
	return err
}

// failed decides whether the connection can carry another message, and says where it broke.
func (s *session) failed(stage string, err error) error {
	if !closing(err) {
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
